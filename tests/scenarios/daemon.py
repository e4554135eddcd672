"""A real daemon in its own process group: start it, signal it, measure it, and read what it left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..waiting import DEADLINE, until

COMMAND = (sys.executable, "-m", "tailrace.pipeline.cli.main")


def events(data: bytes) -> list[dict[str, Any]]:
    """The events of NDJSON; a torn line fails here."""
    assert data.endswith(b"\n") or not data, f"torn last line: {data[-80:]!r}"
    return [json.loads(line) for line in data.splitlines()]


def numbered(start: int, stop: int, *, pad: int = 0) -> bytes:
    """JSON lines with the numbers ``start`` to ``stop - 1`` in ``n``."""
    return b"".join(b'{"n":%d,"pad":"%s"}\n' % (n, b"x" * pad) for n in range(start, stop))


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return events(self.out)


def heed_interrupts() -> None:
    """In the child: a shell's background jobs ignore SIGINT, and so would all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Daemon:
    """`tailrace run` with a configuration in a directory of its own."""

    def __init__(self, home: Path, config: str) -> None:
        self.home = home
        self.logs = home / "logs"
        self.out = home / "out"
        self.config = home / "config.toml"
        self.logs.mkdir(exist_ok=True)
        self.config.write_text(config)
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    # Running it.

    def start(
        self,
        *arguments: str,
        stdout: int = subprocess.DEVNULL,
        before: Sequence[str] = (),  # a command that ends by executing the one behind it, like setpriv
    ) -> None:
        self.starts += 1
        with (self.home / f"stderr.{self.starts}").open("wb") as errors:
            self.process = subprocess.Popen(
                [*before, *COMMAND, "run", *arguments, str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=errors,
                start_new_session=True,
                preexec_fn=heed_interrupts,  # noqa: PLW1509  takes no lock that a thread may hold
            )

    def command(self, *arguments: str, data: bytes = b"") -> Done:
        """Another command of tailrace, in the directory of the configuration."""
        path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=data,
            capture_output=True,
            check=False,
            timeout=DEADLINE,
            cwd=self.home,
            env={**os.environ, "PYTHONPATH": path},
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, signum: int) -> None:
        assert self.process is not None
        self.process.send_signal(signum)

    def send_group(self, signum: int) -> None:
        os.killpg(self.pid, signum)

    def kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._reap(DEADLINE)

    def kill_parent(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._reap(DEADLINE)

    def until(self, condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
        """As the function, for something that a living daemon does: its death is told with its last words."""

        def came_true() -> bool:
            running = self.running  # asked first: what it did before its death counts
            if condition():
                return True
            if not running:
                pytest.fail(f"it ended before: {what}\n{self.stderr(self.starts)}")
            return False

        until(came_true, f"{what}\n{self.stderr(self.starts)}", deadline)

    def stop(self, signum: int = signal.SIGTERM) -> int:
        self.send(signum)
        return self.wait()

    def wait(self, timeout: float = DEADLINE) -> int:
        """Its exit code. The books of one that came to a good end must add up, whatever the scenario was."""
        code = self._reap(timeout)
        if code == 0:
            self.check_books()
        return code

    def _reap(self, timeout: float) -> int:
        assert self.process is not None
        return self.process.wait(timeout)

    def run_to_end(self) -> int:
        """Everything that is there, then the end."""
        self.start("--until-eof")
        return self.wait()

    # Looking at its processes.

    def children(self) -> list[int]:
        try:
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(pid) for pid in text.split()]

    def group_is_gone(self) -> bool:
        """No process of the daemon's group is left; one that only waits to be reaped is gone."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.pid and state != "Z":
                    return False
        return True

    def memory(self) -> tuple[int, int]:
        """(PSS, RSS) of all its processes together, in bytes."""
        sums = {"Pss:": 0, "Rss:": 0}
        for pid in (self.pid, *self.children()):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    name, value, *_ = line.split()
                    if name in sums:
                        sums[name] += int(value) * 1024
        return sums["Pss:"], sums["Rss:"]

    def cpu(self) -> float:
        """Seconds of CPU that its living processes have used."""
        ticks = 0
        for pid in (self.pid, *self.children()):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def open_files(self) -> list[str]:
        """What the main process's descriptors lead to."""
        found = []
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(descriptor))
        return found

    # What it says and leaves behind.

    def stderr(self, start: int = 0) -> str:
        """What it said, in all of its lives or in one (1 for the first)."""
        lives = [start] if start else range(1, self.starts + 1)
        return "".join((self.home / f"stderr.{n}").read_text() for n in lives)

    def said(self, event: str, start: int = 0) -> list[str]:
        """The log lines with this event (format console)."""
        return [line for line in self.stderr(start).splitlines() if f"] {event}" in line]

    def text(self, name: str) -> bytes:
        path = self.out / name
        return path.read_bytes() if path.exists() else b""

    def events(self, name: str) -> list[dict[str, Any]]:
        return events(self.text(name))

    def numbers(self, name: str) -> list[Any]:
        """The `n` of all events of one output, in their order."""
        return [event["n"] for event in self.events(name)]

    def has(self, name: str, count: int) -> Callable[[], bool]:
        """A condition: the output holds so many lines (or more)."""
        return lambda: self.text(name).count(b"\n") >= count

    @property
    def database(self) -> Path:
        return self.home / "state" / "tailrace.sqlite"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the state file; none where there is no such file yet."""
        if not self.database.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()

    def committed(self) -> int:
        """Bytes of input that are done, of all files."""
        ((total,),) = self.query("SELECT TOTAL(offset) FROM files") or [(0,)]
        return int(total)

    def check_books(self) -> None:
        """Every byte of every file is accounted for, in the state as it stands."""
        letters = dict(
            self.query(
                "SELECT stream, SUM(length) FROM (SELECT DISTINCT stream, offset, length FROM dead_letters "
                "WHERE sink IS NULL) "
                "GROUP BY stream"
            )
        )
        for file_id, size, offset, text in self.query(
            "SELECT file_id, size, offset, ledger FROM files WHERE path != ''"
        ):
            books = json.loads(text)
            skipped, lost = sum(books["skipped"].values()), sum(books["lost"].values())
            done = books["acknowledged"] + books["dead_lettered"]
            assert books["seen"] == done + skipped + lost + books["pending"], text
            assert books["pending"] == size - offset >= 0, text
            assert offset == done + skipped - books["skipped"].get("taken_over", 0), text
            assert letters.get(file_id, 0) <= books["dead_lettered"], text

    def dead_letters(self) -> list[tuple[Any, ...]]:
        """(stage, error, raw), sorted."""
        return sorted(self.query("SELECT stage, error, raw FROM dead_letters"))

    def counters(self, name: str) -> dict[str, float]:
        """Durable counters of one name, by their labels (JSON)."""
        return dict(self.query(f"SELECT labels, value FROM counters WHERE name = '{name}'"))  # noqa: S608  (our own names)
