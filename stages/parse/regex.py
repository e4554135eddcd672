"""Lines described by the user's own regular expressions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.stages.patterns.line import LinePattern, Row
from tailrace.stages.values.conversion import Column, Kind, OnBadType, Types
from tailrace.stages.values.times import DEFAULT_FORMATS

_Build = Callable[[Sequence[Row]], list[Any]]


@dataclass
class Regex:
    """The named groups of ``pattern``, or of the first of ``patterns`` that matches, become the fields.

    A pattern is searched for anywhere in the line (anchor it with ``^`` and ``$``: misses are found sooner). The
    syntax is Python's; ``(?<name>...)`` is understood too. A group that is empty or took no part in the match is null.
    ``types`` converts groups: ``int`` and ``float`` (decimal, 64 bits), ``bool``, ``timestamp`` (to RFC 3339 in UTC:
    ``time_formats`` in order, ``timezone`` for times without one, the year nearest to now for those without), ``ip``,
    ``string``. ``on_bad_type``: ``error`` makes the line a dead letter, ``null`` or ``string`` keep it.

    Fails: ``no_match``, ``bad_type``, ``bad_timestamp``.
    """

    pattern: str = ""
    patterns: list[str] = field(default_factory=list)
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        sources = {"pattern": self.pattern} if self.pattern else {}
        sources |= {f"patterns[{index}]": source for index, source in enumerate(self.patterns)}
        if not sources:
            raise ValueError(r"give a `pattern`, such as pattern = '^(?P<level>\w+) (?P<message>.*)$'")
        groups, problems = [], []
        for key, source in sources.items():
            try:
                groups.append(_groups(source))
            except ValueError as error:
                problems.append(f"{key}: {error}")
        if problems:
            raise ValueError("\n".join(problems))
        known = sorted({name for names in groups for name in names if name})
        for name in self.types:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"its groups are {', '.join(known)}"
                raise ValueError(f"`types` names {name!r}, which no pattern has as a group; {hint}")
        self._types = Types(self.types, self.on_bad_type, self.time_formats, self.timezone)
        self._cascade = [
            (LinePattern(_portable(source)), _builder(names, self._types.columns))
            for source, names in zip(sources.values(), groups, strict=True)
        ]

    def parse(self, lines: Lines) -> list[Event | Fail]:
        self._types.locate(lines.origin)
        events = self._match(lines.text, 0)
        self._types.settle(events)
        return events

    def _match(self, text: str, first: int) -> list[Event | Fail]:
        """By the patterns from ``first`` on. What one misses is joined to a smaller piece for the next."""
        pattern, build = self._cascade[first]
        rows = pattern.rows(text)
        events: list[Event | Fail] = build(rows)
        missed = [i for i, row in enumerate(rows) if row[-1]]
        if missed:
            if first + 1 < len(self._cascade):
                others = self._match("\n".join([rows[i][-1] for i in missed]), first + 1)
            else:
                why = "the pattern does not match" if first == 0 else f"none of the {first + 1} patterns matches"
                others = [Fail("no_match", why) for _ in missed]
            for i, other in zip(missed, others, strict=True):
                events[i] = other
        return events


def _portable(source: str) -> str:
    """``(?<name>`` as Python writes it."""
    return re.sub(r"(\\.)|\(\?<(?=[A-Za-z_])", lambda found: found[1] or "(?P<", source, flags=re.DOTALL)


def _groups(source: str) -> list[str]:
    """The name of each group of the pattern in order, '' for those without."""
    source = _portable(source)
    try:
        compiled = re.compile(source)
    except re.error as error:
        at = f" at position {error.pos}, near {source[error.pos : error.pos + 20]!r}" if error.pos is not None else ""
        raise ValueError(f"pattern {source!r} is not a valid regular expression: {error.msg}{at}") from None
    if not compiled.groupindex:
        raise ValueError(f"pattern {source!r} has no named group; write (?P<name>...) for what shall become a field")
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
