"""A random life of log files beside a model of it: whatever happens, each line that could be read arrives once."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .tail_stand import Stand

NAMES = ["a.log", "b.log"]


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

    @rule(name=st.sampled_from(NAMES))
    def copytruncate(self, name: str) -> None:
        if name not in self.current or f"{name}.1" in self.current:
            return
        self.unsettled = True
        self.rig.copytruncate(name, f"{name}.1")
        self.current[f"{name}.1"], self.current[name] = self.current[name], []

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
    @rule(seconds=st.floats(0, 2))
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
        self.rig.release()

    @precondition(lambda self: self.up)
    @rule()
    def commit(self) -> None:
        self.rig.commit()

    @precondition(lambda self: self.up)
    @rule(seconds=st.integers(1, 4))
    def run_for(self, seconds: int) -> None:
        self.rig.run(seconds)
        self.unsettled = self.unsettled and seconds < 3

    @precondition(lambda self: self.up)
    @rule()
    def rewind(self) -> None:
        self.rig.rewind()

    @precondition(lambda self: self.up)
    @rule()
    def kill(self) -> None:
        self.rig.crash()

    @precondition(lambda self: self.up)
    @rule()
    def stop(self) -> None:
        self.rig.release()
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
            self.rig.check_books()

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        try:
            if not self.up:
                self.rig.start()
            self.rig.run(12)
            arrived = self.arrived()
            missing = [line for line, must in self.written.items() if must and line not in arrived]
            assert not missing, missing[:3]
            self.nothing_arrives_that_was_not_written_nor_twice()
            self.every_byte_is_accounted_for()
            assert all(not file.queued for file in self.rig.running._known.living.values())
        finally:
            if self.up:
                self.rig.stop()
            shutil.rmtree(self.directory)


LogFiles.TestCase.settings = settings(
    deadline=None, max_examples=60, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
TestLogFiles = LogFiles.TestCase
