"""The memory ceiling: whatever comes in, the processes together stay below the figure that `tailrace check` prints."""

from __future__ import annotations

import gzip
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..configuration import configuration, to_file
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import COMMAND, Daemon, numbered
from .gauge import MIB, Gauge

pytestmark = pytest.mark.alone


def configured(
    make_daemon: MakeDaemon,
    workers: int,
    *,
    worker_memory: str = "64MiB",
    max_line_bytes: str = "1MiB",
    path: str = "out/{source}.ndjson",
    **source: Any,
) -> Daemon:
    return make_daemon(
        configuration(
            "parse.json",
            to_file(path),
            workers=workers,
            commit_interval="50ms",
            worker_memory=worker_memory,
            line_timeout="20s",
            source={"max_line_bytes": max_line_bytes, **source},
            tables={"dead_letters": {"max_bytes": "1GiB"}},
        )
    )


def run_to_end(daemon: Daemon, gauge: Gauge) -> None:
    daemon.start("--until-eof")
    until(lambda: not gauge.look(), "it ends")
    assert daemon.wait() == 0, daemon.stderr()


@pytest.fixture
def fast_directory(tmp_path: Path) -> Iterator[Path]:
    """For thousands of files, each synced: in memory where there is such a place."""
    in_memory = Path("/dev/shm")  # noqa: S108  (a directory of our own in it)
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else tmp_path) as name:
        yield Path(name)


both = pytest.mark.parametrize("workers", [0, 2])


@pytest.mark.parametrize(("workers", "line"), [(0, b"x\n"), (2, b'{"a": "' + b"y" * 300 + b"\n")], ids=["tiny", "300"])
def test_case_067_every_line_is_a_dead_letter(make_daemon: MakeDaemon, workers: int, line: bytes) -> None:
    daemon = configured(make_daemon, workers)
    count = 40_000
    (daemon.logs / "app.log").write_bytes(line * count)
    gauge = Gauge(daemon)
    run_to_end(daemon, gauge)
    assert daemon.query("SELECT COUNT(*) FROM dead_letters") == [(count,)]
    gauge.check()


def test_case_067_every_event_goes_to_another_of_ten_thousand_outputs(
    make_daemon: MakeDaemon, fast_directory: Path
) -> None:
    daemon = configured(make_daemon, 0, path="out/{h}")
    daemon.out.symlink_to(fast_directory)
    (daemon.logs / "app.log").write_bytes(b"".join(b'{"h":%d}\n' % n for n in range(10_000)))
    gauge = Gauge(daemon)
    run_to_end(daemon, gauge)
    assert len(os.listdir(daemon.out)) == 10_000
    gauge.check()


@both
def test_case_067_a_thousand_files_that_grow(make_daemon: MakeDaemon, fast_directory: Path, workers: int) -> None:
    daemon = configured(make_daemon, workers)
    daemon.out.symlink_to(fast_directory)
    files = [daemon.logs / f"{n:04}.log" for n in range(1000)]
    for log in files:
        log.write_bytes(numbered(0, 20))
    gauge = Gauge(daemon)
    daemon.start()
    for growth in range(1, 4):
        for log in files:
            with log.open("ab") as file:
                file.write(numbered(20 * growth, 20 * growth + 20))
        gauge.look()
    total = sum(log.stat().st_size for log in files)
    daemon.until(lambda: gauge.look() and daemon.committed() == total, "everything is committed")
    assert daemon.stop() == 0
    assert daemon.numbers("0999.log.ndjson") == list(range(80))
    gauge.check()


@both
def test_case_067_lines_of_ten_megabytes(make_daemon: MakeDaemon, workers: int) -> None:
    daemon = configured(make_daemon, workers)
    (daemon.logs / "app.log").write_bytes((b'{"n": "' + b"x" * (10 * MIB) + b'"}\n' + b'{"n": 1}\n') * 5)
    gauge = Gauge(daemon)
    run_to_end(daemon, gauge)
    assert daemon.numbers("app.log.ndjson") == [1] * 5
    assert [error for _, error, _ in daemon.dead_letters()] == ["too_long"] * 5
    gauge.check()


@both
def test_case_067_huge_json_lines_that_are_allowed(make_daemon: MakeDaemon, workers: int) -> None:
    daemon = configured(make_daemon, workers, worker_memory="256MiB", max_line_bytes="16MiB")
    line = b'{"a": [' + b"1.5," * (2 * MIB) + b"1]}\n"  # 8 MiB, 2 million floats
    (daemon.logs / "app.log").write_bytes((line + b'{"n": 1}\n') * 2)
    gauge = Gauge(daemon)
    run_to_end(daemon, gauge)
    assert [stage for stage, _, _ in daemon.dead_letters()] == ["write.file"] * 2  # too_large, or killed by its limit
    assert daemon.text("app.log.ndjson").count(b'{"n":1}\n') == 2
    gauge.check(800)


@both
@pytest.mark.parametrize("line", [b"\n", b"  a line that goes on\n"], ids=["empty", "short"])
def test_a_file_that_never_begins_a_record(make_daemon: MakeDaemon, workers: int, line: bytes) -> None:
    multiline = {"preset": "python", "max_lines": 100_000, "max_bytes": "4MiB"}
    daemon = configured(make_daemon, workers, multiline=multiline)
    (daemon.logs / "app.log").write_bytes(line * (2 * MIB // len(line)))
    gauge = Gauge(daemon)
    run_to_end(daemon, gauge)
    assert daemon.committed() == (daemon.logs / "app.log").stat().st_size
    gauge.check()


def replayed(daemon: Daemon, path: Path, gauge: Gauge) -> None:
    daemon.process = subprocess.Popen(
        [*COMMAND, "replay", str(path), "-c", str(daemon.config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: not gauge.look(), "it ends")


@both
@pytest.mark.parametrize("content", [b"\0", b'{"n": "%s"}\n' % (b"x" * 118)], ids=["one line", "lines"])
def test_case_038_a_gzip_bomb_under_replay(make_daemon: MakeDaemon, workers: int, content: bytes) -> None:
    daemon = configured(make_daemon, workers)
    size = 256 * MIB if len(content) == 1 else 32 * MIB
    bomb = daemon.home / "bomb.log.gz"
    block = content * (8 * MIB // len(content))
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        for _ in range(size // len(block)):
            file.write(block)
    gauge = Gauge(daemon)
    replayed(daemon, bomb, gauge)
    assert daemon.wait() == 0
    gauge.check()
