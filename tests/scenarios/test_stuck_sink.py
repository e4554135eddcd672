"""A reader that does not read: reading stops, memory stays where it is, and later everything is there once."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from ..configuration import configuration
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import COMMAND, Daemon, events, numbered
from .gauge import Gauge

configured = partial(
    configuration,
    "parse.json",
    "enrich.origin",
    "write.stdout",
    commit_interval="50ms",
    chunk_bytes="256KiB",
    source={"max_line_bytes": "64KiB", "close_after": "200ms"},
)
FILES = 50


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """(reading end, writing end)"""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


class Reader(threading.Thread):
    """Reads a descriptor to its end."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self.portions: list[bytes] = []
        self.lines = 0

    def run(self) -> None:
        while portion := os.read(self._descriptor, 1 << 20):
            self.portions.append(portion)
            self.lines += portion.count(b"\n")


def read_bytes(daemon: Daemon) -> int:
    """Bytes that its main process has read so far, of files and of everything else."""
    with open(f"/proc/{daemon.pid}/io", encoding="ascii") as io:
        return int(next(line.split()[1] for line in io if line.startswith("rchar:")))


def settle(measure: Callable[[], int], what: str) -> int:
    """The value when it has been the same for a hundred looks."""
    values: list[int] = []

    def still() -> bool:
        values.append(measure())
        return len(values) > 100 and values[-100] == values[-1]

    until(still, what)
    return values[-1]


@pytest.mark.parametrize("workers", [0, 2])
def test_case_066_nobody_reads_while_fifty_files_grow(make_daemon: MakeDaemon, workers: int) -> None:
    daemon = make_daemon(configured(workers=workers))
    files = [daemon.logs / f"{n:02}.log" for n in range(FILES)]
    portion = 1500  # lines: about 150 KB
    for log in files:
        log.write_bytes(numbered(0, portion, pad=80))
    gauge = Gauge(daemon)
    reading, writing = os.pipe()
    daemon.start(stdout=writing)
    os.close(writing)
    daemon.until(lambda: daemon.said("sink.retry"), "it says that nobody reads")
    for growth in range(1, 5):
        for log in files:
            with log.open("ab") as file:
                file.write(numbered(growth * portion, (growth + 1) * portion, pad=80))
        gauge.look()
    settle(lambda: daemon.memory()[0] >> 20, "memory is flat")
    total = sum(log.stat().st_size for log in files)
    assert total > 25 << 20
    assert daemon.committed() <= 1 << 18, "hardly anything is committed: the pipe takes 64 KiB"
    files[0].rename(daemon.home / "away.txt")  # case 8: out of the pattern, and longer than any quiet time
    daemon.until(lambda: daemon.said("file.gone"), "it sees that")
    reader = Reader(reading)
    reader.start()
    daemon.until(lambda: reader.lines >= FILES * portion * 5, "every line arrives")
    gauge.look()
    assert daemon.stop() == 0, daemon.stderr()
    reader.join(60)
    numbers: defaultdict[object, list[object]] = defaultdict(list)
    for event in events(b"".join(reader.portions)):
        numbers[event["file"]].append(event["n"])
    assert len(numbers) == FILES
    assert all(found == list(range(portion * 5)) for found in numbers.values())
    assert daemon.committed() == total
    os.close(reading)
    gauge.check()


def test_case_066_reading_stops_when_the_ring_is_full(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured(workers=0))
    (daemon.logs / "app.log").write_bytes(numbered(0, 1))
    with pipe() as (_, writing):
        daemon.start(stdout=writing)
        daemon.until(lambda: daemon.committed() > 0, "it has read a line, and all that it needs for that")
        before = settle(lambda: read_bytes(daemon), "it has come to rest")
        for n in range(4):
            (daemon.logs / f"{n}.log").write_bytes(numbered(0, 100_000, pad=80))
        daemon.until(lambda: daemon.said("sink.retry"), "it says that nobody reads")
        read = settle(lambda: read_bytes(daemon), "reading has stopped") - before
        ring = 4 * (1 << 18)
        assert 1 << 18 < read < 2 * ring, f"{read} bytes: a ring's worth, the pipe's, and what tells files apart"


@pytest.mark.parametrize("command", ["run", "replay"])
def test_case_065_a_reader_that_goes_away_ends_it_quietly(make_daemon: MakeDaemon, command: str) -> None:
    daemon = make_daemon(configured(workers=2))
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, 100_000, pad=80))
    arguments = ["run", str(daemon.config)] if command == "run" else ["replay", str(log), "-c", str(daemon.config)]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"n":0,')
        process.stdout.close()
        errors = process.stderr.read().decode()
        assert process.wait(60) == 0, errors
    assert "Traceback" not in errors
    if command == "replay":
        assert errors == ""
    else:
        assert not [line for line in errors.splitlines() if " error " in line], errors


def test_case_065_a_reader_that_goes_away_while_nothing_happens_is_noticed_with_the_next_line(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon(configured(workers=0))
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, 10))
    reading, writing = os.pipe()
    daemon.start(stdout=writing)
    os.close(writing)
    assert os.read(reading, 1 << 16).startswith(b'{"n":0')
    daemon.until(lambda: daemon.committed() == log.stat().st_size, "the commit")
    os.close(reading)
    with log.open("ab") as file:
        file.write(numbered(10, 20))
    assert daemon.wait() == 0, daemon.stderr()
    assert daemon.committed() == len(numbered(0, 10)), "what nobody took is not done"


@pytest.mark.parametrize("command", ["run --until-eof", "replay logs/app.log"])
def test_case_065_a_standard_output_that_is_closed_is_told_and_nothing_counts_as_written(
    make_daemon: MakeDaemon, command: str
) -> None:
    daemon = make_daemon(configured(workers=0))
    (daemon.logs / "app.log").write_bytes(numbered(0, 10))
    line = f'"$@" {command} >&-'
    path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        ["sh", "-c", line, "sh", *COMMAND],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        cwd=daemon.home,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 1
    assert "standard output is closed" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert daemon.committed() == 0
    assert daemon.command("run", "--until-eof").events[-1]["n"] == 9, "the next start has them all"
