"""Dead letters as they are read: safe beside a running daemon, and nothing is made or changed."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.state.file import FILE_NAME, check_version, connect, look_for

T = TypeVar("T")
Group = tuple[str, str, int, int, float, float]
"""(stage, error, letters, bytes of lines, time of the first, of the last)"""

_SELECT = """
SELECT id, time, stage, error, why, attempts, stream, file, path, offset, length, event_id, raw, event, trace, sink,
    config, clock, year_bound, payload
FROM dead_letters
"""
SENT = """
SELECT id, time, stage, error, '', attempts, stream, file, path, offset, length, event_id, raw,
    CASE WHEN event IS NOT NULL THEN '' END, NULL, sink, '', clock, year_bound, NULL
FROM dead_letters
"""
_WANTED = (
    "(:stage IS NULL OR stage = :stage) AND (:error IS NULL OR error = :error) AND (:since IS NULL OR time >= :since) "
    "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids))) AND (:newest IS NULL OR id <= :newest)"
)
COUNT = f"SELECT count(*) FROM dead_letters WHERE {_WANTED}"  # noqa: S608 - only constants are put together
IDS = f"SELECT id FROM dead_letters WHERE {_WANTED} ORDER BY id"  # noqa: S608 - only constants are put together
_NEWEST = f"WHERE {_WANTED} AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
_OLDEST = f"WHERE id > :last AND {_WANTED} ORDER BY id LIMIT :limit"
BETWEEN = f"WHERE id > :last AND id <= :until AND {_WANTED} ORDER BY id LIMIT :limit"
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
        ((count,),) = self._select(COUNT, wanted.values)
        return int(count)

    def ids(self, wanted: Filter) -> list[int]:
        return [number for (number,) in self._select(IDS, wanted.values)]

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
        return self._asked(SENT + BETWEEN, values, some)

    def get(self, number: int) -> Letter | None:
        rows = self._select(_SELECT + "WHERE id = :id", {"id": number})
        return Letter(*rows[0]) if rows else None

    def stats(self, wanted: Filter) -> list[Group]:
        """The most frequent first."""
        return self._select(_STATS, wanted.values)

    def room(self) -> int:
        """Bytes that all of them count for against ``dead_letters.max_bytes``."""
        ((size,),) = self._select("SELECT TOTAL(size) FROM dead_letters", {})
        return int(size)

    def _select(self, query: str, values: dict[str, Any]) -> list[Any]:
        return self._asked(query, values, list)

    def _asked(self, query: str, values: dict[str, Any], take: Callable[[Iterable[Any]], list[T]]) -> list[T]:
        look_for(Path(self.path))
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


def some(rows: Iterable[Sequence[Any]]) -> list[Letter]:
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
