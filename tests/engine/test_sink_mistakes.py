"""Sinks that give back what the engine cannot use: said as a failure of theirs, and nothing is lost by it."""

from __future__ import annotations

from typing import Any

import pytest
from tailrace.pipeline.delivery import Batch, Request
from tailrace.pipeline.errors import Split
from tailrace.pipeline.outgoing import Outgoing, Verdicts
from tailrace.pipeline.testing.doubles import BatchSink, ListSource, MemorySink

from ..inside import adjust
from .engine_kit import Pipeline, numbered

LINES = 500


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.01, first_backoff=0.002)


def over(*sinks: Any) -> Pipeline:
    return Pipeline(ListSource({"a.log": numbered(LINES)}, chunk_bytes=700), sinks=sinks)


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    "answer",
    [
        True,
        [1, 2],
        Verdicts(again=[99_999]),
        Verdicts(refused=[(-1, "rejected", "no")]),
        Verdicts(refused=[(0, 5, None)]),  # type: ignore[list-item]
        Verdicts(refused=[(0, "rejected", "no")], again=[0]),
    ],
    ids=str,
)
def test_verdicts_that_are_none_are_a_failed_delivery_that_disturbs_nobody(answer: Any, concurrency: int) -> None:
    wrong = [3]

    def verdict(_batch: Outgoing) -> Any:
        wrong[0] -= 1
        return answer if wrong[0] >= 0 else None

    sink, healthy = BatchSink(request=Request(concurrency=concurrency)), MemorySink()
    deliver = sink.deliver
    sink.deliver = lambda batch: verdict(batch) or deliver(batch)  # type: ignore[method-assign]
    pipeline = over(sink, healthy)
    assert pipeline.run().complete
    assert len(sink.records) == LINES
    assert pipeline.store.letters == []
    assert len(pipeline.log.fields("sink.retry")) == 3
    assert pipeline.log.fields("pipeline.rewind") == []
    assert len(healthy.lines()) == LINES


def test_a_fault_that_ends_a_sending_thread_of_several_loses_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [RuntimeError("a fault of ours")] * 2
    sink = BatchSink(batch=Batch(max_events=20), request=Request(concurrency=3))
    pipeline = over(sink)
    send = pipeline.engine._crew.threads[0]._senders._send

    def fail(batch: Any) -> None:
        if faults:
            raise faults.pop()
        send(batch)

    monkeypatch.setattr(pipeline.engine._crew.threads[0]._senders, "_send", fail)
    assert pipeline.run().complete
    assert len(sink.records) == LINES
    assert pipeline.log.fields("pipeline.rewind")


@pytest.mark.parametrize("marks", [None, "abc", {"out": {1, 2}}, {1: 2}], ids=str)
@pytest.mark.parametrize("method", ["announce", "sync"])
def test_marks_that_no_state_can_hold_fail_the_call_that_gave_them(method: str, marks: Any) -> None:
    sink = MemorySink()
    right, wrong = getattr(sink, method), [2]

    def give(about: Any) -> Any:
        wrong[0] -= 1
        given = right(about)
        return marks if wrong[0] >= 0 else given

    setattr(sink, method, give)
    pipeline = over(sink)
    assert pipeline.run().complete
    assert len(sink.lines()) == LINES
    event = "sink.retry" if method == "announce" else "pipeline.rewind"
    assert len(pipeline.log.fields(event)) == 2


def test_split_is_for_deliveries_in_batches_and_a_failure_elsewhere() -> None:
    sink = MemorySink(failures={"flush": [Split("too much")], "deliver": [Split("too much")]})
    pipeline = over(sink)
    assert pipeline.run().complete
    assert len(pipeline.log.fields("sink.retry")) == 2
    assert pipeline.log.fields("pipeline.rewind") == []


def test_a_sink_that_cannot_be_closed_says_so_and_nothing_else_happens() -> None:
    sink = MemorySink()

    def close() -> None:
        raise SystemExit("the connection is gone")

    sink.close = close  # type: ignore[method-assign]
    pipeline = over(sink)
    assert pipeline.run().complete
    (said,) = pipeline.log.fields("sink.notice")
    assert said["notice"] == "closing it failed: SystemExit: the connection is gone"
