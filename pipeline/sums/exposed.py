"""The series of a metric that a stage keeps, as they are shown: those of the last commit, or where they are many and
change all the time, of one shortly before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from time import perf_counter
from typing import Any

import orjson
from tailrace.pipeline.batch import Event
from tailrace.pipeline.stage import Exposes
from tailrace.pipeline.sums.totals import Totals
from tailrace.pipeline.telemetry.snapshot import Series

SHARE = 0.005  # of the time, at most, that it takes to tell them
MOST = 10_001  # series: so many as one stage keeps unless it is told to keep more


class Exposed:
    """Called from the engine's thread only."""

    def __init__(self, label: str, log: Any, clock: Callable[[], float] = perf_counter) -> None:
        self._label, self._log, self._clock = label, log, clock
        self._series: tuple[Series, ...] = ()
        self._of_cut: tuple[Series, ...] | None = None
        self._outstanding = False  # a cut, of which nobody knows yet whether it will be durable
        self._stale = False
        self._look_at = float("-inf")
        self._said: set[str] = set()

    def restored(self, stage: object, totals: Totals) -> None:
        """The totals are those of the last commit."""
        self._outstanding, self._of_cut = False, None
        self._look(stage, totals)

    def cut(self, stage: object, totals: Totals) -> None:
        """The totals are those that a commit will cover."""
        self._outstanding = True
        if not totals.changed or not isinstance(stage, Exposes):
            return
        if self._clock() < self._look_at:
            self._stale = True
        else:
            self._of_cut, self._stale = self._told(stage, totals), False

    def committed(self) -> None:
        self._outstanding = False
        if self._of_cut is not None:
            self._series, self._of_cut = self._of_cut, None

    def series(self, stage: object, totals: Totals) -> tuple[Series, ...]:
        if self._stale and not self._outstanding and not totals.changed and self._clock() >= self._look_at:
            self._look(stage, totals)
        return self._series

    def _look(self, stage: object, totals: Totals) -> None:
        self._series, self._stale = self._told(stage, totals), False

    def _told(self, stage: object, totals: Mapping[str, Any]) -> tuple[Series, ...]:
        if not isinstance(stage, Exposes):
            return ()
        began = self._clock()
        try:
            series = tuple(islice(_series(stage.exposed(totals)), MOST + 1))
        except Exception as error:  # a stage's own: what it has added up is not the worse for it
            self._say("a stage that says wrongly what its metric is", f"{type(error).__name__}: {error}")
            series = ()
        if len(series) > MOST:
            self._say(f"more than {MOST:,} series", "only so many of them are on /metrics; the stage keeps them all")
        self._look_at = self._clock() + (self._clock() - began) / SHARE
        return series[:MOST]

    def _say(self, what: str, why: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._log.warning("metric.not_shown", stage=self._label, what=what, why=why)


def _series(events: Iterable[Event]) -> Iterable[Series]:
    for event in events:
        labels = {str(name): _text(value) for name, value in event["labels"].items()}
        if event["kind"] == "histogram":
            buckets = {str(bound): int(count) for bound, count in event["buckets"].items()}
            yield Series(event["metric"], event["kind"], labels, float(event["sum"]), int(event["count"]), buckets)
        else:
            yield Series(event["metric"], event["kind"], labels, float(event["value"]))


def _text(value: Any) -> str:
    """A label's value: as in JSON, but for texts, and for null, which Prometheus takes for no label at all."""
    if value is None or isinstance(value, str):
        return value or ""
    return orjson.dumps(value).decode()
