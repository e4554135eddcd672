"""When a sink's trouble is over that is known, however it ended; else it would be called stuck for ever."""

from __future__ import annotations

import errno
import threading
from typing import Any

import pytest
from tailrace.pipeline.delivery import Batch, Request, RetryPolicy
from tailrace.pipeline.errors import Retry
from tailrace.pipeline.outgoing import Outgoing, Verdicts
from tailrace.pipeline.testing.doubles import BatchSink, ListSource, MemorySink

from ..inside import adjust
from .engine_kit import Pipeline, numbered

LINES = 500


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.01, first_backoff=0.002)


def over(*sinks: Any, **options: Any) -> Pipeline:
    return Pipeline(ListSource({"a.log": numbered(LINES)}, chunk_bytes=700), sinks=sinks, **options)


def ended(pipeline: Pipeline) -> None:
    assert pipeline.run().complete
    assert pipeline.log.fields("sink.retry")
    assert len(pipeline.log.fields("sink.recovered")) >= 1
    assert pipeline.crew.troubles() == {}


@pytest.mark.parametrize("concurrency", [1, 4])
def test_records_that_were_refused_for_now_are_taken(concurrency: int) -> None:
    left = [2]

    def verdict(_batch: Outgoing) -> Verdicts | None:
        left[0] -= 1
        return Verdicts(again=[0], why="busy") if left[0] >= 0 else None

    ended(over(BatchSink(verdict=verdict, request=Request(concurrency=concurrency))))


def test_records_that_are_refused_for_long_are_one_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, stuck_after=0.05)
    tries = [0]

    def verdict(_batch: Outgoing) -> Verdicts | None:
        tries[0] += 1
        return Verdicts(again=[0], delay=0.01, why="busy") if tries[0] <= 20 else None

    pipeline = over(BatchSink(verdict=verdict))
    ended(pipeline)
    assert len(pipeline.log.fields("sink.recovered")) == 1
    assert [fields["error"] for fields in pipeline.log.fields("sink.stuck")] == ["busy"]


def test_its_batch_is_given_up_after_its_tries() -> None:
    def verdict(batch: Outgoing) -> None:
        if b'"7"' in bytes(batch.data):
            raise ConnectionResetError("no reply")

    ended(over(BatchSink(verdict=verdict, batch=Batch(max_events=10), retry=RetryPolicy(0.001, 0.002, 2))))


def test_the_engine_goes_back_meanwhile() -> None:
    failing, other = MemorySink(), MemorySink()
    failing.failures["deliver"] = [Retry("busy", delay=60.0)]

    def lose(pipeline: Pipeline) -> None:
        if pipeline.crew.troubles() and not pipeline.log.fields("pipeline.rewind"):
            pipeline.engine._rewind("the disk", 0.0)

    ended(over(failing, other, on_turn=lose))


def test_several_sinks_that_fail_at_one_commit_are_one_failed_commit() -> None:
    """A run stops after some failed commits in a row: ten outputs on a disk that is full for a moment are not that."""
    count = 12
    all_of_them, failed = threading.Barrier(count), [0]

    def full(method: str) -> None:
        if method == "sync" and failed[0] < count:
            failed[0] += 1
            all_of_them.wait(60)
            raise OSError(errno.ENOSPC, "No space left on device")

    sinks = [MemorySink(before=full) for _ in range(count)]
    pipeline = over(*sinks)
    outcome = pipeline.run()
    assert outcome.complete, outcome.message
    assert [fields["failures"] for fields in pipeline.log.fields("pipeline.rewind")] == [1]
    assert all(sink.lines() == sinks[0].lines() for sink in sinks)
