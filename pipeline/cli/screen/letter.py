"""One dead letter, all of it, as lines for a terminal. Nothing of it is printed unescaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tailrace.pipeline.escape import escape
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.telemetry.wrap import wrap

if TYPE_CHECKING:
    from tailrace.pipeline.state.letters import Letter

_DUMPED = 1024  # bytes of a binary line that are dumped


def described(letter: Letter, columns: int | None) -> Iterator[str]:
    """``columns``: of the terminal; None: there is none, and nothing is broken."""
    kept = f"the first {readable_size(len(letter.raw))} kept" if letter.raw else "not kept"
    size = readable_size(letter.length) + (f", {kept}" if letter.cut else "")
    facts = {
        "id": letter.id, "time": letter.when, "stage": letter.stage, "error": letter.error, "why": letter.why,
        "attempts": letter.attempts, "file": letter.file, "path": letter.path, "file id": letter.stream,
        "offset": letter.offset, "length": size, "event id": letter.event_id, "sink's words": letter.sink,
        "config": letter.config,
    }  # fmt: skip
    width = max(map(len, facts))
    for name, value in facts.items():
        if value is not None:
            yield wrap(f"{name:<{width}}  {escape(str(value))}", columns, indent=width + 2)
    if letter.raw or not letter.cut:
        yield "line"
        yield f"  {escape(letter.raw.decode(errors='surrogateescape'))}"
    if letter.text() is None or re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", letter.raw):
        yield "bytes"
        for at in range(0, min(len(letter.raw), _DUMPED), 16):
            yield f"  {at:08x}  {_dumped(letter.raw[at : at + 16])}"
        if len(letter.raw) > _DUMPED:
            yield f"  ... {readable_size(len(letter.raw) - _DUMPED)} more; `tailrace dlq export` gives them all"
    if letter.event is not None:
        yield "event"
        for line in json.dumps(parsed(letter.event), indent=2, ensure_ascii=False).splitlines():
            yield f"  {escape(line)}"
    if letter.trace is not None:
        yield "traceback"
        for line in letter.trace.splitlines():
            yield f"  {escape(line)}"


def _dumped(data: bytes) -> str:
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
    return f"{data.hex(' ', 1):<47}  {text}"


def parsed(event: str) -> Any:
    """The event's fields; as text where it is not JSON, which only a stranger's hand can have put there."""
    try:
        return json.loads(event)
    except ValueError:
        return event
