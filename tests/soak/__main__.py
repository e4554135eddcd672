"""A daemon under rotation, kills, stalls, a full disk and clock steps; at the end: is each line there once?

Exit 1 if one is lost or repeated, or if the daemon ended without having been told to.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..scenarios.clock import DAY, StepClock
from ..scenarios.daemon import Daemon
from ..scenarios.writer import Writer
from .ledger import Ledger
from .rotation import Renaming, Truncating

CONFIG = """
[pipeline]
state_dir = "state"
workers = 2
commit_interval = "200ms"
chunk_bytes = "64KiB"
task_timeout = "2s"
shutdown_timeout = "10s"
[source]
paths = ["logs/*.log*"]
max_line_bytes = "4KiB"
close_after = "2s"
[[stages]]
use = "parse.json"
[[stages]]
use = "write.file"
path = "out/{who}.ndjson"
"""
BURST, PAUSE = 20, 0.1  # lines, seconds: about 200 lines a second and writer
OUTPUT_DISK = "48M"  # far more than comes in between two stops in order
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
    "full disk": 2,
    "clock step": 2,
}


class Soak:
    """The daemon, its writers, and what is done to them; all by one thread but the writing."""

    def __init__(self, home: Path, disk: bool, seed: int) -> None:
        self._disk = disk
        self._rng = random.Random(seed)  # noqa: S311  (moments, no secret)
        self._pause = threading.Event()
        self.daemon = Daemon(home, CONFIG)
        self._clock = StepClock(home)
        self.ledger = Ledger(self.daemon)
        self.done: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self.peak = Counter(pss=0, rss=0, descriptors=0)
        logs, archive = self.daemon.logs, home / "archive"
        archive.mkdir()
        self.writers: list[Writer] = [
            Renaming(logs / f"{who}.log", self.ledger, rotate_every=every, burst=BURST, pause=PAUSE)
            for who, every in (("a", 500), ("b", 2_000), ("c", 10_000))
        ]
        self.writers += [
            Truncating(logs / "d.log", archive, self.daemon, self.ledger, rotate_every=1_500, burst=BURST, pause=PAUSE),
            Truncating(logs / "e.log", logs, self.daemon, self.ledger, rotate_every=3_000, burst=BURST, pause=PAUSE),
        ]

    def run(self, minutes: float) -> None:
        begin = time.monotonic()
        end, report = begin + 60 * minutes, begin + PROGRESS
        faults = [name for name in FAULTS if self._disk or name != "full disk"]
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
                self._alive()
                (fault,) = self._rng.choices(faults, [FAULTS[name] for name in faults])
                getattr(self, "_" + fault.replace(" ", "_"))()
                self.done[fault] += 1
        finally:
            for writer in self.writers:
                writer.stop()
            self.daemon.kill_group()
        code = self.daemon.run_to_end()
        if code:
            self._died("the last run", code)
        self.ledger.collect()

    def _wait(self, least: float, most: float) -> None:
        self._pause.wait(self._rng.uniform(least, most))

    def _start(self) -> None:
        self.daemon.start(before=self._clock.before)

    def _alive(self) -> None:
        if not self.daemon.running:
            self._died("the daemon", self.daemon.wait())
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

    def _full_disk(self) -> None:
        ballast = self.daemon.out / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 12))
        self._wait(1, 6)
        if self._rng.random() < 0.5:
            self.daemon.kill_group()
            self._start()
            self._wait(0.5, 3)
        ballast.unlink()

    def _clock_step(self) -> None:
        self._clock.step(self._rng.choice([-DAY, DAY, 3600, -3600, 0]))

    def _signal_worker(self, signum: int) -> None:
        workers = self.daemon.children()
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._rng.choice(workers), signum)

    # What is seen.

    def _sample(self) -> None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may have ended; _alive tells
            pss, rss = self.daemon.memory()
            for name, value in (("pss", pss), ("rss", rss), ("descriptors", len(self.daemon.open_files()))):
                self.peak[name] = max(self.peak[name], value)

    def _report(self, seconds: float) -> None:
        written = sum(writer.written for writer in self.writers)
        collected = sum(len(account.times) - account.times.count(0) for account in self.ledger.accounts.values())
        rotations = sum(writer.rotations for writer in self.writers)
        print(
            f"{seconds / 60:5.1f} min: {written:,} lines written, {collected:,} collected, {rotations} rotations, "
            f"{sum(self.done.values())} faults, {self.daemon.starts} starts, {self.seen()}",
            flush=True,
        )

    def seen(self) -> str:
        return (
            f"at most {self.peak['pss'] >> 20} MiB PSS, {self.peak['rss'] >> 20} MiB RSS of all processes, "
            f"{self.peak['descriptors']} descriptors"
        )


@contextlib.contextmanager
def output_disk(path: Path) -> Iterator[bool]:
    """A small disk of its own for the outputs, where that is allowed; whether it is."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={OUTPUT_DISK},mode=0755", "tailrace-soak", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(path)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-soak-")))
        disk = stack.enter_context(output_disk(home / "out"))
        print(f"soak for {arguments.minutes:g} min with --seed {arguments.seed} in {home}", flush=True)
        if not disk:
            print("may not mount a tmpfs here: without full disks", flush=True)
        soak = Soak(home, disk, arguments.seed)
        soak.run(arguments.minutes)
        table, exact = soak.ledger.table(soak.writers)
    print(f"\nafter {(time.monotonic() - started) / 60:.1f} min and {soak.daemon.starts} starts:")
    print(", ".join(f"{soak.done[name]} x {name}" for name in FAULTS))
    print(soak.seen())
    print(f"ends that nobody asked for: {len(soak.unexpected)}")
    print(table)
    return 0 if exact and not soak.unexpected else 1


if __name__ == "__main__":
    sys.exit(main())
