"""What may lie behind the last commit is bounded also where little input makes much output."""

from __future__ import annotations

from tailrace.pipeline.outgoing import Outgoing, Verdicts
from tailrace.pipeline.run.commit import DEAD_BYTES, GROWTH, most_uncommitted
from tailrace.pipeline.testing.doubles import BatchSink, ListSource, MemorySink

from .engine_kit import Each, Pipeline, numbered

COMMIT_BYTES = 16 << 10


def test_case_047_a_sink_is_never_given_more_than_a_crash_may_leave_behind_its_marks() -> None:
    """Mutation: output does not count."""
    sink, idle = MemorySink(), MemorySink()
    data = numbered(1000)
    behind: list[int] = []

    def look(pipeline: Pipeline) -> None:
        marks = pipeline.store.kept.get("out", {})
        behind.append(len(sink.files.get("out", b"")) - marks.get("out", 0))

    pipeline = Pipeline(
        ListSource({"a.log": data}, chunk_bytes=100),
        Each(lambda event: {**event, "pad": "x" * 500}),
        sinks=[sink, idle],
        on_turn=look,
        commit_interval=3600.0,
        commit_bytes=COMMIT_BYTES,
        chunk_bytes=4096,
    )
    assert pipeline.run().complete
    assert len(data) < COMMIT_BYTES, "the input alone is no reason for a commit"
    assert len(sink.files["out"]) > 500_000
    most = most_uncommitted(COMMIT_BYTES, 2 * 4096 * 2)  # room for chunks that grow twofold, for two sinks
    assert GROWTH * COMMIT_BYTES / 2 < max(behind) <= most
    assert len(pipeline.store.commits) >= len(sink.files["out"]) / most


def test_records_that_a_sink_refuses_are_a_reason_for_a_commit_before_they_take_much_memory() -> None:
    def refuse(batch: Outgoing) -> Verdicts:
        return Verdicts(refused=[(index, "rejected", "no") for index in range(len(batch))])

    most = 0

    def look(pipeline: Pipeline) -> None:
        nonlocal most
        most = max(most, pipeline.crew.threads[0].refused_bytes)

    source = ListSource({"a.log": numbered(50_000)}, chunk_bytes=1000)
    pipeline = Pipeline(source, sinks=[BatchSink(verdict=refuse)], on_turn=look, commit_interval=3600.0)
    assert pipeline.run().complete
    assert len(pipeline.store.letters) == 50_000
    assert DEAD_BYTES / 2 < most < 1.5 * DEAD_BYTES
    assert len(pipeline.store.commits) > 3
