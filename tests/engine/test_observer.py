"""The snapshot: whatever happens, what it shows is committed, and all else is pending; and looking costs little."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from tailrace.pipeline.delivery import Batch, RetryPolicy
from tailrace.pipeline.errors import Retry
from tailrace.pipeline.outgoing import Outgoing, Verdicts
from tailrace.pipeline.run import observer
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.sums import exposed
from tailrace.pipeline.telemetry.counters import HAPPENED, Key
from tailrace.pipeline.telemetry.snapshot import FileState, Listing, Snapshot
from tailrace.pipeline.testing.doubles import BatchSink, FakeClock, ListSource, MemorySink

from .engine_kit import DATA, MemoryStore, Moody, Pipeline, enrich_spec, numbered

pytestmark = pytest.mark.usefixtures("no_waiting")


@dataclass
class Watch:
    """Looks at each turn, and compares what it is shown with what the store was given."""

    snapshots: list[Snapshot] = field(default_factory=list)
    most_pending: int = 0

    def __call__(self, pipeline: Pipeline) -> Snapshot:
        snapshot = pipeline.engine._look()
        committed: dict[Key, float] = dict(pipeline.store.commits[-1].counters) if pipeline.store.commits else {}
        assert kept(snapshot.counters.values) == kept(committed)
        read = pipeline.counters.total("lines_read")
        assert read == snapshot.counters.total("lines_read") + snapshot.lines_pending
        ring = snapshot.ring
        assert ring.slots == ring.free + ring.waiting + ring.working + ring.through
        assert snapshot.bytes_pending == sum(snapshot.files.values())
        assert snapshot.oldest_pending > 0 or not snapshot.bytes_pending
        source = pipeline.source
        if isinstance(source, ListSource):
            assert snapshot.bytes_pending == source.read_bytes - sum(source.offsets().values())
        self.most_pending = max(self.most_pending, snapshot.bytes_pending)
        self.snapshots.append(snapshot)
        return snapshot

    @property
    def phases(self) -> list[str]:
        """Each once as it comes."""
        found = [one.phase for one in self.snapshots]
        return found[:1] + [later for earlier, later in pairwise(found) if later != earlier]


def kept(values: Any) -> dict[Key, float]:
    """Those that a commit covers."""
    return {key: value for key, value in values.items() if key[0] not in HAPPENED and value}


def watched(source: Any, *stages: Any, then: Callable[[Pipeline], None] = lambda _: None, **options: Any) -> Any:
    watch = Watch()

    def turn(pipeline: Pipeline) -> None:
        watch(pipeline)
        then(pipeline)

    pipeline = Pipeline(source, *stages, on_turn=turn, **options)
    return pipeline, watch


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_shown_is_committed_and_the_rest_is_pending(workers: int) -> None:
    source = ListSource({"a.log": DATA, "b.log": numbered(500)}, chunk_bytes=1000)
    stage = enrich_spec("Moody") if workers else Moody()
    pipeline, watch = watched(source, stage, workers=workers, sinks=[MemorySink(), MemorySink()])
    assert pipeline.run().complete
    last = watch.snapshots[-1]
    assert watch.most_pending > 0
    assert (last.lines_pending, last.bytes_pending, last.files) == (0, 0, {})
    assert last.counters.total("lines_read") == 2500
    for sink in ("out", "out1"):
        assert last.counters.total("events_written", sink=sink) == 2500
        index = int(sink == "out1")
        assert last.counters.total("bytes_given", sink=sink) == len(pipeline.sinks[index].files["out"])
    assert last.counters.total("stage_received", stage="parse.lines") == 2500
    assert last.commits.count == len(pipeline.store.commits)
    times = [one.at for one in watch.snapshots]
    assert times == sorted(set(times))


def test_a_failed_commit_takes_back_what_was_pending_and_shows_no_less_than_before() -> None:
    store = MemoryStore()
    source = ListSource({"a.log": DATA}, chunk_bytes=500)

    def fail(_: Pipeline) -> None:
        if len(store.commits) == 3 and not store.failures.get("commit") and source.rewinds == 0:
            store.failures["commit"] = [OSError("disk full")]

    pipeline, watch = watched(source, Moody(), store=store, then=fail)
    assert pipeline.run().complete
    assert source.rewinds == 1
    shown = [one.counters.total("lines_read") for one in watch.snapshots]
    assert shown == sorted(shown)
    assert shown[-1] == 2000
    assert watch.phases == ["starting", "running", "recovering", "running"]
    assert watch.snapshots[-1].counters.total("rewinds") == 1
    assert watch.snapshots[-1].counters.total("bytes_given") == len(pipeline.sinks[0].files["out"])


def test_a_sink_that_takes_nothing_is_shown_with_what_it_owes() -> None:
    gate = threading.Event()
    seen: list[Snapshot] = []

    def hold(method: str) -> None:
        if method == "deliver" and not gate.is_set():
            assert gate.wait(60)

    def look(_: Pipeline) -> None:
        ring = watch.snapshots[-1].ring
        if ring.through == ring.slots:
            seen.append(watch.snapshots[-1])
            gate.set()

    source = ListSource({f"{name}.log": numbered(200) for name in "abcdef"}, chunk_bytes=500)
    pipeline, watch = watched(source, sinks=[MemorySink(before=hold), MemorySink()], then=look)
    assert pipeline.run().complete
    held = seen[0]
    assert (held.ring.free, held.ring.through) == (0, held.ring.slots)
    assert held.waiting["out"] >= held.ring.through
    assert held.counters.total("lines_read") == 0
    assert held.lines_pending > 0
    assert watch.snapshots[-1].waiting == {"out": 0, "out1": 0}


def test_a_sink_that_fails_is_down_until_it_works_and_its_retries_are_told_at_once() -> None:
    down: list[Snapshot] = []

    def look(pipeline: Pipeline) -> None:
        if watch.snapshots[-1].sinks:
            down.append(watch.snapshots[-1])
            if len(down) > 3:
                pipeline.sinks[0].failures["deliver"] = []

    sink = MemorySink(failures={"deliver": [OSError(28, "No space left on device")] * 10_000})
    pipeline, watch = watched(ListSource({"a.log": DATA}), sinks=[sink], then=look)
    assert pipeline.run().complete
    assert {why.why for one in down for why in one.sinks.values()} == {"[Errno 28] No space left on device"}
    assert down[0].counters.total("output_retries", sink="out") > 0
    assert down[0].counters.total("lines_read") == 0
    assert watch.snapshots[-1].sinks == {}


def test_records_that_a_sink_refuses_are_never_shown_as_written() -> None:
    class Refusing(BatchSink):
        def deliver(self, batch: Outgoing) -> Verdicts | None:
            return Verdicts([(index, "rejected", "no") for index in range(len(batch)) if index % 2])

    sink = Refusing(batch=Batch(max_events=10), retry=RetryPolicy(0.001, 0.002))
    pipeline, watch = watched(ListSource({"a.log": numbered(300)}, chunk_bytes=300), sinks=[sink])
    assert pipeline.run().complete
    for one in watch.snapshots:
        dead, written = one.counters.total("dead_letters"), one.counters.total("events_written")
        assert dead + written == one.counters.total("lines_read")
    assert watch.snapshots[-1].counters.total("dead_letters", stage="write.out") == 150


def test_what_a_sink_counts_is_kept_with_all_other_counters() -> None:
    class Counting(MemorySink):
        def connect(self, about: Any) -> None:
            self.about = about

        def deliver(self, batch: Outgoing) -> None:
            self.about.count("http_responses", status="503" if "deliver" in self.failures else "200")
            super().deliver(batch)

    sink = Counting()
    sink.failures["deliver"] = [Retry("503", 0.001)] * 3
    pipeline, _ = watched(ListSource({"a.log": DATA}), sinks=[sink])
    assert pipeline.run().complete
    told = pipeline.counters.by("http_responses", "sink", "status")
    assert told == {("out", "503"): sink.calls.count("deliver")}


def test_a_stop_is_told() -> None:
    stopped = watched(
        ListSource({"a.log": DATA}, ends=False), then=lambda one: one.engine.stop() if one.store.commits else None
    )
    assert stopped[0].run().complete
    assert stopped[1].phases == ["starting", "running", "stopping"]


def test_workers_are_told_with_what_they_do() -> None:
    source = ListSource({"a.log": numbered(400), "b.log": numbered(400)}, chunk_bytes=500)
    pipeline, watch = watched(source, enrich_spec("Slow", seconds=0.0005), workers=2)
    assert pipeline.run().complete
    working = [worker for one in watch.snapshots for worker in one.workers if worker.state == "working"]
    assert {os.path.basename(worker.file or "") for worker in working} == {"a.log", "b.log"}
    assert all(worker.batch for worker in working)
    busiest = [one for one in watch.snapshots if len(one.workers) == 2][-1]
    assert sum(worker.lines for worker in busiest.workers) == 800
    assert sum(worker.busy_seconds for worker in busiest.workers) > 800 * 0.0005
    with_memory = [one.memory for one in watch.snapshots if len(one.memory) == 3][-1]
    assert [one.role for one in with_memory] == ["main", "worker", "worker"]
    assert all(one.bytes > 1 << 20 for one in with_memory)
    slowest = watch.snapshots[-1].slowest
    assert slowest
    assert [one.end - one.start for one in slowest] == sorted((one.end - one.start for one in slowest), reverse=True)


def test_many_files_are_looked_at_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked = FakeClock(), []
    row = FileState("/a", "a", 1, 0, 9, 9, 1.0, "reading", "", {})

    class Many(ListSource):
        def listing(self, limit: int, wall: float) -> Listing:  # noqa: ARG002
            asked.append(clock.now)
            clock.advance(0.1)
            return Listing(10_000, 10_000, 9, 1.0, (row,) * limit)

    monkeypatch.setattr(observer, "monotonic", clock)
    monkeypatch.setattr(observer, "perf_counter", clock)
    pipeline = Pipeline(Many({"a.log": b"1\n"}))
    for _ in range(100):
        snapshot = pipeline.engine._look()
        assert snapshot.listing.count == 10_000
        clock.advance(1.0)
    assert len(asked) * 0.1 <= observer.SHARE * (clock.now - 1000.0) + 0.1
    assert len(asked) > 3
    assert len(snapshot.listing.rows) == observer.SHOWN


def test_metrics_of_stages_are_those_of_the_last_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposed, "SHARE", 1e9)  # here commits are a millisecond apart
    spec = StageSpec("enrich.metric", "enrich.metric", "enrich", {"metric": "lines_total", "keep": True, "every": 60.0})
    source = ListSource({"a.log": DATA}, chunk_bytes=1000)
    pipeline, watch = watched(source, spec, parse=StageSpec("parse.raw", "parse.raw", "parse", {}))
    assert pipeline.run().complete
    for one in watch.snapshots:
        told = sum(series.value for series in one.series)
        assert told == one.counters.total("lines_read")
    assert [one.metric for one in watch.snapshots[-1].series] == ["lines_total"]
