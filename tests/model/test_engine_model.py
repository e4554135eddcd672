"""A random life of files, sinks and processes beside a model of it: the whole engine, wired as the daemon is."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .audit import Durable, audit, final
from .plant import Plant
from .world import LINK, Kind, World

NAMES = ["a.log", "b.log", LINK, "a.log.1"]
KINDS: list[Kind] = ["plain", "plain", "plain", "drop", "twice", "raise", "bad", "long", "empty"]
FAULTS = [
    ("write", "out/all"), ("write", "out/by"), ("sync", "out/all"), ("sync", "out/by"), ("create", "out/"),
    ("truncate", "out/"), ("unlink", "out/"), ("commit", "state"),
]  # fmt: skip
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  (a directory with a random name in it)
SOON = [0.0, 0.05, 0.6, 1.1]  # seconds
QUIET = 16.0  # seconds in which everything comes to its end: patience with copies, quiet files, backoffs

names = st.sampled_from(NAMES)
plain_names = st.sampled_from([name for name in NAMES if name != LINK])
moments = st.sampled_from([0.0, 0.0, 0.05, 1.1])  # seconds
kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=12)
sinks = st.sampled_from([0, 1])


def running(machine: Life) -> bool:
    return machine.plant.up


def stopped(machine: Life) -> bool:
    return not machine.plant.up


class Life(RuleBasedStateMachine):
    @initialize(few=st.booleans(), watched=st.booleans())
    def begin(self, few: bool, watched: bool) -> None:
        self.logs = Path(tempfile.mkdtemp(prefix="model-logs-"))  # on a disk: there inodes are used again
        self.home = Path(tempfile.mkdtemp(prefix="model-", dir=MEMORY))
        self.plant = Plant(self.home, self.logs, few=few, watched=watched)
        self.world = World(self.plant)
        self.rewinds = 0
        self.plant.start()

    # Files are written.

    @rule(name=names, kinds=kinds, size=st.sampled_from([0, 10, 100]))
    def append(self, name: str, kinds: list[Kind], size: int) -> None:
        self.world.append(name, kinds, size)

    @rule(name=names, count=st.integers(20, 60))
    def append_many(self, name: str, count: int) -> None:
        self.world.append(name, ["plain"] * count, 20)

    @rule(name=names, kind=st.sampled_from(["plain", "bad", "long"]), share=st.floats(0, 1))
    def append_half(self, name: str, kind: Kind, share: float) -> None:
        self.world.append_half(name, kind, share)

    # Files are moved, emptied, removed: read, half read, or never seen.

    def _ready(self, name: str, moment: float) -> bool:
        """Something is there, so much time has passed, and no copy waits for being known as one."""
        if name not in self.world.names or not self.world.names[name].now.content:
            self.world.append(name, ["plain", "bad", "twice"], 10)
        for seconds in (moment, 2.5):
            if seconds and self.plant.up and not (seconds == 2.5 and self.world.settled):
                self.plant.run(seconds)
        return self.world.settled

    @rule(name=plain_names, moment=moments, more=st.booleans())
    def rotate(self, name: str, moment: float, more: bool) -> None:
        if self._ready(name, moment):
            self.world.rotate(name)
            if more:
                self.world.append(name, ["plain", "bad"], 10)

    @rule(name=plain_names, moment=moments, back=st.sampled_from([None, 0.0, 1.1, 8.0]))
    def move_out(self, name: str, moment: float, back: float | None) -> None:
        if not self._ready(name, moment):
            return
        self.world.move_out(name)
        if back is not None:
            if self.plant.up:
                self.plant.run(back)
            self.world.move_back(name)

    @rule(name=plain_names)
    def move_back(self, name: str) -> None:
        if self.world.moved and name not in self.world.names:
            self.world.move_back(name)

    @rule(moment=moments, late=st.lists(st.sampled_from(KINDS), max_size=3))
    def swap_link(self, moment: float, late: list[Kind]) -> None:
        if self._ready(LINK, moment):
            self.world.swap_link(late)

    @rule(name=names, moment=moments, parts=st.integers(1, 3), turns=st.integers(0, 3))
    def copytruncate(self, name: str, moment: float, parts: int, turns: int) -> None:
        """The copy is made in so many parts, with turns of the engine between them; that takes no time."""
        if not self._ready(name, moment):
            return
        original = self.world.names[name]
        if not self.world.registered(original):
            parts, turns = 1, 0  # else both would be new to the same scan, and it compares with what was known before
        copy = self.world.begin_copy(name)
        for part in range(parts):
            self._turns(turns)
            self.world.copy_until(original, copy, len(original.now.content) * (part + 1) // parts)
        self._turns(turns)
        self.world.truncate(name)

    @rule(name=names, moment=moments, refill=st.sampled_from(["not", "some", "as long"]), stranger=st.booleans())
    def truncate(self, name: str, moment: float, refill: str, stranger: bool) -> None:
        """Perhaps while a longer file appears that has nothing to do with it."""
        self._ready(name, moment)
        size = len(self.world.names[name].now.content)
        self.world.truncate(name)
        if stranger:
            self.world.append("stranger.log", ["plain"] * (size // 40), 0)
        if refill == "some":
            self.world.append(name, ["plain", "drop"], 30)
        elif refill == "as long" and size >= 200:
            self.world.refill(name, size)

    @rule(name=names, count=st.integers(20, 60), turns=st.integers(1, 4))
    def refill_while_it_is_read(self, name: str, count: int, turns: int) -> None:
        self.world.append(name, ["plain"] * count, 20)
        self._turns(turns)
        size = len(self.world.names[name].now.content)
        self.world.truncate(name)
        self.world.refill(name, size)

    @rule(data=st.data(), moment=moments, again=st.booleans())
    def remove(self, data: st.DataObject, moment: float, again: bool) -> None:
        """Any file; if its name is wanted again, the new one may well have the inode of the old one."""
        name = data.draw(st.sampled_from(sorted({"a.log", *self.world.names} - {LINK})))
        if self._ready(name, moment):
            self.world.remove(name)
            if again:
                self.world.append(name, ["plain"], 10)

    @rule(name=st.sampled_from(["a.log", "a.log.1"]), moment=moments, to=st.sampled_from(["b.log", "d.log"]))
    def inode_used_again(self, name: str, moment: float, to: str) -> None:
        if to not in self.world.names and self._ready(name, moment):
            self.world.reuse(name, to)

    # Time passes, and things happen in some order.

    def _turns(self, count: int) -> None:
        for _ in range(count):
            if self.plant.up:
                self.plant.step()

    @precondition(running)
    @rule(count=st.integers(1, 12))
    def turns(self, count: int) -> None:
        self._turns(count)

    @precondition(running)
    @rule(sink=sinks, count=st.integers(1, 8))
    def sink_turns(self, sink: int, count: int) -> None:
        for _ in range(count):
            self.plant.sink_turn(sink)

    @precondition(running)
    @rule(seconds=st.sampled_from(SOON))
    def run(self, seconds: float) -> None:
        self.plant.run(seconds)

    @precondition(running)
    @rule(seconds=st.sampled_from([1.1, 2.5, 8.0]))
    def run_longer(self, seconds: float) -> None:
        self.plant.run(seconds)

    # Sinks and disks.

    @rule(sink=sinks, how=st.sampled_from(["fast", "slow", "stalled"]))
    def pace(self, sink: int, how: str) -> None:
        if how == "stalled" and self.plant.changing:
            how = "slow"  # a sink that hangs has tests of its own
        for name in ("slow", "stalled"):
            getattr(self.plant, name).discard(sink)
            if how == name:
                getattr(self.plant, name).add(sink)

    @rule(fault=st.sampled_from(FAULTS), times=st.integers(1, 2))
    def fail(self, fault: tuple[str, str], times: int) -> None:
        self.plant.faults += [fault] * times

    @precondition(running)
    @rule(sink=sinks, name=names, kinds=kinds, fault=st.sampled_from(FAULTS))
    def fail_behind_a_cut(self, sink: int, name: str, kinds: list[Kind], fault: tuple[str, str]) -> None:
        """A sink hangs, so that a cut waits for it; more is done meanwhile; then something fails."""
        if self.plant.changing:
            return
        self.plant.stalled.add(sink)
        for seconds in (1.1, 0.05):
            self.world.append(name, kinds, 10)
            self.plant.run(seconds)
        self.plant.faults.append(fault)
        self.plant.stalled.discard(sink)

    # Processes come and go.

    @precondition(stopped)
    @rule()
    def start(self) -> None:
        self.plant.start()

    @precondition(stopped)
    @rule()
    def run_to_the_end(self) -> None:
        """``--until-eof``, with nothing in its way."""
        self._heal()
        self.plant.start(until_eof=True)
        complete = self.plant.end()
        self._ended(complete=complete)
        assert complete

    @precondition(running)
    @rule(steps=st.integers(0, 5))
    def kill(self, steps: int) -> None:
        self._turns(steps)
        self.plant.kill()
        self._ended(complete=False)

    @precondition(running)
    @rule()
    def stop(self) -> None:
        if self.plant.engine is None:
            return  # it has not begun: signals are only heard from then on
        self._ended(complete=self.plant.stop())

    @precondition(running)
    @rule(source=st.booleans(), steps=st.integers(0, 12))
    def reload(self, source: bool, steps: int) -> None:
        """The configuration is read again, and may have another source."""
        if self.plant.engine is None or self.plant.changing or self.plant.ends:
            return
        self.plant.stalled.clear()
        self.plant.reload(source=source)
        self._turns(steps)

    def _heal(self) -> None:
        for troubles in (self.plant.faults, self.plant.slow, self.plant.stalled):
            troubles.clear()

    def _ended(self, *, complete: bool) -> None:
        self._see_rewinds()
        self.world.process_ended(complete=complete)
        audit(self.world)

    def _see_rewinds(self) -> None:
        self.world.lost_sight(self.plant.unknown)
        if self.plant.rewinds != self.rewinds:
            self.rewinds = self.plant.rewinds
            self.world.rewound()

    @invariant()
    def rewinds_void_what_is_in_flight(self) -> None:
        if hasattr(self, "world"):
            self._see_rewinds()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._heal()
            if not self.plant.up:
                self.plant.start()
            self.plant.run(QUIET)
            complete = self.plant.stop()
            self._ended(complete=complete)
            assert complete
            final(self.world)
            before = Durable(self.home).lengths
            self.plant.start()
            self.plant.run(3.0)
            assert self.plant.stop()
            assert Durable(self.home).lengths == before, "a start with nothing new to be read wrote something"
        finally:
            self.plant.close()
            shutil.rmtree(self.home)
            shutil.rmtree(self.logs)


PROFILE = settings.get_current_profile_name()
EXAMPLES = {"steady": 80, "mutations": 30}  # about fifteen seconds; some for each of several seeds
Life.TestCase.settings = settings(
    max_examples=EXAMPLES.get(PROFILE, settings().max_examples),
    stateful_step_count=30,
    derandomize=PROFILE == "steady",  # `make test` fails for everybody, or for nobody
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
TestLife = pytest.mark.timeout(600)(Life.TestCase)  # a failure is made shorter first, for minutes
