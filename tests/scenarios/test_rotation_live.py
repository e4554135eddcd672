"""Files that are rotated, truncated, moved and deleted under a running daemon: each line once, in its file's order."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from functools import partial
from pathlib import Path

import pytest

from ..configuration import configuration
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import Daemon, numbered

configured = partial(configuration, commit_interval="50ms", chunk_bytes="64KiB")
PATIENCE = 60.0  # seconds until what was written must be there


def made(make_daemon: MakeDaemon, workers: int = 0, paths: str = "logs/app.log", name: str = "a") -> Daemon:
    return make_daemon(
        configured(workers=workers, source={"paths": [paths], "max_line_bytes": "4KiB", "close_after": "200ms"}),
        name=name,
    )


def append(path: Path, start: int, stop: int) -> None:
    with path.open("ab") as file:
        file.write(numbered(start, stop))


def arrived(daemon: Daemon, count: int) -> None:
    daemon.until(daemon.has("all.ndjson", count), f"{count} lines in the output", PATIENCE)


def ends_with(daemon: Daemon, count: int) -> None:
    """After a stop in order there are the lines 0 to ``count - 1``, each once, in order."""
    assert daemon.stop() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(count))
    assert daemon.committed() > 0


@pytest.mark.parametrize(
    ("workers", "paths"),
    [(0, "logs/app.log"), (0, "logs/app.log*"), (2, "logs/app.log*")],
    ids=["name", "glob", "processes"],
)
def test_case_006_rename_and_create_with_a_writer_that_lags_behind(
    make_daemon: MakeDaemon, workers: int, paths: str
) -> None:
    daemon = made(make_daemon, workers, paths)
    log = daemon.logs / "app.log"
    append(log, 0, 1000)
    daemon.start()
    arrived(daemon, 1000)
    count = 1000
    for generation in range(4):
        old = daemon.logs / f"app.log.{generation}"
        log.rename(old)
        append(old, count, count + 100)  # the writer has not noticed yet
        arrived(daemon, count + 100)
        append(log, count + 100, count + 200)
        count += 200
        arrived(daemon, count)
    ends_with(daemon, count)


@pytest.mark.parametrize("workers", [0, 2])
def test_case_007_a_cascade_of_generations_while_the_reader_is_busy(make_daemon: MakeDaemon, workers: int) -> None:
    daemon = made(make_daemon, workers, "logs/app.log*")
    log = daemon.logs / "app.log"
    daemon.start()
    count = 0
    for generation in range(8):  # faster than anybody looks
        append(log, count, count + 5000)
        count += 5000
        for number in range(generation, 0, -1):
            os.rename(f"{log}.{number}", f"{log}.{number + 1}")
        os.rename(log, f"{log}.1")
    append(log, count, count + 10)
    arrived(daemon, count + 10)
    assert daemon.stop() == 0, daemon.stderr()
    assert sorted(daemon.numbers("all.ndjson")) == list(range(count + 10))


@pytest.mark.parametrize(
    ("workers", "paths"),
    [(0, "logs/app.log"), (0, "logs/app.log*"), (2, "logs/app.log*")],
    ids=["copy-outside", "copy-inside", "processes"],
)
def test_case_014_copytruncate_with_and_without_the_copy_in_the_pattern(
    make_daemon: MakeDaemon, workers: int, paths: str
) -> None:
    daemon = made(make_daemon, workers, paths)
    log = daemon.logs / "app.log"
    count = 0
    daemon.start()
    for generation in range(4):
        append(log, count, count + 1000)
        count += 1000
        arrived(daemon, count)  # what is not read when it is truncated may be lost where the copy is not ours to read
        shutil.copyfile(log, daemon.logs / f"app.log.{generation}")
        os.truncate(log, 0)
        append(log, count, count + 50)
        count += 50
        arrived(daemon, count)
    ends_with(daemon, count)


def test_case_014_copytruncate_of_a_file_that_was_not_read_to_its_end_goes_on_in_the_copy(
    make_daemon: MakeDaemon,
) -> None:
    daemon = made(make_daemon, 0, "logs/app.log*")
    log = daemon.logs / "app.log"
    append(log, 0, 400_000)
    daemon.start()
    daemon.until(lambda: daemon.committed() > 0, "a first commit")
    shutil.copyfile(log, daemon.logs / "app.log.1")
    os.truncate(log, 0)
    append(log, 400_000, 400_010)
    arrived(daemon, 400_010)
    assert daemon.stop() == 0, daemon.stderr()
    assert sorted(daemon.numbers("all.ndjson")) == list(range(400_010))
    assert not daemon.said("bytes.lost")


@pytest.mark.parametrize("workers", [0, 2])
def test_case_019_a_file_that_is_deleted_unread_is_read_to_its_end(make_daemon: MakeDaemon, workers: int) -> None:
    for attempt in range(5):  # on a busy machine it may be through before that is seen
        daemon = made(make_daemon, workers, name=str(attempt))
        log = daemon.logs / "app.log"
        append(log, 0, 200_000)
        daemon.start()
        arrived(daemon, 100)
        log.unlink()
        there = daemon.text("all.ndjson").count(b"\n")
        if there < 200_000:
            break
    assert there < 200_000, "it was deleted in the middle, or this shows nothing"
    arrived(daemon, 200_000)
    daemon.until(lambda: daemon.said("file.finished"), "it is let go of", PATIENCE)
    assert not [name for name in daemon.open_files() if "app.log" in name]
    ends_with(daemon, 200_000)


def test_case_020_a_file_that_is_deleted_and_made_again_is_read_from_its_beginning(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    log = daemon.logs / "app.log"
    append(log, 0, 10)
    daemon.start()
    arrived(daemon, 10)
    log.unlink()
    append(log, 10, 100)
    arrived(daemon, 100)
    ends_with(daemon, 100)


def test_case_005_files_and_nested_directories_that_appear_later_are_found(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon, 0, "logs/**/*.log")
    daemon.start()
    daemon.until(lambda: daemon.said("watch.") or daemon.database.exists(), "it has started")
    append(daemon.logs / "first.log", 0, 10)
    arrived(daemon, 10)
    deep = daemon.logs / "one" / "two" / "three"
    deep.mkdir(parents=True)
    append(deep / "app.log", 10, 30)  # most likely before anybody watches there
    arrived(daemon, 30)
    append(deep / "app.log", 30, 40)
    arrived(daemon, 40)
    shutil.move(daemon.logs / "one", daemon.logs / "renamed")
    append(daemon.logs / "renamed" / "two" / "three" / "app.log", 40, 50)
    arrived(daemon, 50)
    ends_with(daemon, 50)


@pytest.mark.parametrize("workers", [0, 2])
def test_case_008_a_file_moved_out_of_the_pattern_while_the_reader_lags_is_read_to_its_end(
    make_daemon: MakeDaemon, workers: int
) -> None:
    daemon = made(make_daemon, workers, "logs/*.log")
    log = daemon.logs / "app.log"
    append(log, 0, 200_000)
    daemon.start()
    arrived(daemon, 100)
    away = daemon.home / "elsewhere.txt"
    log.rename(away)
    append(away, 200_000, 200_100)  # its writer goes on for a moment
    assert daemon.text("all.ndjson").count(b"\n") < 200_000, "it was moved in the middle, or this shows nothing"
    arrived(daemon, 200_100)
    ends_with(daemon, 200_100)
    assert not daemon.counters("bytes_unread")


@pytest.mark.parametrize("rotations", [1, 3])
def test_case_009_rotated_while_stopped(make_daemon: MakeDaemon, rotations: int) -> None:
    daemon = made(make_daemon, 0, "logs/app.log*")
    log = daemon.logs / "app.log"
    append(log, 0, 1000)
    assert daemon.run_to_end() == 0
    count = 1000
    for generation in range(rotations):
        append(log, count, count + 100)
        log.rename(daemon.logs / f"app.log.{generation}")
        append(log, count + 100, count + 200)
        count += 200
    daemon.start()
    arrived(daemon, count)
    assert daemon.stop() == 0, daemon.stderr()
    numbers = daemon.numbers("all.ndjson")
    assert sorted(numbers) == list(range(count))


def test_case_009_moved_out_of_the_pattern_while_stopped(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon, 0, "logs/app.log")
    log = daemon.logs / "app.log"
    append(log, 0, 1000)
    assert daemon.run_to_end() == 0
    append(log, 1000, 1100)
    log.rename(daemon.logs / "app.log.1")
    append(log, 1100, 1200)
    daemon.start()
    arrived(daemon, 1200)
    assert daemon.stop() == 0, daemon.stderr()
    assert sorted(daemon.numbers("all.ndjson")) == list(range(1200))


def test_case_016_truncated_and_refilled_while_stopped(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    log = daemon.logs / "app.log"
    append(log, 0, 1000)
    assert daemon.run_to_end() == 0
    log.write_bytes(numbered(1000, 3000))  # the same inode, and longer than before
    assert daemon.run_to_end() == 0
    assert daemon.numbers("all.ndjson") == list(range(3000))


class Writer(threading.Thread):
    """Appends numbered lines, as a program that opens its log anew when it is told to (``reopen``)."""

    def __init__(self, path: Path, total: int) -> None:
        super().__init__()
        self._path, self._total = path, total
        self._reopen = threading.Event()
        self.written = 0

    def reopen(self) -> None:
        self._reopen.set()

    def run(self) -> None:
        pause = threading.Event()
        while self.written < self._total:
            self._reopen.clear()
            with self._path.open("ab", buffering=0) as file:
                while self.written < self._total and not self._reopen.is_set():
                    file.write(numbered(self.written, self.written + 100))
                    self.written += 100
                    pause.wait(0.0005)


@pytest.mark.needs("logrotate")
@pytest.mark.parametrize(("mode", "workers"), [("create", 0), ("create", 2), ("copytruncate", 0)])
def test_case_011_real_logrotate_while_it_is_written_and_read(make_daemon: MakeDaemon, mode: str, workers: int) -> None:
    daemon = made(make_daemon, workers, "logs/app.log*")
    log = daemon.logs / "app.log"
    log.touch()
    rules = daemon.home / "rules"
    rules.write_text(f'"{log}" {{\n  rotate 50\n  size 1\n  {mode}\n  nocompress\n  missingok\n}}\n')
    rules.chmod(0o644)
    writer = Writer(log, 100_000)
    daemon.start()
    if mode == "create":
        writer.start()
    for n in range(1, 5):
        if mode == "create":
            until(lambda n=n: writer.written >= n * 20_000, "more lines")  # type: ignore[misc]  # the loop's n
        else:  # lines written between the copy and the truncation are lost to everybody: so nobody writes then
            append(log, (n - 1) * 20_000, n * 20_000)
        command = ["logrotate", "--state", str(daemon.home / "rotations"), "--force", str(rules)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        writer.reopen()
    if mode == "create":
        writer.join()
        total = 100_000
    else:
        append(log, 80_000, 80_010)
        total = 80_010
    assert len(list(daemon.logs.iterdir())) == 5, "it was rotated four times"
    arrived(daemon, total)
    assert daemon.stop() == 0, daemon.stderr()
    assert sorted(daemon.numbers("all.ndjson")) == list(range(total))
    assert not daemon.counters("bytes_unread")
