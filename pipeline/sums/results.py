"""What a stage has summed up, as records of a stream of its own: in the state with the commit that takes them out of
the totals, then read like those of a file, and out of the state with the commit that has them in the outputs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import time
from typing import NamedTuple

import orjson
from tailrace.pipeline.batch import Chunk, Event
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.sizes import readable_size

_DIGITS = 20  # of a key: keys are in the order of the places
Rows = dict[str, bytes | None]
"""What a commit writes: by key JSON, or None for what is deleted."""


class _Record(NamedTuple):
    place: int
    name: str
    line: bytes  # JSON, with its newline


class Results:
    """``stream`` is negative: no source has such a one. ``key`` is what ids begin with, ``after`` the stage's number. A
    buffer has room for ``longest`` bytes, and no record is longer."""

    def __init__(
        self, stream: int, label: str, key: str, after: int, longest: int, wall: Callable[[], float] = time
    ) -> None:
        self.stream, self._label, self._key, self._after, self._wall = stream, label, key, after, wall
        self._longest = longest
        self._rows: Rows = {}
        self.restore({})

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Exactly these are there, all of them durable."""
        self._records: deque[_Record] = deque()  # not yet out of the state
        self._end = 0  # where the next record will begin
        for key, value in sorted(rows.items()):
            name, line = orjson.loads(value)
            self._append(int(key), name, line.encode())
        self._rows.clear()
        self._read = 0  # how many of them were handed out
        self._durable = self._cut_durable = len(self._records)
        self._released = self._cut_released = 0  # up to which place

    @property
    def end(self) -> int:
        """The place at which the next record begins. It never goes back: with the records, it is in the state."""
        return self._end

    @end.setter
    def end(self, place: int) -> None:
        self._end = max(self._end, place)

    @property
    def waiting(self) -> bool:
        """Some are not yet on their way to the sinks."""
        return bool(self._records) and self._records[-1].place >= self._released

    @property
    def changed(self) -> bool:
        return bool(self._rows)

    def put(self, name: str, event: Event) -> None:
        """TailraceError: it is too long for a slot, and nothing can be left out of a sum."""
        line = orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
        if len(line) > self._longest:
            raise TailraceError(
                f"{self._label}: the result {name[:100]!r} has {readable_size(len(line))}, more than a slot of the "
                f"ring holds ({readable_size(self._longest)}): raise pipeline.chunk_bytes"
            )
        self._rows[f"{self._end:0{_DIGITS}}"] = orjson.dumps((name, line.decode()))
        self._append(self._end, name, line)

    def _append(self, place: int, name: str, line: bytes) -> None:
        self._records.append(_Record(place, name, line))
        self._end = place + len(line)

    def read(self, buffer: memoryview, skip: Callable[[int], bool]) -> Chunk | None:
        """The next ones that are durable, in ``buffer``."""
        if self._read >= self._durable or skip(self.stream):
            return None
        names: dict[int, str] = {}
        lines: list[bytes] = []
        size = 0
        while self._read < self._durable and size + len((record := self._records[self._read]).line) <= len(buffer):
            names[record.place] = record.name
            lines.append(record.line)
            size += len(record.line)
            self._read += 1
        start = next(iter(names))
        buffer[:size] = b"".join(lines)
        now = self._wall()
        return Chunk(
            self.stream, self._key, self._label, self._label, start, size, start + size, now, now,
            after=self._after, names=names,
        )  # fmt: skip

    def released(self, chunk: Chunk, done: int) -> None:
        before, self._released = self._released, chunk.start + done
        for place in chunk.names or ():
            if before <= place < self._released:
                self._rows[f"{place:0{_DIGITS}}"] = None

    def cut(self) -> Rows:
        rows, self._rows = self._rows, {}
        self._cut_durable, self._cut_released = len(self._records), self._released
        return rows

    def committed(self) -> None:
        """The last cut is durable."""
        self._durable = self._cut_durable
        while self._records and self._records[0].place < self._cut_released:
            self._records.popleft()
            self._read -= 1
            self._durable -= 1
            self._cut_durable -= 1

    def original(self, offset: int, length: int) -> bytes | None:
        """The record's bytes, as long as it is not out of the state."""
        return next((one.line[:length] for one in self._records if one.place == offset), None)
