"""Lines of ``key=value`` pairs: ``level=info msg="it works" debug``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.keys import Whole
from tailrace.stages.patterns.place import place
from tailrace.stages.values.conversion import Kind, OnBadType, Types, excerpt
from tailrace.stages.values.escapes import unescape
from tailrace.stages.values.repeated import Duplicates, gather
from tailrace.stages.values.times import DEFAULT_FORMATS

# The usual pair: a value without escapes, one blank behind it; or all the rest of the line, so that it stays linear.
# No "<" in the key: it may begin a PRI.
_USUAL_PAIRS = re.compile(r'([^ ="\t<]+)=("[^"\\]*"|[^ "\t]*)(?: |$)|.+', re.DOTALL).findall
# Key, "=", quoted value, plain value; or the rest of the line from where there is none.
_PAIRS = re.compile(
    r'[ \t]*+(?:([^ \t="]++)(?:(=)(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^ \t"][^ \t]*+)?+))?+(?=[ \t]|\Z)|(.+))',
    re.DOTALL,
)
_KEY = re.compile(r'[^ \t="]++')
_PRI = re.compile(r"<([0-9]{1,10})>")
_QUOTED = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


@dataclass
class Logfmt:
    """Each pair becomes a field, a string unless ``types`` (see parse.regex) converts it.

    A key alone is true, ``key=`` is the empty string. A quoted value may hold blanks and the escapes of JSON and Go
    (``\\"``, ``\\n``, ``\\u00e9``, ``\\U0001f600``; ``\\xc3\\xa9`` are bytes of UTF-8, or else of Latin-1); others
    stay as they are. A plain value ends at a blank or tab. A PRI in front (``<189>date=2024-01-01 ...``, as
    Fortinet's devices send) gives ``facility`` and ``severity``, unless the line has such keys itself.

    Fails: ``no_match`` (no pair at all, an unclosed quote, text behind a closing quote, a PRI above 191), ``too_large``
    (more than ``max_keys`` keys), ``bad_type``, ``bad_timestamp``.

    Example::

        [[stages]]
        use = "parse.logfmt"
        types = { ts = "timestamp", order = "int" }

    Lines::

        ts=2026-02-02T10:30:45.123Z level=info msg="order \\"7\\" paid" order=7 item=4 item=9 retried
        <189>date=2026-02-02 time=10:30:46 devname="fw1" action="deny" srcip=192.0.2.7
        level=error msg="cut in the mid
    """

    plain: ClassVar[bool] = True

    duplicates: Duplicates = "array"
    max_keys: Annotated[int, Whole(1, 1_000_000, "a line with more keys is a dead letter")] = 256
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        self._types = Types(self.types, self.on_bad_type, self.time_formats, self.timezone)

    def parse(self, lines: Lines) -> list[Event | Fail]:
        self._types.locate(lines.origin)
        events = [self._line(line) for line in lines.texts]
        if self.types:
            self._types.convert(events)
        return events

    def _line(self, line: str) -> Event | Fail:
        usual = _USUAL_PAIRS(line)
        if usual and usual[-1][0]:  # else the last one is what is no usual pair
            event: Event = dict(usual)
            if len(event) == len(usual) <= self.max_keys:
                if '"' in line:
                    return {key: value[1:-1] if value[:1] == '"' else value for key, value in usual}
                return event
        return self._unusual(line)

    def _unusual(self, line: str) -> Event | Fail:
        start, pri = 0, Event()
        if match := _PRI.match(line):
            number = int(match[1])
            if number > 191:
                return Fail("no_match", f"PRI {number} is above 191, {place(line, len('<'))}")
            start, pri = match.end(), {"facility": number >> 3, "severity": number & 7}
        found = _PAIRS.findall(line.rstrip(" \t"), start)
        if "\\" in line:
            found = [(key, equals, unescape(quoted), plain, junk) for key, equals, quoted, plain, junk in found]
        pairs = [(key, quoted or plain if equals else True) for key, equals, quoted, plain, _ in found]
        event: Event = dict(pairs)
        if "" in event:
            return Fail("no_match", _fault(line, start))
        if "=" not in line:
            return Fail("no_match", f"no key=value pair in the line: {excerpt(line)}")
        if len(event) > self.max_keys:
            return Fail("too_large", f"{len(event)} keys, max_keys is {self.max_keys}")
        if len(event) != len(pairs):
            event = gather(pairs, self.duplicates)
        return pri | event


def _fault(line: str, start: int) -> str:
    """What is wrong with a line that does not consist of pairs from ``start`` on."""
    position = next(match.start(5) for match in _PAIRS.finditer(line, start) if match[5])
    key = _KEY.match(line, position)
    if key is None:
        return f"expected a key {place(line, position)}"
    position = key.end()
    if line[position] != "=":
        return f"expected a blank or = after the key {key[0]!r} {place(line, position)}"
    quoted = _QUOTED.match(line, position + 1)
    if quoted is None:
        return f"the value of {key[0]!r} has no closing quote; it begins {place(line, position + 1)}"
    return f"expected a blank after the closing quote of {key[0]!r} {place(line, quoted.end())}"
