"""Test doubles that ship with the engine: what stages are given, a source of byte strings, two sinks in memory that can
be told to fail, a clock.

They keep the contracts of ``pipeline/source`` and ``pipeline/stage.py`` and check loudly that the engine does too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, ClassVar

import orjson
from tailrace.pipeline.batch import Chunk, Event, Lines, Origin
from tailrace.pipeline.delivery import Batch, Request, RetryPolicy
from tailrace.pipeline.outgoing import About, Outgoing, Payload, Verdicts
from tailrace.pipeline.source import Register
from tailrace.pipeline.stage import Cut, Guarantee, Marks


def origin(
    name: str = "a.log", *, key: str = "test-1", now: float = 0.0, places: Sequence[int] = (0,), path: str = ""
) -> Origin:
    """Where records come from, for a stage's ``locate``; ``now`` (seconds since the epoch) guides missing years."""
    return Origin(name, path or f"/logs/{name}", key, now, now, places)


def lines(text: str | bytes, where: Origin | None = None) -> Lines:
    """What a parse stage is given: ``Json().parse(lines('{"a": 1}\\n{"a": 2}'))``. No line may be empty."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if where is None:
        where = origin(places=list(accumulate((len(line) + 1 for line in data.split(b"\n")[:-1]), initial=0)))
    return Lines(data, where)


class FakeClock:
    """Stands for ``time.monotonic`` or ``time.time`` where a clock is passed in: seconds pass only when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class CrashError(BaseException):
    """The source reached its crash mark: the process is to be taken for dead."""


@dataclass(slots=True, eq=False)
class _Feed:
    """One file of a ListSource and how far it is; offsets in bytes."""

    name: str
    data: bytes
    stream: int = 0
    read: int = 0
    released: int = 0
    committed: int = 0


class ListSource:
    """A source: files that are byte strings, read in fair turns; a file's name is its identity over restarts.

    ``crash_after``: so many bytes are read, then ``read`` raises CrashError. ``ends`` false: more may be appended, the
    source is never exhausted.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        register: Register | None = None,
        *,
        chunk_bytes: int = 1 << 20,
        crash_after: int | None = None,
        ends: bool = True,
    ) -> None:
        self._feeds = [_Feed(name, data) for name, data in files.items()]
        self._register = register or (lambda cursors: range(1, len(cursors) + 1))
        self._chunk_bytes, self._crash_after, self._ends = chunk_bytes, crash_after, ends
        self._cut: list[_Feed] = []
        self._turn = 0
        self.rewinds = 0
        self.dead_bytes = 0  # of lines that became dead letters

    def append(self, name: str, data: bytes) -> None:
        next(feed for feed in self._feeds if feed.name == name).data += data

    def offsets(self) -> dict[str, int]:
        """The committed offset of each file."""
        return {feed.name: feed.committed for feed in self._feeds}

    @property
    def read_bytes(self) -> int:
        return sum(feed.read for feed in self._feeds)

    # The Source protocol.

    def open(self, remembered: Mapping[int, Any], now: float) -> None:  # noqa: ARG002  (no clock needed)
        known = {cursor["name"]: (stream, cursor["offset"]) for stream, cursor in remembered.items()}
        new = [feed for feed in self._feeds if feed.name not in known]
        streams = self._register([self._cursor(feed) for feed in new]) if new else []
        for feed, stream in zip(new, streams, strict=True):
            feed.stream = stream
        for feed in self._feeds:
            if feed.name in known:
                feed.stream, feed.committed = known[feed.name]
                feed.read = feed.released = feed.committed

    def poll(self, now: float) -> float:  # noqa: ARG002
        return 0.0 if any(feed.read < len(feed.data) for feed in self._feeds) else 1.0

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:
        for _ in self._feeds:
            feed = self._feeds[self._turn % len(self._feeds)]
            self._turn += 1
            if feed.read < len(feed.data) and not skip(feed.stream):
                return self._chunk(feed, buffer, now)
        return None

    def _chunk(self, feed: _Feed, buffer: memoryview, now: float) -> Chunk:
        if self._crash_after is not None and self.read_bytes >= self._crash_after:
            raise CrashError
        end = feed.data.rfind(b"\n", feed.read, feed.read + min(self._chunk_bytes, len(buffer))) + 1
        if not end:  # a longer line, or the unterminated last one
            end = feed.data.find(b"\n", feed.read) + 1 or len(feed.data)
        data = feed.data[feed.read : end]
        buffer[: len(data)] = data
        chunk = Chunk(
            feed.stream, f"test-{feed.stream}", feed.name, f"/list/{feed.name}", feed.read, len(data), end, now, now
        )
        feed.read = end
        return chunk

    def released(self, chunk: Chunk, done: int, data: memoryview, dead: int = 0) -> None:
        feed = next(feed for feed in self._feeds if feed.stream == chunk.stream)
        to = chunk.start + done
        assert chunk.start <= feed.released < to <= feed.read, f"{feed.name}: released {feed.released}, now {to}"
        assert data[: chunk.length] == feed.data[chunk.start : chunk.end], "the slot was given away too early"
        assert 0 <= dead <= to - max(feed.released, chunk.start)
        feed.released = to
        self.dead_bytes += dead

    @property
    def changed(self) -> bool:
        return any(feed.released != feed.committed for feed in self._feeds)

    def cut(self) -> dict[int, Any]:
        self._cut = [feed for feed in self._feeds if feed.released != feed.committed]
        return {feed.stream: self._cursor(feed) for feed in self._cut}

    def _cursor(self, feed: _Feed) -> dict[str, Any]:
        return {"name": feed.name, "offset": feed.released}

    def retired(self) -> list[int]:
        return []

    def committed(self, cursors: Mapping[int, Any]) -> None:
        for stream, cursor in cursors.items():
            next(feed for feed in self._feeds if feed.stream == stream).committed = cursor["offset"]

    def original(self, stream: int, offset: int, length: int) -> bytes | None:
        return next(feed for feed in self._feeds if feed.stream == stream).data[offset : offset + length]

    def rewind(self) -> None:
        self.rewinds += 1
        for feed in self._feeds:
            feed.read = feed.released = feed.committed

    def leave(self) -> None:
        """Nothing here can be gone at the next start."""

    @property
    def exhausted(self) -> bool:
        return self._ends and all(feed.read == len(feed.data) for feed in self._feeds)

    def behind(self) -> list[int]:
        return [feed.stream for feed in self._feeds if feed.read < len(feed.data)]

    def progress(self) -> tuple[int, int | None]:
        return sum(feed.read for feed in self._feeds), sum(len(feed.data) for feed in self._feeds)

    def close(self) -> None:
        """There is nothing to let go of."""


@dataclass
class MemorySink:
    """A sink with marks: keeps what it is given in ``files``, by destination (an event's ``to``, else "out"), and goes
    back to marks.

    ``before`` is called with the name of each method before it does anything: it may raise what the method shall
    raise, or block. ``failures`` does the same from a list: the next call of that method raises its first entry.
    """

    guarantee: ClassVar[Guarantee] = Guarantee.EXACTLY_ONCE

    before: Callable[[str], None] | None = None
    failures: dict[str, list[BaseException]] = field(default_factory=dict)
    files: dict[str, bytearray] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    closed: bool = False
    published: dict[str, Any] = field(default_factory=dict)  # marks that were said to be committed
    may_cut: bool | None = None  # as the last recovery was told

    def __post_init__(self) -> None:
        self._changed: set[str] = set()
        self._announced: set[str] = set()

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if self.before is not None:
            self.before(method)
        if self.failures.get(method):
            raise self.failures[method].pop(0)

    def lines(self, destination: str = "out") -> list[bytes]:
        return bytes(self.files.get(destination, b"")).splitlines()

    def locate(self, origin: Origin) -> None:
        """Write stages may ask where their events come from; this one has no use for it."""

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        for event in events:
            yield Payload(str(event.get("to", "out")), orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))

    def announce(self, destinations: Sequence[str]) -> Marks:
        self._called("announce")
        self._announced |= set(destinations)
        return {destination: self._mark(destination) for destination in destinations}

    def deliver(self, batch: Outgoing) -> None:
        self._called("deliver")
        assert batch.destination in self._announced, f"{batch.destination} was never announced"
        self.files.setdefault(batch.destination, bytearray()).extend(batch.data)
        self._changed.add(batch.destination)

    def flush(self) -> None:
        self._called("flush")

    def sync(self, cut: Cut) -> Marks:  # noqa: ARG002
        self._called("sync")
        marks = {destination: self._mark(destination) for destination in sorted(self._changed)}
        self._changed.clear()
        return marks

    def committed(self, marks: Marks) -> None:
        self._called("committed")
        self.published.update(marks)

    def recover(self, marks: Marks, may_cut: bool) -> None:
        self._called("recover")
        self.may_cut = may_cut
        for destination in list(self.files):
            del self.files[destination][marks.get(destination, 0) :]
        for destination, length in marks.items():
            assert len(self.files.get(destination, b"")) == length, f"{destination} is shorter than its mark"
        self._changed.clear()
        self._announced.clear()

    def discard(self, marks: Marks, may_cut: bool) -> None:
        self.recover(marks, may_cut)

    def close(self) -> None:
        self.closed = True

    def _mark(self, destination: str) -> int:
        return len(self.files.get(destination, b""))


@dataclass
class BatchSink:
    """A sink with the engine's batches, for a server: ``records`` by event id, each time it was delivered. ``verdict``
    may answer a batch (None: all delivered) or raise what the reply means; where ``lose_reply`` says so, the batch is
    in ``records`` and the reply is lost."""

    guarantee: ClassVar[Guarantee] = Guarantee.IDEMPOTENT
    ordered: ClassVar[bool] = False

    batch: Batch = field(default_factory=Batch)
    request: Request = field(default_factory=Request)
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(0.001, 0.01))
    verdict: Callable[[Outgoing], Verdicts | None] | None = None
    lose_reply: Callable[[Outgoing], bool] | None = None
    records: dict[str, list[bytes]] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)  # records in each that was delivered
    connections: int = 0

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        data = [orjson.dumps(event) for event in events]
        return [Payload("-", b"".join(data), list(accumulate(map(len, data))))] if data else []

    def connect(self, about: About) -> None:  # noqa: ARG002
        self.connections += 1

    def deliver(self, batch: Outgoing) -> Verdicts | None:
        verdicts = self.verdict(batch) if self.verdict is not None else None
        left_out = {index for index, _, _ in verdicts.refused} | set(verdicts.again) if verdicts else set()
        taken = [index for index in range(len(batch)) if index not in left_out]
        for index in taken:
            self.records.setdefault(batch.ids[index], []).append(bytes(batch.record(index)))
        self.batches.append(len(taken))
        if self.lose_reply is not None and self.lose_reply(batch):
            raise ConnectionResetError("the reply was lost")
        return verdicts
