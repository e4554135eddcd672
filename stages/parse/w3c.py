"""The W3C Extended Log File Format: IIS, Azure, CloudFront, Exchange and others with ``#Fields`` lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote, unquote_plus

from tailrace.pipeline.batch import Event, Fail, Lines, Origin, Skip
from tailrace.pipeline.errors import MemoryFull
from tailrace.pipeline.keys import Problems
from tailrace.pipeline.stage import Memory
from tailrace.stages.patterns.place import place
from tailrace.stages.values.conversion import Column, Kind, OnBadType, Types, excerpt, to_float
from tailrace.stages.values.times import BAD_TIMESTAMP, DEFAULT_FORMATS, Times

_FIELDS = re.compile(r"#fields:[ \t]*+(.*)", re.IGNORECASE | re.DOTALL)
_HEADER = Skip("header")
_LOCAL = re.compile("#Time Format: *Local", re.IGNORECASE)  # Windows' firewall
_WHOLE_NUMBERS: dict[str, Kind] = {"sc-status": "int", "sc-bytes": "int", "cs-bytes": "int", "time-taken": "int"}
_TAKEN = "time-taken"  # milliseconds in IIS, seconds with a fraction in CloudFront
_FRACTION = re.compile(r"[0-9]{1,15}\.[0-9]{1,15}").fullmatch
_MOST_NAMES, _LONGEST = 1_000, 32_768  # of a #Fields line
_LAYOUTS = 64  # that are kept ready
_STREAMS = 10_000  # whose #Fields lines are remembered, at some 400 bytes each
_DAY = 86_400

Row = list[str]


class Remembered(NamedTuple):
    """What the stage's memory holds of a stream, by its key: when it was last in use, its path, its #Fields."""

    clock: float
    path: str
    names: str


@dataclass
class W3c:
    """The fields are those that the last ``#Fields`` line before names, as they are spelled there.

    That line is remembered for each file, over pieces and restarts; therefore the chain runs in one worker. A file
    without one is read by the last one of an earlier file of the same path, else by ``fields``: names as they stand
    behind ``#Fields:``. Lines that begin with ``#`` yield no event; they are counted as filtered.

    - Values stand behind blanks or tabs, or commas where those separate the names, too (Exchange). They may be quoted
      (``"a ""b"" c"``) but for those behind tabs. ``-`` is null, between commas the empty value.
    - ``date`` and ``time``, or ``date-time``, become ``timestamp``, RFC 3339 in UTC, unless the line has such a field.
      The format has UTC; ``timezone`` is for logs that do not keep to it. Windows' firewall says so (``#Time Format:
      Local``): that line is a dead letter as long as ``timezone`` is UTC. ``keep_date_time = true`` keeps them.
    - ``sc-status``, ``sc-bytes``, ``cs-bytes`` and ``time-taken`` are integers (``time-taken`` a float if it has a
      fraction); ``types`` adds others or replaces these (see parse.regex).
    - ``percent_decode`` and ``plus_decode`` name fields in which ``%20`` (CloudFront), or ``+`` too (IIS), are decoded.

    Fails: ``no_match`` (no ``#Fields`` yet, more or fewer values than names, bad names), ``bad_timestamp``,
    ``bad_type``.

    Example::

        [[stages]]
        use = "parse.w3c"
        plus_decode = ["cs(User-Agent)"]

    Lines::

        #Software: Microsoft Internet Information Services 10.0
        #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query cs-username c-ip cs(User-Agent) sc-status time-taken
        2026-02-02 10:30:45 192.0.2.20 GET /cart id=7 - 192.0.2.7 Mozilla/5.0+(X11;+Linux+x86_64) 200 12
        2026-02-02 10:30:46 192.0.2.20 POST /pay - ann 192.0.2.9 curl/8.5.0 502 5003
        2026-02-02 10:30:47 192.0.2.20 GET /cart
    """

    plain: ClassVar[bool] = True
    memory: ClassVar[Memory] = Memory()

    fields: str = ""  # names for a file without a #Fields line, as they stand in one
    keep_date_time: bool = False  # keeps `date` and `time` beside the `timestamp` that is made of them
    percent_decode: list[str] = field(default_factory=list)  # fields in which %20 becomes a blank
    plus_decode: list[str] = field(default_factory=list)  # fields in which + does, too
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        problems = Problems()
        with problems.of(""):
            self._types = Types({**_WHOLE_NUMBERS, **self.types}, self.on_bad_type, self.time_formats, self.timezone)
            self._times = Column(Times(["rfc3339"], self.timezone), BAD_TIMESTAMP)
        if self.fields:
            with problems.of("fields"):
                _names(self.fields)
        for name in sorted({*self.percent_decode} & {*self.plus_decode}):
            problems.add("plus_decode", f"{name!r} is in percent_decode, too, which it includes")
        problems.check()
        self._decoded = {name: Column(unquote) for name in self.percent_decode}
        self._decoded |= {name: Column(unquote_plus) for name in self.plus_decode}
        if _TAKEN not in self.types:
            column = self._types.columns[_TAKEN]
            column.convert = _or_float(column.convert)
        self._layouts: dict[str, _Layout] = {}

    def parse(self, lines: Lines) -> list[Event | Fail | Skip]:
        self._types.locate(lines.origin)
        texts = lines.texts
        names = self._known(lines.origin)
        headers = [i for i, text in enumerate(texts) if text[0] == "#"]
        if not headers:
            return self._events(texts, names)
        entries: list[Event | Fail | Skip] = []
        for header in headers:
            if len(entries) < header:
                entries += self._events(texts[len(entries) : header], names)
            entry: Fail | Skip = self._header(texts[header])
            if match := _FIELDS.match(texts[header]):
                names = match[1].strip()
                try:
                    _names(names)
                except ValueError as error:
                    entry = Fail("no_match", f"#Fields: {error}")
                    names = ""
                self._remember(lines.origin, names, lines.origin.path)
            entries.append(entry)
        return entries + self._events(texts[len(entries) :], names)

    def _header(self, text: str) -> Fail | Skip:
        if self.timezone == "UTC" and _LOCAL.match(text):
            remedy = "set `timezone` to the machine's zone, or to 'Etc/UTC' if that is UTC"
            return Fail(BAD_TIMESTAMP, f"the times of this file are local, and they are read as UTC: {remedy}")
        return _HEADER

    def _known(self, origin: Origin) -> str:
        """The names for the first lines of a piece."""
        value = self.memory.get(origin.key)
        if value is not None:
            known = Remembered(*value)
            if origin.clock - known.clock > _DAY:
                self._remember(origin, known.names, known.path)
            return known.names
        others = [
            known for known in (Remembered(*value) for value in self.memory.values()) if known.path == origin.path
        ]
        if not others:
            return self.fields
        names = max(others).names
        self._remember(origin, names, origin.path)
        return names

    def _remember(self, origin: Origin, names: str, path: str) -> None:
        if len(self.memory) >= _STREAMS and origin.key not in self.memory:
            self._forget()
        value = list(Remembered(origin.clock, path, names))
        try:
            self.memory[origin.key] = value
        except MemoryFull:
            self._forget()
            self.memory[origin.key] = value

    def _forget(self) -> None:
        """The streams that were not in use for longest, a quarter of them: nobody tells when a file is gone."""
        streams = sorted(self.memory, key=lambda key: Remembered(*self.memory[key]).clock)
        for key in streams[: len(streams) // 4 + 1]:
            del self.memory[key]

    def _events(self, lines: list[str], names: str) -> list[Any]:
        if not names:
            why = "no #Fields line stands before this one; the key `fields` can tell the names"
            return [Fail("no_match", f"{why}: {excerpt(line)}") for line in lines]
        layout = self._layouts.get(names)
        if layout is None:
            if len(self._layouts) >= _LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[names] = self._layout(names)
        rows = layout.rows(lines)
        count = len(layout.names)
        wrong = [i for i, row in enumerate(rows) if len(row) != count]
        for i in wrong:
            rows[i] = [""] * count
        events = layout.build(rows)
        if self._times.take_failed():
            for i, event in enumerate(events):
                time = event["timestamp"]
                if type(time) is Fail:
                    events[i] = Fail(time.code, f"timestamp: {time.why}")
        self._types.settle(events)
        for i in wrong:
            events[i] = Fail("no_match", layout.fault(lines[i]))
        return events

    def _layout(self, names: str) -> _Layout:
        separator, listed = _names(names)
        columns = {**self._decoded, **self._types.columns}
        known: dict[str, Any] = {f"c{i}": columns[name] for i, name in enumerate(listed) if name in columns}
        known["times"] = self._times
        present = "{0}" if separator == "," else "{0} and {0} != '-'"
        items = []
        joined = _time_of(listed)
        if joined:
            moment = " + ' ' + ".join([f"v{i}" for i in joined])
            both = " and ".join([present.format(f"v{i}") for i in joined])
            items.append(f"'timestamp': times[{moment}] if {both} else None")
        for i, name in enumerate(listed):
            if self.keep_date_time or i not in joined:
                value = f"c{i}[v{i}]" if f"c{i}" in known else f"v{i}"
                items.append(f"{name!r}: {value} if {present.format(f'v{i}')} else None")
        variables = "".join([f"v{i}, " for i in range(len(listed))])
        source = f"lambda rows: [{{{', '.join(items)}}} for {variables} in rows]"
        build = eval(source, known)  # noqa: S307 - made of numbers and of names as literals
        return _Layout(separator, listed, build)


class _Layout:
    """One #Fields line: how lines are cut, and made to events."""

    def __init__(self, separator: str, names: Sequence[str], build: Callable[[list[Row]], list[Any]]) -> None:
        self.names, self.build = names, build
        self._separator = separator
        self._tabs = len(names) - 1  # behind names that blanks separate, values may stand behind tabs
        self._quoted = re.compile(rf'(?:"((?:[^"]++|"")*+)"(?={separator})|([^{separator}]*+)){separator}').findall

    def rows(self, lines: list[str]) -> list[Row]:
        separator = self._separator
        if separator == "\t":
            return [line.split("\t") for line in lines]
        return [line.split(separator) if '"' not in line and "\t" not in line else self._row(line) for line in lines]

    def fault(self, line: str) -> str:
        found = self._row(line)
        what = {" ": "a blank", "\t": "a tab", ",": "a comma"}[self._separator]
        wanted = (
            f"expected {len(self.names)} values, as #Fields has names, with {what} between them; found {len(found)}"
        )
        return f"{wanted} {place(line, 0 if len(found) > len(self.names) else len(line))}"

    def _row(self, line: str) -> Row:
        separator = self._separator
        if separator == "\t" or (separator == " " and line.count("\t") == self._tabs):
            return line.split("\t")
        if '"' in line:
            row = [
                (quoted or plain).replace('""', '"') if quoted else plain
                for quoted, plain in self._quoted(line + separator)
            ]
            if separator == "," or len(row) == len(self.names):
                return row
        return line.split(separator)


def _names(text: str) -> tuple[str, list[str]]:
    """What separates the names that stand behind ``#Fields:``, and these; ValueError."""
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    separator = "\t" if "\t" in text else "," if "," in text else " "
    names = [name.strip() for name in text.split(separator)] if separator == "," else text.split()
    if not names or "" in names:
        raise ValueError(f"expected names, found {excerpt(text)}")
    if len(names) > _MOST_NAMES:
        raise ValueError(f"more than {_MOST_NAMES} names")
    if len({*names}) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"{twice!r} stands there twice")
    return separator, names


def _time_of(names: Sequence[str]) -> list[int]:
    """Which of the fields are the time of the event."""
    if "timestamp" in names:
        return []
    for wanted in (["date", "time"], ["date-time"]):
        if all(name in names for name in wanted):
            return [names.index(name) for name in wanted]
    return []


def _or_float(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: to_float(text) if _FRACTION(text) else convert(text)
