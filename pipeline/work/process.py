"""A worker as the parent sees it: give it a slot, hear when it is through, bury and replace it.

Two kinds with one face: a child process, and ``Inline``, the same work done in this process for ``workers = 0``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

import orjson
from tailrace.pipeline.work.ring import Ring, unnamed_file
from tailrace.pipeline.work.worker import BUSY, MESSAGE, NOT_FOR_WORKERS, Work

TURN = 0.02  # seconds the work inside the process goes on before files and sinks have their turn
READY = 0xFFFFFFFF  # what a process sends instead of a slot number when it has built its chain


@dataclass(slots=True, frozen=True)
class Died:
    """A worker process that ended by itself or was killed; reaped."""

    why: str  # for people: "signal 11 (SIGSEGV)", "exit code 3"


class Worker(Protocol):
    pid: int
    tasks: int  # slots it was given so far: 0 means fresh
    slot: int | None  # the one it works on
    ready: bool  # it has built its chain

    def fileno(self) -> int:
        """What becomes readable when it has something to say; -1: it works when polled."""
        ...

    def give(self, slot: int) -> None: ...
    def poll(self) -> int | Died | None:
        """DONE or PART when the slot is through, Died, or None."""
        ...

    def kill(self) -> None: ...
    def close(self) -> None: ...


class Inline:
    """The chain in this process, for a moment at every poll."""

    def __init__(self, work: Work, ring: Ring) -> None:
        self._work = work
        self._ring = ring
        self.pid = os.getpid()
        self.ready = True
        self.tasks = 0
        self.slot: int | None = None

    def fileno(self) -> int:
        return -1

    def give(self, slot: int) -> None:
        self.slot = slot
        self.tasks += 1
        self._work.begin(self._ring.slots[slot])

    def poll(self) -> int | Died | None:
        if self.slot is None:
            return None
        until = monotonic() + TURN
        while (status := self._work.step()) == BUSY:
            if monotonic() > until:
                return None
        self.slot = None
        return status

    def kill(self) -> None:
        raise AssertionError("the work is done inside this process")

    def close(self) -> None:
        self.slot = None
        self._work.rest()


class Process:
    """A child process with a socket to it. Must be made in the main thread: the child dies with its maker thread."""

    def __init__(
        self,
        module: str,
        ring: Ring,
        config: bytes,
        line_timeout: float,
        worker_memory: int,
        remembered: Mapping[str, Mapping[str, Any]],
    ) -> None:
        set_up = {
            "config": config.decode(),
            "ring": ring.shape.to_dict(),
            "line_timeout": line_timeout,
            "worker_memory": worker_memory,
            "remembered": remembered,
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        # A file, not the socket: nobody waits for a child that hangs before it has read all.
        with theirs, open(unnamed_file("tailrace-set-up"), "w+b") as file:
            file.write(orjson.dumps(set_up))
            file.seek(0)
            fds = (ring.fd, theirs.fileno(), file.fileno())
            command = [sys.executable, "-P", "-m", module, *map(str, fds), str(os.getpid())]
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, NOT_FOR_WORKERS)  # inherited until the child ignores them
            try:
                self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=fds)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._channel = ours
        self.pid = self._child.pid
        self.tasks = 0
        self.slot: int | None = None
        self.ready = False

    def fileno(self) -> int:
        return self._channel.fileno()

    def give(self, slot: int) -> None:
        self.slot = slot
        self.tasks += 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is dead already: poll() tells
            self._channel.send(MESSAGE.pack(slot, 0))

    def poll(self) -> int | Died | None:
        while True:
            try:
                message = self._channel.recv(MESSAGE.size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except ConnectionResetError:
                message = b""
            if len(message) < MESSAGE.size:
                return Died(self._reap())
            slot, status = MESSAGE.unpack(message)
            if slot != READY:
                self.slot = None
                return int(status)
            self.ready = True

    def _reap(self) -> str:
        if not self._ending():  # it closed its end of the socket and lives on: of no use any more
            self._child.kill()
        code = self._child.wait()
        if code < 0:
            try:
                return f"signal {-code} ({signal.Signals(-code).name})"
            except ValueError:
                return f"signal {-code}"
        return f"exit code {code}"

    def _ending(self) -> bool:
        """Give a process that is just exiting the moment it needs, so that its own reason is told."""
        try:
            self._child.wait(1.0)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        self._child.kill()

    def close(self) -> None:
        """Let it end: it leaves when the socket closes; one that does not is killed."""
        self._channel.close()
        if not self._ending():
            self._child.kill()
            self._child.wait()
