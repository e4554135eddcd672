"""Lines of QRadar's Log Event Extended Format: ``LEEF:2.0|Vendor|Product|1.0|41|^|src=192.0.2.1^dst=192.0.2.9``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.keys import Problems, Whole
from tailrace.stages.patterns.place import place
from tailrace.stages.values.conversion import Kind, OnBadType, Types, excerpt
from tailrace.stages.values.repeated import Duplicates, gather
from tailrace.stages.values.times import DEFAULT_FORMATS

_AUTO = "auto"

_HEADER = re.compile(r"(.*?)LEEF: ?([12](?:\.[0-9]++)?+)" + r"\|([^|]*+)" * 4 + r"(?:\||\Z)", re.DOTALL)
_USUAL = "LEEF:1.0"
_DELIMITER = re.compile(r"(|[^|]|(?:0[xX]|[xX])[0-9A-Fa-f]{1,4})\|", re.DOTALL)
_HEX = re.compile(r"(?:0[xX]|[xX])([0-9A-Fa-f]{1,4})")
_BEGIN = re.compile(r"LEEF: ?([12](?:\.[0-9]++)?+)")
_PART = re.compile(r"\|[^|]*+", re.DOTALL)


@dataclass
class Leef:
    r"""Fields ``leefVersion vendor product version eventId`` and the attributes by their own names; all are strings
    unless ``types`` (see parse.regex) converts them, such as ``types = { devTime = "timestamp" }``.

    What stands in front of ``LEEF:`` (a syslog header) is kept as it is in ``prefix``, which parse.syslog with
    ``field = "prefix"`` understands. Only the first ``=`` of an attribute is between key and value.

    ``delimiter``: what stands between the attributes. ``auto`` is that of the header (LEEF 2.0: a character, or its
    code as ``x5E`` or ``0x5E``), or else a tab; any other is taken whatever the header says.

    Fails: ``no_match``, ``too_large`` (more than ``max_keys`` attributes), ``bad_type``, ``bad_timestamp``.

    Example::

        [[stages]]
        use = "parse.leef"
        types = { devTime = "timestamp", sev = "int" }
        time_formats = ["%b %d %Y %H:%M:%S"]

    Lines::

        LEEF:2.0|Example|Firewall|2.1|blocked|^|devTime=Feb 02 2026 10:30:45^src=192.0.2.7^dst=198.51.100.9^sev=5
        <134>Feb  2 10:30:46 fw1 LEEF:1.0|Example|Firewall|2.1|41|src=192.0.2.9	msg=a=b	sev=2
        LEEF:2.0|Example|Firewall|2.1|blocked|^|src=192.0.2.7^hello
    """

    plain: ClassVar[bool] = True

    delimiter: str = _AUTO  # between the attributes: that of the header, or this one
    duplicates: Duplicates = "array"
    max_keys: Annotated[int, Whole(1, 1_000_000, "a line with more keys is a dead letter")] = 256
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        problems = Problems()
        self._fixed = "" if self.delimiter == _AUTO else _character(self.delimiter)
        if self.delimiter != _AUTO and (len(self._fixed) != 1 or self._fixed == "="):
            problems.add(
                "delimiter", f'found {self.delimiter!r}, expected "auto", a character, or a code such as "x5E"'
            )
        with problems.of(""):
            self._types = Types(self.types, self.on_bad_type, self.time_formats, self.timezone)
        problems.check()

    def parse(self, lines: Lines) -> list[Event | Fail]:
        self._types.locate(lines.origin)
        delimiter, most = self._fixed or "\t", self.max_keys
        events: list[Event | Fail] = []
        for line in lines.texts:
            parts = line.split("|", 5)
            if parts[0] != _USUAL or len(parts) < 6:
                events.append(self._line(line))
                continue
            _, vendor, product, version, event_id, rest = parts
            attributes = [attribute.split("=", 1) for attribute in rest.split(delimiter)]
            event: Event = {
                "leefVersion": _USUAL[5:],
                "vendor": vendor,
                "product": product,
                "version": version,
                "eventId": event_id,
            }
            count = len(attributes)
            try:
                event.update(attributes)  # type: ignore[arg-type]  # pairs, or it raises
            except ValueError:
                events.append(self._line(line))
                continue
            usual = len(event) == 5 + count <= 5 + most and "" not in event
            events.append(event if usual else self._line(line))
        if self.types:
            self._types.convert(events)
        return events

    def _line(self, line: str) -> Event | Fail:
        """Of any form."""
        header = _HEADER.match(line)
        if header is None:
            return Fail("no_match", _fault(line))
        prefix, leef_version, vendor, product, version, event_id = header.groups()
        start, delimiter = header.end(), "\t"
        if leef_version[0] == "2" and (found := _DELIMITER.match(line, start)):
            start, delimiter = found.end(), _character(found[1]) or delimiter
        delimiter = self._fixed or delimiter
        head: Event = {
            "leefVersion": leef_version,
            "vendor": vendor,
            "product": product,
            "version": version,
            "eventId": event_id,
        }
        if prefix:
            head = {"prefix": prefix, **head}
        attributes = [attribute.split("=", 1) for attribute in line[start:].split(delimiter)]
        try:
            event: Event = head | dict(attributes)  # pairs, or it raises
        except ValueError:
            return self._unusual(head, line, start, delimiter)
        if len(event) != len(head) + len(attributes) or len(attributes) > self.max_keys or "" in event:
            return self._unusual(head, line, start, delimiter)
        return event

    def _unusual(self, head: Event, line: str, start: int, delimiter: str) -> Event | Fail:
        """``head``: what the header gives."""
        pairs = list(head.items())
        position = start
        for attribute in line[start:].split(delimiter):
            key, equals, value = attribute.partition("=")
            if attribute and not (key and equals):
                return Fail(
                    "no_match", f"expected a key and = behind {delimiter!r} or the header {place(line, position)}"
                )
            if attribute:
                pairs.append((key, value))
            position += len(attribute) + 1
        if len(pairs) - len(head) > self.max_keys:
            return Fail("too_large", f"{len(pairs) - len(head)} attributes, max_keys is {self.max_keys}")
        return gather(pairs, self.duplicates)


def _character(text: str) -> str:
    """A delimiter that is told by itself or by its code."""
    code = _HEX.fullmatch(text)
    return chr(int(code[1], 16)) if code else text


def _fault(line: str) -> str:
    """What is wrong with a line that has not the five parts of the header."""
    begin = _BEGIN.search(line)
    if begin is None:
        return f"expected LEEF: and the version 1.0 or 2.0, nowhere in the line: {excerpt(line)}"
    position = begin.end()
    for name in ("vendor", "product", "version", "event id"):
        match = _PART.match(line, position)
        if match is None:
            return f"expected a | and the {name} {place(line, position)}"
        position = match.end()
    raise AssertionError("this is a whole header")
