"""How a pipeline stands whose daemon does not run, or does not answer: from its state and its files alone.

It is told in the form of the daemon's own answer, with ``None`` for what only a daemon knows. Nothing is made or
changed, also beside a state that a killed daemon has left.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import Config, DeadLetterSettings, TailSettings
from tailrace.pipeline.source.building import cursors_of
from tailrace.pipeline.source.tail.position import Position
from tailrace.pipeline.state.file import (
    FILE_NAME,
    LOG_HEAD,
    check_version,
    connect,
    look_for,
    read_counters,
    read_cursors,
    read_marks,
)
from tailrace.pipeline.state.lock import holder
from tailrace.pipeline.state.unread import Rest, Rests, rests
from tailrace.pipeline.telemetry.counters import Counters, bytes_unread

STOPPED = "stopped"
SILENT = "silent"  # a process has the state and does not answer

Json = dict[str, Any]
Marks = dict[str, dict[str, Any]]
Ours = Callable[[Marks], Callable[[bytes], bool]]
"""From the marks of all sinks to: whether a path is one of our own outputs or state files."""

_NOT_RUNNING = "no tailrace is running with this state: nothing is read until one is started"
_NO_ANSWER = (
    "a process has the state and does not answer: it starts or ends just now, runs to an end, or is of another release"
)
_GROUPS = """
SELECT stage, error, count(*), TOTAL(size), min(time), max(time) FROM dead_letters
GROUP BY stage, error ORDER BY count(*) DESC, stage, error
"""


@dataclass(slots=True)
class _Content:
    cursors: dict[int, Any]
    marks: Marks
    counters: Counters
    letters: list[tuple[str, str, int, float, float, float]]


def offline(config: Config, ours: Ours, now: float) -> Json:
    """``now``: seconds since the epoch. TailraceError: there is no state, or none that can be read."""
    directory = os.path.realpath(config.pipeline.state_dir)
    path = Path(directory, FILE_NAME)
    content, written = _content(path)
    process = holder(directory)
    found = None
    if isinstance(config.source, TailSettings):
        cursors = cursors_of(config.source.use, content.cursors)
        positions = [_position(path, stream, cursor) for stream, cursor in cursors.items()]
        found = rests(positions, config.source, ours(content.marks), now)
    counters = content.counters
    return {
        "now": now, "name": config.pipeline.name, "version": None,
        "pid": None if process is None else int(process) if process.isdigit() else None,
        "config": str(config.path), "config_digest": None, "config_loaded": None,
        "state_dir": config.pipeline.state_dir, "listen": None, "started": None,
        "state": STOPPED if process is None else SILENT, "ready": False,
        "reasons": [_NOT_RUNNING if process is None else _NO_ANSWER],
        "state_written": written,
        "totals": _totals(counters), "rates": None, **_lag(found, now, written), "commit": None, "ring": None,
        "memory": None, "latency": None, "bottleneck": None, "flow": None, "stages": _stages(config, counters),
        "sinks": _sinks(config, counters), "patterns": None, "files": _files(found, now, written), "workers": None,
        "batches": None, "dead_letters": _letters(content, config.dead_letters), "redrive": None, "reload": None,
    }  # fmt: skip


def _content(path: Path) -> tuple[_Content, float]:
    """All of one moment; and when the state was last written to."""
    try:
        written = max(st.st_mtime for st in _files_of(path))
        with closing(connect(path)) as db:
            db.execute("BEGIN")
            version = check_version(path, db)
            letters = db.execute(_GROUPS).fetchall()
            content = _Content(read_cursors(db, version), read_marks(db, version), read_counters(db), letters)
    except (sqlite3.Error, OSError) as error:
        raise TailraceError(
            f"{escape(str(path))}: the state cannot be read: {getattr(error, 'strerror', None) or error}. Nothing was "
            f"changed. Check that it is the whole state file of this tailrace, and that uid {os.geteuid()} may read it"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise TailraceError(
            f"{escape(str(path))}: something in the state cannot be read: {escape(str(error))}. Nothing was changed; "
            "`tailrace run` says how to recover"
        ) from error
    return content, written


def _files_of(path: Path) -> list[os.stat_result]:
    """The state file and its log. TailraceError: there is none, or its log lacks the index that a reader would make."""
    found = [look_for(path)]
    if not stat.S_ISREG(found[0].st_mode) or not found[0].st_size:
        raise TailraceError(
            f"{escape(str(path))}: it is no state file: it is empty, or not a regular file. Nothing was changed; "
            "`tailrace run` says how to recover"
        )
    log, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    if not log.exists():
        return found
    found.append(log.stat())
    if found[1].st_size > LOG_HEAD and not index.exists():
        raise TailraceError(
            f"{escape(str(log))}: this log came without its index, {index.name}, as from a backup; to read it, that "
            "would have to be made, and nothing is made here. `tailrace run` takes the log in"
        )
    return found


def _position(path: Path, stream: int, cursor: Any) -> Position:
    try:
        return Position.from_json(stream, cursor)
    except ValueError as error:
        raise TailraceError(f"{escape(str(path))}: {escape(str(error))}; `tailrace run` says how to recover") from error


def _totals(counters: Counters) -> Json:
    def total(name: str) -> int:
        return int(counters.total(name))

    return {
        "lines_read": total("lines_read"), "bytes_read": total("bytes_read"), "events_made": total("events_made"),
        "lines_redriven": total("lines_redriven"),
        "written": {sink: int(count) for (sink,), count in sorted(counters.by("events_written", "sink").items())},
        "filtered": total("events_filtered"), "dead_letters": total("dead_letters"), "retries": total("output_retries"),
        "bytes_unread": int(sum(bytes_unread(counters).values())),
        "long_lines": int(counters.total("dead_letters", error="too_long")), "rewinds": total("rewinds"),
        "worker_restarts": total("worker_restarts"),
    }  # fmt: skip


def _lag(found: Rests | None, now: float, written: float) -> Json:
    """What is pending is what the state's own streams have left: with nobody reading, the two are the same but for
    files that no start has seen yet."""
    nobody = {"pending": None, "lag": None}
    if found is None:
        return nobody
    behind = [row for row in found.rows if row.lag]
    ages = [_age(row, now, written) for row in behind]
    return {
        "pending": {
            "lines": None, "bytes": _sum(row.lag for row in behind if row.stream is not None), "seconds": None,
        },
        "lag": {
            "bytes": _sum(row.lag for row in behind), "seconds": None,
            "seconds_at_least": max((age for age in ages if age is not None), default=0.0 if not behind else None),
        },
    }  # fmt: skip


def _sum(sizes: Iterable[int | None]) -> int:
    return sum(size for size in sizes if size is not None)


def _age(row: Rest, now: float, written: float) -> float | None:
    """The oldest byte that is not committed was there when the file was last written to; and if the state had seen
    more than it has committed, when that was last written to."""
    if not row.lag:
        return 0.0 if row.lag == 0 else None
    then = [moment for moment in (row.written, written if row.seen > row.offset else None) if moment is not None]
    return max(0.0, now - min(then)) if then else None


def _files(found: Rests | None, now: float, written: float) -> Json | None:
    if found is None:
        return None
    rows = sorted(found.rows, key=lambda row: (-1 if row.lag is None else -row.lag, row.path))
    return {
        "count": len(rows), "open": 0, "lag_bytes": _sum(row.lag for row in rows),
        "packed": found.packed, "unlisted": found.unlisted, "rows": [_row(row, now, written) for row in rows],
    }  # fmt: skip


def _row(row: Rest, now: float, written: float) -> Json:
    balance = row.balance
    return {
        "path": escape(os.fsdecode(row.path)), "name": row.name, "stream": row.stream, "offset": row.offset,
        "size": row.size, "lag_bytes": row.lag, "lag_seconds": 0.0 if row.lag == 0 else None,
        "lag_seconds_at_least": _age(row, now, written),
        "pending_bytes": None if row.stream is None else row.lag, "state": row.state, "why": row.why,
        "balance": None if balance is None else {
            "seen": balance.seen, "acknowledged": balance.acknowledged, "dead_lettered": balance.dead_lettered,
            "skipped": dict(balance.skipped), "lost": dict(balance.lost), "pending": balance.pending,
        },
    }  # fmt: skip


def _stages(config: Config, counters: Counters) -> list[Json]:
    def by(name: str) -> dict[str, float]:
        return {stage: value for (stage,), value in counters.by(name, "stage").items()}

    received, sent, failed = by("stage_received"), by("stage_sent"), by("dead_letters")
    filtered, seconds = by("events_filtered"), by("stage_seconds")
    whole = sum(seconds.values())
    return [
        {
            "label": one.label, "use": one.use, "role": one.role, "received": int(received.get(one.label, 0)),
            "sent": int(sent.get(one.label, 0)), "failed": int(failed.get(one.label, 0)),
            "filtered": int(filtered.get(one.label, 0)), "seconds": seconds.get(one.label, 0.0),
            "share": seconds.get(one.label, 0.0) / whole if whole else None, "rate": None,
        }
        for one in config.stages
    ]  # fmt: skip


def _sinks(config: Config, counters: Counters) -> list[Json]:
    return [
        {
            "id": one.id, "label": one.label, "use": one.use, "guarantee": None,
            "written": int(counters.total("events_written", sink=one.id)),
            "failed": int(counters.total("dead_letters", stage=one.label)),
            "retries": int(counters.total("output_retries", sink=one.id)), "rate": None, "up": None, "since": None,
            "down_seconds": None, "why": "", "waiting": None, "lag_bytes": None,
        }
        for one in config.stages
        if one.role == "write"
    ]  # fmt: skip


def _letters(content: _Content, settings: DeadLetterSettings) -> Json:
    groups: list[Json] = [
        {"stage": stage, "error": error, "count": count, "bytes": int(size), "first": first, "last": last}
        for stage, error, count, size, first, last in content.letters
    ]
    taken = sum(one["bytes"] for one in groups)
    return {
        "count": sum(one["count"] for one in groups), "bytes": taken, "max_bytes": settings.max_bytes,
        "when_full": settings.when_full, "full": True if taken >= settings.max_bytes else None, "groups": groups,
    }  # fmt: skip
