"""A sink's thread: what it answers, in which order, and how it lets go."""

from __future__ import annotations

import random
import sqlite3
import threading
from array import array
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, cast

import pytest
from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.chain.outcome import Encoded
from tailrace.pipeline.delivery import Batch, Request
from tailrace.pipeline.errors import ReaderGone, Retry
from tailrace.pipeline.outgoing import Outgoing, Verdicts
from tailrace.pipeline.sinks.answers import (
    Announced,
    Answer,
    Closed,
    Delivered,
    Lost,
    Met,
    Recovered,
    Retried,
    Succeeded,
)
from tailrace.pipeline.sinks.thread import SinkThread
from tailrace.pipeline.testing.doubles import BatchSink, MemorySink
from tailrace.pipeline.work.task import Task

from ..inside import adjust
from ..waiting import until

TASK: Any = "task"
TASK_OF_CHUNK = Task(1, cast(Any, None), Chunk(1, "k-1", "a", "/a", 0, 9, 9, 0.0, 0.0))
DATA = [Encoded(0, "out", memoryview(b"one\n"))]


class Hearing:
    """A sink thread and its answers, taken one by one."""

    def __init__(self) -> None:
        self.sink = MemorySink()
        self.answers: SimpleQueue[Answer] = SimpleQueue()
        self.thread = SinkThread(3, "out", self.sink, self.answers, lambda: None)
        self.thread.start()

    def next(self) -> Answer:
        return self.answers.get(timeout=60)

    def announced(self) -> Announced:
        answer = self.next()
        assert isinstance(answer, Announced)
        self.thread.go_on()
        return answer

    def quiet(self) -> bool:
        return self.answers.empty()


@pytest.fixture
def hearing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hearing]:
    adjust(monkeypatch.setattr, first_backoff=0.002)
    one = Hearing()
    yield one
    assert one.thread.close(5)
    assert one.sink.closed


def test_a_destination_is_announced_before_anything_is_delivered_and_only_once(hearing: Hearing) -> None:
    hearing.thread.deliver(TASK, DATA)
    answer = hearing.next()
    assert isinstance(answer, Announced)
    assert list(answer.marks) == ["out"]
    assert hearing.sink.calls == ["announce"]  # nothing is delivered until the mark is durable
    hearing.thread.go_on()
    assert hearing.next() == Delivered(3, TASK)
    hearing.thread.deliver(TASK, DATA)
    assert hearing.next() == Delivered(3, TASK)
    assert hearing.sink.calls == ["announce", "deliver", "deliver"]


def test_a_barrier_is_answered_with_the_marks_of_what_was_delivered_before_it(hearing: Hearing) -> None:
    hearing.thread.deliver(TASK, DATA)
    hearing.thread.barrier(7)
    hearing.thread.deliver(TASK, DATA)
    hearing.thread.barrier(8)
    hearing.announced()
    assert hearing.next() == Delivered(3, TASK)
    met = hearing.next()
    assert isinstance(met, Met)
    assert (met.barrier, met.marks) == (7, {"out": 4})
    assert hearing.next() == Delivered(3, TASK)
    met = hearing.next()
    assert isinstance(met, Met)
    assert (met.barrier, met.marks) == (8, {"out": 8})


@pytest.mark.parametrize("error", [OSError("full"), Retry("busy"), Retry("busy", delay=0.001), ConnectionResetError()])
@pytest.mark.parametrize("method", ["deliver", "announce"])
def test_trouble_with_the_output_is_tried_again_until_it_passes(
    hearing: Hearing, method: str, error: Exception
) -> None:
    hearing.sink.failures[method] = [error] * 3
    hearing.thread.deliver(TASK, DATA)
    if method == "deliver":
        hearing.announced()
    assert [hearing.next() for _ in range(3)] == [Retried(3, error, count) for count in (1, 2, 3)]
    assert hearing.next() == Succeeded(3)
    if method == "announce":
        hearing.announced()
    assert hearing.next() == Delivered(3, TASK)
    assert hearing.sink.lines() == [b"one"]


def test_case_061_the_backoff_grows_with_jitter_and_has_an_end(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        delays.append((low, high))
        return 0.0

    monkeypatch.setattr(random, "uniform", uniform)
    adjust(monkeypatch.setattr, first_backoff=0.5)
    hearing.sink.failures["deliver"] = [OSError()] * 9
    hearing.thread.deliver(TASK, DATA)
    hearing.announced()
    while not isinstance(hearing.next(), Delivered):
        pass
    assert delays == [(0.25, high) for high in (0.5, 1, 2, 4, 8, 16, 30, 30, 30)]


def test_case_061_a_delay_the_sink_asks_for_is_kept(hearing: Hearing, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    monkeypatch.setattr(hearing.thread.breaker._abandon, "wait", waits.append)
    hearing.sink.failures["deliver"] = [Retry("later", delay=77.0)]
    hearing.thread.deliver(TASK, DATA)
    hearing.announced()
    assert isinstance(hearing.next(), Retried)
    assert hearing.next() == Succeeded(3)
    assert hearing.next() == Delivered(3, TASK)
    assert waits == [77.0]


def test_case_061_a_retry_is_abandoned_at_once_when_the_engine_goes_back(hearing: Hearing) -> None:
    hearing.sink.failures["deliver"] = [Retry("down", delay=3600.0)]
    hearing.thread.deliver(TASK, DATA)
    hearing.thread.barrier(1)
    hearing.announced()
    assert isinstance(hearing.next(), Retried)
    hearing.thread.recover({}, may_cut=True)
    assert hearing.next() == Succeeded(3)  # the trouble is over,
    assert hearing.next() == Recovered(3)  # and neither Delivered nor Met
    hearing.thread.deliver(TASK, DATA)
    hearing.announced()  # what is used again is announced again
    assert hearing.next() == Delivered(3, TASK)
    assert hearing.sink.lines() == [b"one"]


def test_waiting_for_a_durable_mark_is_abandoned_when_the_engine_goes_back(hearing: Hearing) -> None:
    hearing.thread.deliver(TASK, DATA)
    assert isinstance(hearing.next(), Announced)
    hearing.thread.recover({}, may_cut=True)
    assert hearing.next() == Recovered(3)
    assert "deliver" not in hearing.sink.calls


def test_recovery_cuts_back_to_the_marks(hearing: Hearing) -> None:
    hearing.thread.deliver(TASK, DATA)
    hearing.thread.barrier(1)
    hearing.announced()
    hearing.next()
    met = hearing.next()
    assert isinstance(met, Met)
    hearing.thread.deliver(TASK, DATA)
    hearing.next()
    hearing.thread.recover(met.marks, may_cut=True)
    assert hearing.next() == Recovered(3)
    assert hearing.sink.lines() == [b"one"]


@pytest.mark.parametrize("error", [OSError("fsync"), Retry("busy")])
def test_case_062_a_barrier_that_fails_is_never_tried_again(hearing: Hearing, error: Exception) -> None:
    hearing.sink.failures["sync"] = [error]
    hearing.thread.barrier(1)
    assert hearing.next() == Lost(3, error, 0)
    assert hearing.sink.calls == ["flush", "sync"]


@pytest.mark.parametrize(
    "fault",
    [ValueError("a fault"), BrokenPipeError("theirs, not ours"), SystemExit(3), sqlite3.OperationalError("locked")],
)
@pytest.mark.parametrize("method", ["announce", "deliver", "flush", "recover", "committed"])
def test_case_089_whatever_a_sink_raises_is_tried_again(hearing: Hearing, method: str, fault: BaseException) -> None:
    hearing.sink.failures[method] = [fault]
    do: dict[str, Callable[[], None]] = {
        "announce": lambda: hearing.thread.deliver(TASK, DATA),
        "deliver": lambda: hearing.thread.deliver(TASK, DATA),
        "flush": lambda: hearing.thread.barrier(1),
        "recover": lambda: hearing.thread.recover({}, may_cut=True),
        "committed": lambda: hearing.thread.committed({"out": 0}),
    }
    do[method]()
    if method == "deliver":
        hearing.announced()
    assert hearing.next() == Retried(3, fault, 1)
    assert hearing.next() == Succeeded(3)
    assert hearing.sink.calls.count(method) == 2


def test_a_barrier_waits_for_everything_that_is_being_sent() -> None:
    flushed = threading.Event()

    class Flushing(BatchSink):
        taken = -1

        def deliver(self, batch: Outgoing) -> Verdicts | None:
            flushed.wait(0.2)  # time for a barrier that does not wait
            return super().deliver(batch)

        def flush(self) -> None:
            self.taken = len(self.records)
            flushed.set()

    answers: SimpleQueue[Answer] = SimpleQueue()
    sink = Flushing(batch=Batch(max_events=1), request=Request(concurrency=3))
    thread = SinkThread(0, "out", sink, answers, lambda: None)
    thread.start()
    thread.deliver(TASK_OF_CHUNK, [Encoded(0, "-", b"abc", array("q", [1, 2, 3, 0, 2, 4, 1, 1, 1, 0, 0, 0]))])
    thread.barrier(1)
    assert isinstance(answers.get(timeout=60), Delivered)
    assert answers.get(timeout=60) == Met(0, 1, {}, [])
    assert sink.taken == 3
    assert thread.close(5)


def test_after_going_back_nothing_is_left_of_a_batch_that_waits_or_of_what_was_refused() -> None:
    answers: SimpleQueue[Answer] = SimpleQueue()
    sink = BatchSink(verdict=lambda _batch: Verdicts([(0, "no", "never")]), batch=Batch(max_events=2, timeout=3600.0))
    thread = SinkThread(0, "out", sink, answers, lambda: None)
    thread.start()
    thread.deliver(TASK_OF_CHUNK, [Encoded(0, "-", b"abc", array("q", [1, 2, 3, 0, 2, 4, 1, 1, 1, 0, 0, 0]))])
    assert isinstance(answers.get(timeout=60), Delivered)
    assert list(sink.records) == ["k-1:2"], "one of two was refused, and the third waits"
    thread.recover({}, may_cut=True)
    assert isinstance(answers.get(timeout=60), Recovered)
    thread.barrier(1)
    assert answers.get(timeout=60) == Met(0, 1, {}, [])
    assert list(sink.records) == ["k-1:2"]
    assert thread.close(5)


def test_an_output_whose_reader_went_away_is_closed_and_not_retried(hearing: Hearing) -> None:
    hearing.sink.failures["deliver"] = [ReaderGone()]
    hearing.thread.deliver(TASK, DATA)
    hearing.thread.barrier(1)
    hearing.announced()
    assert hearing.next() == Closed(3)
    assert hearing.thread.close(5)
    assert hearing.quiet(), "the barrier is behind what was not written: nothing of that may be committed"


def test_closing_abandons_a_retry_and_closes_the_sink(hearing: Hearing) -> None:
    hearing.sink.failures["deliver"] = [Retry("down", delay=3600.0)]
    hearing.thread.deliver(TASK, DATA)
    hearing.announced()
    assert isinstance(hearing.next(), Retried)
    assert hearing.thread.close(5)
    assert hearing.sink.closed
    assert hearing.quiet()


def test_case_071_a_sink_that_hangs_is_left_behind() -> None:
    release = threading.Event()
    one = Hearing()

    def hang(method: str) -> None:
        if method == "sync":
            release.wait(60)

    one.sink.before = hang
    one.thread.barrier(1)
    until(lambda: one.sink.calls == ["flush", "sync"], "the sink is at its barrier")
    assert not one.thread.close(0.01)
    release.set()
    until(lambda: one.thread.close(0), "its thread ends")


def test_a_sink_that_was_never_started_can_be_closed() -> None:
    thread = SinkThread(0, "out", MemorySink(), SimpleQueue(), lambda: None)
    assert thread.close(0.01)


def test_sinks_are_never_called_by_two_threads() -> None:
    """Everything but encode happens in the sink's own thread."""
    threads: set[int] = set()
    one = Hearing()
    one.sink.before = lambda _method: threads.add(threading.get_ident())
    one.thread.recover({}, may_cut=True)
    one.thread.deliver(TASK, DATA)
    one.thread.barrier(1)
    one.next()
    one.announced()
    one.next()
    one.next()
    one.thread.close(5)
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
