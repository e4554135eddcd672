"""What the pipeline makes for each piece and batch is freed at once: the garbage collector is off while it runs."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tailrace.pipeline.batch import Event
from tailrace.pipeline.chain.simple_write import SimpleSink
from tailrace.pipeline.delivery import Batch, Request, RetryPolicy
from tailrace.pipeline.errors import Split
from tailrace.pipeline.outgoing import Outgoing, Verdicts
from tailrace.pipeline.testing.doubles import BatchSink, ListSource, MemorySink

from ..inside import adjust
from .engine_kit import Moody, Pipeline

WORDS = ("raise", "fail", "fail-new", "dup", "new", "drop", "parse-raise", "parse-fail", "", "bad-encode", "exit")
LINES = 3000
FEW = 300  # objects: what hangs together once, and not for each piece or batch


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    adjust(monkeypatch.setattr, first_rewind=0.001, first_backoff=0.001, collect_every=1 << 60)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Simple:
    batch = Batch(max_events=50)
    retry = RetryPolicy(0.001, 0.002)

    def __init__(self) -> None:
        self.calls = 0

    def write(self, events: list[Event]) -> None:
        self.calls += 1
        if self.calls % 7 == 0:
            raise sqlite3.OperationalError("database is locked")
        if any(int(event["message"].split()[0]) % 97 == 0 for event in events):
            raise ValueError("cannot be written")


def batches(verdict: Callable[[Outgoing], Any]) -> BatchSink:
    return BatchSink(batch=Batch(max_events=10), request=Request(concurrency=2), verdict=verdict)


def halve(batch: Outgoing) -> None:
    if len(batch) > 2:
        raise Split("too many")


def answer(batch: Outgoing) -> Verdicts | None:
    match sum(batch.data) % 4:
        case 0 if len(batch) > 1:
            return Verdicts(again=[0], delay=0.0)
        case 1:
            return Verdicts(refused=[(0, "rejected", "no")])
        case _:
            return None


@pytest.mark.parametrize(
    "sink",
    [MemorySink, lambda: batches(halve), lambda: batches(answer), lambda: SimpleSink(Simple())],
    ids=["a file", "halves", "verdicts", "one method"],
)
def test_nothing_is_left_for_the_garbage_collector(sink: Callable[[], Any]) -> None:
    data = b"".join(b"%d %s\n" % (n, WORDS[n % len(WORDS)].encode()) for n in range(LINES))
    gc.collect()  # what other tests have left in this process
    pipeline = Pipeline(ListSource({"a.log": data}, chunk_bytes=300), Moody(), sinks=[sink()])
    assert pipeline.run().complete
    assert gc.collect() < FEW


class Careless(MemorySink):
    """Makes a cycle with each delivery, as a library may."""

    made = 0

    def deliver(self, batch: Outgoing) -> None:
        super().deliver(batch)
        cycle: list[Any] = [Cycle() for _ in range(100)]
        cycle.append(cycle)


class Cycle:
    alive = most = 0

    def __init__(self) -> None:
        Cycle.alive += 1
        Cycle.most = max(Cycle.most, Cycle.alive)

    def __del__(self) -> None:
        Cycle.alive -= 1


def test_cycles_that_a_sink_makes_are_collected_before_there_are_many() -> None:
    def look(pipeline: Pipeline) -> None:
        pipeline.engine._watched = float("-inf")  # not once a second: now

    data = b"".join(b"%d\n" % n for n in range(LINES))
    pipeline = Pipeline(ListSource({"a.log": data}, chunk_bytes=20), sinks=[Careless()], on_turn=look, slots=2)
    assert pipeline.run().complete
    assert Cycle.most < 20_000
