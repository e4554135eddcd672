"""What is kept for those who watch: the newest snapshot, the last minute, an hour of points."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tailrace.pipeline.status.report import history, status
from tailrace.pipeline.status.verdict import bottleneck
from tailrace.pipeline.telemetry.board import KEPT, POINTS, Board, Description, StageView, latency_of, rates
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.histogram import Histogram
from tailrace.pipeline.telemetry.snapshot import (
    BatchState,
    CommitState,
    FileState,
    Listing,
    ProcessMemory,
    RingState,
    Series,
    SinkState,
    Snapshot,
)

NOON = 1.7e9
LETTERS: dict[str, Any] = {"count": 0, "bytes": 0, "max_bytes": 0, "when_full": "", "full": False, "groups": []}


def counted(**amounts: float) -> Counters:
    counters = Counters()
    for name, amount in amounts.items():
        counters.add(name, amount)
    return counters


def snapshot(at: float, lines: float = 0, **changes: Any) -> Snapshot:
    """``at``: seconds since noon."""
    made = Snapshot(counted(lines_read=lines, bytes_read=10 * lines), phase="running", when=NOON + at, at=at)
    return replace(made, **changes)


def lasting(*seconds: float) -> Histogram:
    histogram = Histogram()
    for one in seconds:
        histogram.add(one)
    return histogram


def test_totals_are_those_of_the_whole_life_of_the_state() -> None:
    board = Board({("lines_read", ()): 100.0, ("rewinds", ()): 2.0})
    board.publish(snapshot(0, 7))
    assert (board.totals.total("lines_read"), board.totals.total("rewinds")) == (107, 2)
    assert board.durable["lines_read", ()] == 100


def test_rates_are_those_of_ten_seconds() -> None:
    board = Board()
    for second in range(30):
        board.publish(snapshot(second, 50 * second if second < 20 else 1000 + 100 * (second - 20)))
    assert board.before(10.0).at == 19
    assert rates(board.before(10.0), board.snapshot)["lines"] == pytest.approx(95)
    assert rates(board.snapshot, board.snapshot) == dict.fromkeys(("lines", "bytes", "written", "dead_letters"), 0.0)


@pytest.mark.parametrize("step", [-86400.0, 86400.0])
def test_a_clock_that_is_set_changes_no_rate(step: float) -> None:
    board = Board(about=Description(stages=(StageView("parse", "parse.json", "parse.json"),)))
    for second in range(20):
        made = snapshot(second, 50 * second + 10_000 * min(second, 5))
        board.publish(replace(made, when=made.when + (step if second > 10 else 0)))
    told = status(board, LETTERS, None, None)
    assert told["rates"]["lines"] == pytest.approx(50)
    assert told["flow"][0]["in_rate"] == pytest.approx(50)
    assert len(board.points) == 3


def test_a_rewind_makes_no_rate_negative() -> None:
    board = Board()
    board.publish(snapshot(0, 100))
    board.publish(snapshot(1, 40))
    assert rates(board.before(10.0), board.snapshot)["lines"] == 0


def test_points_are_five_seconds_apart_and_an_hour_of_them_is_kept() -> None:
    board = Board()
    for second in range(4000):
        board.publish(snapshot(second, 20 * second, bytes_pending=second, latency=lasting(*[0.3] * (second % 7))))
    told = history(board)
    assert len(told["times"]) == POINTS == 720
    assert told["times"][-1] == NOON + 3995
    assert {later - earlier for earlier, later in zip(told["times"], told["times"][1:], strict=False)} == {5.0}
    assert set(told["lines"]) == {20.0}
    assert told["pending_bytes"][-1] == 3995
    assert {len(values) for values in told.values() if isinstance(values, list)} == {POINTS}


def test_of_the_last_minute_only_what_is_small_is_kept() -> None:
    """A snapshot may hold ten thousand files and as many series, and there are sixty of them."""
    board = Board()
    row = FileState("/a", "a", 1, 0, 1, 1, 0.0, "reading", "", {})
    for second in range(200):
        board.publish(
            snapshot(
                second, files={"/a": 1}, listing=Listing(1, 1, 1, 0.0, (row,)), series=(Series("m", "counter", {}),)
            )
        )
    assert len(board._recent) == KEPT
    assert {(bool(one.files), one.listing.rows, one.series) for one in board._recent} == {(False, (), ())}
    assert board.snapshot.files
    assert board.snapshot.listing.rows
    assert board.snapshot.series
    assert board._last is not None
    assert not board._last.files


def test_what_a_run_measures_goes_on_with_the_next_one() -> None:
    """A counter that begins anew although the process has not is one that lies; and so do quantiles made of it."""
    board = Board()
    board.begin(Description("first"))
    first = CommitState(3, durations=lasting(0.1, 0.1, 2.0))
    slow = BatchState(7, 1, "a.log", 0, 1, NOON - 50, NOON - 1, 1, 0)
    board.publish(snapshot(0, commits=first, latency=lasting(*[0.1] * 50), slowest=(slow,)))
    board.begin(Description("second"))
    assert board.about.name == "second"
    board.publish(snapshot(1, commits=CommitState(1, durations=lasting(0.1)), latency=lasting(*[5.5] * 80)))
    now = board.snapshot
    assert (now.commits.count, now.commits.durations.count, now.latency.count) == (4, 4, 130)
    assert now.slowest == (slow,)
    since = latency_of(board.before(60.0), now)
    assert min(since.counts) == 0
    assert since.count == 80
    assert since.quantile(0.5) == pytest.approx(5.5), "nothing took longer"
    board.begin(Description("third"))
    board.publish(snapshot(2, commits=CommitState(2)))
    assert board.snapshot.commits.count == 6


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """They take turns far more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_it_may_be_read_while_it_is_written() -> None:
    board = Board()
    board.publish(snapshot(0))
    over, faults = threading.Event(), []

    def read() -> None:
        try:
            while not over.is_set():
                board.before(10.0)
                board.recent(6.0)
                history(board)
                _ = board.totals
        except Exception as error:
            faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for second in range(3000):
        board.publish(snapshot(second, second))
    over.set()
    for reader in readers:
        reader.join()
    assert faults == []


def test_memory_is_that_of_all_processes_and_the_ring() -> None:
    board = Board()
    memory = (ProcessMemory(1, "main", 100), ProcessMemory(2, "worker", 50))
    board.publish(snapshot(0, memory=memory, ring=RingState(bytes=1000)))
    assert board.memory == 1150


# What holds it up.

STAGES = (
    StageView("parse", "parse.json", "parse.json"), StageView("enrich", "enrich.set", "enrich.set"),
    StageView("sink", "write.file", "write.file", "out"),
)  # fmt: skip


def watched(made: Any) -> dict[str, str] | None:
    board = Board(about=Description(stages=STAGES, workers=2))
    for second in range(8):
        board.publish(made(second))
    return bottleneck(board)


def test_nothing_holds_it_up_while_slots_are_free() -> None:
    """However busy the workers are: they keep up."""

    def busy(second: float) -> Snapshot:
        counters = Counters()
        counters.add("stage_seconds", 1.9 * second, stage="enrich.set")
        return snapshot(second, counters=counters, ring=RingState(4, 1, 1, 1, 1))

    assert watched(busy) is None


def test_a_sink_that_is_down_does() -> None:
    found = watched(lambda second: snapshot(second, sinks={"out": SinkState(5.0, "refused"), "b": SinkState(1.0, "")}))
    assert found is not None
    assert (found["id"], "refused" in found["why"]) == ("sink:out", True)


def test_a_sink_that_is_slow_does() -> None:
    found = watched(lambda second: snapshot(second, ring=RingState(4, 0, 0, 1, 3), waiting={"out": 3, "b": 1}))
    assert found is not None
    assert found["id"] == "sink:out"


def test_a_stage_that_takes_the_workers_time_does() -> None:
    def busy(second: float) -> Snapshot:
        counters = Counters()
        counters.add("stage_seconds", 1.5 * second, stage="enrich.set")
        counters.add("stage_seconds", 0.4 * second, stage="parse.json")
        return snapshot(second, counters=counters, ring=RingState(4, 0, 2, 2, 0))

    found = watched(busy)
    assert found is not None
    assert (found["id"], found["why"]) == (
        "stage:enrich.set", "workers are busy 95% of the time, 79% of it in this stage",
    )  # fmt: skip
