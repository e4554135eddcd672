"""``enrich.set``: gives fields constants, or the values of expressions over the event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Problems
from tailrace.stages.expressions.expression import compile_expression
from tailrace.stages.outputs.ndjson import is_plain


@dataclass
class Set:
    """Set fields; what they held before is replaced.

    All expressions see the event as it came in, so ``{ a = "b", b = "a" }`` swaps. An expression that fails makes the
    line a dead letter (``raised``).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.set"
        values = { env = "production" }
        expr = { class = "status // 100", slow = "duration_ms > 1000" }

    Lines::

        {"path": "/cart", "status": 200, "duration_ms": 12}
        {"path": "/pay", "status": 502, "duration_ms": 5003}
        {"path": "/pay"}
    """

    values: dict[str, Any] = field(default_factory=dict)  # field = constant of any type
    expr: dict[str, str] = field(default_factory=dict)  # field = expression over the event

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.values and not self.expr:
            problems.add("", 'nothing to set: give `values = { env = "demo" }` or `expr = { class = "status // 100" }`')
        for name in self.expr:
            if name in self.values:
                problems.add(f"expr.{name}", "this field has a constant in `values` already: give one of them")
        for key, fields in (("values", self.values), ("expr", self.expr)):
            if "" in fields:
                problems.add(key, "a field needs a name")
        self._expressions = {}
        for name, text in self.expr.items():
            with problems.of(f"expr.{name}"):
                self._expressions[name] = compile_expression(text)
        problems.check()
        self.plain = is_plain(self.values) and all(expression.plain for expression in self._expressions.values())
        self._constants = {name: value for name, value in self.values.items() if not isinstance(value, list | dict)}
        # Lists and dicts are made anew for each event: a later stage may change them.
        self._makers = {name: _maker(value) for name, value in self.values.items() if isinstance(value, list | dict)}

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = list(events)
        if self._expressions:
            try:
                columns = [(name, expression.map(events)) for name, expression in self._expressions.items()]
            except Exception:  # one of the events is to blame: find out which, and say so there
                entries, events, columns = self._one_by_one(events)
            for name, column in columns:
                for event, value in zip(events, column, strict=True):
                    event[name] = value
        for name, value in self._constants.items():
            for event in events:
                event[name] = value
        for name, make in self._makers.items():
            for event in events:
                event[name] = make()
        return entries

    def _one_by_one(self, events: list[Event]) -> tuple[list[Event | Fail], list[Event], list[tuple[str, list[Any]]]]:
        """The result so far, the events in it that have no Fail, and for those the values of each expression."""
        entries: list[Event | Fail] = []
        good = []
        rows = []
        for event in events:
            row = []
            name = ""
            try:
                for name, expression in self._expressions.items():  # noqa: B007  the except says which it was
                    row.append(expression.evaluate(event))
            except Exception as error:
                entries.append(Fail("raised", f"expr.{name}: {type(error).__name__}: {error}", event))
            else:
                entries.append(event)
                good.append(event)
                rows.append(row)
        columns = [(name, [row[index] for row in rows]) for index, name in enumerate(self._expressions)]
        return entries, good, columns


def _maker(value: Any) -> Callable[[], Any]:
    """Makes a copy of a constant at each call."""
    if isinstance(value, list):
        items = [_maker(item) for item in value]
        return lambda: [make() for make in items]
    if isinstance(value, dict):
        members = [(key, _maker(member)) for key, member in value.items()]
        return lambda: {key: make() for key, make in members}
    return lambda: value
