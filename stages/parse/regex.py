"""Lines described by the user's own regular expressions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.keys import Problems
from tailrace.stages.patterns.costs import Costs
from tailrace.stages.patterns.dialect import compile_pattern
from tailrace.stages.patterns.line import LinePattern, Row
from tailrace.stages.patterns.place import place
from tailrace.stages.patterns.reach import Fault, Reach
from tailrace.stages.values.conversion import Column, Kind, OnBadType, Types, excerpt
from tailrace.stages.values.times import DEFAULT_FORMATS

_Build = Callable[[Sequence[Row]], list[Any]]


@dataclass
class Regex:
    """The named groups of ``pattern``, or of the first of ``patterns`` that matches, become the fields.

    A pattern is searched for anywhere in the line (anchor it with ``^`` and ``$``: misses are found sooner). The
    syntax is Python's; ``(?<name>...)``, ``\\z`` and POSIX classes (``[[:alpha:]]``, ASCII) are understood too. A group
    that is empty or took no part in the match is null.
    ``types`` converts groups: ``int`` and ``float`` (decimal, 64 bits), ``bool``, ``timestamp`` (to RFC 3339 in UTC:
    ``time_formats`` in order, see enrich.timestamp; ``timezone``, a name or ``local``, for times without one; without a
    year, the latest that puts it not more than 7 days after the file's last write), ``ip``, ``string``.
    ``on_bad_type``: ``error`` makes the line a dead letter, ``null`` or ``string`` keep it.

    Fails: ``no_match``, ``bad_type``, ``bad_timestamp``.

    Example::

        [[stages]]
        use = "parse.regex"
        patterns = [
            '^(?P<time>[0-9-]+ [0-9:.]+) \\[(?P<worker>\\d+)\\] (?P<level>[[:upper:]]+) (?P<message>.*)$',
            '^(?P<time>[0-9-]+ [0-9:.]+) (?P<job>\\w+) took (?P<seconds>[0-9.]+) s$',
        ]
        types = { time = "timestamp", worker = "int", seconds = "float" }
        timezone = "Europe/Berlin"

    Lines::

        2026-02-02 11:30:45.123 [3] INFO order 7 paid
        2026-02-02 11:30:46.001 backup took 12.5 s
        2026-02-30 11:30:47.000 [3] INFO order 8 paid
        2026-02-02 11:30:48.500 [main] INFO order 9 paid
    """

    plain: ClassVar[bool] = True

    pattern: str = ""  # with named groups
    patterns: list[str] = field(default_factory=list)  # several, tried in order
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        sources = {"pattern": self.pattern} if self.pattern else {}
        sources |= {f"patterns[{index}]": source for index, source in enumerate(self.patterns)}
        problems = Problems()
        if not sources:
            problems.add("", r"give a `pattern`, such as pattern = '^(?P<level>\w+) (?P<message>.*)$'")
        patterns, groups = {}, []
        for key, source in sources.items():
            with problems.of(key):
                compiled = compile_pattern(source)
                groups.append(_groups(compiled))
                patterns[key] = compiled.pattern
        known = sorted({name for names in groups for name in names if name})
        if not problems:  # else the group may be one of a pattern that is wrong
            for name in [name for name in self.types if name not in known]:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"the groups are {', '.join(known)}"
                problems.add(f"types.{name}", f"no pattern has a group {name!r}; {hint}")
        with problems.of(""):
            self._types = Types(self.types, self.on_bad_type, self.time_formats, self.timezone)
        problems.check()
        self._cascade = [
            (key, LinePattern(pattern), _builder(names, self._types.columns))
            for (key, pattern), names in zip(patterns.items(), groups, strict=True)
        ]
        self._costs = Costs(patterns)
        self._reaches = {key: Reach(pattern, anywhere=True) for key, pattern in patterns.items()}

    def parse(self, lines: Lines) -> list[Event | Fail]:
        self._types.locate(lines.origin)
        events = self._match(lines.texts if lines.several_lines else lines.text, 0)
        self._types.settle(events)
        return events

    def _match(self, records: str | list[str], first: int) -> list[Event | Fail]:
        """By the patterns from ``first`` on. What one misses is joined to a smaller piece for the next."""
        key, pattern, build = self._cascade[first]
        with self._costs.of(key):
            rows = pattern.rows(records) if isinstance(records, str) else pattern.rows_of(records)
            events: list[Event | Fail] = build(rows)
        missed = [i for i, row in enumerate(rows) if row[-1]]
        self._costs.matched(key, len(rows) - len(missed))
        if missed:
            if first + 1 < len(self._cascade):
                left = [rows[i][-1] for i in missed]
                others = self._match("\n".join(left) if isinstance(records, str) else left, first + 1)
            else:
                others = [Fail("no_match", self._why(rows[i][-1])) for i in missed]
            for i, other in zip(missed, others, strict=True):
                events[i] = other
        return events

    def costs(self) -> Mapping[str, tuple[float, int]]:
        """See ``stage.Costs``."""
        return self._costs.take()

    def _why(self, line: str) -> str:
        """What keeps the line from matching: of several patterns, the one that gets farthest."""
        faults = [(key, fault) for key, reach in self._reaches.items() if (fault := reach.fault(line))]
        why = "the pattern does not match"
        if len(self._reaches) > 1:
            why = f"none of the {len(self._reaches)} patterns matches"
        if not faults:
            return f"{why}: {excerpt(line)}"
        key, fault = max(faults, key=lambda found: found[1].position)
        if len(self._reaches) > 1:
            why += f"; {key} gets farthest"
        return f"{why}: {fault}{_place(line, fault)}"


def _place(line: str, fault: Fault) -> str:
    if fault.nowhere:
        return f", which is nowhere in the line: {excerpt(line)}"
    begins = f" (the match begins at column {fault.start + 1})" if fault.start else ""
    return f" {place(line, fault.position)}{begins}"


def _groups(compiled: re.Pattern[str]) -> list[str]:
    """The name of each group of the pattern in order, '' for those without."""
    if not compiled.groupindex:
        source = compiled.pattern
        raise ValueError(f"pattern {source!r} has no named group; write (?P<name>...) for what is to become a field")
    names = {number: name for name, number in compiled.groupindex.items()}
    return [names.get(number, "") for number in range(1, compiled.groups + 1)]


def _builder(names: Sequence[str], columns: dict[str, Column]) -> _Build:
    """Rows to events by a compiled list comprehension: twice as fast as ``dict(zip(names, row))`` and conversions."""
    variables = [f"v{i}" for i in range(len(names))]
    known = {f"c{i}": columns[name] for i, name in enumerate(names) if name in columns}
    items = [
        f"{name!r}: {f'(c{i}[v{i}] if v{i} else None)' if f'c{i}' in known else f'v{i} or None'}"
        for i, name in enumerate(names)
        if name
    ]
    source = f"lambda rows: [{{{', '.join(items)}}} for {', '.join(variables)}, _ in rows]"
    build: _Build = eval(source, known)  # noqa: S307 - made of numbers and of group names, which are identifiers
    return build
