"""Stages for tests with real worker processes: found by name, like a user's own."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.stage import Memory

from .engine_kit import LineParser, Moody

__all__ = ["LineParser", "Moody"]


def deadly(event: Event) -> Event | list[Event] | None:
    """Does to the process what the message asks for."""
    message = event["message"]
    if "exit" in message:
        os._exit(3)
    if "segfault" in message:
        ctypes.string_at(0)
    if "hang" in message:
        deque(itertools.count(), maxlen=0)  # C code that does not look at signals
    if "memory" in message:
        raise AssertionError(len(bytearray(200 << 20)))
    if "print" in message:
        print("a user's print")
        sys.stdout.flush()
    if "pid" in message:
        event["pid"] = os.getpid()
    if "suicide" in message:
        os.kill(os.getpid(), signal.SIGKILL)
    return event


def abort_in_worker(event: Event) -> Event:
    """Memory that C code cannot have ends the process."""
    if "abort" in event["message"]:
        os.abort()
    return event


@dataclass
class Slow:
    """Takes some processor time for each event."""

    seconds: float = 0.001

    def process(self, events: list[Event]) -> list[Event]:
        for _ in events:
            until = time.monotonic() + self.seconds
            while time.monotonic() < until:
                pass
        return events


@dataclass
class Unstartable:
    """Can be built by the parent, which checks the configuration, but not by a worker."""

    parent: int

    def __post_init__(self) -> None:
        if os.getpid() != self.parent:
            print("this worker cannot start", file=sys.stderr)
            os._exit(9)

    def process(self, events: list[Event]) -> list[Event]:
        return events


@dataclass
class Signals:
    """Tells how this process treats the signals of a stop."""

    def process(self, events: list[Event]) -> list[Event]:
        for event in events:
            event["ignored"] = [
                signal.getsignal(number) == signal.SIG_IGN
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
            ]
            event["blocked"] = len(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            event["stdin"] = sys.stdin.read()
        return events


@dataclass
class Sometimes:
    """Raises for every hundredth line; else adds a field, as a stage of whole lists does."""

    def process(self, events: list[Event]) -> list[Event]:
        for event in events:
            if event["bad"]:
                raise ValueError("one of a hundred")
            event["env"] = "demo"
        return events


def sometimes(event: Event) -> Event:
    if event["bad"]:
        raise ValueError("one of a hundred")
    event["env"] = "demo"
    return event


@dataclass
class Fields:
    """Parses `a b c ...` to fields; `bad` is true when the line says so and badness is asked for."""

    bad: bool = True

    def parse(self, lines: Lines) -> list[Any]:
        bad = self.bad
        return [{"message": line, "fields": line.split(" "), "bad": bad and line.endswith("bad")} for line in lines]


@dataclass
class Doomed:
    """Dies of an event with a field ``die``, as it says."""

    def process(self, events: list[Event]) -> list[Event]:
        for event in events:
            if "die" in event:
                os.kill(os.getpid(), signal.SIGKILL) if event["die"] == "kill" else os._exit(3)
        return events


class PerUser:
    """Counts the events of each user (a message's first word); dies, raises, fails or never ends after it has
    counted, as the message asks for."""

    memory: ClassVar[Memory] = Memory()

    def process(self, events: list[Event]) -> list[Event | Fail]:
        memory = self.memory
        out: list[Event | Fail] = []
        for event in events:
            user = event["message"].split()[0]
            memory[user] = event["seen"] = memory.get(user, 0) + 1
            if "exit" in event["message"]:
                os._exit(3)
            if "kill" in event["message"]:
                os.kill(os.getpid(), signal.SIGKILL)
            if "raise" in event["message"]:
                raise ValueError("asked to")
            while "slow" in event["message"]:
                pass
            out.append(Fail("bad", "asked to", event=event) if "fail" in event["message"] else event)
        return out


@dataclass
class Refreshed:
    """Parses every line to how often it was refreshed."""

    def __post_init__(self) -> None:
        self._times = 0

    def refresh(self, _now: float) -> None:
        self._times += 1

    def parse(self, lines: Lines) -> list[Event | Fail]:
        return [{"refreshed": self._times} for _ in lines]
