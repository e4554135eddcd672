"""``enrich.origin``: writes into each event where its line comes from."""

from __future__ import annotations

import platform
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from tailrace.pipeline import batch
from tailrace.pipeline.batch import Event
from tailrace.pipeline.keys import Problems


@dataclass
class Origin:
    """Add the line's place. Each key names the field that takes the value; an empty name leaves it out.

    ``event_id`` is ``<state>-<stream>:<offset>``: the same for the same line after every restart and rename, another
    one after a truncation and on another host. Further events of one line have ``.1``, ``.2`` ... behind it. ``file``,
    ``path``, ``offset`` and ``event_id`` replace what a line may claim about itself; ``host``, this machine's name, is
    only set where the line has named none. Bytes of a name that are not UTF-8 are written ``\\xff``.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.origin"
        event_id = ""
        host = ""

    Lines::

        {"msg": "order paid"}
        {"msg": "order sent"}
    """

    plain: ClassVar[bool] = True

    file: str = "file"  # the file's name: its base name when first seen
    path: str = ""  # where it was found
    offset: str = "offset"  # bytes from the beginning of the file to the line
    event_id: str = "event_id"
    host: str = "host"

    def __post_init__(self) -> None:
        if not any((self.file, self.path, self.offset, self.event_id, self.host)):
            raise ValueError("every field is left out: the stage would do nothing")
        problems = Problems()
        before: dict[str, str] = {}
        for one in fields(self):
            name = getattr(self, one.name)
            if name in before:
                key, other = (before[name], one.name) if name == one.default else (one.name, before[name])
                problems.add(key, f"the field {name!r} holds `{other}` already")
            elif name:
                before[name] = one.name
        problems.check()
        self._hostname = platform.node()
        self.id_field = self.event_id
        self._origin: batch.Origin | None = None

    def locate(self, origin: batch.Origin) -> None:
        self._origin = origin

    def process(self, events: list[Event]) -> list[Event]:
        if self._origin is None:
            raise RuntimeError("process() was called before locate()")
        origin = self._origin
        constants: dict[str, Any] = {}
        if self.file:
            constants[self.file] = _printable(origin.name)
        if self.path:
            constants[self.path] = _printable(origin.path)
        offset_field, id_field, host_field = self.offset, self.event_id, self.host
        prefix = f"{origin.key}:"
        for event, offset in zip(events, origin.places, strict=True):
            event.update(constants)
            if offset_field:
                event[offset_field] = offset
            if id_field:
                event[id_field] = f"{prefix}{offset}"
            if host_field and event.get(host_field) is None:
                event[host_field] = self._hostname
        return events


def _printable(name: str) -> str:
    """``name`` with bytes that are no UTF-8 spelled out: Python holds them as surrogates, which no encoder takes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
