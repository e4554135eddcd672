"""Dead letters as records that are sent through the chain again, each exactly once.

A letter's row goes with the commit that makes durable what came of it; where it fails again it is in the same commit
again, with one more attempt. It is given to what had not seen it: the stage that failed and those behind it, and of a
delivery that a sink refused, to that sink alone. Stages that remember or sum up, and stand before that, have had it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.pipeline.batch import Chunk, Redriven
from tailrace.pipeline.chain.outcome import COLUMNS, Encoded, columns
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.state.dead_letters import Filter, Letter

STREAM = -(1 << 40)  # no source, and no stage of sums, has such a one
CHUNK_BYTES = 64 << 10  # of letters in one chunk, unless a single one is longer
AT_ONCE = 500  # letters that are read from the state

DELIVERED = "delivered before"  # why an event of a record is left out of which the sink had refused another one

Fetch = Callable[[Filter, int, int, int], Sequence[Letter]]
"""Letters of a filter with an id above the second and up to the third argument, so many at most, by id."""


@dataclass(slots=True)
class Job:
    """One wish to re-drive. What is not committed is not counted; the sums of the last three are ``total``."""

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
        written_in: Callable[[int], str] = lambda _: "utf-8",
        *,
        several_lines: bool = False,
    ) -> None:
        """``jobs`` are the daemon's: those that an earlier run has left come first. ``written_in``: a stream's
        encoding. ``several_lines``: how records begin and end is told by their lines."""
        self._fetch, self._written_in, self._several_lines = fetch, written_in, several_lines
        self._numbers = {step.label: number for number, step in enumerate(steps, start=1)}
        self._jobs = jobs
        self._letters: deque[Letter] = deque()  # read from the state, and in no chunk yet
        self._released: set[int] = set()  # since the cut
        self._last = 0  # of those that were handed out or passed over
        self._skipped: dict[int, str] = {}  # by letter, why
        self._cut: _Cut | None = None
        self._in_flight: set[int] = set()
        if jobs:
            jobs[0].last = self._last = jobs[0].committed

    @property
    def idle(self) -> bool:
        return not self._jobs

    @property
    def spared(self) -> frozenset[int]:
        """Letters that are on their way: nobody else may take them."""
        return frozenset(self._in_flight)

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:  # noqa: ARG002
        if not self._jobs or skip(STREAM):
            return None
        first = self._next(len(buffer))
        if first is None:
            self._finish()
            return None
        letters, size = [first], len(first.raw) + 1
        while (following := self._peek()) is not None and self._continues(letters[-1], following):
            size += len(following.raw) + 1
            if size > min(CHUNK_BYTES, len(buffer)):
                break
            letters.append(self._letters.popleft())
        self._in_flight.update(letter.id for letter in letters)
        self._last = letters[-1].id
        return self._chunk(letters, buffer)

    def _next(self, room: int) -> Letter | None:
        """The next one that can be sent again; why another cannot is counted."""
        while (letter := self._peek()) is not None:
            self._letters.popleft()
            why = self._unfit(letter, room)
            if not why:
                return letter
            self._skipped[letter.id] = why
            self._last = letter.id
        return None

    def _peek(self) -> Letter | None:
        job = self._jobs[0]
        if not self._letters and job.last < job.until:
            self._letters.extend(self._fetch(job.wanted, job.last, job.until, AT_ONCE))
            job.last = self._letters[-1].id if self._letters else job.until
        return self._letters[0] if self._letters else None

    def _unfit(self, letter: Letter, room: int) -> str:
        if letter.cut or not letter.raw:
            return "not all of its bytes were kept"
        if len(letter.raw) + 2 > room:
            return "it is longer than a slot of the ring"
        if letter.sink is not None and letter.stage not in self._numbers:
            return f"its sink {letter.stage} is not in the configuration"
        if letter.stream < 0 and letter.file not in self._numbers:
            return f"it is of {letter.file}, which is not in the configuration"
        return ""

    def _continues(self, one: Letter, other: Letter) -> bool:
        """They stood line by line, and are to be treated alike."""
        if self._several_lines or b"\n" in one.raw or self._unfit(other, 1 << 62):
            return False
        return (
            (one.stream, one.clock, one.year_bound, one.stage, one.sink is None, one.path)
            == (other.stream, other.clock, other.year_bound, other.stage, other.sink is None, other.path)
            and other.offset == one.offset + one.length + 1
            and one.stream >= 0
            and encoding(self._written_in(one.stream)).width == 1
        )

    def _chunk(self, letters: Sequence[Letter], buffer: memoryview) -> Chunk:
        first = letters[0]
        written = "utf-8" if first.stream < 0 else self._written_in(first.stream)
        newline = encoding(written).newline
        data = b"".join(letter.raw + newline for letter in letters)
        buffer[: len(data)] = data
        alone = first.sink is not None
        key, _, name = first.event_id.partition(":")
        names = {first.offset: name} if first.stream < 0 else None
        number = self._numbers.get(first.stage, 0)
        clock = first.time if first.clock is None else first.clock
        bound = first.time if first.year_bound is None else first.year_bound
        redriven = Redriven(first.stream, first.stage, number, alone, {letter.offset: letter for letter in letters})
        return Chunk(
            STREAM, key, first.file, first.path, first.offset, len(data), first.offset + len(data), clock, bound,
            encoding=written, after=self._numbers[first.file] if first.stream < 0 else 0, names=names,
            redriven=redriven,
        )  # fmt: skip

    def released(self, chunk: Chunk, begin: int, done: int) -> list[int]:
        """What was handed on from ``begin`` to ``done``: the letters whose rows go with the next commit."""
        assert chunk.redriven is not None
        some = [one.id for at, one in chunk.redriven.letters.items() if begin <= at - chunk.start < done]
        self._released.update(some)
        return some

    # The commit.

    def cut(self) -> None:
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

    def _finish(self) -> None:
        """Everything of the first job was read: it is done when all of that is committed."""
        if self._in_flight or self._cut is not None or self._released:
            return
        job = self._jobs.popleft()
        _count(job, list(self._skipped.values()))
        self._skipped, self._last = {}, 0
        job.running = False

    def rewind(self) -> None:
        """What was not committed never happened."""
        self._letters.clear()
        self._released, self._skipped, self._cut, self._in_flight = set(), {}, None, set()
        if self._jobs:
            self._jobs[0].last = self._last = self._jobs[0].committed


def _count(job: Job, skipped: Sequence[str]) -> None:
    for why in skipped:
        job.skipped[why] = job.skipped.get(why, 0) + 1


def keep_wanted(result: Any, redriven: Redriven, start: int) -> None:
    """Of the result of records that a sink had refused, keep the events that it had refused. ``start``: the chunk's."""
    wanted = {(at - start, _number(letter)) for at, letter in redriven.letters.items()}
    before = sum(map(_count_of, result.payloads))
    result.payloads = [kept for one in result.payloads if (kept := _picked(one, wanted)) is not None]
    others = before - sum(map(_count_of, result.payloads))
    for sink in result.tally.written:  # there is one
        result.tally.written[sink] -= others
        result.tally.filtered[f"{redriven.stage}\0{DELIVERED}"] = others


def _count_of(encoded: Encoded) -> int:
    return len(encoded.columns or ()) // COLUMNS


def _number(letter: Letter) -> int:
    """Of the event among those of its record: what the id ends with."""
    name = letter.event_id.rpartition(":")[2]
    number = name.partition(".")[2]
    return int(number) if letter.stream >= 0 and number.isdigit() else 0


def _picked(encoded: Encoded, wanted: set[tuple[int, int]]) -> Encoded | None:
    if encoded.columns is None:
        return encoded
    count = len(encoded.columns) // COLUMNS
    ends, offsets, lengths, numbers = (encoded.columns[at * count : (at + 1) * count].tolist() for at in range(COLUMNS))
    kept = [at for at in range(count) if (offsets[at], numbers[at]) in wanted]
    if len(kept) == count:
        return encoded
    if not kept:
        return None
    parts = [bytes(encoded.data[ends[at - 1] if at else 0 : ends[at]]) for at in kept]
    new_ends, size = [], 0
    for part in parts:
        size += len(part)
        new_ends.append(size)
    table = columns(new_ends, [offsets[at] for at in kept], [lengths[at] for at in kept], [numbers[at] for at in kept])
    return Encoded(encoded.sink, encoded.destination, b"".join(parts), table)
