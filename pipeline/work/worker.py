"""What a worker does: take a slot, run its lines through the chain, leave the results in the slot.

``Work`` is that as a step object, used inside the process when ``workers = 0``; ``main`` is the worker process around
it (``python -P -m tailrace.pipeline.work.worker RING SOCKET SET-UP PARENT``), which gets slot numbers over a socket and
answers with them.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import struct
import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

import orjson
from tailrace.pipeline.batch import Origin
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.lineage import LostTrackError
from tailrace.pipeline.chain.outcome import Made
from tailrace.pipeline.chain.refreshing import Refreshing
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import memories
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.errors import TimeBudget
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.work.asked import Area
from tailrace.pipeline.work.budget import Budget
from tailrace.pipeline.work.layout import ResultWriter
from tailrace.pipeline.work.limits import die_with_parent, limit_memory, settle_memory
from tailrace.pipeline.work.ring import AT, NONE, PROGRESS, STAGE, Geometry, Ring, Slot
from tailrace.pipeline.work.tap import Tapper

PIECE = 96 * 1024  # bytes handed to the stages at once: what is made of it stays inside the L2 cache
LINE = 4096  # bytes: few lines are longer
CAREFUL_STEP = 0.05  # seconds the careful path works before it lets others have their turn
COLLECT_EVERY = 256  # pieces between two garbage collections: events hold no cycles, users' code may
MESSAGE = struct.Struct("=IB")  # slot, status
NOT_FOR_WORKERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)  # the parent acts
DONE, PART, BUSY = 0, 1, 2  # all lines done; the output is full; not finished yet


class Work:
    """One slot at a time, piece by piece: ``begin``, then ``step`` until it is not BUSY any more."""

    def __init__(self, steps: Sequence[Step], line_timeout: float, tap: Area | None = None) -> None:
        self._steps = steps
        self._tapper = None if tap is None else Tapper(tap)
        self._memories = memories(steps)
        self._framer_of_lines = next((step.framer for step in steps if step.framer is not None), None)
        self._refreshing = Refreshing(steps)
        self._chains: dict[tuple[str, int, int, bool], Chain] = {}  # by file name, `after`, `again` and `alone`
        self._budget = Budget(line_timeout, lambda: self._chain.at)
        self._pieces = 0

    def restore(self, remembered: Mapping[str, Mapping[str, Any]]) -> None:
        """What the stages remembered when the work was last taken."""
        for label, memory in self._memories.items():
            memory.restore(remembered.get(label, {}))

    def begin(self, slot: Slot) -> None:
        self._refreshing.refresh(monotonic())
        self._slot = slot
        self._asked = asked = slot.request()
        self._done = asked.begin
        self._careful_until = asked.careful_until
        self._writer = ResultWriter(slot.output)
        self._framer = None if asked.after else self._framer_of_lines
        self._scattered = slot.places(asked) if asked.scattered else None
        which = (asked.name, asked.after, asked.again, bool(asked.alone))
        chain = self._chains.get(which)
        if chain is None:
            if len(self._chains) > 1024:
                self._chains.clear()
            chain = self._chains[which] = Chain(self._steps, *which)
        chain.encoding = self._encoding = encoding(asked.encoding)
        chain.event = None if asked.event == NONE else asked.event
        chain.marker = slot.words[STAGE : STAGE + 1]
        self._chain = chain
        self._budget.watch()

    def step(self) -> int:
        """The next piece, or careful lines for a moment; DONE, PART or BUSY."""
        full = self._lines() if self._done < self._careful_until else self._piece()
        self._pieces += 1
        if self._pieces % COLLECT_EVERY == 0:
            gc.collect()
        if full:
            status = PART
        elif self._done < self._asked.length:
            return BUSY
        else:
            status = DONE
        self.rest()
        return status

    def rest(self) -> None:
        """Nothing is being worked on, or it is given up."""
        self._budget.rest()

    def _piece(self) -> bool:
        """Run up to PIECE bytes of whole lines at once; True when the output is full."""
        done = self._done
        end = self._end_of_piece(done)
        if end == done:
            return self._careful(done + 1)  # a line longer than a piece
        data = bytes(self._slot.input[done:end])
        self._slot.words[AT] = done << 1
        made: Made | None = None
        try:
            self._budget.start()
            with contextlib.suppress(LostTrackError):
                tap = None if self._tapper is None else self._tapper.look()
                made = self._chain.run(data, self._origin, self._asked.start + done, done, tap)
            self._budget.stop()
        except TimeBudget:
            self._budget.give_up()
            made = None
        if made is None:
            return self._careful(done + len(data))
        if self._take(made, done + len(data)):
            return False
        # Line by line the output is filled to the last line that fits; an empty one shows which line never will.
        return self._careful(done + len(data)) if self._writer.empty else True

    def _end_of_piece(self, begin: int) -> int:
        """Where the last line ends that ends within PIECE; ``begin``: none does. Few bytes are copied for that."""
        stop = min(begin + PIECE, self._asked.length)
        if stop == self._asked.length:
            return stop
        stop -= (stop - begin) % self._encoding.width
        for start in (max(begin, stop - LINE), begin):
            if (at := self._encoding.rfind(bytes(self._slot.input[start:stop]))) >= 0:
                end = start + at + self._encoding.width
                if self._framer is None:
                    return end
                return begin + self._framer.closed(self._slot.input[begin:end], self._encoding)
        return begin

    def _careful(self, until: int) -> bool:
        self._careful_until = until
        return self._lines()

    def _lines(self) -> bool:
        """Lines one by one, each within its own budget, for about CAREFUL_STEP; True when the output is full."""
        pause = monotonic() + CAREFUL_STEP
        while self._done < min(self._careful_until, self._asked.length):
            done = self._done
            line = self._line(done)
            self._slot.words[AT] = done << 1 | 1
            made = self._run_line(line, done)
            if not self._take(made, done + len(line)):
                if not self._writer.empty:
                    return True
                made = self._too_large(line, done)
                self._take(made, done + len(line))
            if monotonic() > pause:
                break
        return False

    def _line(self, begin: int) -> bytes:
        size = LINE
        while True:
            data = bytes(self._slot.input[begin : min(begin + size, self._asked.length)])
            at = self._encoding.find(data) if self._framer is None else self._encoding.rfind(data)
            end = at + self._encoding.width if at >= 0 else 0
            if end and self._framer is not None:
                end = self._framer.first(data[:end], self._encoding)
            if end or begin + len(data) == self._asked.length:
                return data[:end] if end else data
            size *= 8

    def _run_line(self, line: bytes, done: int) -> Made:
        start = self._asked.start + done
        if done == self._asked.condemned:
            self._chain.at = self._asked.stage
            return self._chain.condemn(line, done, "killed", self._asked.cause)
        try:
            self._budget.start()
            made = self._chain.run_line(line, self._origin, start, done)
            self._budget.stop()
        except TimeBudget as error:
            self._budget.give_up()
            self._chain.at = self._budget.stage
            made = self._chain.condemn(line, done, "time_budget", f"{error} (pipeline.line_timeout)")
        return made

    def _too_large(self, line: bytes, done: int) -> Made:
        why = (
            f"what was made of this line of {readable_size(len(line))} does not fit into the "
            f"{readable_size(len(self._slot.output))} of a slot's output; a larger pipeline.chunk_bytes makes room"
        )
        return self._chain.condemn(line, done, "too_large", why)

    def _take(self, made: Made, done: int) -> bool:
        if not self._writer.put(made):
            return False
        if made.tapped:
            self._writer.put_tapped(made.tapped)
        for memory in self._memories.values():
            if made.changes:
                memory.keep()
            else:
                memory.roll_back()  # of a line that was given up
        self._done = done
        self._slot.words[PROGRESS] = done << 32 | self._writer.record_bytes
        return True

    def _origin(self, places: Sequence[int]) -> Origin:
        asked = self._asked
        if self._scattered is not None:
            begins, true = self._scattered
            at = [place - asked.start for place in places]
            letters = [bisect_right(begins, one) - 1 for one in at]
            places = [true[letter] + one - begins[letter] for letter, one in zip(letters, at, strict=True)]
        return Origin(asked.name, asked.path, asked.key, asked.clock, asked.year_bound, places)


def serve(channel: socket.socket, ring: Ring, work: Work) -> None:
    """Slots come in, slots go out, until the parent closes its end."""
    while message := channel.recv(MESSAGE.size):
        index, _ = MESSAGE.unpack(message)
        work.begin(ring.slots[index])
        while (status := work.step()) == BUSY:
            pass
        channel.send(MESSAGE.pack(index, status))


def main(build_steps: Callable[[bytes], Sequence[Step]]) -> None:
    """The worker process. ``build_steps`` makes the chain from the configuration's JSON."""
    ring_fd, socket_fd, set_up_fd, parent = map(int, sys.argv[1:5])
    for signum in NOT_FOR_WORKERS:
        signal.signal(signum, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NOT_FOR_WORKERS)
    die_with_parent(parent)
    os.dup2(2, 1)  # a user's print must not enter the data
    channel = socket.socket(fileno=socket_fd)
    with open(set_up_fd, "rb") as file:
        set_up = orjson.loads(file.read())
    steps = build_steps(set_up["config"].encode())
    ring = Ring(ring_fd, Geometry(**set_up["ring"]))
    work = Work(steps, set_up["line_timeout"], ring.tap)
    work.restore(set_up["remembered"])
    settle_memory()
    limit_memory(set_up["worker_memory"])
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone; so are we
        channel.send(MESSAGE.pack(0xFFFFFFFF, DONE))
        serve(channel, ring, work)


if __name__ == "__main__":
    from tailrace.pipeline.chain.steps import steps_from_json

    main(steps_from_json)
