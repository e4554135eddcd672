"""What may lie behind the last commit is bounded also where little input makes much output."""

from __future__ import annotations

from tailrace.pipeline.run.commit import GROWTH, most_uncommitted
from tailrace.pipeline.testing.doubles import ListSource, MemorySink

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
