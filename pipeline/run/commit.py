"""The barrier commit: when a cut is made, what it waits for, and what one commit writes.

The steps, in order: the cut is fixed (positions, dead letters and counters of everything released so far); a barrier
is put behind it in every sink's queue; each sink makes its data durable and answers with its marks; all of it is
written in one transaction; only then are the source's positions committed. Nothing else commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tailrace.pipeline.run.bridge import Commit
from tailrace.pipeline.sinks.thread import SinkThread
from tailrace.pipeline.source import JSON, Source
from tailrace.pipeline.stage import Mark
from tailrace.pipeline.state.dead_letters import DeadLetter, DeadLettersFullError
from tailrace.pipeline.telemetry.counters import Counters, Key

DEAD_BYTES = 8 << 20  # of dead letters, with what their objects cost, that may wait for one commit
LETTER_COST = 1200  # bytes of memory a dead letter costs beside its texts
GROWTH = 4  # so many times `commit_bytes` a sink may be given before a commit is made for that, however little was read
FULL_RETRY = 1.0  # seconds between two looks whether full dead letters have room again


def most_uncommitted(commit_bytes: int, output_bytes: int) -> int:
    """Bytes that a sink may have been given since the last commit, where one release gives it ``output_bytes`` at most:
    one cut is outstanding, and a further one is full."""
    return 2 * (GROWTH * commit_bytes + output_bytes)


class Store(Protocol):
    """Where commits go: the state, or nowhere in a replay."""

    def register(self, cursors: Sequence[JSON]) -> Sequence[int]: ...
    def announce(self, sink: str, marks: Sequence[Mark]) -> None: ...
    def commit(self, commit: Commit) -> None: ...
    def marks(self) -> Mapping[str, Sequence[Mark]]: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Cut:
    """What one commit will write, and the sinks that have not answered yet."""

    number: int
    cursors: Mapping[int, JSON]
    letters: list[DeadLetter]
    counters: dict[Key, float]
    missing: set[int]
    marks: dict[str, Sequence[Mark]] = field(default_factory=dict)
    try_again: float = 0.0  # when the dead letters were full


class Committer:
    """One cut at a time. Errors of the store come out of ``tick``: then the engine rewinds."""

    def __init__(
        self,
        store: Store,
        source: Source,
        sinks: Sequence[SinkThread],
        counters: Counters,
        durable: Mapping[Key, float],
        interval: float,
        commit_bytes: int,
    ) -> None:
        self._store, self._source, self._sinks, self._counters = store, source, sinks, counters
        self._durable = durable  # what earlier runs counted
        self._interval, self._commit_bytes = interval, commit_bytes
        self._numbers = 0
        self._last = float("-inf")
        self._bytes = self._dead_bytes = 0  # released since the cut
        self._given = [0 for _ in sinks]  # to each sink, up to the cut
        self._letters: list[DeadLetter] = []
        self._retired: list[int] = []  # rows that go with the next commit that succeeds
        self._dirty = False
        self.cut: Cut | None = None
        self.committed: dict[Key, float] = {}  # the counters of this run as of the last commit
        self.full: DeadLettersFullError | None = None

    def released(self, size: int, letters: Sequence[DeadLetter]) -> None:
        """This much input was handed to the sinks, and these lines will never be."""
        self._dirty = True
        self._bytes += size
        self._letters += letters
        self._dead_bytes += sum(letter.size + LETTER_COST for letter in letters)

    def may_release(self) -> bool:
        """Whether what is uncommitted is still bounded: one cut outstanding, and one more such amount behind it."""
        if self._bytes >= self._commit_bytes or self._dead_bytes >= DEAD_BYTES:
            return False
        most = GROWTH * self._commit_bytes
        return all(sink.given - given < most for sink, given in zip(self._sinks, self._given, strict=True))

    @property
    def settled(self) -> bool:
        """Everything released is committed."""
        return self.cut is None and not self._news

    def tick(self, now: float, *, final: bool = False) -> None:
        """Make a cut when one is due (at once when ``final``); write the outstanding one when all have answered."""
        cut = self.cut
        if cut is not None:
            if not cut.missing and now >= cut.try_again:
                self._write(cut, now)
        elif self._news and (final or now - self._last >= self._interval or not self.may_release()):
            self._make(now)

    @property
    def _news(self) -> bool:
        """Something was released, or came to pass with a file: renamed, ended, lost."""
        return self._dirty or self._source.changed

    def _make(self, now: float) -> None:
        self._numbers += 1
        self._retired += self._source.retired()
        missing = {sink.number for sink in self._sinks}
        self.cut = Cut(self._numbers, self._source.cut(), self._letters, dict(self._counters.values), missing)
        self._begin()
        self._last = now
        for sink in self._sinks:
            sink.barrier(self._numbers)
        if not missing:
            self._write(self.cut, now)

    def _begin(self) -> None:
        """Nothing is released since the cut."""
        self._letters, self._bytes, self._dead_bytes, self._dirty = [], 0, 0, False
        self._given = [sink.given for sink in self._sinks]

    def met(self, sink: SinkThread, barrier: int, marks: Sequence[Mark]) -> None:
        """A sink has everything before the barrier on its disk."""
        if self.cut is None or self.cut.number != barrier:
            return
        if marks:
            self.cut.marks[sink.name] = marks
        self.cut.missing.discard(sink.number)

    def _write(self, cut: Cut, now: float) -> None:
        totals = {key: self._durable.get(key, 0) + value for key, value in cut.counters.items()}
        try:
            self._store.commit(Commit(cut.cursors, cut.marks, cut.letters, totals, self._retired))
        except DeadLettersFullError as error:
            self.full = error
            cut.try_again = now + FULL_RETRY
            return
        self.full = None
        self.cut = None
        self._retired = []
        self.committed = cut.counters
        self._source.committed(cut.cursors)
        self._counters.add("commits")

    def forget(self) -> None:
        """A rewind: what was not committed never happened. But bytes that are lost stay lost."""
        unread = {key: value for key, value in self._counters.values.items() if key[0] == "bytes_unread"}
        self.cut, self.full = None, None
        self._begin()
        self._counters.values.clear()
        self._counters.values.update(self.committed)
        self._counters.values.update(unread)
