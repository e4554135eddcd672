"""One measured run of one command (or several at once): wall time, CPU time and peak memory of the whole process tree.

CPU time is what ``wait4`` reports for the process and those it waited for; that of the process alone stands in
``/proc/PID/stat`` until it is reaped. Memory is sampled while it runs, from
``/proc/PID/smaps_rollup``: the sum of all processes' PSS (memory that several share is counted once) and of their RSS
(counted in each).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.inputs import lines_in

SAMPLE_EVERY = 0.05  # seconds
QUIET = 1.0  # seconds without growth after which an output may be complete
SETTLED = 5.0  # seconds without a new line after which a daemon has left out what it could not parse
ENOUGH = 0.95  # share of the lines that must come out: real logs have bad ones
GIVE_UP = 900.0  # seconds


class Failed(Exception):
    """A run that does not count, and why."""


@dataclass(slots=True)
class Measured:
    wall: float  # seconds, start of the process included
    cpu: float  # seconds, user and system
    own: float  # seconds of those that the processes we started took themselves, without their children
    pss: int  # bytes, peak of the sum over all processes
    rss: int  # bytes


class Memory(threading.Thread):
    """Samples the memory of processes and their descendants until stopped."""

    def __init__(self, roots: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self.roots = roots
        self.pss = self.rss = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(SAMPLE_EVERY):
            pss = rss = 0
            for pid in family(self.roots):
                with suppress(OSError):  # it has just ended
                    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                        if line.startswith("Pss:"):
                            pss += int(line.split()[1]) << 10
                        elif line.startswith("Rss:"):
                            rss += int(line.split()[1]) << 10
            self.pss, self.rss = max(self.pss, pss), max(self.rss, rss)


def family(roots: Sequence[int]) -> Iterator[int]:
    """These processes and all below them."""
    for pid in roots:
        yield pid
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                yield from family([int(child) for child in (task / "children").read_text().split()])


def measure(
    commands: Sequence[Sequence[str]],
    log: Path,
    *,
    output: Path | None = None,
    lines: int = 0,
) -> Measured:
    """Run the commands at once until all have ended. Raises `Failed` when one does not end with 0. Whatever ends this
    early, a signal too (see `Signals`), ends them with all they have started.

    With ``output``, for a daemon that does not end by itself: run one command until ``output`` has ``lines`` lines,
    then end it with SIGTERM. Wall time is then that of the last write. Standard output and error go to ``log``.
    """
    began, clock = time.perf_counter(), time.time()
    with running(commands, log) as started:
        memory = Memory([process.pid for process in started])
        memory.start()
        timer = threading.Timer(GIVE_UP, kill, [started])
        timer.daemon = True  # a signal may come before the `try`: nobody must wait for it then
        timer.start()
        try:
            if output:
                last_write = wait_for(started[0], output, lines)
                started[0].send_signal(signal.SIGTERM)
            cpu = own = 0.0
            for process in started:
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
                own += own_seconds(process.pid)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                cpu += usage.ru_utime + usage.ru_stime
            wall = time.perf_counter() - began
        finally:
            timer.cancel()
            memory.stopped.set()
            memory.join()
    for process, command in zip(started, commands, strict=True):
        if process.returncode:
            tail = log.read_text(errors="replace")[-2000:].strip()
            raise Failed(f"{command[0]} ended with {process.returncode}: {tail}")
    return Measured(last_write - clock if output else wall, cpu, own, memory.pss, memory.rss)


def own_seconds(pid: int) -> float:
    """User and system time of a process that has ended and was not reaped yet, without those it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(commands: Sequence[Sequence[str]], log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The commands, each in a process group of its own: at the end all that is left of these is killed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}  # as a user starts it
    started: list[subprocess.Popen[bytes]] = []
    try:
        with log.open("wb") as messages, signals.held():
            for command in commands:
                started.append(  # noqa: PERF401  one by one: those before one that fails to start are to be ended
                    subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages, env=env, process_group=0
                    )
                )
        signals.check()
        yield started
    finally:
        kill(started)
        for process in started:
            process.wait()


def kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Each that was not waited for yet, with its whole group."""
    for process in processes:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)


class Signals:
    """What asks this process to end lets it tidy up first: no terminal's or service manager's signal reaches groups of
    their own. While these are being started it is held back, for there is nobody yet to end them."""

    def __init__(self) -> None:
        self._holding = False
        self._asked = 0

    def heed(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)

    @contextmanager
    def held(self) -> Iterator[None]:
        self._holding = True
        try:
            yield
        finally:
            self._holding = False

    def check(self) -> None:
        if self._asked and not self._holding:
            sys.exit(128 + self._asked)

    def _hear(self, number: int, _frame: object) -> None:
        self._asked = number
        self.check()


signals = Signals()


def wait_for(process: subprocess.Popen[bytes], output: Path, lines: int) -> float:
    """Wait until ``output`` has grown no more for a while and has all its lines; the time of its last write."""
    size, since, deadline = -1, time.monotonic(), time.monotonic() + GIVE_UP
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            raise Failed("ended before its output was complete")
        now_size = output.stat().st_size if output.exists() else -1
        if now_size != size:
            size, since = now_size, time.monotonic()
        elif size > 0 and time.monotonic() - since >= QUIET:
            quiet = time.monotonic() - since
            if lines_in(output) >= lines or (quiet >= SETTLED and lines_in(output) >= lines * ENOUGH):
                return output.stat().st_mtime
        time.sleep(SAMPLE_EVERY)
    raise Failed(f"{output.name} has {lines_in(output)} of {lines} lines after {GIVE_UP:.0f} s")
