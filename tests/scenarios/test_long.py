"""Cases in their full size, which take minutes together: ``make long``. ``make test`` has each of them smaller."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..configuration import configuration, to_file
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import Daemon, numbered
from .gauge import Gauge
from .writer import BAD_EVERY, Writer

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

LONG = 1200.0  # seconds until a condition must be true


@pytest.fixture
def fast_directory(tmp_path: Path) -> Iterator[Path]:
    """For hundreds of thousands of files: in memory where there is such a place."""
    in_memory = Path("/dev/shm")  # noqa: S108  (a directory of our own in it)
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else tmp_path) as name:
        yield Path(name)


def made(make_daemon: MakeDaemon, workers: int, path: str = "out/all.ndjson") -> Daemon:
    return make_daemon(
        configuration(
            "parse.json",
            to_file(path),
            workers=workers,
            commit_interval="200ms",
            worker_memory="64MiB",
            source={"paths": ["logs/*.log*"], "max_line_bytes": "64KiB", "close_after": "1s"},
            tables={"dead_letters": {"max_bytes": "1GiB"}},
        )
    )


class Reopening(Writer):
    """Is told of rotations by the file that is gone from its name, as logrotate's signal would tell it."""

    def _rotate(self) -> None:
        """Others do that."""


@pytest.mark.needs("logrotate")
def test_case_011_five_writers_of_a_hundred_thousand_lines_each_under_real_logrotate(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon, 2, "out/{who}.ndjson")
    writers = [Reopening(daemon.logs / f"{who}.log", who=who, burst=100, rotate_every=1000) for who in "abcde"]
    rules = daemon.home / "rules"
    names = " ".join(f'"{writer.path}"' for writer in writers)
    rules.write_text(f"{names} {{\n  rotate 500\n  size 1\n  create\n  nocompress\n  missingok\n}}\n")
    rules.chmod(0o644)
    command = ["logrotate", "--state", str(daemon.home / "rotations"), "--force", str(rules)]
    for writer in writers:
        writer.path.touch()
        writer.start()
    daemon.start()
    rotations = 0
    while min(writer.written for writer in writers) < 100_000:
        goal = sum(writer.written for writer in writers) + 50_000
        until(lambda goal=goal: sum(writer.written for writer in writers) >= goal, "more lines", LONG)  # type: ignore[misc]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        rotations += 1
    for writer in writers:
        writer.stop()
    assert rotations > 5
    for writer in writers:
        daemon.until(daemon.has(f"{writer.who}.ndjson", writer.good), f"all of {writer.who}", LONG)
    assert daemon.stop() == 0, daemon.stderr()
    for writer in writers:
        numbers = daemon.numbers(f"{writer.who}.ndjson")
        assert sorted(numbers) == [n for n in range(writer.written) if n % BAD_EVERY != BAD_EVERY - 1]
    assert len(daemon.dead_letters()) == sum(len(writer.bad) for writer in writers)
    living = daemon.query("SELECT COUNT(*) FROM files WHERE NOT ended")
    assert living == [(len(list(daemon.logs.iterdir())),)], "one row for each file there is"


def test_case_041_a_hundred_thousand_idle_files_are_read_once_and_cost_little(
    make_daemon: MakeDaemon, fast_directory: Path
) -> None:
    count = 100_000
    daemon = made(make_daemon, 2)
    daemon.logs.rmdir()
    daemon.logs.symlink_to(fast_directory)
    for n in range(count):
        (daemon.logs / f"{n:06}.log").write_bytes(b'{"n":%d}\n' % n)
    gauge = Gauge(daemon)
    daemon.start()
    daemon.until(lambda: gauge.look() and daemon.has("all.ndjson", count)(), "all lines", LONG)
    daemon.until(lambda: daemon.query("SELECT COUNT(*) FROM files WHERE offset") == [(count,)], "the commits", LONG)
    before, began = daemon.cpu(), time.monotonic()
    threading.Event().wait(20)  # a measurement over time
    share = (daemon.cpu() - before) / (time.monotonic() - began)
    with (daemon.logs / "050000.log").open("ab") as file:
        file.write(numbered(count, count + 1))
    daemon.until(daemon.has("all.ndjson", count + 1), "one more", 60)
    assert daemon.stop() == 0, daemon.stderr()
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert sorted(daemon.numbers("all.ndjson")) == list(range(count + 1)), "and no row is removed, nothing read again"
    print(f"idle with {count:,} files: {share:.0%} of a core")
    gauge.check(800)
    assert share < 0.6


def test_case_067_every_event_goes_to_another_of_a_hundred_thousand_outputs(
    make_daemon: MakeDaemon, fast_directory: Path
) -> None:
    count = 100_000
    daemon = made(make_daemon, 0, "out/{n}")
    daemon.out.symlink_to(fast_directory)
    (daemon.logs / "app.log").write_bytes(numbered(0, count))
    gauge = Gauge(daemon)
    daemon.start("--until-eof")
    until(lambda: not gauge.look(), "it ends", LONG)
    assert daemon.wait() == 0, daemon.stderr()
    assert sum(1 for _ in fast_directory.iterdir()) == count
    gauge.check(400)


def test_case_070_four_stops_in_a_backlog_of_five_million_lines_lose_and_repeat_nothing(
    make_daemon: MakeDaemon,
) -> None:
    count = 5_000_000
    daemon = made(make_daemon, 2)
    log = daemon.logs / "app.log"
    with log.open("wb") as file:
        for start in range(0, count, 100_000):
            file.write(b"".join(b'{"n":%d}\n' % n for n in range(start, start + 100_000)))
    for _ in range(4):
        before = daemon.committed()
        daemon.start()
        daemon.until(lambda before=before: daemon.committed() > before, "some progress", LONG)  # type: ignore[misc]
        began = time.monotonic()
        assert daemon.stop() == 0, daemon.stderr()
        assert time.monotonic() - began < 10, "reading stops at once"
        assert before < daemon.committed() < log.stat().st_size, "it was stopped in the middle"
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.text("all.ndjson") == log.read_bytes()
