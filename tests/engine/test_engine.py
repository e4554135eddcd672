"""The whole loop: cuts, commits, rewinds."""

from __future__ import annotations

import threading

import pytest
from tailrace.pipeline.batch import Fail
from tailrace.pipeline.errors import ReaderGone, Retry, TailraceError
from tailrace.pipeline.source import Exhausts, Source
from tailrace.pipeline.stage import Write
from tailrace.pipeline.testing.doubles import FakeClock, ListSource, MemorySink

from ..inside import adjust
from .engine_kit import DATA, Each, MemoryStore, Moody, Pipeline, law, numbered, out

pytestmark = pytest.mark.usefixtures("no_waiting")


def test_the_doubles_keep_the_contracts() -> None:
    source: Source = ListSource({})
    sink: Write = MemorySink()
    clock = FakeClock(1.0)
    clock.advance(2.0)
    assert clock() == 3.0
    assert isinstance(source, Exhausts)
    assert source.exhausted
    assert isinstance(sink, Write)


# Commits.


def test_everything_read_is_written_and_committed() -> None:
    """Also where a sink's sync takes a while and there is nothing else to do."""
    source = ListSource({"a.log": DATA, "b.log": b"only\n"}, chunk_bytes=1000)
    turns, enough = [0], threading.Event()

    def slow(method: str) -> None:
        if method == "sync":
            turns[0] = 0
            enough.clear()
            enough.wait(5)

    def count(_: Pipeline) -> None:
        turns[0] += 1
        if turns[0] > 2:
            enough.set()

    pipeline = Pipeline(source, sinks=[MemorySink(before=slow)], on_turn=count)
    outcome = pipeline.run()
    assert outcome.complete
    assert sorted(out(pipeline.sinks[0]).splitlines()) == sorted([*DATA.splitlines(), b"only"])
    assert source.offsets() == {"a.log": len(DATA), "b.log": 5}
    assert outcome.counters.total("lines_read") == 2001
    assert outcome.counters.total("lines_pending") == 0
    assert all(sink.closed for sink in pipeline.sinks)


def test_a_commit_holds_what_it_says_positions_and_marks_agree() -> None:
    pipeline = Pipeline(ListSource({"a.log": DATA}, chunk_bytes=500))
    pipeline.run()
    assert len(pipeline.store.commits) > 2
    lines = list(pipeline.sinks[0].files["out"].splitlines(keepends=True))
    for commit in pipeline.store.commits:
        done = DATA[: commit.cursors[1]["offset"]].count(b"\n")
        assert commit.marks["out"]["out"] == sum(map(len, lines[:done]))
        assert commit.counters["lines_read", ()] == done


def test_a_cut_waits_for_every_sink() -> None:
    answered: list[int] = []

    def slow(method: str) -> None:
        if method == "sync":
            answered.append(len(store.commits))

    store = MemoryStore()
    sinks = [MemorySink(), MemorySink(before=slow)]
    pipeline = Pipeline(ListSource({"a.log": DATA}, chunk_bytes=500), sinks=sinks, store=store)
    pipeline.run()
    assert answered == list(range(len(store.commits)))  # the n-th barrier was met before the n-th commit
    for commit in store.commits:
        assert set(commit.marks) == {"out", "out1"}
    assert out(sinks[0]) == out(sinks[1]) == DATA


def test_nothing_new_makes_no_commit() -> None:
    source = ListSource({"a.log": b"one\n"}, ends=False)
    turns: list[int] = []

    def idle(pipeline: Pipeline) -> None:
        if pipeline.engine._commit.settled and pipeline.store.commits:
            turns.append(1)
            pipeline.waker()
        if len(turns) > 50:
            pipeline.engine.stop()

    pipeline = Pipeline(source, on_turn=idle)
    assert pipeline.run().complete
    assert len(pipeline.store.commits) == 1
    assert pipeline.sinks[0].calls.count("sync") == 1


def test_case_066_what_is_uncommitted_is_bounded_while_a_barrier_is_outstanding() -> None:
    gate = threading.Event()
    source = ListSource({"a.log": DATA, "b.log": DATA, "c.log": DATA}, chunk_bytes=500)
    released: list[int] = []

    def hold(method: str) -> None:
        if method == "sync" and not gate.is_set():
            assert gate.wait(60)

    def look(pipeline: Pipeline) -> None:
        total = sum(feed.released for feed in source._feeds)
        if pipeline.engine._commit.cut and total == released[-1] and pipeline.engine._dispatch.full:
            gate.set()
        released.append(total)

    first = MemorySink(before=hold)
    pipeline = Pipeline(
        source, sinks=[first, MemorySink()], on_turn=look, commit_bytes=2000, slots=24, chunk_bytes=4096
    )
    held: list[int] = []
    original = pipeline.engine._commit.tick

    def tick(now: float, *, final: bool = False) -> bool:
        cut = pipeline.engine._commit.cut
        if cut is not None and not gate.is_set():
            held.append(pipeline.engine._commit._bytes)
        return original(now, final=final)

    pipeline.engine._commit.tick = tick  # type: ignore[method-assign]  # only to look
    assert pipeline.run().complete
    assert max(held) <= 2000 + 500
    assert pipeline.sinks[0].calls.count("sync") == len(pipeline.store.commits)


# Going back.


@pytest.mark.parametrize("where", ["commit", "announce", "sync"])
@pytest.mark.parametrize("times", [1, 3])
def test_case_046_a_commit_that_fails_rewinds_and_the_output_is_exact_afterwards(where: str, times: int) -> None:
    source = ListSource({"a.log": DATA}, chunk_bytes=500)
    pipeline = Pipeline(source, sinks=[MemorySink(), MemorySink()])
    errors: list[BaseException] = [OSError(f"disk {number}") for number in range(times)]
    (pipeline.sinks[1] if where == "sync" else pipeline.store).failures[where] = errors
    outcome = pipeline.run()
    assert outcome.complete
    assert source.rewinds == times
    assert out(pipeline.sinks[0]) == out(pipeline.sinks[1]) == DATA
    assert source.offsets() == {"a.log": len(DATA)}
    assert outcome.counters.total("lines_read") == 2000
    assert outcome.counters.total("events_written", sink="out") == 2000
    assert "disk 0" in pipeline.log.fields("pipeline.rewind")[0]["why"]


@pytest.mark.parametrize(("until_eof", "most"), [(True, 5), (False, 10)])
def test_case_046_commits_that_go_on_failing_stop_it_loudly(
    monkeypatch: pytest.MonkeyPatch, until_eof: bool, most: int
) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.001, longest_rewind=0.001)
    pipeline = Pipeline(ListSource({"a.log": DATA}, chunk_bytes=500), until_eof=until_eof)
    pipeline.store.failures["commit"] = [OSError(f"disk {number}") for number in range(20)]
    outcome = pipeline.run()
    assert not outcome.complete
    assert outcome.message.startswith(
        f"{most} commits in a row have failed, the last one: OSError: disk {most - 1}; nothing is lost"
    )
    assert [fields["failures"] for fields in pipeline.log.fields("pipeline.rewind")] == list(range(1, most + 1))
    assert pipeline.store.commits == []
    assert outcome.counters.total("lines_pending") == outcome.counters.total("lines_read")


def test_case_046_commits_that_fail_now_and_then_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.001, longest_rewind=0.001)

    def fail_again(pipeline: Pipeline) -> None:
        if pipeline.store.commits and not pipeline.store.failures["commit"] and len(failures) < 40:
            failures.append(OSError("now and then"))
            pipeline.store.failures["commit"] = failures[-1:]
            pipeline.store.commits.clear()

    failures: list[BaseException] = []
    pipeline = Pipeline(ListSource({"a.log": DATA}, chunk_bytes=50), until_eof=True, on_turn=fail_again)
    pipeline.store.failures["commit"] = [OSError("first")]
    assert pipeline.run().complete
    assert len(pipeline.log.fields("pipeline.rewind")) > 5
    assert out(pipeline.sinks[0]) == DATA


def test_a_rewind_makes_no_dead_letter_twice() -> None:
    data = numbered(300, line_5="fail", line_250="raise")
    pipeline = Pipeline(ListSource({"a.log": data}, chunk_bytes=200), Moody())
    pipeline.store.failures["commit"] = [OSError("1")]
    pipeline.sinks[0].failures["sync"] = []
    outcome = pipeline.run()
    assert [raw for _, _, raw in pipeline.dead()] == [b"5 fail", b"250 raise"]
    assert outcome.counters.total("dead_letters") == 2
    assert law(outcome.counters)


def test_the_bytes_of_a_line_count_once_as_dead_however_many_dead_letters_it_has() -> None:
    data = b"fine\n" + b"two dup\n" + b"fail\n" + b"fine\n" + b"last fail"  # (which has no newline)
    source = ListSource({"a.log": data})
    pipeline = Pipeline(
        source, Moody(), Each(lambda event: Fail("bad", "two", event) if "dup" in event["message"] else event)
    )
    pipeline.run()
    assert sorted(raw for _, _, raw in pipeline.dead()) == [b"fail", b"last fail", b"two dup", b"two dup"]
    assert source.dead_bytes == len("two dup\n" + "fail\n" + "last fail")


def test_a_rewind_while_workers_are_busy_gives_their_slots_away_only_when_they_are_gone() -> None:
    source = ListSource({"a.log": DATA}, chunk_bytes=500)
    pipeline = Pipeline(source, workers=2)
    pipeline.store.failures["commit"] = [OSError("now")]
    assert pipeline.run().complete
    assert out(pipeline.sinks[0]) == DATA
    assert source.rewinds == 1


def test_case_061_deliveries_that_fail_are_repeated_and_lose_nothing() -> None:
    pipeline = Pipeline(ListSource({"a.log": DATA}, chunk_bytes=500))
    pipeline.sinks[0].failures["deliver"] = [OSError("full"), Retry("busy", delay=0.0)] * 5
    outcome = pipeline.run()
    assert out(pipeline.sinks[0]) == DATA
    assert outcome.counters.total("output_retries", sink="out") == 10
    assert pipeline.log.fields("sink.retry")[0] == {"sink": "out", "error": "full", "failures": 1}
    assert len(pipeline.log.fields("sink.recovered")) >= 1


def test_case_089_a_fault_in_a_sink_is_tried_again_and_said_with_its_traceback_once() -> None:
    pipeline = Pipeline(ListSource({"a.log": DATA}))
    pipeline.sinks[0].failures["deliver"] = [ValueError("a fault"), ValueError("a fault")]
    assert pipeline.run().complete
    said = pipeline.log.fields("sink.retry")
    assert [fields["error"] for fields in said] == ["ValueError: a fault"] * 2
    assert ["exc_info" in fields for fields in said] == [True, False]
    assert pipeline.log.fields("pipeline.rewind") == []


def test_a_tailrace_error_of_a_sink_comes_out_as_it_is() -> None:
    pipeline = Pipeline(ListSource({"a.log": DATA}))
    pipeline.sinks[0].failures["recover"] = [TailraceError("output is shorter than its mark")]
    with pytest.raises(TailraceError, match="shorter than its mark"):
        pipeline.run()


def test_a_closed_pipe_ends_the_run_quietly() -> None:
    pipeline = Pipeline(ListSource({"a.log": DATA}, chunk_bytes=500))
    pipeline.sinks[0].failures["deliver"] = [ReaderGone()]
    outcome = pipeline.run()
    assert (outcome.closed, outcome.complete) == (True, False)
