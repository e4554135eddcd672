"""The series that a stage keeps, as they are shown: of a commit, and at a small share of the time however many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from tailrace.pipeline.batch import Event
from tailrace.pipeline.sums.exposed import MOST, SHARE, Exposed
from tailrace.pipeline.sums.totals import Totals
from tailrace.pipeline.testing.doubles import FakeClock

from .engine_kit import Log


class Keeps:
    """A stage that shows its totals; that takes it so many seconds."""

    def __init__(self, clock: FakeClock, seconds: float = 0.0) -> None:
        self.clock, self.seconds, self.looks = clock, seconds, 0

    def exposed(self, totals: Mapping[str, Any]) -> Iterable[Event]:
        self.looks += 1
        self.clock.advance(self.seconds)
        about = {"metric": "m", "kind": "counter"}
        return [{**about, "labels": {"k": key}, "value": value} for key, value in totals.items()]


class Stand:
    def __init__(self, seconds: float = 0.0) -> None:
        self.clock, self.log, self.totals = FakeClock(), Log(), Totals()
        self.stage: Any = Keeps(self.clock, seconds)
        self.exposed = Exposed("enrich.metric", self.log, self.clock)
        self.exposed.restored(self.stage, self.totals)

    def cut(self) -> None:
        self.exposed.cut(self.stage, self.totals)
        self.totals.cut()

    def commit(self) -> None:
        self.cut()
        self.exposed.committed()

    @property
    def shown(self) -> dict[str, float]:
        return {one.labels["k"]: one.value for one in self.exposed.series(self.stage, self.totals)}


def test_what_is_not_committed_is_not_shown() -> None:
    stand = Stand()
    stand.totals["a"] = 1
    assert stand.shown == {}
    stand.cut()
    stand.totals["a"] = 2
    assert stand.shown == {}
    stand.exposed.committed()
    assert stand.shown == {"a": 1}
    stand.commit()
    assert stand.shown == {"a": 2}


def test_after_a_rewind_it_is_what_the_state_holds() -> None:
    stand = Stand()
    stand.totals["a"] = 1
    stand.cut()
    stand.totals.restore({"a": b"7"})
    stand.exposed.restored(stand.stage, stand.totals)
    stand.exposed.committed()
    assert stand.shown == {"a": 7}


def test_many_series_are_told_seldom_and_the_last_change_is_told_for_certain() -> None:
    stand = Stand(seconds=0.1)
    for number in range(200):
        stand.clock.advance(1.0)
        stand.totals["a"] = number
        stand.commit()
        assert stand.shown.get("a", 0) <= number
    assert 2 < stand.stage.looks <= 200 * SHARE / 0.1 + 2
    assert stand.shown["a"] < 199
    stand.clock.advance(0.1 / SHARE)
    stand.totals["a"] = 500  # of no commit yet
    assert stand.shown["a"] < 199
    stand.cut()
    assert stand.shown["a"] < 199
    stand.exposed.committed()
    assert stand.shown == {"a": 500}

    stand.totals["a"] = 501
    stand.cut()
    stand.clock.advance(0.1 / SHARE)
    assert stand.shown == {"a": 500}, "nobody knows yet whether it will be durable"
    stand.exposed.committed()
    assert stand.shown == {"a": 501}  # nothing has come since
    looks = stand.stage.looks
    assert stand.shown == {"a": 501}
    assert stand.stage.looks == looks


def test_more_than_can_be_shown_is_said_once() -> None:
    stand = Stand()
    for number in range(MOST + 5):
        stand.totals[str(number)] = number
    for _ in range(2):
        stand.totals["0"] = 1
        stand.commit()
    assert len(stand.shown) == MOST
    (said,) = stand.log.fields("metric.not_shown")
    assert said["stage"] == "enrich.metric"


@pytest.mark.parametrize(
    "event", [{}, {"metric": "m", "kind": "counter", "labels": None, "value": 1},
              {"metric": "m", "kind": "counter", "labels": {}, "value": "x"}],
)  # fmt: skip
def test_a_stage_that_says_nonsense_of_its_metric_harms_nothing(event: Event) -> None:
    stand = Stand()
    stand.stage.exposed = lambda _: [event]
    stand.totals["a"] = 1
    stand.commit()
    assert stand.exposed.series(stand.stage, stand.totals) == ()
    assert stand.log.fields("metric.not_shown")


def test_a_stage_that_shows_nothing_is_not_asked() -> None:
    stand = Stand()
    stand.stage = object()
    stand.totals["a"] = 1
    stand.exposed.restored(stand.stage, stand.totals)
    stand.commit()
    assert stand.exposed.series(stand.stage, stand.totals) == ()
    assert stand.log.said == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), ("", ""), ("a", "a"), (True, "true"), (1, "1"), (1.5, "1.5"), (["a", 1], '["a",1]'),
        ({"a": None}, '{"a":null}'),
    ],
)  # fmt: skip
def test_values_of_labels_are_texts(value: object, text: str) -> None:
    stand = Stand()
    stand.stage.exposed = lambda _: [{"metric": "m", "kind": "counter", "labels": {"k": value}, "value": 1}]
    stand.totals["a"] = 1
    stand.commit()
    assert list(stand.shown) == [text]
