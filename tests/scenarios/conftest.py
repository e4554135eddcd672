"""A real daemon in its own process group, a writer that rotates, and the checker that compares what came out."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

DEADLINE = 60.0  # seconds a condition may take to come true


def until(condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
    """Poll a condition; fail, saying what was waited for."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {deadline:g} s in vain for: {what}")
        pause.wait(0.01)


class Daemon:
    """`tailrace run` with a configuration in a directory of its own."""

    def __init__(self, home: Path, config: str) -> None:
        self.home = home
        self.logs = home / "logs"
        self.out = home / "out"
        self.logs.mkdir()
        (home / "config.toml").write_text(config)
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self, *arguments: str) -> None:
        self.starts += 1
        with (self.home / f"stderr.{self.starts}").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli.main", "run", *arguments, str(self.home / "config.toml")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def children(self) -> list[int]:
        try:
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(pid) for pid in text.split()]

    def kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def kill_parent(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self, signum: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(signum)
        return self.wait()

    def wait(self, timeout: float = DEADLINE) -> int:
        assert self.process is not None
        return self.process.wait(timeout)

    def run_to_end(self) -> int:
        """Everything that is there, then the end."""
        self.start("--until-eof")
        return self.wait()

    def group_is_gone(self) -> bool:
        """No process of the daemon's session is left."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def stderr(self) -> str:
        return "".join((self.home / f"stderr.{n + 1}").read_text() for n in range(self.starts))

    def events(self, name: str) -> list[dict[str, object]]:
        """The events of one output; a torn line fails here."""
        path = self.out / name
        if not path.exists():
            return []
        data = path.read_bytes()
        assert data.endswith(b"\n") or not data, f"torn last line in {name}"
        return [json.loads(line) for line in data.splitlines()]

    def dead_letters(self) -> list[tuple[str, str, bytes]]:
        """(stage, error, raw), sorted."""
        database = self.home / "state" / "tailrace.sqlite"
        if not database.exists():
            return []
        db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            return sorted(db.execute("SELECT stage, error, raw FROM dead_letters"))
        finally:
            db.close()


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    made: list[Daemon] = []

    def make(config: str, name: str = "a") -> Daemon:
        home = tmp_path / name
        home.mkdir()
        made.append(Daemon(home, config))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.process is not None:
            daemon.kill_group()
