"""Work on one slot: pieces and careful lines, a full output, time budgets, and what the header says of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from tailrace.pipeline.batch import Chunk, Event, Lines
from tailrace.pipeline.chain.outcome import DeadLine, Tally
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.work.layout import Result, read_result
from tailrace.pipeline.work.ring import NONE, Geometry, Ring, Slot
from tailrace.pipeline.work.worker import BUSY, CAREFUL_STEP, DONE, PART, PIECE, Work

from .engine_kit import Each, Json, Moody, steps, to_sink

LINE_TIMEOUT = 0.15  # seconds, where a test is about it

# A budget may be used up inside of hypothesis' listener to the garbage collector; it is raised again then.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Bench:
    """One slot, filled and worked on."""

    def __init__(self, *stages: Any, output: int = 1 << 20, line_timeout: float = 10.0) -> None:
        self.ring = Ring.create(Geometry(1, 1 << 20, output))
        chain = list(stages) if stages and isinstance(stages[0], Step) else steps(*stages)
        self.work = Work(chain, line_timeout)
        self.words: list[tuple[tuple[int, int], tuple[int, bool]]] = []

    @property
    def slot(self) -> Slot:
        return self.ring.slots[0]

    def ask(self, data: bytes, begin: int = 0, **more: Any) -> None:
        self.slot.input[: len(data)] = data
        self.slot.ask(Chunk(1, "test-1", "a.log", "/logs/a.log", 0, len(data), len(data), 0.0, 0.0), begin, **more)
        self.work.begin(self.slot)

    def go(self) -> tuple[int, Result]:
        """Until it is through: (status, result)."""
        while (status := self.work.step()) == BUSY:
            self.words.append((self.slot.progress, self.slot.at))
        return status, read_result(self.slot.output, self.slot.progress[1])

    def whole(self, data: bytes, **more: Any) -> tuple[bytes, list[DeadLine], int]:
        """(output, dead letters, parts) of a slot that is given again until it is done."""
        begin, out, dead, parts = 0, b"", [], 0
        while True:
            self.ask(data, begin, **more)
            status, result = self.go()
            parts += 1
            out += b"".join(bytes(payload.data) for payload in result.payloads)
            dead += result.dead
            if status == DONE:
                assert self.slot.progress[0] == len(data)
                return out, dead, parts
            assert status == PART
            assert self.slot.progress[0] > begin, "a part that goes nowhere"
            begin = self.slot.progress[0]


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def build(*stages: Any, **options: Any) -> Bench:
        made.append(Bench(*stages, **options))
        return made[-1]

    yield build
    for one in made:
        one.ring.close()


def numbered(count: int, width: int = 60) -> list[str]:
    return [f"{number:08d} ".ljust(width, "x") for number in range(count)]


def texts(out: bytes) -> list[str]:
    return [orjson.loads(line)["message"] for line in out.splitlines()]


def as_bytes(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def test_pieces_end_at_line_borders_and_no_line_is_lost(bench: Callable[..., Bench]) -> None:
    lines = numbered(4000)
    some = bench()
    out, dead, parts = some.whole(as_bytes(lines))
    assert (texts(out), dead, parts) == (lines, [], 1)
    assert len(some.words) >= 4000 * 61 // PIECE
    assert all(done % 61 == 0 for (done, _), _ in some.words)


@pytest.mark.parametrize("around", [-2, -1, 0, 1, 2])
def test_case_032_lines_around_the_size_of_a_piece(bench: Callable[..., Bench], around: int) -> None:
    lines = ["before", "y" * (PIECE + around), "after", "z" * (PIECE - 7 + around), "end"]
    out, dead, _ = bench().whole(as_bytes(lines))
    assert (texts(out), dead) == (lines, [])


def test_a_line_of_many_pieces_is_one_line(bench: Callable[..., Bench]) -> None:
    lines = ["a", "y" * (5 * PIECE), "b"]
    assert texts(bench().whole(as_bytes(lines))[0]) == lines


def test_an_unterminated_last_line_is_taken(bench: Callable[..., Bench]) -> None:
    assert texts(bench().whole(b"one\ntwo")[0]) == ["one", "two"]


def test_case_032_a_full_output_gives_a_part_and_the_rest_follows_exactly(bench: Callable[..., Bench]) -> None:
    lines = numbered(3000)
    out, dead, parts = bench(output=64 * 1024).whole(as_bytes(lines))
    assert texts(out) == lines
    assert dead == []
    assert parts > 3


def test_case_032_a_piece_that_alone_overfills_the_output_goes_line_by_line(bench: Callable[..., Bench]) -> None:
    lines = numbered(700)
    out, dead, parts = bench(output=8192).whole(as_bytes(lines))
    assert (texts(out), dead) == (lines, [])
    assert parts > 6


def test_case_032_a_line_whose_output_alone_is_too_big_is_a_dead_letter(bench: Callable[..., Bench]) -> None:
    def grow(event: Event) -> Event:
        return {"message": event["message"], "big": "x" * (20_000 if event["message"] == "grow" else 0)}

    data = b"one\ngrow\nthree\n"
    out, dead, _ = bench(Each(grow), output=8192).whole(data)
    assert texts(out) == ["one", "three"]
    assert [(d.offset, d.length, d.error, d.stage) for d in dead] == [(4, 4, "too_large", "write.out")]
    assert "chunk_bytes" in dead[0].why


def test_numbers_of_parts_and_pieces_add_up(bench: Callable[..., Bench]) -> None:
    data = as_bytes([word for _ in range(200) for word in ("ok", "raise", "drop", "dup", "", "fail")])
    some = bench(Moody(), output=8192)
    tallies: list[Tally] = []
    begin, status, dead = 0, PART, 0
    while status == PART:
        some.ask(data, begin)
        status, result = some.go()
        tallies.append(result.tally)
        dead += len(result.dead)
        begin = some.slot.progress[0]
    lines = sum(t.lines for t in tallies)
    made, written, filtered = (
        sum(sum(getattr(t, name).values()) for t in tallies) for name in ("made", "written", "filtered")
    )
    assert (lines, dead) == (1200, 400)
    assert lines + made == written + filtered + dead


# Time.


def loop(event: Event) -> Event:
    while "slow" in event["message"]:
        pass
    return event


def runaway(event: Event) -> Event:
    if "slow" in event["message"]:
        re.match(r"(a+)+$", "a" * 40 + "b")
    return event


def swallow(event: Event) -> Event:
    """Users write this: a bare except around something that hangs."""
    try:
        loop(event)
    except:  # noqa: E722  (that is the point)
        event["message"] = "swallowed"
    return event


def swallow_twice(event: Event) -> Event:
    """Or in the middle of a loop."""
    try:
        loop(event)
    except:  # noqa: E722  (that is the point)
        loop(event)
    return event


def parse_slowly(lines: Lines) -> Any:
    for line in lines:
        loop({"message": line})
    return [{"message": line} for line in lines]


@pytest.mark.parametrize("stage", [loop, runaway, swallow, swallow_twice])
def test_case_081_a_line_that_takes_too_long_is_the_only_dead_letter_and_costs_little(
    bench: Callable[..., Bench], stage: Callable[[Event], Event]
) -> None:
    lines = [f"line {number}" for number in range(300)]
    lines[150] = "slow"
    enough = 2 * 4 * LINE_TIMEOUT + 1.0  # seconds: once in its piece, once alone, each perhaps swallowed once
    took: list[float] = []
    while not took or (took[-1] > enough and len(took) < 4):  # something else may have had the machine
        started = time.monotonic()
        out, dead, _ = bench(Each(stage), line_timeout=LINE_TIMEOUT).whole(as_bytes(lines))
        took.append(time.monotonic() - started)
        assert [(d.error, d.stage, d.length) for d in dead] == [("time_budget", "stage0", 4)]
        assert texts(out) == lines[:150] + lines[151:]
    assert took[-1] < enough, took


def test_case_081_a_parser_that_runs_away_costs_the_line_alone(bench: Callable[..., Bench]) -> None:
    class Parser:
        parse = staticmethod(parse_slowly)

    out, dead, _ = bench(Step("parse.slow", "parse", Parser()), to_sink(0), line_timeout=LINE_TIMEOUT).whole(
        b"one\nslow\nthree\n"
    )
    assert texts(out) == ["one", "three"]
    assert [(d.error, d.stage, d.offset) for d in dead] == [("time_budget", "parse.slow", 4)]


def test_many_lines_that_are_fast_alone_need_no_dead_letter_however_long_a_piece_takes(
    bench: Callable[..., Bench],
) -> None:
    line_timeout = 0.6  # a busy machine may take the processor away from a line for a while

    def slowish(event: Event) -> Event:
        until = time.monotonic() + line_timeout / 20
        while time.monotonic() < until:
            pass
        return event

    lines = [f"line {number}" for number in range(30)]
    out, dead, _ = bench(Each(slowish), line_timeout=line_timeout).whole(as_bytes(lines))
    assert (texts(out), dead) == (lines, [])


def test_no_timer_is_left_running_when_the_slot_is_done(bench: Callable[..., Bench]) -> None:
    import signal

    bench().whole(b"one\n")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


# The header.


def test_the_header_tells_the_piece_and_in_the_careful_path_the_line(bench: Callable[..., Bench]) -> None:
    seen: list[tuple[tuple[int, int], tuple[int, bool]]] = []
    some: list[Bench] = []

    def look(event: Event) -> Event:
        seen.append((some[0].slot.progress, some[0].slot.at))
        return event

    some.append(bench(Each(look)))
    some[0].ask(b"one\ntwo\nsix\n", careful_until=8)
    assert some[0].go()[0] == DONE
    assert [at for _, at in seen] == [(0, True), (4, True), (8, False)]
    assert [progress[0] for progress, _ in seen] == [0, 4, 8]


def test_a_worker_that_begins_in_the_middle_gives_only_what_comes_after(bench: Callable[..., Bench]) -> None:
    some = bench()
    some.ask(b"one\ntwo\nsix\n", begin=4)
    _, result = some.go()
    assert texts(bytes(result.payloads[0].data)) == ["two", "six"]
    assert result.tally.lines == 2


def test_a_condemned_line_is_not_run_again(bench: Callable[..., Bench]) -> None:
    def deadly(event: Event) -> Event:
        assert event["message"] != "two", "the condemned line was run"
        return event

    some = bench(Each(deadly))
    some.ask(b"one\ntwo\nsix\n", careful_until=12, condemned=4, stage=1, cause="killed everybody")
    _, result = some.go()
    assert texts(b"".join(bytes(payload.data) for payload in result.payloads)) == ["one", "six"]
    assert [(d.offset, d.length, d.error, d.why, d.stage) for d in result.dead] == [
        (4, 3, "killed", "killed everybody", "stage0")
    ]
    assert NONE != 4


def test_work_inside_the_process_gives_others_their_turn(bench: Callable[..., Bench]) -> None:
    """`step` ends after one piece, or some careful lines, so that files and sinks are not kept waiting."""

    def slowish(event: Event) -> Event:
        until = time.monotonic() + CAREFUL_STEP / 20
        while time.monotonic() < until:
            pass
        return event

    some = bench(Each(slowish), line_timeout=5.0)
    some.ask(as_bytes(numbered(100)), careful_until=1 << 20)
    assert some.go()[0] == DONE
    assert len(some.words) >= 3


def test_files_of_different_names_have_their_own_chains(bench: Callable[..., Bench]) -> None:
    some = bench(*steps(to_sink(0, Json(), only=("a.log",)), sink=False))
    for name, count in (("a.log", 1), ("b.log", 0), ("a.log", 1)):
        some.slot.input[:4] = b"one\n"
        some.slot.ask(Chunk(1, "test-1", name, name, 0, 4, 4, 0.0, 0.0), 0)
        some.work.begin(some.slot)
        assert len(some.go()[1].payloads) == count
