"""A year of daily rotations on a clock that is set by hand, with the real state file: it stays as small as it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import pytest
from tailrace.pipeline.source import JSON
from tailrace.pipeline.source.tail.position import Position
from tailrace.pipeline.state.store import Commit, State

from .tail_stand import Stand

DAY = 86_400.0
DAYS, KEPT = 365, 7  # how long it goes on, and how many rotated files are kept
LINES = 20  # a day
SETTLED = 150  # days after which the rows have had all their pages once: they fill just about one


def opened(directory: Path) -> State:
    state = State(str(directory), max_bytes=1 << 20, when_full="block", config="")
    state.open()
    return state


class Year(Stand):
    """A stand whose state is the real one."""

    def __init__(self, directory: Path, logs: Path) -> None:
        super().__init__(logs, "*.log*")
        self.state_directory = directory
        self.state = opened(directory)
        self.seconds: list[float] = []  # of processor time, for each commit

    def register(self, cursors: Sequence[JSON]) -> list[int]:
        ids = self.state.register(cursors)
        self.rows = self.kept()
        return ids

    def kept(self) -> dict[int, Position]:
        """The rows of the state."""
        return {stream: Position.from_json(stream, cursor) for stream, cursor in self.state.cursors().items()}

    def commit(self) -> None:
        self.released = []
        cursors = self.running.cut()
        began = process_time()
        self.state.commit(Commit(cursors, {}, (), self.counters.values, self.running.retired()))
        self.seconds.append(process_time() - began)
        self.running.committed(cursors)

    def restart(self) -> None:
        self.stop()
        self.state.close()
        self.state = opened(self.state_directory)
        self.rows = self.kept()
        self.start()


@pytest.fixture
def year(tmp_path: Path) -> Iterator[Year]:
    in_memory = Path("/dev/shm")  # noqa: S108  (a directory of our own in it: thousands of commits are synced)
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else tmp_path) as name:
        logs = Path(name) / "logs"
        logs.mkdir()
        year = Year(Path(name) / "state", logs)
        yield year
        if year.tail is not None:
            year.stop()
        year.state.close()


def rotate(log: Path) -> None:
    Path(f"{log}.{KEPT}").unlink(missing_ok=True)
    for n in range(KEPT - 1, 0, -1):
        old = Path(f"{log}.{n}")
        if old.exists():
            old.rename(f"{log}.{n + 1}")
    log.rename(f"{log}.1")


def copytruncate(log: Path) -> None:
    """As a script does it that keeps one copy, and writes it over the last one."""
    Path(f"{log}.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)


@pytest.mark.parametrize("turn", [rotate, copytruncate])
def test_case_049_a_year_of_daily_rotations_leaves_the_state_as_small_and_as_fast_as_it_was(
    year: Year, turn: Callable[[Path], None]
) -> None:
    """Mutation: nothing is retired."""
    steady = year.write("steady.log", "".join(f"steady {n}\n" for n in range(LINES)))
    log = year.directory / "app.log"
    log.touch()
    year.start()
    sizes, counts = [], []
    steady_row: Any = None
    for day in range(DAYS):
        year.write("app.log", "".join(f"day {day} line {n}\n" for n in range(LINES)))
        year.run(1)
        rows = year.kept()
        (row,) = (row for row in rows.values() if row.name == "steady.log")
        assert steady_row in (None, row), "housekeeping touches no row of others"
        steady_row = row
        turn(log)
        if turn is rotate:
            log.touch()
        year.run(1)
        year.now += DAY
        if day % 60 == 59:
            year.restart()
        sizes.append(os.path.getsize(year.state.path))
        counts.append(len(rows))
    assert year.counters.total("bytes_unread") == 0
    read = sum(len(f"day {day} line {n}\n") for day in range(DAYS) for n in range(LINES)) + steady.stat().st_size
    assert year.counters.total("bytes_read") == read, "each line once"
    assert max(counts) <= KEPT + 6
    assert max(sizes[SETTLED:]) == sizes[SETTLED], "the file does not grow"
    early, late = year.seconds[50:200], year.seconds[-150:]
    assert median(late) < 2 * median(early) + 0.001, "nor do commits take longer"
