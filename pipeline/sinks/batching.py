"""The engine's batches: records copied out of their slots until a batch is full, old enough, or a barrier comes.

What is in a batch lies in no slot, so a waiting batch holds up no reading; together the open batches of a sink are
bounded by ``OPEN`` times ``batch.max_bytes``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from time import monotonic

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.chain.outcome import COLUMNS, Encoded
from tailrace.pipeline.delivery import Batch
from tailrace.pipeline.outgoing import Outgoing

OPEN = 2  # times `batch.max_bytes` that all open batches of a sink may hold together


@dataclass(slots=True, frozen=True)
class Place:
    """Where a record comes from."""

    chunk: Chunk
    offset: int  # of its line in the slot
    length: int  # of the line, without its newline
    event_id: str


@dataclass(slots=True, eq=False)
class Records:
    """Records for one destination, and where each comes from."""

    destination: str
    data: bytearray = field(default_factory=bytearray)
    ends: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)  # event ids
    origins: list[tuple[Chunk, int, int]] = field(
        default_factory=list
    )  # see Place, which few records are ever asked for
    since: float = field(default_factory=monotonic)

    def __len__(self) -> int:
        return len(self.ends)

    def outgoing(self) -> Outgoing:
        return Outgoing(self.destination, self.data, self.ends, self.ids)

    def place(self, index: int) -> Place:
        return Place(*self.origins[index], self.ids[index])

    def record(self, index: int) -> bytes:
        start = self.ends[index - 1] if index else 0
        return bytes(self.data[start : self.ends[index]])

    def pick(self, indexes: Sequence[int]) -> Records:
        """Those records alone."""
        some = Records(self.destination, since=self.since)
        for index in indexes:
            some.data += self.record(index)
            some.ends.append(len(some.data))
            some.ids.append(self.ids[index])
            some.origins.append(self.origins[index])
        return some


class Batching:
    """``send`` is given each batch that is complete; it may block."""

    def __init__(self, settings: Batch, send: Callable[[Records], None]) -> None:
        self._settings, self._send = settings, send
        self._open: dict[str, Records] = {}  # by destination, the oldest first
        self._bytes = 0

    def add(self, encoded: Encoded, chunk: Chunk) -> None:
        """Copy these records; what is full is sent."""
        table = encoded.columns
        if table is None:
            raise TypeError("the records of a sink with batches must be told apart")
        count = len(table) // COLUMNS
        ends, offsets, lengths, numbers = (table[at * count : (at + 1) * count].tolist() for at in range(COLUMNS))
        at = start = 0
        while at < count:
            batch = self._open.get(encoded.destination)
            if batch is None:
                batch = self._open[encoded.destination] = Records(encoded.destination)
            room = self._settings.max_bytes - len(batch.data)
            stop = min(bisect_right(ends, start + room, at), at + self._settings.max_events - len(batch))
            if stop == at and not len(batch):
                stop = at + 1  # alone larger than a batch: it is for the sink to say that it never fits
            if stop > at:
                shift = len(batch.data) - start
                batch.data += encoded.data[start : ends[stop - 1]]
                batch.ends += [end + shift for end in ends[at:stop]]
                batch.ids += _event_ids(chunk, offsets[at:stop], numbers[at:stop])
                batch.origins += zip(repeat(chunk), offsets[at:stop], lengths[at:stop])
                self._bytes += ends[stop - 1] - start
                at, start = stop, ends[stop - 1]
            if at < count or len(batch) >= self._settings.max_events or len(batch.data) >= self._settings.max_bytes:
                self._close(encoded.destination)
        while self._bytes > OPEN * self._settings.max_bytes:
            self._close(next(iter(self._open)))

    def due(self, now: float) -> float | None:
        """Seconds until a batch is old enough; None: there is none."""
        if not self._open:
            return None
        return max(0.0, next(iter(self._open.values())).since + self._settings.timeout - now)

    def tick(self, now: float) -> None:
        """Send what is old enough."""
        while self._open and not self.due(now):
            self._close(next(iter(self._open)))

    def flush(self) -> None:
        while self._open:
            self._close(next(iter(self._open)))

    def drop(self) -> None:
        self._open.clear()
        self._bytes = 0

    def _close(self, destination: str) -> None:
        batch = self._open.pop(destination)
        self._bytes -= len(batch.data)
        self._send(batch)


def _event_ids(chunk: Chunk, offsets: Sequence[int], numbers: Sequence[int]) -> list[str]:
    """``numbers``: of each record among those of its line."""
    key, start = chunk.key, chunk.start
    if chunk.names is not None or chunk.redriven is not None:
        named = (chunk.event_id(chunk.place(offset)) for offset in offsets)
        return [f"{name}.{number}" if number else name for name, number in zip(named, numbers, strict=True)]
    if not any(numbers):
        return [f"{key}:{start + offset}" for offset in offsets]
    return [
        f"{key}:{start + offset}.{number}" if number else f"{key}:{start + offset}"
        for offset, number in zip(offsets, numbers, strict=True)
    ]
