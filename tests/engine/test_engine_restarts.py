"""The engine over restarts with the real state, with full dead letters, and the end of a run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.state.letters import Filter
from tailrace.pipeline.state.store import State
from tailrace.pipeline.testing.doubles import CrashError, ListSource, MemorySink

from .engine_kit import DATA, Moody, Pipeline, law, numbered, out

pytestmark = pytest.mark.usefixtures("no_waiting")


# Over restarts, with the real state.


def real_state(directory: Path, **options: Any) -> State:
    one = State(str(directory), **{"max_bytes": 1 << 20, "when_full": "block", "config": "", **options})
    one.open()
    return one


def over(state: State, source: ListSource, *stages: Any, **options: Any) -> Pipeline:
    """A pipeline over an open state, as a daemon builds it."""
    source._register = state.register
    pipeline = Pipeline(source, *stages, store=state, durable=dict(state.counters().values), **options)
    pipeline.run = lambda: _run(pipeline, state)  # type: ignore[method-assign]
    return pipeline


def _run(pipeline: Pipeline, state: State) -> Any:
    try:
        return pipeline.engine.run(lambda: pipeline.source.open(state.cursors(), 0.0))
    finally:
        pipeline.source.close()
        state.close()
        pipeline.ring.close()


@pytest.mark.parametrize("crash_after", [0, 700, 3000, 5000])
def test_case_050_a_crash_and_a_restart_give_the_same_output_and_the_same_counters(
    tmp_path: Path, crash_after: int
) -> None:
    sink = MemorySink()
    files = {"a.log": numbered(1000, line_7="fail"), "b.log": numbered(500, line_300="raise", line_301="dup")}
    for crash in (crash_after, crash_after // 2, None):
        state = real_state(tmp_path / "state")
        source = ListSource(files, chunk_bytes=300, crash_after=crash)
        pipeline = over(state, source, Moody(), sinks=[sink])
        if crash is None:
            assert pipeline.run().complete
        else:
            with pytest.raises(CrashError):
                pipeline.run()
    again = real_state(tmp_path / "state")
    counters = again.counters()
    letters = again._db.execute("SELECT raw FROM dead_letters ORDER BY raw").fetchall()
    again.close()
    whole = Pipeline(ListSource(files, chunk_bytes=300), Moody())
    whole.run()
    assert sorted(sink.lines()) == sorted(whole.sinks[0].lines())
    assert letters == [(b"300 raise",), (b"7 fail",)]
    assert counters.total("lines_read") == 1500
    assert counters.total("dead_letters") == 2
    assert law(counters)


def test_counters_count_on_over_restarts(tmp_path: Path) -> None:
    sink = MemorySink()
    for number in (1, 2, 3):
        state = real_state(tmp_path / "state")
        outcome = over(state, ListSource({"a.log": b"one\ntwo\n" * number}), sinks=[sink]).run()
        assert outcome.counters.total("lines_read") == 2  # of this run
    state = real_state(tmp_path / "state")
    assert state.counters().total("lines_read") == 6
    state.close()


# Full dead letters.


def letters_in(state: State) -> int:
    return int(state._db.execute("SELECT COUNT(*) FROM dead_letters").fetchone()[0])


def test_case_078_full_dead_letters_block_until_there_is_room(tmp_path: Path) -> None:
    state = real_state(tmp_path / "state", max_bytes=5000)
    source = ListSource({"a.log": numbered(300).replace(b"\n", b" fail\n")}, chunk_bytes=100, ends=False)
    purges: list[int] = []
    counts: list[int] = []

    def purge(pipeline: Pipeline) -> None:
        if pipeline.engine._commit.full is not None:
            counts.append(letters_in(state))
            purges.append(1)
            state.drop_letters(state.letters.ids(Filter()))  # as `tailrace dlq drop` asks for
        if source.offsets()["a.log"] == len(source._feeds[0].data):
            pipeline.engine.stop()

    pipeline = over(state, source, Moody(), on_turn=purge)
    outcome = pipeline.run()
    assert outcome.complete
    assert purges
    assert sum(counts) < 300
    assert outcome.counters.total("dead_letters") == 300


def test_case_078_full_dead_letters_end_a_run_to_the_end_of_files_with_the_reason(tmp_path: Path) -> None:
    """Also when so much is left that the source never gets to its end: the ring is full behind the block."""
    state = real_state(tmp_path / "state", max_bytes=5000)
    source = ListSource({"a.log": numbered(5000).replace(b"\n", b" fail\n")}, chunk_bytes=100)
    pipeline = over(state, source, Moody(), commit_bytes=1000, until_eof=True)
    outcome = pipeline.run()
    assert not outcome.complete
    assert "dead letters are full" in outcome.message
    assert "dlq" in outcome.message
    assert outcome.counters.total("lines_pending") > 0
    again = real_state(tmp_path / "state", max_bytes=5000)
    assert 0 < letters_in(again) < 5000
    assert again.cursors()[1]["offset"] == source.offsets()["a.log"] > 0
    again.close()


def test_case_078_a_stop_with_full_dead_letters_says_so(tmp_path: Path) -> None:
    state = real_state(tmp_path / "state", max_bytes=2000)
    source = ListSource({"a.log": numbered(300).replace(b"\n", b" fail\n")}, chunk_bytes=100, ends=False)

    def stop(pipeline: Pipeline) -> None:
        if pipeline.engine._commit.full is not None:
            pipeline.engine.stop()

    outcome = over(state, source, Moody(), on_turn=stop, shutdown_timeout=0.1).run()
    assert not outcome.complete
    assert "dead letters are full" in outcome.message


def test_case_078_drop_oldest_makes_room_and_counts_what_it_drops(tmp_path: Path) -> None:
    state = real_state(tmp_path / "state", max_bytes=5000, when_full="drop_oldest")
    source = ListSource({"a.log": numbered(300).replace(b"\n", b" fail\n")}, chunk_bytes=100)
    assert over(state, source, Moody()).run().complete
    again = real_state(tmp_path / "state")
    kept = [raw for (raw,) in again._db.execute("SELECT raw FROM dead_letters ORDER BY id")]
    again.close()
    assert kept == [f"{number} fail".encode() for number in range(300 - len(kept), 300)]
    assert 1 < len(kept) < 25
    assert state.dropped == 300 - len(kept)


# The end.


def test_case_070_a_stop_while_busy_finishes_what_is_in_the_ring_and_reads_no_more() -> None:
    source = ListSource({"a.log": DATA * 20}, chunk_bytes=500)

    def stop(pipeline: Pipeline) -> None:
        if pipeline.sinks[0].calls.count("deliver") >= 3:
            pipeline.engine.stop()

    pipeline = Pipeline(source, on_turn=stop)
    outcome = pipeline.run()
    assert (outcome.complete, outcome.message) == (True, "")
    done = source.offsets()["a.log"]
    assert 0 < done == source.read_bytes < len(DATA) * 20
    assert out(pipeline.sinks[0]) == (DATA * 20)[:done]


@pytest.mark.parametrize("how", ["retries", "hangs"])
def test_case_071_a_stop_with_a_stuck_sink_leaves_at_the_timeout_and_says_what_is_pending(how: str) -> None:
    source = ListSource({"a.log": DATA}, chunk_bytes=500)
    gate = threading.Event()

    def stuck(method: str) -> None:
        if method == "deliver" and sinks[1].calls.count("deliver") > 3:
            if how == "hangs":
                gate.wait(60)
            raise OSError("the disk is full")

    def stop(pipeline: Pipeline) -> None:
        if pipeline.store.commits:
            pipeline.engine.stop()

    sinks = [MemorySink(), MemorySink(before=stuck)]
    pipeline = Pipeline(source, sinks=sinks, on_turn=stop, shutdown_timeout=0.2)
    outcome = pipeline.run()
    gate.set()
    assert not outcome.complete
    assert "shutdown_timeout" in outcome.message
    assert f"stuck: out1 ({'no answer yet' if how == 'hangs' else 'the disk is full'})" in outcome.message
    assert outcome.counters.total("lines_pending") > 0
    committed = source.offsets()["a.log"]
    assert 0 < committed < len(DATA)
    assert out(sinks[0])[:committed] == DATA[:committed]


def test_workers_that_cannot_be_hired_end_the_run_by_that_error() -> None:
    pipeline = Pipeline(ListSource({"a.log": DATA}))

    def no_process() -> Any:
        raise BlockingIOError("no more processes")

    pipeline.engine._dispatch._hire = no_process
    with pytest.raises(BlockingIOError, match="no more processes"):
        pipeline.run()
