"""Lines described by grok patterns: ``%{IPORHOST:client} %{WORD:verb} %{NUMBER:took:float}``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines, Origin
from tailrace.pipeline.keys import FilePath, Problems
from tailrace.stages.patterns.costs import Costs
from tailrace.stages.patterns.grok import Expression, Field, Library
from tailrace.stages.patterns.line import LinePattern, Row
from tailrace.stages.patterns.place import place
from tailrace.stages.patterns.reach import Fault, Reach
from tailrace.stages.values.conversion import Column, Kind, OnBadType, Types, excerpt
from tailrace.stages.values.times import DEFAULT_FORMATS

_Build = Callable[[Sequence[Row]], list[Any]]
_FAR = 16  # characters; by chance the beginning of a line is not that of the pattern for so long
_Tree = dict[str, "_Tree | list[int]"]


@dataclass
class Grok:
    """The fields of ``pattern``, or of the first of ``patterns`` that matches.

    ``%{NAME}`` stands for an expression, ``%{NAME:field}`` makes it a field, ``%{NAME:field:int}`` converts it to
    ``int``, ``float``, ``bool``, ``timestamp``, ``ip`` or ``string``; so do ``types`` (see parse.regex, also for
    ``on_bad_type``, ``time_formats``, ``timezone``). ``%{NAME:[a][b]}`` is the field ``b`` of a field ``a``. Between
    them stand regular expressions; POSIX classes, ``\\h`` and ``(?<field>...)`` are understood. A pattern is searched
    for anywhere in the line (anchor it with ``^`` and ``$``: misses are found sooner); ``^`` and ``$`` are those of any
    line in a record.

    The names are those of Logstash, with its fields from before the Elastic Common Schema, or with ``ecs = true`` those
    of the schema: what COMBINEDAPACHELOG names ``clientip`` is then ``[source][address]``. ``patterns_dir`` has files
    of further names (``NAME expression`` in each line), ``definitions`` are such names; each may replace others.

    A field that is empty or took no part in the match is null. Of a field that stands in a pattern several times, those
    that took part count: one is the value, several are an array.

    Fails: ``no_match``, ``bad_type``, ``bad_timestamp``.

    Example::

        [[stages]]
        use = "parse.grok"
        pattern = '^%{TIMESTAMP_ISO8601:time:timestamp} %{IP:[client][ip]} %{NOTSPACE:path} %{CODE:code:int}$'
        definitions = { CODE = "[1-5][0-9]{2}" }

    Lines::

        2026-02-02T10:30:45Z 192.0.2.7 /orders/7 200
        2026-02-02T10:30:46Z 2001:db8::9 /orders?page=2 200
        2026-02-02T10:30:47Z 192.0.2.7 /orders/8 timeout
    """

    plain: ClassVar[bool] = True

    pattern: str = ""  # write it in single quotes, in which TOML leaves backslashes alone
    patterns: list[str] = field(default_factory=list)  # tried in order, behind `pattern` if there is one
    definitions: dict[str, str] = field(default_factory=dict)  # NAME = "expression"
    patterns_dir: Annotated[str, FilePath()] = ""  # its files have further names
    ecs: bool = False  # the fields of Logstash's own patterns are those of the Elastic Common Schema
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        sources = {"pattern": self.pattern} if self.pattern else {}
        sources |= {f"patterns[{index}]": source for index, source in enumerate(self.patterns)}
        problems = Problems()
        if not sources:
            problems.add("", "give a `pattern`, such as pattern = '%{COMBINEDAPACHELOG}'")
        library = Library(ecs=self.ecs)
        with problems.of("patterns_dir"):
            library = Library(ecs=self.ecs, directory=self.patterns_dir)
        library.define(self.definitions)
        for name in self.definitions:
            with problems.of(f"definitions.{name}"):
                library.check(name)
        expressions: dict[str, Expression] = {}
        if not problems:  # else each pattern that uses what is wrong would repeat it
            for key, source in sources.items():
                with problems.of(key):
                    expressions[key] = _with_fields(library.expand(source))
        if not problems:
            self._check_types(expressions, problems)
        with problems.of(""):
            Types({}, self.on_bad_type, self.time_formats, self.timezone)
        self._cascade: list[_Pattern] = []
        for key, expression in expressions.items() if not problems else ():
            with problems.of(key):
                convert = _kinds(expression.fields, self.types)
                types = Types(convert, self.on_bad_type, self.time_formats, self.timezone)
                self._cascade.append(_Pattern(key, expression, types, self.types))
        problems.check()
        self._costs = Costs(pattern.key for pattern in self._cascade)

    def costs(self) -> Mapping[str, tuple[float, int]]:
        """See ``stage.Costs``."""
        return self._costs.take()

    def _check_types(self, expressions: Mapping[str, Expression], problems: Problems) -> None:
        known = sorted({one.label for expression in expressions.values() for one in expression.fields})
        for name in [name for name in self.types if name not in known]:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(known)}"
            problems.add(f"types.{name}", f"no pattern has a field {name!r}; {hint}")

    def parse(self, lines: Lines) -> list[Event | Fail]:
        for pattern in self._cascade:
            pattern.locate(lines.origin)
        return self._match(lines.texts if lines.several_lines else lines.text, 0)

    def _match(self, records: str | list[str], first: int) -> list[Event | Fail]:
        """By the patterns from ``first`` on. What one misses is joined to a smaller piece for the next."""
        pattern = self._cascade[first]
        with self._costs.of(pattern.key):
            events, missed = pattern.events(records)
        self._costs.matched(pattern.key, len(events) - len(missed))
        if missed:
            left = list(missed.values())
            if first + 1 < len(self._cascade):
                others = self._match("\n".join(left) if isinstance(records, str) else left, first + 1)
            else:
                others = [Fail("no_match", self._why(line)) for line in left]
            for i, other in zip(missed, others, strict=True):
                events[i] = other
        return events

    def _why(self, line: str) -> str:
        """What keeps the line from matching: of several patterns, the one that gets farthest."""
        faults = [(fault, pattern) for pattern in self._cascade if (fault := pattern.fault(line))]
        several = len(self._cascade) > 1
        why = f"none of the {len(self._cascade)} patterns matches" if several else "the pattern does not match"
        if not faults:
            return f"{why}: {excerpt(line)}"
        fault, pattern = max(faults, key=lambda found: found[0].position)
        if several:
            why += f"; {pattern.key} gets farthest"
        why += f": expected {pattern.expected(fault)}"
        if fault.nowhere:
            return f"{why}, which is nowhere in the line: {excerpt(line)}"
        begins = f" (the match begins at column {fault.start + 1})" if fault.start else ""
        return f"{why} {place(line, fault.position)}{begins}"


class _Pattern:
    """One of the patterns, ready for use."""

    def __init__(self, key: str, expression: Expression, types: Types, given: Mapping[str, Kind]) -> None:
        self.key = key
        self._lines = LinePattern(expression.exact, expression.piece, re.MULTILINE)
        self._types = types
        self._converted = [one for one in dict.fromkeys(expression.fields) if one.label in types.columns]
        self._build = _builder(expression.fields, types.columns, given)
        self._reach = Reach(f"(?m){expression.told}")
        self._reach_anywhere = Reach(f"(?m){expression.told}", anywhere=True)
        self._references = expression.references

    def locate(self, origin: Origin) -> None:
        self._types.locate(origin)

    def events(self, records: str | list[str]) -> tuple[list[Event | Fail], dict[int, str]]:
        """One a record, and the records that the pattern does not match by their index."""
        rows = self._lines.rows(records) if isinstance(records, str) else self._lines.rows_of(records)
        events: list[Event | Fail] = self._build(rows)
        if self._types.take_failed():
            events = [self._settled(event) for event in events]
        return events, {i: row[-1] for i, row in enumerate(rows) if row[-1]}

    def fault(self, line: str) -> Fault | None:
        """From the beginning of the line on if it gets far there: to try it anywhere takes many times longer."""
        fault = self._reach.fault(line)
        return fault if fault and fault.position >= _FAR else self._reach_anywhere.fault(line)

    def expected(self, fault: Fault) -> str:
        """By the reference in the pattern, where the fault is in the expression behind it."""
        reference = self._references.get(fault.group)
        if reference is None:
            return fault.expected
        return f"{fault.expected} in {reference}" if fault.expected[0] in "'\"" else reference

    def _settled(self, event: Any) -> Any:
        for one in self._converted:
            value: Any = event
            for name in one.path:
                value = value[name]
            for fail in value if type(value) is list else [value]:
                if type(fail) is Fail:
                    return Fail(fail.code, f"{one.label}: {fail.why}")
        return event


def _with_fields(expression: Expression) -> Expression:
    """The same, unless it has none or they do not go together."""
    if not expression.fields:
        raise ValueError("it has no field; write %{NAME:field} for what is to become one")
    tree: _Tree = {}
    for one in expression.fields:
        _branch(tree, one)
    return expression


def _branch(tree: _Tree, one: Field) -> list[int]:
    """Where the indices of the field's groups stand in the tree of fields."""
    for name in one.path[:-1]:
        inner = tree.setdefault(name, {})
        if isinstance(inner, list):
            raise ValueError(f"{name!r} cannot be both a value and the fields of {one.label}")  # noqa: TRY004
        tree = inner
    leaf = tree.setdefault(one.path[-1], [])
    if isinstance(leaf, dict):
        raise ValueError(f"{one.label!r} cannot be both a value and fields")  # noqa: TRY004
    return leaf


def _kinds(fields: Sequence[Field], given: Mapping[str, Kind]) -> dict[str, Kind]:
    """The type of each field that is to be converted; the pattern's own wins."""
    kinds: dict[str, Kind] = {}
    for one in fields:
        if one.kind is not None and kinds.setdefault(one.label, one.kind) != one.kind:
            raise ValueError(f"the field {one.label!r} has two types, {kinds[one.label]} and {one.kind}")
    return {one.label: given[one.label] for one in fields if one.label in given} | kinds


def _builder(fields: Sequence[Field], columns: Mapping[str, Column], given: Mapping[str, Kind]) -> _Build:
    """Rows to events by a compiled list comprehension, as parse.regex does it."""
    known: dict[str, Any] = {"several": _several}
    values = []
    tree: _Tree = {}
    for i, one in enumerate(fields):
        _branch(tree, one).append(i)
        if one.label in columns and (one.kind or one.label in given):
            known[f"c{i}"] = columns[one.label]
            values.append(f"(c{i}[v{i}] if v{i} else None)")
        else:
            values.append(f"v{i} or None")

    def source(tree: _Tree) -> str:
        items = []
        for name, inner in tree.items():
            if isinstance(inner, dict):
                value = source(inner)
            elif len(inner) == 1:
                value = values[inner[0]]
            else:
                value = f"several(({', '.join([values[i] for i in inner])}))"
            items.append(f"{name!r}: {value}")
        return f"{{{', '.join(items)}}}"

    variables = ", ".join([f"v{i}" for i in range(len(fields))])
    build: _Build = eval(f"lambda rows: [{source(tree)} for {variables}, _ in rows]", known)  # noqa: S307 - made of numbers and of quoted names
    return build


def _several(values: tuple[Any, ...]) -> Any:
    """Of the groups of one field: those that took part in the match."""
    found = [value for value in values if value is not None]
    return found if len(found) > 1 else found[0] if found else None
