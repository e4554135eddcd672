"""Dead letters: the table that keeps, within ``max_bytes``, every line that could not be processed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.sizes import readable_size

TABLE = """
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, stage TEXT NOT NULL, error TEXT NOT NULL,
    why TEXT NOT NULL, attempts INTEGER NOT NULL, file_id INTEGER NOT NULL, file TEXT NOT NULL, path TEXT NOT NULL,
    offset INTEGER NOT NULL, length INTEGER NOT NULL, event_id TEXT NOT NULL, raw BLOB NOT NULL, event TEXT,
    trace TEXT, sink TEXT, config TEXT NOT NULL, size INTEGER NOT NULL
);
"""
INSERT = (
    "INSERT INTO dead_letters (time, stage, error, why, attempts, file_id, file, path, offset, length, event_id, raw, "
    "event, trace, sink, config, size) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)"
)
ROW_COST = 200  # bytes a dead letter takes beside its texts


class DeadLettersFullError(TailraceError):
    """There is no room for these dead letters and ``when_full = "block"``: nothing was written."""


@dataclass(slots=True)
class DeadLetter:
    """A line that could not be processed, as it is stored."""

    time: float  # seconds since the epoch
    stage: str
    error: str
    why: str
    file_id: int
    file: str
    path: str
    offset: int
    length: int  # of the line in the file, without its newline
    raw: bytes  # its bytes; fewer than `length` where it was cut
    event: str | None = None
    trace: str | None = None

    @property
    def size(self) -> int:
        """Bytes it counts for against ``dead_letters.max_bytes``."""
        texts = (self.why, self.file, self.path, self.event or "", self.trace or "")
        return ROW_COST + len(self.raw) + sum(map(len, texts))


class DeadLetters:
    """Used inside the state's transactions."""

    def __init__(
        self, db: sqlite3.Connection, max_bytes: int, when_full: Literal["block", "drop_oldest"], config: str
    ) -> None:
        self._db, self._max_bytes, self._when_full, self._config = db, max_bytes, when_full, config
        self._bytes = self._measure()
        self._after = self._bytes  # what it will be once the open transaction is committed

    def _measure(self) -> int:
        (total,) = self._db.execute("SELECT TOTAL(size) FROM dead_letters").fetchone()
        return int(total)

    def write(self, letters: Sequence[DeadLetter]) -> int:
        """Store them; how many old ones made room for them. DeadLettersFullError: the transaction must not go on.

        An empty table takes whatever one commit brings: else what is larger than ``max_bytes`` would never fit.
        """
        if not letters:
            self._after = self._bytes
            return 0
        all_of_them = len(letters)
        if self._when_full == "drop_oldest":
            letters = self._newest(letters)
        new = sum(letter.size for letter in letters)
        if self._bytes + new > self._max_bytes:
            self._bytes = self._measure()  # somebody may have purged
        freed, dropped = 0, all_of_them - len(letters)
        if self._bytes and self._bytes + new > self._max_bytes:
            if self._when_full == "block":
                raise DeadLettersFullError(
                    f"the dead letters are full ({readable_size(self._bytes)} of {readable_size(self._max_bytes)}, "
                    f"{readable_size(new)} more to come) and the pipeline waits; nothing is lost. `tailrace dlq stats` "
                    "shows what they are. Fix the cause; then stop tailrace and make room: `tailrace dlq drop`, or a "
                    'larger dead_letters.max_bytes, or dead_letters.when_full = "drop_oldest"; and start it again'
                )
            freed, older = self._drop_oldest(self._bytes + new - self._max_bytes)
            dropped += older
        rows = ((*_values(letter), self._config, letter.size) for letter in letters)
        self._db.executemany(INSERT, rows)
        self._after = self._bytes + new - freed
        return dropped

    def drop(self, ids: Sequence[int]) -> None:
        """Remove these: somebody has seen them, or does not want to."""
        self._db.executemany("DELETE FROM dead_letters WHERE id = ?", ((number,) for number in ids))
        self._after = self._measure()

    def committed(self) -> None:
        """The transaction that ``write`` was part of is on disk."""
        self._bytes = self._after

    def _newest(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """As many of the last ones as an empty table has room for."""
        room = self._max_bytes
        for index in range(len(letters) - 1, -1, -1):
            room -= letters[index].size
            if room < 0:
                return letters[index + 1 :]
        return letters

    def _drop_oldest(self, wanted: int) -> tuple[int, int]:
        """(bytes, rows) removed to free at least ``wanted`` bytes."""
        freed = count = last = 0
        for row, size in self._db.execute("SELECT id, size FROM dead_letters ORDER BY id"):
            if freed >= wanted:
                break
            last, freed, count = row, freed + size, count + 1
        self._db.execute("DELETE FROM dead_letters WHERE id <= ?", (last,))
        return freed, count


def _values(d: DeadLetter) -> tuple[object, ...]:
    event_id = f"{d.file_id}:{d.offset}"
    where = (d.file_id, d.file, d.path, d.offset, d.length, event_id)
    return (d.time, d.stage, d.error, d.why, *where, d.raw, d.event, d.trace)
