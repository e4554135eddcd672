"""Dead letters as records that are sent through the chain again, each exactly once.

A letter's row goes with the commit that makes durable what came of it; where it fails again it is in the same commit
again, with one more attempt. It is given to what had not seen it: the stage that failed and those behind it, and of a
delivery that a sink refused, to that sink alone. Stages that remember or sum up, and stand before that, have had it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.source.kinds import Kinds, WrittenIn
from tailrace.pipeline.state.letters import Filter, Letter
from tailrace.pipeline.work.ring import LETTER_BYTES

STREAM = -(1 << 40)  # no source, and no stage of sums, has such a one
CHUNK_BYTES = 64 << 10  # of letters in one chunk, unless a single one is longer
AT_ONCE = 500  # letters that are read from the state, at most

Fetch = Callable[[Filter, int, int, int], Sequence[Letter]]
"""Letters of a filter with an id above the second and up to the third argument, so many at most, by id, with what is
needed to send them; none: there are no more."""


@dataclass(slots=True)
class Job:
    """One wish to re-drive. What is not committed is not counted."""

    number: int
    wanted: Filter
    until: int  # the last letter that there was when it began
    total: int
    last: int = 0  # the last letter that was read,
    committed: int = 0  # and the last one whose fate is durable
    written: int = 0  # came through, or were left out by a stage
    failed: int = 0  # again
    skipped: dict[str, int] = field(default_factory=dict)  # by reason
    running: bool = True

    def progress(self) -> dict[str, Any]:
        skipped = sum(self.skipped.values())
        return {
            "number": self.number, "total": self.total, "done": self.written + self.failed + skipped,
            "written": self.written, "failed": self.failed, "skipped": skipped, "reasons": dict(self.skipped),
            "running": self.running,
        }  # fmt: skip

    def end(self) -> None:
        """Letters that somebody else had sent or dropped meanwhile were none of its own."""
        self.running = False
        self.total = self.written + self.failed + sum(self.skipped.values())


@dataclass(slots=True)
class _Cut:
    """Of the job that is at work, what a commit covers."""

    job: Job
    last: int
    done: set[int]
    skipped: list[str]  # why, of each


class Redrive:
    """A step object, called from the engine's thread only. Jobs are done one after the other."""

    def __init__(
        self,
        jobs: deque[Job],
        fetch: Fetch,
        steps: Sequence[Step],
        written_in: WrittenIn = lambda _: None,
        *,
        configured: str = "utf-8",
        several_lines: bool = False,
    ) -> None:
        """``jobs`` are the daemon's: those that an earlier run has left come first. ``configured``: the encoding of
        streams that do not say theirs. ``several_lines``: how records begin and end is told by their lines."""
        self._jobs, self._fetch = jobs, fetch
        self._kinds = Kinds(steps, written_in, configured, several_lines)
        self._letters: deque[Letter] = deque()  # read from the state, and in no chunk yet
        self._in_flight: set[int] = set()
        self._released: set[int] = set()  # since the cut
        self._last = 0  # of those that were handed out or passed over
        self._skipped: dict[int, str] = {}  # by letter, why
        self._cut: _Cut | None = None
        self.whole = True  # no letter is released in part
        if jobs:
            jobs[0].last = self._last = jobs[0].committed

    @property
    def idle(self) -> bool:
        return not self._jobs

    @property
    def exhausted(self) -> bool:
        """All letters that are wanted were read."""
        return not self._jobs or (len(self._jobs) == 1 and self._peek() is None)

    @property
    def spared(self) -> set[int]:
        """Letters that are on their way: nobody else may take them."""
        return self._in_flight.union(letter.id for letter in self._letters)

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:  # noqa: ARG002
        while self._jobs and not skip(STREAM):
            if (first := self._next(len(buffer))) is not None:
                return self._chunk([first, *self._like(first, len(buffer))], buffer)
            if not self._finish():
                break
        return None

    def _next(self, room: int) -> Letter | None:
        """The next one that can be sent again; why another cannot is counted."""
        while (letter := self._peek()) is not None:
            self._letters.popleft()
            why = self._kinds.unfit(letter, room)
            if not why:
                return letter
            self._skipped[letter.id] = why
            self._last = letter.id
        return None

    def _like(self, first: Letter, room: int) -> Iterator[Letter]:
        """Those that follow it and make one chunk with it."""
        kind = self._kinds.of(first)
        if kind is None:
            return
        last, size, count = first, len(first.raw) + 1, 1
        while (letter := self._peek()) is not None and self._kinds.of(letter) == kind:
            size, count = size + len(letter.raw) + 1, count + 1
            if letter.offset <= last.offset + last.length or self._kinds.unfit(letter, room):
                return
            if size > CHUNK_BYTES or size + 8 + LETTER_BYTES * count > room:
                return
            last = self._letters.popleft()
            yield last

    def _peek(self) -> Letter | None:
        job = self._jobs[0]
        if not self._letters and job.last < job.until:
            self._letters.extend(self._fetch(job.wanted, job.last, job.until, AT_ONCE))
            job.last = self._letters[-1].id if self._letters else job.until
        return self._letters[0] if self._letters else None

    def _chunk(self, letters: list[Letter], buffer: memoryview) -> Chunk:
        first, kinds = letters[0], self._kinds
        written = kinds.encoding_of(first)
        newline = encoding(written).newline
        begins = [0]
        for letter in letters:
            begins.append(begins[-1] + len(letter.raw) + len(newline))
        size = begins.pop()
        buffer[:size] = b"".join([letter.raw + newline for letter in letters])
        self._in_flight.update(letter.id for letter in letters)
        self._last = letters[-1].id
        key, _, name = first.event_id.partition(":")
        summed_up = first.stream < 0
        return Chunk(
            STREAM, key, first.file, first.path, first.offset, size, first.offset + size,
            *kinds.times(first), encoding=written,
            after=kinds.number(first.file) if summed_up else 0, names={first.offset: name} if summed_up else None,
            redriven=kinds.redriven(letters, begins),
        )  # fmt: skip

    def released(self, chunk: Chunk, begin: int, done: int) -> list[int]:
        """What was handed on from ``begin`` to ``done``: the letters whose rows go with the next commit."""
        assert chunk.redriven is not None
        letters, begins = chunk.redriven.letters, chunk.redriven.begins
        ends = [*begins[1:], chunk.length]
        some = [one.id for one, end in zip(letters, ends, strict=True) if begin < end <= done]
        self.whole = done == chunk.length or done in begins
        self._released.update(some)
        return some

    # The commit.

    def cut(self) -> None:
        """Only while it is ``whole``: else a part of a letter would be durable, and the letter would be there again."""
        if not self._jobs:
            return
        last = min(self._in_flight - self._released, default=self._last + 1) - 1
        skipped = [why for number, why in self._skipped.items() if number <= last]
        self._cut = _Cut(self._jobs[0], last, self._released, skipped)
        self._skipped = {number: why for number, why in self._skipped.items() if number > last}
        self._released = set()

    def committed(self, failed: set[int]) -> None:
        """The last cut is durable; those letters came back."""
        cut, self._cut = self._cut, None
        if cut is None:
            return
        job = cut.job
        job.committed = max(job.committed, cut.last)
        job.failed += len(cut.done & failed)
        job.written += len(cut.done - failed)
        _count(job, cut.skipped)
        self._in_flight -= cut.done
        if self._peek() is None:
            self._finish()

    def _finish(self) -> bool:
        """Everything of the first job was read: it is done when all of that is committed."""
        if self._in_flight or self._cut is not None or self._released:
            return False
        job = self._jobs.popleft()
        _count(job, self._skipped.values())
        self._skipped, self._last = {}, 0
        job.end()
        return True

    def rewind(self) -> None:
        """What was not committed never happened."""
        self._letters.clear()
        self._released, self._skipped, self._cut, self._in_flight = set(), {}, None, set()
        self.whole = True
        if self._jobs:
            self._jobs[0].last = self._last = self._jobs[0].committed


def _count(job: Job, skipped: Iterable[str]) -> None:
    for why in skipped:
        job.skipped[why] = job.skipped.get(why, 0) + 1
