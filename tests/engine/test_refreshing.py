"""Stages that read a file which may be replaced: when they are asked to look, and what is said of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from time import monotonic
from typing import Any

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.chain.refreshing import Refreshing
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.settings import LogSettings, StageSpec
from tailrace.pipeline.stage import Refreshed
from tailrace.pipeline.telemetry import log
from tailrace.pipeline.testing.doubles import ListSource

from .engine_kit import Pipeline, numbered

CHUNK = 1000
LINE_TIMEOUT = 0.1


class Counting:
    """Writes into each event how often it was refreshed."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.times, self.seconds = 0, seconds

    def refresh(self, _now: float) -> Refreshed | None:
        until = monotonic() + self.seconds
        while monotonic() < until:
            pass
        self.times += 1
        return None

    def process(self, events: list[Event]) -> list[Event | Fail]:
        for event in events:
            event["times"] = self.times
        return list(events)


def ran_with(stage: Counting) -> tuple[Pipeline, list[int]]:
    step = Step("own", "enrich", stage, refresh=stage.refresh)
    pipeline = Pipeline(
        ListSource({"a.log": numbered(300)}, chunk_bytes=CHUNK), step, chunk_bytes=CHUNK, line_timeout=LINE_TIMEOUT
    )
    assert pipeline.run().complete
    return pipeline, [json.loads(line)["times"] for line in pipeline.sinks[0].lines()]


def test_it_is_asked_before_each_chunk_and_stays_the_same_within() -> None:
    stage = Counting()
    _, times = ran_with(stage)
    assert len(times) == 300
    runs = [times for times, _ in groupby(times)]
    assert sorted(runs) == list(range(1, stage.times + 1))  # each stands in one row of lines
    assert len(runs) > 1


def test_what_it_takes_counts_against_no_line() -> None:
    pipeline, times = ran_with(Counting(seconds=1.5 * LINE_TIMEOUT))
    assert len(times) == 300
    assert pipeline.store.letters == []


def test_a_parser_of_a_field_is_asked_too() -> None:
    spec = StageSpec("tests.engine.engine_stages:Refreshed", "own", "enrich", {}, field="message", into="parsed")
    pipeline = Pipeline(ListSource({"a.log": b"x\n"}), spec, workers=1)
    assert pipeline.run().complete
    assert [json.loads(line)["parsed"] for line in pipeline.sinks[0].lines()] == [{"refreshed": 1}]


@dataclass
class Told:
    say: Callable[[], Refreshed | None]

    def refresh(self, _now: float) -> Refreshed | None:
        return self.say()


def said_of(say: Callable[[], Refreshed | None]) -> list[dict[str, Any]]:
    stream = io.StringIO()
    log.configure(LogSettings(format="json"), stream)
    try:
        stage: Any = Told(say)
        Refreshing([Step("own", "enrich", stage, refresh=stage.refresh)]).refresh(0.0)
    finally:
        log.configure(LogSettings())
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_log_tells_what_was_read_and_why_something_was_not() -> None:
    assert said_of(lambda: None) == []
    (read,) = said_of(lambda: Refreshed("/t.csv"))
    assert (read["event"], read["level"], read["stage"], read["file"]) == ("stage.refreshed", "info", "own", "/t.csv")
    (kept,) = said_of(lambda: Refreshed("/t.csv", "is empty"))
    assert (kept["event"], kept["level"], kept["why"]) == ("stage.not_refreshed", "warning", "is empty")
    assert kept["notice"] == "the stage goes on with what it read before"


def test_a_stage_of_ones_own_that_raises_does_not_end_the_worker() -> None:
    def raises() -> None:
        raise KeyError("oh")

    (told,) = said_of(raises)
    assert (told["event"], told["why"]) == ("stage.not_refreshed", "KeyError: 'oh'")
