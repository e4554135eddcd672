"""``enrich.filter``: lets only those events on for which an expression is true, or false."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from operator import not_
from typing import ClassVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.expressions.expression import ExpressionError, compile_expression


@dataclass
class Filter:
    """Keep, or drop, the events for which the expression is true as Python sees truth: not None, 0 or empty.

    An expression that fails filters nothing: the line becomes a dead letter (``raised``).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.filter"
        drop = "path == '/healthz' and status // 100 == 2"

    Lines::

        {"path": "/healthz", "status": 200}
        {"path": "/healthz", "status": 503}
        {"path": "/cart", "status": 200}
        {"path": "/healthz", "status": "200 OK"}
    """

    plain: ClassVar[bool] = True

    keep: str | None = None  # an expression; events for which it is true go on
    drop: str | None = None  # an expression; events for which it is true do not

    def __post_init__(self) -> None:
        if self.keep is not None and self.drop is not None:
            raise ValueError("`keep` and `drop` exclude each other: give one of them")
        key, text = ("keep", self.keep) if self.keep is not None else ("drop", self.drop)
        if text is None:
            raise ValueError('nothing to filter by: give `keep = "status >= 500"` or `drop = "..."`')
        try:
            self._expression = compile_expression(text)
        except ExpressionError as error:
            raise ValueError(f"{key}: {error}") from error

    def process(self, events: list[Event]) -> list[Event | Fail]:
        try:
            verdicts = self._expression.map(events)
        except Exception:  # one of the events is to blame: find out which, and say so there
            return self._one_by_one(events)
        return list(compress(events, verdicts if self.drop is None else map(not_, verdicts)))

    def _one_by_one(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = []
        for event in events:
            try:
                verdict = bool(self._expression.evaluate(event))
            except Exception as error:
                entries.append(Fail("raised", f"{type(error).__name__}: {error}", event))
            else:
                if verdict is (self.drop is None):
                    entries.append(event)
        return entries
