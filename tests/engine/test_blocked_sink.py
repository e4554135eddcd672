"""A sink that takes no more, or fails most of the time: what is read is what it took and the ring; nothing is lost."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from time import monotonic

import orjson
import pytest
from tailrace.pipeline.errors import Retry
from tailrace.pipeline.testing.doubles import ListSource, MemorySink

from ..inside import adjust
from .engine_kit import Pipeline

LINE, CHUNK = 10, 500  # bytes
STILL = 0.7  # seconds without a read that show that there will be none


def lines(name: str, count: int) -> bytes:
    return b"".join(f"{name}{number:08}\n".encode() for number in range(count))


FILES = {f"{name}.log": lines(name, 3000) for name in "abcd"}


@pytest.mark.parametrize("workers", [0, 1])
def test_case_066_what_is_read_is_what_the_sink_took_and_the_ring_to_the_byte(workers: int) -> None:
    """Mutation: a slot more, or a second queue."""
    accepts, slots = 3, 5
    gate = threading.Event()
    source = ListSource(FILES, chunk_bytes=CHUNK)
    taken: list[str] = []

    def take(method: str) -> None:
        if method == "deliver":
            taken.append(method)
            if len(taken) > accepts:
                assert gate.wait(20)

    read: list[tuple[int, float]] = [(0, 0.0)]

    def look(_: Pipeline) -> None:
        if gate.is_set():
            return
        if source.read_bytes != read[-1][0]:
            read.append((source.read_bytes, monotonic()))
        elif len(taken) > accepts and monotonic() - read[-1][1] > STILL:
            gate.set()

    sink = MemorySink(before=take)
    pipeline = Pipeline(source, sinks=[sink], on_turn=look, workers=workers, slots=slots, chunk_bytes=8 * CHUNK)
    assert pipeline.run().complete
    assert read[-1][0] == (accepts + slots) * CHUNK
    assert len(sink.lines()) == sum(map(len, FILES.values())) // LINE


@pytest.mark.parametrize("seed", range(3))
def test_case_061_seventy_failures_in_a_hundred_change_neither_content_nor_order(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Mutation: a delivery that failed counts as made."""
    waits = {"first_backoff": 0.0, "longest_backoff": 0.001, "first_rewind": 0.0, "longest_rewind": 0.001}
    adjust(monkeypatch.setattr, most_rewinds=10_000, **waits)
    chance = random.Random(seed)  # noqa: S311  (no secret)

    def fail(method: str) -> None:
        if method == "deliver" and chance.random() < 0.7:
            raise chance.choice([OSError("full"), Retry("busy"), Retry("busy", delay=0.0)])
        if method in ("sync", "announce") and chance.random() < 0.1:
            raise OSError("failed")

    flaky, steady = MemorySink(before=fail), MemorySink()
    plant = Pipeline(
        ListSource(FILES, chunk_bytes=CHUNK), sinks=[flaky, steady], chunk_bytes=CHUNK, commit_bytes=10 * CHUNK
    )
    assert plant.run().complete
    assert plant.counters.total("output_retries", sink="out") > 100
    assert plant.counters.total("rewinds") > 1, "barriers fail, too"
    for sink in (flaky, steady):
        by_file: defaultdict[str, list[str]] = defaultdict(list)
        for line in sink.lines():
            message = orjson.loads(line)["message"]
            by_file[f"{message[0]}.log"].append(message + "\n")
        assert {name: "".join(found).encode() for name, found in by_file.items()} == FILES
