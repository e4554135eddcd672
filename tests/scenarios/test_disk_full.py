"""Full disks: the daemon waits, says so once, and goes on exactly where it was when there is room again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ..configuration import configuration
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import Daemon, numbered

configured = partial(
    configuration, commit_interval="50ms", chunk_bytes="64KiB", shutdown_timeout="1s", source={"max_line_bytes": "4KiB"}
)
LINES = 30_000  # about 3 MB
FILLER = "filler"


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, str], Path]]:
    """Mounts a small file system at a path; skips where that is not allowed."""
    mounted: list[Path] = []

    def mount(path: Path, size: str) -> Path:
        path.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tailrace-test", str(path)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"may not mount a tmpfs: {done.stderr.decode().strip()}")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    filler = disk / FILLER
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return filler


@pytest.fixture
def waiting(make_daemon: MakeDaemon, small_disk: Callable[[Path, str], Path]) -> tuple[Daemon, Path]:
    """A daemon that has said that there is no room for its output; and the file whose removal makes some."""
    daemon = make_daemon(configured())
    disk = small_disk(daemon.out, "4M")
    filler = disk / FILLER
    filler.write_bytes(b"\0" * (3 << 20))
    (daemon.logs / "app.log").write_bytes(numbered(0, LINES, pad=80))
    daemon.start()
    daemon.until(lambda: daemon.said("sink.retry"), "it says that the disk is full")
    return daemon, filler


def begun(daemon: Daemon, lines: bytes) -> Path:
    """The log of a daemon that runs and has committed these lines."""
    log = daemon.logs / "app.log"
    log.write_bytes(lines)
    daemon.start()
    daemon.until(lambda: daemon.committed() == len(lines), "the first lines are committed")
    return log


def all_is_there(daemon: Daemon, lines: int) -> None:
    """After a further start."""
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(lines))


def exact(daemon: Daemon, lines: int = LINES) -> None:
    """After a stop in order, and a further start, each line is there once and in order."""
    assert daemon.stop() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(lines))
    all_is_there(daemon, lines)
    assert "Traceback" not in daemon.stderr()


def test_case_062_a_full_output_disk_is_waited_for_and_then_everything_is_there_once(
    waiting: tuple[Daemon, Path],
) -> None:
    daemon, filler = waiting
    assert "No space left on device" in daemon.said("sink.retry")[0]
    assert "all.ndjson" in daemon.said("sink.retry")[0]
    written = len(daemon.text("all.ndjson"))
    until(lambda: 0 < daemon.committed() <= written, "what was written before is committed")
    assert daemon.running
    until(lambda: daemon.cpu() > 0, "it runs")
    assert len(daemon.said("sink.retry")) == 1, "repeated complaints are counted"
    filler.unlink()
    daemon.until(daemon.has("all.ndjson", LINES), "the rest follows")
    assert daemon.said("sink.recovered")
    exact(daemon)


def test_case_062_stopped_while_the_disk_is_full(
    waiting: tuple[Daemon, Path],
) -> None:
    daemon, filler = waiting
    assert daemon.stop() == 1
    assert "shutdown_timeout" in daemon.stderr().splitlines()[-1]
    assert "write.file" in daemon.stderr().splitlines()[-1]
    filler.unlink()
    all_is_there(daemon, LINES)


def test_case_046_a_full_disk_under_the_state_takes_back_what_was_not_committed_and_goes_on_later(
    make_daemon: MakeDaemon, small_disk: Callable[[Path, str], Path]
) -> None:
    daemon = make_daemon(configured())
    disk = small_disk(daemon.home / "state", "1M")
    log = begun(daemon, numbered(0, 1000, pad=80))
    filler = fill(disk)
    with log.open("ab") as file:
        for n in range(1000, LINES, 1000):
            file.write(numbered(n, n + 1000, pad=80))
            file.write(b"no json %d\n" % n)  # dead letters need room in the state
    daemon.until(lambda: daemon.said("pipeline.rewind"), "it says that it cannot commit")
    assert "full" in daemon.said("pipeline.rewind")[0]
    assert daemon.running
    filler.unlink()
    daemon.until(lambda: daemon.committed() == log.stat().st_size, "the rest is committed")
    exact(daemon)
    assert len(daemon.dead_letters()) == 29


def test_case_046_a_run_to_the_end_that_can_never_commit_stops_loudly_and_the_next_one_goes_on(
    make_daemon: MakeDaemon, small_disk: Callable[[Path, str], Path]
) -> None:
    daemon = make_daemon(configured())
    disk = small_disk(daemon.home / "state", "1M")
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, 100))
    assert daemon.run_to_end() == 0
    filler = fill(disk)
    filler.write_bytes(b"\0" * (filler.stat().st_size - (64 << 10)))  # enough for the start, too little for all of it
    with log.open("ab") as file:
        file.write(b"no json\n" * 1000 + numbered(100, 1000))
    daemon.start("--until-eof")
    assert daemon.wait(timeout=30) == 1
    words = daemon.stderr().splitlines()[-1]
    assert words.startswith("tailrace: 5 commits in a row have failed, the last one: ")
    assert "full" in words
    assert len(daemon.said("pipeline.rewind")) == 5
    assert daemon.said("pipeline.stopped")
    filler.unlink()
    all_is_there(daemon, 1000)
    assert len(daemon.dead_letters()) == 1000


def test_case_071_a_stop_while_nothing_can_be_committed_does_not_wait_for_the_next_attempt(
    make_daemon: MakeDaemon, small_disk: Callable[[Path, str], Path]
) -> None:
    daemon = make_daemon(configured(shutdown_timeout="100ms"))
    disk = small_disk(daemon.home / "state", "1M")
    log = begun(daemon, numbered(0, 100))
    filler = fill(disk)
    with log.open("ab") as file:
        file.write(b"no json\n" * 1000 + numbered(100, 1000))
    daemon.until(lambda: len(daemon.said("pipeline.rewind")) == 4, "the fourth attempt, 4 s before the fifth")
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 1
    assert len(daemon.said("pipeline.rewind")) == 4, "it did not wait for the fifth"
    words = daemon.stderr().splitlines()[-1]
    assert "shutdown_timeout" in words
    assert "full" in words, "and why"
    filler.unlink()
    all_is_there(daemon, 1000)
    assert len(daemon.dead_letters()) == 1000


def test_case_080_state_and_output_on_one_full_disk(
    make_daemon: MakeDaemon, small_disk: Callable[[Path, str], Path]
) -> None:
    daemon = make_daemon(configured())
    disk = small_disk(daemon.home / "disk", "8M")
    for name in ("state", "out"):
        (disk / name).mkdir()
        (daemon.home / name).symlink_to(disk / name)
    log = begun(daemon, numbered(0, 1000, pad=80))
    filler = fill(disk)
    with log.open("ab") as file:
        file.write(numbered(1000, LINES, pad=80))
    daemon.until(lambda: daemon.said("sink.retry") or daemon.said("pipeline.rewind"), "it says that the disk is full")
    assert daemon.running
    filler.unlink()
    daemon.until(daemon.has("all.ndjson", LINES), "the rest follows")
    exact(daemon)


def test_case_080_a_state_that_finds_no_room_at_the_start_is_refused_and_works_later(
    make_daemon: MakeDaemon, small_disk: Callable[[Path, str], Path]
) -> None:
    daemon = make_daemon(configured())
    disk = small_disk(daemon.home / "state", "1M")
    (daemon.logs / "app.log").write_bytes(numbered(0, 100))
    filler = fill(disk)
    assert daemon.run_to_end() == 1
    assert "Traceback" not in daemon.stderr()
    words = daemon.stderr().splitlines()[-1]
    assert f"{disk}/" in words
    assert "full" in words or "No space left" in words
    assert "check the disk" in words
    assert "move it away" not in words, "a state that is whole must not be thrown away"
    filler.unlink()
    all_is_there(daemon, 100)


def test_case_080_a_state_that_is_there_is_never_to_be_moved_away_because_its_disk_is_full(
    make_daemon: MakeDaemon, small_disk: Callable[[Path, str], Path]
) -> None:
    daemon = make_daemon(configured())
    disk = small_disk(daemon.home / "state", "1M")
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, 100))
    assert daemon.run_to_end() == 0
    with log.open("ab") as file:
        file.write(numbered(100, 200))
    filler = fill(disk)
    daemon.start("--until-eof")  # it cannot start, or waits for room, or what was free in its files is enough
    until(lambda: not daemon.running or daemon.said("pipeline.rewind"), "it ends, or says that it waits")
    filler.unlink()
    assert daemon.wait() in (0, 1)
    assert "move it away" not in daemon.stderr()
    assert "Traceback" not in daemon.stderr()
    all_is_there(daemon, 200)


def test_case_062_a_limit_on_file_sizes_is_waited_for_like_a_full_disk(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured())
    (daemon.logs / "app.log").write_bytes(numbered(0, LINES, pad=80))
    daemon.start(before=["prlimit", "--fsize=1000000:unlimited"])  # EFBIG, and the signal SIGXFSZ with it
    daemon.until(lambda: daemon.said("sink.retry"), "it says that the file may not grow")
    assert "File too large" in daemon.said("sink.retry")[0]
    subprocess.run(["prlimit", f"--pid={daemon.pid}", "--fsize=unlimited:unlimited"], check=True)
    daemon.until(daemon.has("all.ndjson", LINES), "the rest follows")
    exact(daemon)


def test_case_080_a_log_that_cannot_be_written_stops_nobody(
    make_daemon: MakeDaemon, small_disk: Callable[[Path, str], Path]
) -> None:
    daemon = make_daemon(configured())
    disk = small_disk(daemon.home / "disk", "1M")
    errors = disk / "log"
    errors.touch()
    fill(disk)
    (daemon.logs / "app.log").write_bytes(numbered(0, 1000))
    daemon.start(before=["sh", "-c", f'exec "$@" 2>>"{errors}"', "sh"])
    until(daemon.has("all.ndjson", 1000), "the events arrive")
    assert daemon.stop(signal.SIGTERM) == 0
    assert os.path.getsize(errors) == 0
