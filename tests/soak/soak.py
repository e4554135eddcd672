"""The daemon of a soak, its writers, and what is done to them; all by one thread but the writing."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

from ..configuration import configuration, to_file
from ..crash.remains import memory_of
from ..scenarios.clock import DAY, StepClock
from ..scenarios.daemon import Daemon
from ..scenarios.writer import Writer
from ..waiting import until
from .disks import full
from .ledger import SINKS, Ledger
from .marks import MIB, HighWater
from .rotation import Deleting, Gzipping, Linking, Renaming, Truncating

CONFIG = configuration(
    "parse.json",
    to_file("out/{who}.ndjson"),
    to_file("copy/{who}.ndjson"),
    workers=2,
    commit_interval="200ms",
    chunk_bytes="64KiB",
    task_timeout="5s",
    shutdown_timeout="10s",
    source={"paths": ["logs/*.log*"], "max_line_bytes": "4KiB", "close_after": "2s"},
)
FORGETFUL = """
from tests.inside import adjust
adjust(setattr, retire_after=60.0, most_ended=100)
"""  # for the interpreter's start: else the rows of ended files, kept for an hour, grow all the time
NO_ROOM = re.compile("disk is full|No space left")  # what a start without room for the state may end with
PROGRESS = 30.0  # seconds
FAULTS = {  # and how often
    "stop in order": 4,
    "kill group": 3,
    "kill parent": 3,
    "kill worker": 3,
    "kill at start": 2,
    "two signals": 2,
    "stall": 2,
    "stall a worker": 1,
    "full output disk": 2,
    "full state disk": 2,
    "clock step": 2,
}
TABLES = ("files", "marks", "counters")  # dead letters stay, as they must
DISKS = {"full output disk": SINKS[0], "full state disk": "state"}  # which directory must be a disk of its own


class Soak:
    """One soak in ``home``; ``disks``: those of its directories that can be filled."""

    def __init__(self, home: Path, disks: set[str], seed: int) -> None:
        self._faults = [name for name in FAULTS if name not in DISKS or DISKS[name] in disks]
        self._rng = random.Random(seed)  # noqa: S311  (moments, no secret)
        self._pause = threading.Event()
        self.daemon = Daemon(home, CONFIG)
        self._clock = StepClock(home)
        self._clock.add(FORGETFUL)
        self._starved = 0  # number of the start that found its state's disk full, and may have been refused
        self.ledger = Ledger(self.daemon)
        self.done: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self.marks = HighWater()
        self.writers = self._make_writers(self.daemon.logs, home / "archive")

    def _make_writers(self, logs: Path, archive: Path) -> list[Writer]:
        archive.mkdir()
        rest = (self.daemon, self.ledger)
        return [
            *(
                Renaming(logs / f"{who}.log", self.ledger, rotate_every=every)
                for who, every in (("a", 500), ("b", 2_000), ("c", 10_000))
            ),
            Truncating(logs / "d.log", archive, *rest, rotate_every=1_500),
            Truncating(logs / "e.log", logs, *rest, rotate_every=3_000),
            Linking(logs / "f.log", archive, *rest, rotate_every=1_000),
            Deleting(logs / "g.log", archive, *rest, rotate_every=700),
            Gzipping(logs / "h.log", archive, *rest, rotate_every=1_200),
        ]

    def run(self, minutes: float) -> None:
        begin = time.monotonic()
        end, report = begin + 60 * minutes, begin + PROGRESS
        for writer in self.writers:
            writer.start()
        try:
            self._start()
            while (now := time.monotonic()) < end:
                if now >= report:
                    report += PROGRESS
                    self._report(now - begin)
                self._wait(1, 7)
                self._sample()
                self._keep_alive()
                (fault,) = self._rng.choices(self._faults, [FAULTS[name] for name in self._faults])
                getattr(self, "_" + fault.replace(" ", "_"))()
                self.done[fault] += 1
        finally:
            for writer in self.writers:
                writer.stop()
            self.daemon.kill_group()
        code = self.daemon.run_to_end()
        if code:
            self._died("the last run", code)
        until(self.daemon.group_is_gone, "no process is left")
        self.ledger.collect()

    def _wait(self, least: float, most: float) -> None:
        self._pause.wait(self._rng.uniform(least, most))

    def _start(self) -> None:
        self.daemon.start(before=self._clock.before)

    def _keep_alive(self) -> None:
        if self.daemon.running:
            return
        code, start = self.daemon.wait(), self.daemon.starts
        refused = start == self._starved and NO_ROOM.search(self.daemon.stderr(start).splitlines()[-1])
        if code != 1 or not refused:
            self._died("the daemon", code)
        self._start()

    def _died(self, what: str, code: int) -> None:
        self.unexpected.append(f"{what} ended with {code}:\n{self.daemon.stderr(self.daemon.starts)[-2000:]}")
        print(self.unexpected[-1], flush=True)

    # What is done to it.

    def _stop_in_order(self) -> None:
        code = self.daemon.stop()
        if code == 0:
            self.ledger.collect()
        else:
            self._died("after SIGTERM the daemon", code)
        self._start()

    def _kill_group(self) -> None:
        self.daemon.kill_group()
        self._start()

    def _kill_parent(self) -> None:
        self.daemon.kill_parent()
        self._start()  # at once: its workers may be there still

    def _kill_worker(self) -> None:
        self._signal_worker(signal.SIGKILL)

    def _kill_at_start(self) -> None:
        self.daemon.kill_group()
        for _ in range(3):
            self._start()
            self._wait(0, 0.6)
            self.daemon.kill_group()
        self._start()

    def _two_signals(self) -> None:
        self.daemon.send(signal.SIGTERM)
        self._wait(0, 0.05)
        self.daemon.send(signal.SIGTERM)
        self.daemon.wait()
        self._start()

    def _stall(self) -> None:
        self.daemon.send_group(signal.SIGSTOP)
        self._wait(1, 8)
        self.daemon.send_group(signal.SIGCONT)

    def _stall_a_worker(self) -> None:
        self._signal_worker(signal.SIGSTOP)  # task_timeout is for this

    def _full_output_disk(self) -> None:
        self._fill(DISKS["full output disk"])

    def _full_state_disk(self) -> None:
        self._fill(DISKS["full state disk"])

    def _fill(self, directory: str) -> None:
        """For a while nothing can be written there, perhaps not at a start either; then it must go on."""
        with full(self.daemon.home / directory):
            self._wait(1, 6)
            if self._rng.random() < 0.5:
                self.daemon.kill_group()
                self._start()
                if directory == DISKS["full state disk"]:
                    self._starved = self.daemon.starts
                self._wait(0.5, 3)
        before = self._committed()

        def goes_on() -> bool:
            self._keep_alive()
            return self._committed() > before

        until(goes_on, f"it commits again when {directory}/ has room")

    def _clock_step(self) -> None:
        self._clock.step(self._rng.choice([-DAY, DAY, 3600, -3600, 0]))

    def _signal_worker(self, signum: int) -> None:
        workers = self.daemon.children()
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._rng.choice(workers), signum)

    # What is seen.

    def _committed(self) -> int:
        """Bytes read in all lives of the daemon, as of its last commit; 0: its state cannot be read just now."""
        return self._rows("SELECT TOTAL(value) FROM counters WHERE name = 'bytes_read'")

    def _rows(self, sql: str) -> int:
        try:
            return sum(int(value) for (value,) in self.daemon.query(sql))
        except sqlite3.OperationalError:  # it starts or stops just now
            return 0

    def _sample(self) -> None:
        log = Path(f"{self.daemon.database}-wal")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may have ended; _keep_alive tells
            self.marks.add(
                {
                    "PSS (MiB)": self.daemon.memory()[0] // MIB,
                    "descriptors": len(self.daemon.open_files()),
                    "threads": len(os.listdir(f"/proc/{self.daemon.pid}/task")),
                    "rows": sum(self._rows(f"SELECT COUNT(*) FROM {name}") for name in TABLES),  # noqa: S608  (ours)
                    "write-ahead log (MiB)": log.stat().st_size // MIB,
                    "shared memory segments": len(
                        set().union(*map(memory_of, (self.daemon.pid, *self.daemon.children())))
                    ),
                }
            )

    def _report(self, seconds: float) -> None:
        written = sum(writer.written for writer in self.writers)
        rotations = sum(writer.rotations for writer in self.writers)
        print(
            f"{seconds / 60:5.1f} min: {written:,} lines written, {rotations} rotations, {sum(self.done.values())} "
            f"faults, {self.daemon.starts} starts, {self.ledger.collected:,} events and dead letters collected; "
            f"at most: {self.marks}",
            flush=True,
        )
