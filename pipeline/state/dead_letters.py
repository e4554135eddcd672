"""Dead letters: the table that keeps, within ``max_bytes``, every line that could not be processed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.state.letters import BETWEEN, COUNT, IDS, SENT, Filter, Letter, some

INSERT = (
    "INSERT INTO dead_letters (time, stage, error, why, stream, file, path, offset, length, event_id, raw, "
    "event, trace, sink, clock, year_bound, payload, id, attempts, config, size) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ROW_COST = 200  # bytes a dead letter takes beside its texts
T = TypeVar("T")


class DeadLettersFullError(TailraceError):
    """There is no room for these dead letters and ``when_full = "block"``: nothing was written."""


@dataclass(slots=True)
class DeadLetter:
    """A line that could not be processed, as it is stored."""

    time: float  # seconds since the epoch
    stage: str
    error: str
    why: str
    stream: int
    event_id: str  # of the line
    file: str
    path: str
    offset: int
    length: int  # of the line in the file, without its newline
    raw: bytes  # its bytes; fewer than `length` where it was cut
    event: str | None = None
    trace: str | None = None
    clock: float = 0.0  # see Origin: with these two, the line comes to the same result again
    year_bound: float = 0.0
    sink: str | None = None  # of one that a sink could not deliver: the server's own words,
    payload: bytes | None = None  # and what was sent
    id: int | None = None  # of one that was sent through the chain again, and failed again: the row that it had
    attempts: int = 1

    @property
    def size(self) -> int:
        """Bytes it counts for against ``dead_letters.max_bytes``."""
        texts = (self.why, self.file, self.path, self.event or "", self.trace or "")
        return ROW_COST + len(self.raw) + len(self.payload or b"") + sum(map(len, texts))


class DeadLetters:
    """Used inside the state's transactions."""

    def __init__(
        self, db: sqlite3.Connection, max_bytes: int, when_full: Literal["block", "drop_oldest"], config: str
    ) -> None:
        self._db, self._max_bytes, self._when_full, self._config = db, max_bytes, when_full, config
        self._bytes = self._after = 0  # the latter: what it will be once the open transaction is committed
        self._version = -1
        self.last = self._last_after = self._largest()  # the largest id; likewise
        self._measure()

    def _measure(self) -> None:
        """Unless nobody else has changed anything since the last time: it reads every row."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            (total,) = self._db.execute("SELECT TOTAL(size) FROM dead_letters").fetchone()
            self._bytes = self._after = int(total)
            self._version = version

    def limit(self, max_bytes: int, when_full: Literal["block", "drop_oldest"], config: str) -> None:
        """From now on."""
        self._max_bytes, self._when_full, self._config = max_bytes, when_full, config

    def write(
        self,
        letters: Sequence[DeadLetter],
        done: Sequence[int] = (),
        *,
        overfull: bool = False,
    ) -> int:
        """Store them, in place of those that are ``done``; how many old ones made room for them. DeadLettersFullError:
        the transaction must not go on. ``overfull``: there may be more of them than there is room for.

        An empty table takes whatever one commit brings: else what is larger than ``max_bytes`` would never fit.
        """
        all_of_them = len(letters)
        if self._when_full == "drop_oldest" and not overfull:
            letters = self._newest(letters)
        new = sum(letter.size for letter in letters)
        if letters and self._bytes + new > self._max_bytes:
            self._measure()  # somebody may have purged
        freed = self._remove(done)
        dropped, left = all_of_them - len(letters), self._bytes - freed
        if letters and left and left + new > self._max_bytes and not overfull:
            if self._when_full == "block":
                raise DeadLettersFullError(
                    f"the dead letters are full ({readable_size(left)} of {readable_size(self._max_bytes)}, "
                    f"{readable_size(new)} more to come) and the pipeline waits; nothing is lost. `tailrace dlq stats` "
                    "shows what they are. Fix the cause; then make room: `tailrace dlq redrive`, `tailrace dlq drop`, "
                    'a larger dead_letters.max_bytes, or dead_letters.when_full = "drop_oldest", and reload'
                )
            more, older = self._drop_oldest(left + new - self._max_bytes)
            freed, dropped = freed + more, dropped + older
        rows = ((*_values(letter), self._config, letter.size) for letter in letters)
        self._db.executemany(INSERT, rows)
        self._after = self._bytes + new - freed
        self._last_after = self._largest()
        return dropped

    @property
    def overfull(self) -> bool:
        """There are more of them than there is room for."""
        return self._bytes > self._max_bytes

    def _largest(self) -> int:
        """0: there are none."""
        (last,) = self._db.execute("SELECT MAX(id) FROM dead_letters").fetchone()
        return int(last or 0)

    def _remove(self, ids: Sequence[int]) -> int:
        """The bytes that this frees."""
        if not ids:
            return 0
        some = json.dumps(list(ids))
        query = "SELECT TOTAL(size) FROM dead_letters WHERE id IN (SELECT value FROM json_each(?))"
        (freed,) = self._db.execute(query, (some,)).fetchone()
        self._db.execute("DELETE FROM dead_letters WHERE id IN (SELECT value FROM json_each(?))", (some,))
        return int(freed)

    def expire(self, before: float, most: int) -> int:
        """Remove so many, at most, that are from before this time (seconds since the epoch), the oldest first."""
        query = "SELECT id FROM dead_letters WHERE time < ? ORDER BY time LIMIT ?"
        ids = [number for (number,) in self._db.execute(query, (before, most))]
        self._after, self._last_after = self._bytes - self._remove(ids), self.last
        return len(ids)

    def between(self, wanted: Filter, last: int, until: int, limit: int) -> list[Letter]:
        """By id, those above ``last`` and up to ``until``, with what is needed to send them again; fewer than so many
        where they are long."""
        values = {**wanted.values, "last": last, "until": until, "limit": limit}
        return some(self._db.execute(SENT + BETWEEN, values))

    def count(self, wanted: Filter) -> tuple[int, int]:
        """How many there are, and the largest id."""
        (count, last) = self._db.execute(COUNT.replace("count(*)", "count(*), MAX(id)"), wanted.values).fetchone()
        return int(count), int(last or 0)

    def ids(self, wanted: Filter) -> list[int]:
        return [number for (number,) in self._db.execute(IDS, wanted.values)]

    def drop(self, ids: Sequence[int]) -> None:
        """Remove these: somebody has seen them, or does not want to."""
        self._after, self._last_after = self._bytes - self._remove(ids), self.last

    def committed(self) -> None:
        """The transaction that ``write`` was part of is on disk."""
        self._bytes, self.last = self._after, self._last_after

    def _newest(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """As many of the last ones as an empty table has room for."""
        room = self._max_bytes
        for index in range(len(letters) - 1, -1, -1):
            room -= letters[index].size
            if room < 0:
                return letters[index + 1 :]
        return letters

    def _drop_oldest(self, wanted: int) -> tuple[int, int]:
        """(bytes, rows) removed to free at least ``wanted`` bytes, if there are so many."""
        freed, ids = 0, []
        for row, size in self._db.execute("SELECT id, size FROM dead_letters ORDER BY id"):
            if freed >= wanted:
                break
            freed += size
            ids.append(row)
        self._remove(ids)
        return freed, len(ids)


def _values(d: DeadLetter) -> tuple[object, ...]:
    where = (d.stream, d.file, d.path, d.offset, d.length, d.event_id)
    words = (d.raw, d.event, d.trace, d.sink)
    return (d.time, d.stage, d.error, d.why, *where, *words, d.clock, d.year_bound, d.payload, d.id, d.attempts)
