"""Dead letters: the table that keeps, within ``max_bytes``, every line that could not be processed."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.state.file import FILE_NAME, check_version, connect

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
        return dropped

    @property
    def overfull(self) -> bool:
        """There are more of them than there is room for."""
        return self._bytes > self._max_bytes

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
        self._after = self._bytes - self._remove(ids)
        return len(ids)

    def between(self, wanted: Filter, last: int, until: int, limit: int) -> list[Letter]:
        """By id, those above ``last`` and up to ``until``, with what is needed to send them again; fewer than so many
        where they are long."""
        values = {**wanted.values, "last": last, "until": until, "limit": limit}
        return _some(self._db.execute(_SENT + _BETWEEN, values))

    def count(self, wanted: Filter) -> tuple[int, int]:
        """How many there are, and the largest id."""
        (count, last) = self._db.execute(_COUNT.replace("count(*)", "count(*), MAX(id)"), wanted.values).fetchone()
        return int(count), int(last or 0)

    def ids(self, wanted: Filter) -> list[int]:
        return [number for (number,) in self._db.execute(_IDS, wanted.values)]

    def drop(self, ids: Sequence[int]) -> None:
        """Remove these: somebody has seen them, or does not want to."""
        self._after = self._bytes - self._remove(ids)

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


# Reading them: safe beside a running daemon, and nothing is made or changed.

_SELECT = """
SELECT id, time, stage, error, why, attempts, stream, file, path, offset, length, event_id, raw, event, trace, sink,
    config, clock, year_bound, payload
FROM dead_letters
"""
_SENT = """
SELECT id, time, stage, error, '', attempts, stream, file, path, offset, length, event_id, raw,
    CASE WHEN event IS NOT NULL THEN '' END, NULL, sink, '', clock, year_bound, NULL
FROM dead_letters
"""
_WANTED = (
    "(:stage IS NULL OR stage = :stage) AND (:error IS NULL OR error = :error) AND (:since IS NULL OR time >= :since) "
    "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids))) AND (:newest IS NULL OR id <= :newest)"
)
_COUNT = f"SELECT count(*) FROM dead_letters WHERE {_WANTED}"  # noqa: S608 - only constants are put together
_IDS = f"SELECT id FROM dead_letters WHERE {_WANTED} ORDER BY id"  # noqa: S608 - only constants are put together
_NEWEST = f"WHERE {_WANTED} AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
_OLDEST = f"WHERE id > :last AND {_WANTED} ORDER BY id LIMIT :limit"
_BETWEEN = f"WHERE id > :last AND id <= :until AND {_WANTED} ORDER BY id LIMIT :limit"
_STATS = f"""
SELECT stage, error, count(*), sum(length(raw)), min(time), max(time) FROM dead_letters WHERE {_WANTED}
GROUP BY stage, error ORDER BY count(*) DESC, stage, error
"""  # noqa: S608 - only constants are put together
_AT_ONCE = 100  # rows of one read: a long read would keep the daemon from shortening its write-ahead log
_BYTES_AT_ONCE = 4 << 20  # of lines in one read


def _of_schema_1(query: str) -> str:
    return query.replace("stream", "file_id").replace("clock, year_bound", "NULL, NULL").replace("payload", "NULL")


@dataclass(slots=True, frozen=True)
class Letter:
    """One row of the table ``dead_letters``."""

    id: int
    time: float  # seconds since the epoch
    stage: str
    error: str
    why: str
    attempts: int
    stream: int
    file: str
    path: str
    offset: int
    length: int  # of the line in the file, without its newline
    event_id: str
    raw: bytes  # the line; less of it where it was cut
    event: str | None  # JSON: the fields at the time
    trace: str | None
    sink: str | None  # the sink's own words
    config: str
    clock: float | None  # None: of the first release
    year_bound: float | None
    payload: bytes | None  # what was sent

    @property
    def cut(self) -> bool:
        return len(self.raw) < self.length

    @property
    def when(self) -> str:
        return rfc3339(self.time)

    def text(self) -> str | None:
        """The line, if it is UTF-8."""
        try:
            return self.raw.decode()
        except UnicodeDecodeError:
            return None


@dataclass(slots=True, frozen=True)
class Filter:
    """Which letters are meant; None: all."""

    stage: str | None = None
    error: str | None = None
    since: float | None = None  # seconds since the epoch
    ids: tuple[int, ...] | None = None
    until: int | None = None  # the newest id

    @property
    def values(self) -> dict[str, Any]:
        """What ``_WANTED`` is asked with."""
        return {**asdict(self), "ids": None if self.ids is None else json.dumps(self.ids), "newest": self.until}


class Letters:
    """Those of one state directory. TailraceError says why they cannot be read."""

    def __init__(self, state_dir: str) -> None:
        self.path = os.path.join(state_dir, FILE_NAME)

    def count(self, wanted: Filter) -> int:
        ((count,),) = self._select(_COUNT, wanted.values)
        return int(count)

    def ids(self, wanted: Filter) -> list[int]:
        return [number for (number,) in self._select(_IDS, wanted.values)]

    def newest(self, wanted: Filter, limit: int | None, before: int | None = None) -> list[Letter]:
        """The latest first. ``before``: only those with a smaller id."""
        values = {**wanted.values, "limit": -1 if limit is None else limit, "before": before}
        return [Letter(*row) for row in self._select(_SELECT + _NEWEST, values)]

    def oldest_first(self, wanted: Filter, limit: int | None) -> Iterator[Letter]:
        """One by one: they may be more than fit into memory."""
        values = {**wanted.values, "last": 0}
        left = limit
        while left is None or left > 0:
            values["limit"] = _AT_ONCE if left is None else min(left, _AT_ONCE)
            rows = self._select(_SELECT + _OLDEST, values)
            if not rows:
                return
            for row in rows:
                yield Letter(*row)
            values["last"] = rows[-1][0]
            left = None if left is None else left - len(rows)

    def between(self, wanted: Filter, last: int, until: int, limit: int) -> list[Letter]:
        """See ``DeadLetters.between``."""
        values = {**wanted.values, "last": last, "until": until, "limit": limit}
        return self._asked(_SENT + _BETWEEN, values, _some)

    def get(self, number: int) -> Letter | None:
        rows = self._select(_SELECT + "WHERE id = :id", {"id": number})
        return Letter(*rows[0]) if rows else None

    def stats(self, wanted: Filter) -> list[tuple[str, str, int, int, float, float]]:
        """(stage, error, letters, bytes of lines, time of the first, of the last), the most frequent first."""
        return self._select(_STATS, wanted.values)

    def room(self) -> int:
        """Bytes that all of them count for against ``dead_letters.max_bytes``."""
        ((size,),) = self._select("SELECT TOTAL(size) FROM dead_letters", {})
        return int(size)

    def _select(self, query: str, values: dict[str, Any]) -> list[Any]:
        return self._asked(query, values, list)

    def _asked(self, query: str, values: dict[str, Any], take: Callable[[Iterable[Any]], list[T]]) -> list[T]:
        if not os.path.exists(self.path):
            raise TailraceError(
                f"{escape(self.path)}: there is no state file; nothing was run with this configuration yet, "
                "or pipeline.state_dir is another place"
            )
        try:
            with closing(connect(Path(self.path))) as database:
                if check_version(Path(self.path), database) == 1:
                    query = _of_schema_1(query)
                return take(database.execute(query, values))
        except sqlite3.Error as error:
            raise TailraceError(
                f"{escape(self.path)}: the dead letters cannot be read: {error}. Nothing was changed. Check "
                f"that it is the whole state file of this tailrace, and that uid {os.geteuid()} may read it"
            ) from error


def _some(rows: Iterable[Sequence[Any]]) -> list[Letter]:
    """As many as memory is for."""
    letters: list[Letter] = []
    size = 0
    for row in rows:
        letters.append(Letter(*row))
        size += len(letters[-1].raw)
        if size >= _BYTES_AT_ONCE:
            break
    return letters


def rfc3339(seconds: float, precision: str = "milliseconds") -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
