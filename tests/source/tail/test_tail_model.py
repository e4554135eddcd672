"""A random life of log files beside a model of it: whatever happens, each line that could be read arrives once."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .tail_stand import Stand, dead_bytes

NAMES = ["a.log", "b.log"]
SOON = [0.0, 0.3, 1.0, 2.0]  # seconds; there is a scan every one


class LogFiles(RuleBasedStateMachine):
    """Lines are numbered, so that none looks like another. The tailer may be stopped, killed and rewound at any time.

    ``lost``: what was truncated or deleted before the tailer had a chance; each of those may arrive (once) or not.
    """

    @initialize(small=st.booleans(), few=st.booleans())
    def begin(self, small: bool, few: bool) -> None:
        self.directory = Path(tempfile.mkdtemp())
        options: dict[str, Any] = {"max_open": 2} if few else {}
        self.rig = Stand(self.directory, "*.log*", buffer=5002 if small else 1 << 16, max_line_bytes=5000, **options)
        self.number = 0
        self.partly = 0  # bytes of the first pending chunk that are released
        self.unsettled = False  # a copy was made, and if its original went now, nobody could know it for a copy
        self.written: dict[str, bool] = {}  # each whole line: must it arrive?
        self.halves: set[str] = set()  # what stood after the last newline of files that are gone
        self.current: dict[str, list[str]] = {}  # name: the text pieces of what is there now
        self.rig.start()

    def line(self, size: int) -> str:
        self.number += 1
        return f"{self.number:06} {'x' * size}"

    def put(self, name: str, text: str) -> None:
        self.rig.write(name, text)
        self.current.setdefault(name, []).append(text)

    def content(self, name: str) -> str:
        return "".join(self.current.get(name, []))

    def expect(self, name: str) -> None:
        """What is whole in there must arrive."""
        for line in self.content(name).splitlines(keepends=True):
            if line.endswith("\n"):
                self.written.setdefault(line, True)

    def may_be_lost(self, name: str) -> None:
        self.halves.add(self.content(name).rpartition("\n")[2])
        for line in self.content(name).splitlines(keepends=True):
            if line.endswith("\n") and line not in self.arrived():
                self.written[line] = False

    def arrived(self) -> set[str]:
        return set(self.rig.lines())

    @property
    def up(self) -> bool:
        return self.rig.tail is not None

    @rule(name=st.sampled_from(NAMES), lines=st.integers(1, 200), size=st.integers(0, 60))
    def append(self, name: str, lines: int, size: int) -> None:
        self.put(name, "".join(self.line(size) + "\n" for _ in range(lines)))
        self.expect(name)

    @rule(name=st.sampled_from(NAMES), size=st.integers(0, 60))
    def append_half(self, name: str, size: int) -> None:
        self.put(name, self.line(size))

    @rule(name=st.sampled_from(NAMES))
    def rotate(self, name: str) -> None:
        if self.unsettled:
            return
        for number in (3, 2, 1, 0):
            old = f"{name}.{number}" if number else name
            if old in self.current:
                (self.directory / old).rename(self.directory / f"{name}.{number + 1}")
                if number == 3:
                    self.forget(f"{name}.4", f"{name}.3")
                else:
                    self.current[f"{name}.{number + 1}"] = self.current.pop(old)

    def forget(self, path: str, name: str) -> None:
        """The oldest is removed, as far as the model goes: it stays readable by a tailer that has it open."""
        self.may_be_lost(name)
        del self.current[name]
        (self.directory / path).unlink()

    @rule(name=st.sampled_from(NAMES), then=st.sampled_from(["", "step", "step, rewind", "step, kill"]))
    def copytruncate(self, name: str, then: str) -> None:
        """Perhaps while what was read of it is under way; the copy is met, and then that is taken back."""
        if name not in self.current or f"{name}.1" in self.current:
            return
        self.unsettled = True
        if self.up and then:
            self.rig.poll(1.0)
            self.rig.read()
        self.rig.copytruncate(name, f"{name}.1")
        self.current[f"{name}.1"], self.current[name] = self.current[name], []
        if self.up and then:
            self.rig.poll(1.0)
        if self.up and then == "step, rewind":
            self.rewind()
        if self.up and then == "step, kill":
            self.kill()

    @rule(name=st.sampled_from(NAMES))
    def truncate(self, name: str) -> None:
        if name in self.current:
            self.may_be_lost(name)
            os.truncate(self.directory / name, 0)
            self.current[name] = []

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if name in self.current and not self.unsettled:
            self.may_be_lost(name)
            (self.directory / name).unlink()
            del self.current[name]

    @precondition(lambda self: self.up)
    @rule(seconds=st.sampled_from(SOON))
    def step(self, seconds: float) -> None:
        self.rig.poll(seconds)

    @precondition(lambda self: self.up)
    @rule()
    def read(self) -> None:
        self.rig.read()

    @precondition(lambda self: self.up)
    @rule()
    def read_all(self) -> None:
        self.rig.read_all()

    @precondition(lambda self: self.up)
    @rule()
    def release(self) -> None:
        """All that is pending, also what is left of a chunk that was released in part."""
        if self.partly:
            chunk, data = self.rig.pending.pop(0)
            rest = data[self.partly :]
            self.rig.running.released(chunk, chunk.length, memoryview(data), dead_bytes(chunk, rest))
            done = replace(chunk, start=chunk.start + self.partly, length=len(rest))
            self.rig.released.append((done, rest))
            self.partly = 0
        self.rig.release()

    @precondition(lambda self: self.up)
    @rule()
    def release_in_part(self) -> None:
        """The first line of what is pending, as when a slot's output is full."""
        if not self.rig.pending or self.partly:
            return
        chunk, data = self.rig.pending[0]
        size = data.find(b"\n") + 1
        if chunk.oversize is not None or not 0 < size < chunk.length:
            return
        self.rig.running.released(chunk, size, memoryview(data), dead_bytes(chunk, data[:size]))
        self.rig.released.append((replace(chunk, length=size, end=chunk.start + size), data[:size]))
        self.partly = size

    @precondition(lambda self: self.up)
    @rule(then=st.sampled_from(["rewind", "release, commit, kill", "release, rewind", "release in part, commit, kill"]))
    def read_and(self, then: str) -> None:
        """What is new is read, and comes so far and no farther."""
        self.rig.poll(1.0)
        self.rig.read()
        for step in then.split(", "):
            getattr(self, step.replace(" ", "_"))()

    @precondition(lambda self: self.up)
    @rule()
    def commit(self) -> None:
        self.rig.commit()

    @precondition(lambda self: self.up)
    @rule(seconds=st.integers(1, 4))
    def run_for(self, seconds: int) -> None:
        self.release()
        self.rig.run(seconds)
        self.unsettled = self.unsettled and seconds < 3

    @precondition(lambda self: self.up)
    @rule()
    def rewind(self) -> None:
        self.partly = 0
        self.rig.rewind()

    @precondition(lambda self: self.up)
    @rule()
    def kill(self) -> None:
        self.partly = 0
        self.rig.crash()

    @precondition(lambda self: self.up)
    @rule()
    def stop(self) -> None:
        self.release()
        self.rig.commit()
        self.rig.stop()

    @precondition(lambda self: not self.up)
    @rule()
    def start(self) -> None:
        self.rig.start()

    @invariant()
    def nothing_arrives_that_was_not_written_nor_twice(self) -> None:
        if not hasattr(self, "rig"):
            return
        lines = self.rig.lines()
        assert len(lines) == len(set(lines)), "a line arrived twice"
        assert set(lines) <= self.written.keys() | self.halves, "a line arrived that was never written"

    @invariant()
    def every_byte_is_accounted_for(self) -> None:
        if hasattr(self, "rig"):
            self.rig.check_balances()

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        try:
            if not self.up:
                self.rig.start()
            self.release()
            self.rig.run(12)
            arrived = self.arrived()
            missing = [line for line, must in self.written.items() if must and line not in arrived]
            assert not missing, missing[:3]
            self.nothing_arrives_that_was_not_written_nor_twice()
            self.every_byte_is_accounted_for()
            assert all(not file.queued for file in self.rig.running._registry.living.values())
        finally:
            if self.up:
                self.rig.stop()
            shutil.rmtree(self.directory)


LogFiles.TestCase.settings = settings(
    deadline=None, max_examples=60, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
TestLogFiles = pytest.mark.timeout(600)(LogFiles.TestCase)  # a failure is made shorter first, for minutes
