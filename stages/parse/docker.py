"""Lines of Docker's json-file log: ``{"log":"started\\n","stream":"stdout","time":"2024-01-01T00:00:00.123Z"}``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import orjson
from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.stages.parse.json import no_json
from tailrace.stages.values.stamps import Stamps
from tailrace.stages.values.typed import Typed


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    log: str
    time: str
    stream: str | None = None
    attrs: dict[str, str] | None = None


_decode = msgspec.json.Decoder(_Line).decode


@dataclass
class Docker(Typed):
    """Fields ``message stream timestamp`` (RFC 3339 in UTC), and ``attrs`` where the line has them: the labels and
    variables that the log driver was told to add.

    Docker splits what a program writes after 16 KiB without a newline: a part that has none at its end gets
    ``partial: true``. A record of several lines, as ``[source.multiline]`` joins them with
    ``preset = "docker"``, is one event with the parts in one and the time of the first. For JSON in the message put
    parse.json with ``field = "message"`` behind this stage.

    Fails: ``no_match``, ``bad_timestamp``.

    Example::

        [source.multiline]
        preset = "docker"

        [[stages]]
        use = "parse.docker"

    Lines::

        {"log":"order 7 paid\\n","stream":"stdout","time":"2026-02-02T10:30:45.123456789Z"}
        {"log":"a line that is too long for one,","stream":"stderr","time":"2026-02-02T10:30:46.001002003Z"}
        {"log":" and was split by Docker\\n","stream":"stderr","time":"2026-02-02T10:30:46.001002104Z"}
        {"log":"hello\\n","stream":"stdout","attrs":{"tag":"shop"},"time":"2026-02-02T10:30:47Z"}
        {"level":"info","msg":"order 8 paid"}
    """

    plain: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._stamps = Stamps()

    def events(self, lines: Lines) -> list[Event | Fail]:
        records = lines.ended  # with their newlines, which are white space
        entries: list[Any] = []
        rest = iter(records)
        while True:
            try:
                entries.extend(map(_decode, rest))
                break
            except ValueError:  # what stands before it in the piece is in the list already
                entries.append(_second_look(records[len(entries)]))
        whole = [entry for entry in entries if type(entry) is _Line]
        events = self._events(whole)
        if len(whole) < len(entries):
            rest_of = iter(events)
            events = [entry if type(entry) is Fail else next(rest_of) for entry in entries]
        return events

    def _events(self, lines: list[_Line]) -> list[Event | Fail]:
        times = self._stamps([line.time for line in lines])
        events: list[Event | Fail] = [
            {"message": log[:-1], "stream": line.stream, "timestamp": time}
            if (log := line.log)[-1:] == "\n" and line.attrs is None and log[-2:] != "\r\n"
            else _unusual(line, time)
            for line, time in zip(lines, times, strict=True)
        ]
        if self._stamps.failed:
            for i, time in enumerate(times):
                if type(time) is Fail:
                    events[i] = Fail(time.code, f"time: {time.why}")
        return events


def _unusual(line: _Line, time: Any) -> Event:
    event: Event = {"message": line.log, "stream": line.stream, "timestamp": time}
    if line.attrs is not None:
        event["attrs"] = line.attrs
    if line.log.endswith("\n"):
        event["message"] = line.log[:-1].removesuffix("\r")  # of a terminal
    else:
        event["partial"] = True
    return event


def _second_look(record: bytes) -> _Line | Fail:
    """Of a record that is not decoded as it stands: several lines, not UTF-8, or none of Docker's."""
    parts = [_decoded(text) for text in str(record, "utf-8", "replace").removesuffix("\n").split("\n")]
    for number, part in enumerate(parts, 1):
        if isinstance(part, Fail):
            return Fail(part.code, f"line {number} of the record: {part.why}") if len(parts) > 1 else part
    whole: Any = parts[0]
    if len({part.stream for part in parts}) > 1:  # type: ignore[union-attr]  # none of them is a Fail
        return Fail("no_match", "a record of several lines that are of different streams")
    whole.log = "".join([part.log for part in parts])  # type: ignore[union-attr]
    return whole  # type: ignore[no-any-return]


def _decoded(text: str) -> _Line | Fail:
    try:
        return _decode(text)
    except msgspec.ValidationError as error:
        return Fail("no_match", f"no line of Docker's json-file log: {error} (parse.json reads any object)")
    except msgspec.DecodeError as error:
        try:
            orjson.loads(text)  # tells the place
        except orjson.JSONDecodeError as told:
            return no_json(text, told)
        return Fail("no_match", f"not JSON: {error}")
