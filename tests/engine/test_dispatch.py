"""Slots and workers: who gets what, what is released in which order, what a death means. Workers are played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.chain.outcome import Encoded, Made, Tally
from tailrace.pipeline.chain.stateful import Remembered
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.testing.doubles import FakeClock, ListSource
from tailrace.pipeline.work.dispatch import FRESH_KILLS, Dispatch
from tailrace.pipeline.work.layout import Result, ResultWriter
from tailrace.pipeline.work.process import Died
from tailrace.pipeline.work.ring import AT, NONE, PROGRESS, STAGE, Geometry, Ring
from tailrace.pipeline.work.task import Task
from tailrace.pipeline.work.worker import DONE, PART, PIECE

from .engine_kit import Log

SLOTS = 4


class Player:
    """A worker whose part the test plays."""

    def __init__(self, pid: int, ring: Ring) -> None:
        self.pid, self._ring = pid, ring
        self.tasks, self.ready, self.closed, self.killed = 0, True, False, False
        self.slot: int | None = None
        self.says: list[int | Died] = []

    def fileno(self) -> int:
        return -1

    def give(self, slot: int) -> None:
        self.slot = slot
        self.tasks += 1
        self._writer = ResultWriter(self._ring.slots[slot].output)

    def at(self, offset: int, *, single: bool = True, stage: int = 0) -> None:
        slot = self._ring.slots[self.slot or 0]
        slot.words[AT] = offset << 1 | single
        slot.words[STAGE] = stage

    def did(self, to: int, data: bytes = b"data\n") -> None:
        self._writer.put(Made([Encoded(0, "out", data)], tally=Tally(lines=1)))
        self._ring.slots[self.slot or 0].words[PROGRESS] = to << 32 | self._writer.record_bytes

    def answers(self, status: int) -> None:
        self.says.append(status)

    def dies(self, why: str = "exit code 3") -> None:
        self.says.append(Died(why))

    def poll(self) -> int | Died | None:
        if not self.says:
            return None
        answer = self.says.pop(0)
        if not isinstance(answer, Died):
            self.slot = None
        return answer

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        self.closed = True


class Stage:
    """A dispatch with played workers; what it releases is written down."""

    def __init__(
        self, files: dict[str, bytes], workers: int = 2, chunk_bytes: int = 10, remembered: Remembered | None = None
    ) -> None:
        self.ring = Ring.create(Geometry(SLOTS, 4096, 8192))
        self.clock, self.log, self.hired = FakeClock(), Log(), 0
        self.released: list[tuple[str, int, int]] = []  # file, from, to
        self.tasks: list[Task] = []
        self.hold = False  # sinks keep what they get
        self.source = ListSource(files, chunk_bytes=chunk_bytes)
        self.source.open({}, 0.0)
        self.dispatch = Dispatch(self.ring, workers, self.hire, 5.0, Counters(), self.log, remembered)
        self.dispatch.on_release = self.release
        self.dispatch.start()

    def hire(self) -> Player:
        self.hired += 1
        return Player(self.hired, self.ring)

    def release(self, task: Task, _result: Result) -> None:
        assert task.released
        self.released.append((task.chunk.name, task.chunk.start + task.begin, task.chunk.start + task.done))
        self.tasks.append(task)
        task.sinks = 1 if self.hold else 0

    def turn(self) -> None:
        self.dispatch.collect()
        self.dispatch.release(lambda: True)
        self.dispatch.fill(self.source, self.clock())
        self.dispatch.assign(self.clock())
        self.dispatch.watch(self.clock())

    def worker(self, index: int) -> Player:
        worker = self.dispatch.workers[index]
        assert isinstance(worker, Player)
        return worker


@pytest.fixture
def stages() -> Iterator[list[Stage]]:
    made: list[Stage] = []
    yield made
    for one in made:
        one.ring.close()


@pytest.fixture
def two_files(stages: list[Stage]) -> Stage:
    stages.append(Stage({"a": b"aaaaaaaaa\n" * 9, "b": b"bbbbbbbbb\n" * 9}))
    stages[0].turn()
    return stages[0]


@pytest.fixture
def one_file(stages: list[Stage]) -> Stage:
    stages.append(Stage({"a": b"aaaaaaaaa\n" * 9}, workers=1))
    stages[0].turn()
    return stages[0]


def finish(worker: Player, to: int = 10, status: int = DONE) -> None:
    worker.did(to)
    worker.answers(status)


def test_results_are_released_in_the_order_of_their_file_and_files_do_not_wait_for_each_other(
    stages: list[Stage],
) -> None:
    stage = Stage({"a": b"aaaaaaaaa\n" * 2, "b": b"bbbbbbbbb\n"}, workers=3)
    stages.append(stage)
    stage.turn()  # a 0, b 0, a 10 are given
    finish(stage.worker(2))
    finish(stage.worker(1))
    stage.turn()
    assert stage.released == [("b", 0, 10)]
    finish(stage.worker(0))
    stage.turn()
    assert stage.released == [("b", 0, 10), ("a", 0, 10), ("a", 10, 20)]
    assert stage.dispatch.idle


def test_case_069_one_file_never_holds_all_slots(one_file: Stage) -> None:
    assert one_file.source.read_bytes == (SLOTS - 1) * 10
    assert not one_file.dispatch.full


def test_a_slot_is_free_again_when_the_sinks_are_done_with_it(two_files: Stage) -> None:
    two_files.hold = True
    finish(two_files.worker(0))
    finish(two_files.worker(1))
    before = two_files.source.read_bytes
    two_files.turn()
    assert two_files.source.read_bytes == before
    (task, _) = two_files.tasks
    task.sinks = 0
    two_files.dispatch.settle(task)
    two_files.turn()
    assert two_files.source.read_bytes == before + 10


def test_a_part_is_released_and_the_rest_stays_first_in_line(one_file: Stage) -> None:
    finish(one_file.worker(0), to=4, status=PART)
    one_file.turn()
    assert one_file.released == [("a", 0, 4)]
    one_file.turn()
    request = one_file.ring.slots[0].request()
    assert (one_file.worker(0).slot, request.begin) == (0, 4)
    finish(one_file.worker(0))
    one_file.turn()
    assert one_file.released == [("a", 0, 4), ("a", 4, 10)]


def test_with_memory_nothing_is_worked_on_before_the_rest_of_a_part(stages: list[Stage]) -> None:
    stages.append(stage := Stage({"a": b"aaaaaaaaa\n" * 9}, remembered=Remembered({}, ())))
    stage.hold = True  # the part stays with the sinks for a while
    stage.turn()
    finish(stage.worker(0), to=4, status=PART)
    stage.turn()
    assert (stage.released, stage.worker(0).slot) == ([("a", 0, 4)], None)
    stage.hold = False
    stage.dispatch.settle(stage.tasks[0])
    stage.turn()
    assert (stage.worker(0).slot, stage.ring.slots[0].request().begin) == (0, 4)


def test_case_054_what_a_dead_worker_finished_is_kept_and_the_rest_goes_to_a_fresh_one_carefully(
    one_file: Stage,
) -> None:
    first = one_file.worker(0)
    first.did(4)
    first.dies()
    one_file.turn()
    assert first.closed
    assert one_file.released == [("a", 0, 4)]
    assert one_file.worker(0) is not first
    one_file.turn()
    request = one_file.ring.slots[0].request()
    assert (request.begin, request.careful_until, request.condemned) == (4, 4 + PIECE, NONE)


def test_case_055_a_line_is_condemned_only_after_it_alone_killed_two_fresh_workers(one_file: Stage) -> None:
    deaths = 0
    while one_file.ring.slots[0].request().condemned == NONE:
        worker = one_file.worker(0)
        worker.at(0, single=deaths > 0, stage=3)
        worker.dies()
        deaths += 1
        one_file.turn()
        one_file.turn()
        assert deaths < 10
    request = one_file.ring.slots[0].request()
    assert deaths == 1 + FRESH_KILLS
    assert (request.condemned, request.stage) == (0, 3)
    assert "exit code 3" in request.cause
    assert one_file.released == []


def test_a_worker_that_was_used_before_condemns_nobody(stages: list[Stage]) -> None:
    stage = Stage({"a": b"aaaaaaaaa\n" * 9}, workers=1)
    stages.append(stage)
    for _ in range(2):
        stage.turn()
        finish(stage.worker(0))
    stage.turn()
    assert stage.worker(0).tasks == 3
    stage.worker(0).at(0)
    stage.worker(0).dies()
    stage.turn()
    task = next(iter(stage.dispatch._working.values()))
    assert sum(task.kills.values()) == 0


def test_the_worker_that_did_a_bad_chunk_well_may_have_the_next_part_too(one_file: Stage) -> None:
    one_file.worker(0).dies()
    one_file.turn()
    finish(one_file.worker(0), to=4, status=PART)
    hired = one_file.hired
    one_file.turn()
    one_file.turn()
    assert one_file.hired == hired


def test_a_file_whose_oldest_chunk_is_in_trouble_gets_no_new_slot(stages: list[Stage]) -> None:
    stage = Stage({"a": b"aaaaaaaaa\n"}, workers=1)
    stages.append(stage)
    stage.turn()
    stage.worker(0).at(0)
    stage.source.append("a", b"aaaaaaaaa\n" * 3)
    stage.turn()
    assert stage.source.read_bytes == 10
    stage.worker(0).at(0, single=False)
    stage.turn()
    assert stage.source.read_bytes == 30


def test_case_056_a_worker_without_progress_is_killed_once_and_its_task_says_why(one_file: Stage) -> None:
    worker = one_file.worker(0)
    for step in (4.0, 4.0):  # moves in between
        one_file.clock.advance(step)
        worker.did(worker.slot or 0)
        worker.at(int(step))
        one_file.turn()
    assert not worker.killed
    one_file.clock.advance(5.1)
    one_file.turn()
    assert worker.killed
    worker.dies("signal 9 (SIGKILL)")
    one_file.turn()
    assert one_file.log.fields("worker.died")[0]["why"] == "no progress for 5 s"


def test_a_worker_that_answers_just_before_it_is_killed_leaves_no_mark_on_its_task(one_file: Stage) -> None:
    """Else the rest of the chunk would never again be watched."""
    one_file.clock.advance(5.1)
    one_file.turn()
    assert one_file.worker(0).killed
    finish(one_file.worker(0), to=4, status=PART)
    one_file.worker(0).dies()
    one_file.turn()
    one_file.turn()
    one_file.turn()
    again = one_file.worker(0)
    assert again.slot == 0
    one_file.clock.advance(5.1)
    one_file.turn()
    assert again.killed


def test_an_over_long_line_is_a_dead_letter_without_a_worker(stages: list[Stage]) -> None:
    stages.append(empty := Stage({}))
    chunk = Chunk(7, "test-7", "long", "/long", 100, 50, 1_000_000, 0.0, 0.0, oversize=999_899)
    results: list[Result] = []
    empty.dispatch.on_release = lambda _task, result: results.append(result)

    class Once(ListSource):
        def read(self, *_args: object) -> Chunk | None:
            return chunk if not results and empty.dispatch._held[7] == 0 else None

    empty.dispatch.fill(Once({}), 0.0)
    empty.dispatch.assign(0.0)
    empty.dispatch.release(lambda: True)
    (result,) = results
    (dead,) = result.dead
    assert (dead.offset, dead.length, dead.error, dead.stage) == (0, 50, "too_long", "source")
    assert "976.5 KiB" in dead.why
    assert result.tally.lines == 1


def test_after_a_drop_everything_is_free_and_busy_workers_are_replaced(two_files: Stage) -> None:
    busy = [two_files.worker(0), two_files.worker(1)]
    two_files.dispatch.drop()
    assert all(worker.closed for worker in busy)
    assert two_files.dispatch.idle
    assert two_files.dispatch.pending(Counter()) == float("inf")
    two_files.source.rewind()
    two_files.turn()
    assert two_files.worker(0).slot is not None
