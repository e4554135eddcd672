"""The barrier commit: when a cut is made, what it waits for, and what one commit writes.

The steps, in order: the cut is fixed (the source's cursors, dead letters, counters, and what stages remember
and have summed up, of
everything released so far); a barrier is put behind it in every sink's queue; each sink makes its data durable and
answers with its marks and the records it refused; all of it is written in one transaction; only then are the source's
cursors committed, and the sinks told to publish. Nothing else commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from time import monotonic, perf_counter, time
from typing import Any, Protocol

from tailrace.pipeline.sinks.crew import Crew
from tailrace.pipeline.source import Source
from tailrace.pipeline.source.redrive import Redrive
from tailrace.pipeline.stage import Marks
from tailrace.pipeline.state.dead_letters import DeadLetter, DeadLettersFullError
from tailrace.pipeline.state.store import Commit
from tailrace.pipeline.sums.sums import Sums
from tailrace.pipeline.telemetry.counters import HAPPENED, Counters, Key
from tailrace.pipeline.telemetry.histogram import Histogram
from tailrace.pipeline.telemetry.snapshot import CommitState

Memory = Mapping[str, Mapping[str, bytes | None]]
"""What stages changed in their memories: by stage and key, JSON, or None for what was deleted."""

DEAD_BYTES = 8 << 20  # of dead letters, with what their objects cost, that may wait for one commit
LETTER_COST = 1200  # bytes of memory a dead letter costs beside its texts
GROWTH = 4  # so many times `commit_bytes` a sink may be given before a commit is made for that, however little was read
FULL_RETRY = 1.0  # seconds between two looks whether full dead letters have room again


def most_uncommitted(commit_bytes: int, output_bytes: int) -> int:
    """Bytes that a sink may have been given since the last commit, where one release gives it ``output_bytes`` at most:
    one cut is outstanding, and a further one is full."""
    return 2 * (GROWTH * commit_bytes + output_bytes)


class Store(Protocol):
    """Where commits go: the state, or nowhere in a replay. Cursors, marks and what stages remember are JSON values
    that only their owners look into."""

    def register(self, cursors: Sequence[Any]) -> Sequence[int]: ...
    def announce(self, sink: str, marks: Marks) -> None: ...
    def commit(self, commit: Commit) -> bool: ...
    def marks(self) -> Mapping[str, Marks]: ...
    def memory(self) -> Mapping[str, Mapping[str, bytes]]: ...


@dataclass(slots=True)
class Cut:
    """What one commit will write, and the sinks that have not answered yet."""

    number: int
    cursors: Mapping[int, Any]
    letters: list[DeadLetter]
    counters: dict[Key, float]
    memory: Memory
    files: Counter[str]  # path: bytes of it that are in this cut
    oldest: float  # when the oldest of them was read
    missing: set[int]
    given: list[int]  # bytes, to each sink, up to here
    appended: list[tuple[float, int]]
    made: float
    redriven: list[int]
    marks: dict[str, Marks] = field(default_factory=dict)
    try_again: float = 0.0  # when the dead letters were full


class Committer:
    """One cut at a time. Errors of the store come out of ``tick``: then the engine rewinds."""

    def __init__(
        self,
        store: Store,
        source: Source,
        crew: Crew,
        sums: Sums,
        redrive: Redrive,
        counters: Counters,
        durable: Mapping[Key, float],
        interval: float,
        commit_bytes: int,
    ) -> None:
        self._store, self._source, self._crew, self._sums, self._counters = store, source, crew, sums, counters
        self._redrive = redrive
        self._sinks = crew.threads
        self._durable = durable  # what earlier runs counted
        self._interval, self._commit_bytes = interval, commit_bytes
        self._numbers = 0
        self._last = float("-inf")
        self._bytes = self._dead_bytes = 0  # released since the cut
        self._given = [0 for _ in self._sinks]  # to each sink, up to the cut
        self._durable_given = self._given  # up to the last commit
        self._letters: list[DeadLetter] = []
        self._memory: dict[str, dict[str, bytes | None]] = {}
        self._files: Counter[str] = Counter()  # path: bytes released since the cut
        self._oldest = inf  # when the oldest of that was read
        self._redriven: list[int] = []  # dead letters whose rows go
        self._appended: list[tuple[float, int]] = []  # when lines were, in seconds since the epoch, and how many
        self.latency = Histogram()
        self._durations = Histogram()
        self._commits, self._took, self._committed_at = 0, 0.0, monotonic()
        self._retired: list[int] = []  # rows that go with the next commit that succeeds
        self._dirty = False
        self.cut: Cut | None = None
        self.committed = dict(counters.values)  # those of this process, as of the last commit
        self.full: DeadLettersFullError | None = None
        self._overfull = False  # the dead letters, since the last commit: while some are sent again, they may be

    def released(
        self,
        path: str,
        size: int,
        read: float,
        letters: Sequence[DeadLetter],
        memory: Sequence[Memory] = (),
        appended: tuple[float, int] = (0.0, 0),
        redriven: Sequence[int] = (),
    ) -> None:
        """So many bytes of this file (of none: of what was summed up), read at that time, were handed to the sinks, and
        these lines will never be; stages have changed this in their memories. ``appended``: when the oldest of the
        lines was, if that is known, and how many there are. ``redriven``: dead letters whose rows go."""
        self._redriven += redriven
        if appended[0] and appended[1]:
            self._appended.append(appended)
        self._oldest = min(self._oldest, read)
        self._dirty = True
        self._bytes += size
        if path:
            self._files[path] += size
        self._letters += letters
        for changes in memory:
            for stage, values in changes.items():
                self._memory.setdefault(stage, {}).update(values)
        self._dead_bytes += sum(letter.size + LETTER_COST for letter in letters)

    def may_release(self) -> bool:
        """Whether what is uncommitted is still bounded: one cut outstanding, and one more such amount behind it."""
        if not self._redrive.whole:
            return True
        refused = sum(sink.refused_bytes for sink in self._sinks)
        if self._bytes >= self._commit_bytes or self._dead_bytes + refused >= DEAD_BYTES:
            return False
        most = GROWTH * self._commit_bytes
        return all(sink.given - given < most for sink, given in zip(self._sinks, self._given, strict=True))

    @property
    def settled(self) -> bool:
        """Everything released is committed."""
        return self.cut is None and not self._news

    @property
    def may_read(self) -> bool:
        """Whether the source may bring more. While dead letters are sent again, they may be more than there is room
        for, so that they can be sent; but nothing else is to make them more."""
        return self._redrive.idle or not self._overfull

    def tick(self, now: float, *, final: bool = False) -> bool:
        """Make a cut when one is due (at once when ``final``); write the outstanding one when all have answered. True
        when a commit was made."""
        cut = self.cut
        if cut is not None:
            if not cut.missing and now >= cut.try_again:
                self._write(cut, now)
        elif not self._redrive.whole:
            pass  # the rest of a letter is on its way
        elif self._news and (final or now - self._last >= self._interval or not self.may_release()):
            self._make(now)
        return self.cut is None and cut is not None

    @property
    def _news(self) -> bool:
        """Something was released, or came to pass with a file: renamed, ended, lost."""
        return self._dirty or self._source.changed or self._sums.changed

    def _make(self, now: float) -> None:
        self._numbers += 1
        self._retired += self._source.retired()
        missing = {sink.number for sink in self._sinks}
        counters = dict(self._counters.values)
        self.cut = Cut(
            self._numbers,
            self._source.cut(),
            self._letters,
            counters,
            self._memory | self._sums.cut(),
            self._files,
            self._oldest,
            missing,
            [sink.given for sink in self._sinks],
            self._appended,
            now,
            self._redriven,
        )
        self._redrive.cut()
        self._begin()
        self._last = now
        self._crew.barrier(self._numbers)
        if not missing:
            self._write(self.cut, now)

    def _begin(self) -> None:
        """Nothing is released since the cut."""
        self._letters, self._bytes, self._dead_bytes, self._dirty = [], 0, 0, False
        self._memory, self._files, self._oldest, self._appended = {}, Counter(), inf, []
        self._redriven = []
        self._given = [sink.given for sink in self._sinks]

    def met(self, number: int, barrier: int, marks: Marks, letters: Sequence[DeadLetter]) -> None:
        """A sink has everything before the barrier on its disk, but for the records of these letters."""
        cut = self.cut
        if cut is None or cut.number != barrier:
            return
        name = self._sinks[number].name
        if marks:
            cut.marks[name] = marks
        cut.letters += letters
        for letter in letters:
            for key, amount in (
                (("events_written", (("sink", name),)), -1),
                (("dead_letters", (("error", letter.error), ("sink", name), ("stage", letter.stage))), 1),
            ):
                cut.counters[key] = cut.counters.get(key, 0) + amount
                self._counters.values[key] += amount
        cut.missing.discard(number)

    def _write(self, cut: Cut, now: float) -> None:
        began = perf_counter()
        cut.counters.update(self._happened)
        totals = {key: self._durable.get(key, 0) + value for key, value in cut.counters.items()}
        try:
            self._overfull = self._store.commit(
                Commit(
                    cut.cursors, cut.marks, cut.letters, totals, self._retired, cut.memory, cut.redriven,
                    overfull=not self._redrive.idle,
                )
            )  # fmt: skip
        except DeadLettersFullError as error:
            self.full = error
            cut.try_again = now + FULL_RETRY
            return
        self.full = None
        self.cut = None
        self._durable_given = cut.given
        self._retired = []
        self.committed = cut.counters
        self._source.committed(cut.cursors)
        self._sums.committed()
        self._redrive.committed({letter.id for letter in cut.letters if letter.id is not None})
        self._crew.committed(cut.marks)
        self._counters.add("commits")
        self._measure(cut, now, perf_counter() - began)

    def _measure(self, cut: Cut, now: float, seconds: float) -> None:
        self._commits += 1
        self._committed_at = now
        self._took = now - cut.made + seconds
        self._durations.add(self._took)
        wall = time()
        for appended, lines in cut.appended:
            self.latency.add(max(0.0, wall - appended), lines)

    @property
    def lines(self) -> float:
        """That this process has read, or sent again, and committed."""
        return sum(value for (name, _), value in self.committed.items() if name in ("lines_read", "lines_redriven"))

    def state(self, now: float) -> CommitState:
        return CommitState(self._commits, max(0.0, now - self._committed_at), self._took, self._durations.copy())

    def forget(self) -> None:
        """A rewind: what was not committed never happened. But bytes that are lost stay lost."""
        happened = self._happened
        self.cut, self.full = None, None
        self._begin()
        self._durable_given = self._given
        self._counters.values.clear()
        self._counters.values.update(self.committed)
        self._counters.values.update(happened)

    @property
    def _happened(self) -> dict[Key, float]:
        """As it is now, whatever a cut covers."""
        return {key: value for key, value in self._counters.values.items() if key[0] in HAPPENED}

    def held(self) -> dict[str, int]:
        """Bytes that each sink was given and no commit covers; those that hold any."""
        held = {sink.name: sink.given - given for sink, given in zip(self._sinks, self._durable_given, strict=True)}
        return {name: size for name, size in held.items() if size}

    def pending(self) -> tuple[Counter[str], float]:
        """Bytes of each file that were handed to the sinks and are not committed; when the oldest of them was read."""
        if self.cut is None:
            return self._files.copy(), self._oldest
        return self._files + self.cut.files, min(self._oldest, self.cut.oldest)
