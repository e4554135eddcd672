"""Lines of ArcSight's Common Event Format: ``CEF:0|Vendor|Product|1.0|100|worm stopped|10|src=192.0.2.1 spt=1232``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.keys import Whole
from tailrace.stages.patterns.place import place
from tailrace.stages.values.conversion import Kind, OnBadType, Types, excerpt
from tailrace.stages.values.repeated import Duplicates, gather
from tailrace.stages.values.times import DEFAULT_FORMATS

_NAMES = (
    "cefVersion",
    *("deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name", "severity"),
)
_LABEL = "Label"

_KEY = r"[A-Za-z0-9_.\[\]-]++="
_PART = r"([^|\\]*+(?:\\.[^|\\]*+)*+)"
# What stands in front, the seven parts, the extension.
_HEADER = re.compile(r"(.*?)CEF: ?([0-9][0-9.]*+)" + rf"\|{_PART}" * 6 + r"(?:\|[ ]*+(.*)|\Z)", re.DOTALL)
# A value ends at the last blank before the next key. The usual one has neither a backslash nor an equals sign, and an
# equals sign in a value has a backslash in front.
_USUAL_PAIRS = re.compile(rf"({_KEY})([^ =\\]*+(?: (?!{_KEY})[^ =\\]*+)*+)(?: |\Z)|(.+)", re.DOTALL).findall
_STRICT_VALUE = rf"(?:[^ =\\]++|\\.?| (?!{_KEY}))*+"
_LAX_VALUE = rf"(?:[^ \\]++|\\.?| (?!{_KEY}))*+"
_PAIRS = {
    strict: re.compile(rf"({_KEY})({value})(?: |\Z)|(.+)", re.DOTALL)
    for strict, value in ((True, _STRICT_VALUE), (False, _LAX_VALUE))
}
_ONE_KEY = re.compile(_KEY)
_VALUE = re.compile(_STRICT_VALUE, re.DOTALL)

_BEGIN = re.compile(r"CEF: ?([0-9][0-9.]*+)")
_NEXT_PART = re.compile(rf"\|{_PART}", re.DOTALL)
_ESCAPE = re.compile(r"\\([\\|=nr])")
_ESCAPED = {"n": "\n", "r": "\r"}


@dataclass
class Cef:
    r"""Fields ``cefVersion deviceVendor deviceProduct deviceVersion deviceEventClassId name severity``, and those of
    the extension by their own names; all are strings unless ``types`` (see parse.regex) converts them.

    What stands in front of ``CEF:`` (a syslog header) is kept as it is in ``prefix``, which parse.syslog with
    ``field = "prefix"`` understands. ``\\``, ``\|``, ``\=``, ``\n`` and ``\r`` are taken back to what they stand for.

    - ``strict = false`` takes an equals sign without a backslash as part of the value (``request=http://h/?q=1``),
      where no key can end with it; with ``true`` such a line fails.
    - ``fold_labels = true`` makes of ``cs1Label=Reason cs1=spam`` the field ``Reason``; a label without its value, or
      with a name that is taken, stays as it is.

    Fails: ``no_match``, ``too_large`` (more than ``max_keys`` keys), ``bad_type``, ``bad_timestamp``.

    Example::

        [[stages]]
        use = "parse.cef"
        fold_labels = true
        types = { spt = "int" }

    Lines::

        CEF:0|Example|Firewall|2.1|100|worm stopped|10|src=192.0.2.7 spt=53114 cs1Label=rule cs1=worms, all
        Feb  2 10:30:46 fw1 CEF:0|Example|Firewall|2.1|200|drop \| log|5|request=http://example.com/?q\=1 msg=one\ntwo
        CEF:0|Example|Firewall|2.1|200|allowed|1|request=http://example.com/?q=1
    """

    plain: ClassVar[bool] = True

    strict: bool = True  # an = in a value has a backslash in front
    fold_labels: bool = False  # each value under the name that its label tells
    duplicates: Duplicates = "array"
    max_keys: Annotated[int, Whole(1, 1_000_000, "a line with more keys is a dead letter")] = 256
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        self._types = Types(self.types, self.on_bad_type, self.time_formats, self.timezone)
        self._pairs = _PAIRS[self.strict]

    def parse(self, lines: Lines) -> list[Event | Fail]:
        self._types.locate(lines.origin)
        events = [self._line(line) for line in lines.texts]
        if self.fold_labels:
            events = [_folded(event) if type(event) is dict else event for event in events]
        if self.types:
            self._types.convert(events)
        return events

    def _line(self, line: str) -> Event | Fail:
        header = _HEADER.match(line)
        if header is None:
            return Fail("no_match", _fault(line))
        if "\\" in line:
            return self._unusual(line, header)
        prefix, cef_version, vendor, product, version, class_id, name, severity, extension = header.groups()
        event: Event = {
            "cefVersion": cef_version,
            "deviceVendor": vendor,
            "deviceProduct": product,
            "deviceVersion": version,
            "deviceEventClassId": class_id,
            "name": name,
            "severity": severity,
        }
        if prefix:
            event = {"prefix": prefix, **event}
        if extension:
            pairs = _USUAL_PAIRS(extension.rstrip(" "))
            count = len(event) + len(pairs)
            event |= {key[:-1]: value for key, value, _ in pairs}
            if len(event) != count or len(pairs) > self.max_keys or "" in event:  # that of what is no usual pair
                return self._unusual(line, header)
        return event

    def _unusual(self, line: str, header: re.Match[str]) -> Event | Fail:
        prefix, *parts, extension = header.groups("")
        rows = self._pairs.findall(extension.rstrip(" "))
        if rows and rows[-1][2]:
            return Fail("no_match", self._extension_fault(line, header.start(9)))
        if len(rows) > self.max_keys:
            return Fail("too_large", f"{len(rows)} keys, max_keys is {self.max_keys}")
        pairs = [("prefix", prefix)] if prefix else []
        pairs += [(name, _unescape(part)) for name, part in zip(_NAMES, parts, strict=True)]
        pairs += [(key[:-1], _unescape(value)) for key, value, _ in rows]
        return gather(pairs, self.duplicates)

    def _extension_fault(self, line: str, start: int) -> str:
        position = next(match.start(3) for match in self._pairs.finditer(line, start) if match[3])
        key = _ONE_KEY.match(line, position)
        if key is None:
            return f"expected a key and = in the extension {place(line, position)}"
        value = _VALUE.match(line, key.end())
        assert value is not None, "it may be empty"
        name = key[0][:-1]
        return f"the value of {name!r} has an = without a backslash {place(line, value.end())}; strict = false takes it"


def _fault(line: str) -> str:
    """What is wrong with a line that has not the seven parts of the header."""
    begin = _BEGIN.search(line)
    if begin is None:
        return f"expected CEF: and a version, nowhere in the line: {excerpt(line)}"
    position = begin.end()
    for name in _NAMES[1:]:
        match = _NEXT_PART.match(line, position)
        if match is None:
            return f"expected a | and {name} {place(line, position)}"
        position = match.end()
    return f"expected a | after {_NAMES[-1]} {place(line, position)}"


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text)


def _folded(event: Event) -> Event:
    """With the values of ``cs1`` under the name that ``cs1Label`` tells."""
    for label in [name for name in event if name.endswith(_LABEL)]:
        name, said = label.removesuffix(_LABEL), event[label]
        if name in event and isinstance(said, str) and said and said not in event:
            event[said] = event.pop(name)
            del event[label]
    return event
