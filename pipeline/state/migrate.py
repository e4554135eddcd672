"""A state file of schema 1, of the first release: what it holds in terms of schema 2, and how it becomes one.

Only this module knows schema 1. Of its columns, some are now JSON that belongs to the source (a cursor) or to a sink (a
mark); the names here are those that both of them write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from tailrace.pipeline.state.schema import (
    FILES,
    MARKS,
    MEMORY,
    SCHEMA_VERSION,
    SINKS,
    STATE_ID,
    STREAMS,
    from_text,
    to_text,
)
from tailrace.stages.defaults import FIRST_SINK

SCHEMA_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    file_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, path BLOB NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, offset INTEGER NOT NULL,
    head_length INTEGER NOT NULL, head_hash TEXT NOT NULL, tail_length INTEGER NOT NULL, tail_hash TEXT NOT NULL,
    size INTEGER NOT NULL, ended INTEGER NOT NULL, ledger TEXT NOT NULL
);
CREATE TABLE marks (
    sink TEXT NOT NULL, destination TEXT NOT NULL, path TEXT NOT NULL, device INTEGER NOT NULL,
    inode INTEGER NOT NULL, length INTEGER NOT NULL, tail TEXT NOT NULL, ours INTEGER NOT NULL,
    PRIMARY KEY (sink, destination)
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT NOT NULL, labels TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (name, labels)) WITHOUT ROWID;
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, stage TEXT NOT NULL, error TEXT NOT NULL,
    why TEXT NOT NULL, attempts INTEGER NOT NULL, file_id INTEGER NOT NULL, file TEXT NOT NULL, path TEXT NOT NULL,
    offset INTEGER NOT NULL, length INTEGER NOT NULL, event_id TEXT NOT NULL, raw BLOB NOT NULL, event TEXT,
    trace TEXT, sink TEXT, config TEXT NOT NULL, size INTEGER NOT NULL
);
"""

_CURSOR = (
    "name", "path", "device", "inode", "offset", "head_length", "head_hash", "tail_length", "tail_hash", "size",
    "ended", "ledger",
)  # fmt: skip
_MARK = ("path", "device", "inode", "length", "tail", "ours")


def migrate_1(db: sqlite3.Connection, state_id: str) -> None:
    """Schema 1 to 2, inside the open transaction. Dead letters, which may be many, stay where they are."""
    cursors, marks = list(cursors_1(db)), list(marks_1(db))
    (last,) = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'files'").fetchone() or (0,)
    db.execute("DROP TABLE files")
    db.execute("DROP TABLE marks")
    for statement in (STREAMS, FILES, SINKS, MARKS, MEMORY):
        db.execute(statement)
    db.executemany("INSERT INTO streams VALUES (?, ?)", ((stream, to_text(cursor)) for stream, cursor in cursors))
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'streams'")
    db.execute("INSERT INTO sqlite_sequence VALUES ('streams', ?)", (last,))  # numbers of rows that are gone stay used
    db.executemany("INSERT INTO marks VALUES (?, ?, ?)", ((*whose, to_text(mark)) for *whose, mark in marks))
    paths = {sink: mark["path"].replace("{", "{{").replace("}", "}}") for sink, _, mark in marks}  # as a template
    sinks = ((sink, FIRST_SINK, to_text({"path": path})) for sink, path in paths.items())
    db.executemany("INSERT INTO sinks VALUES (?, ?, ?)", sinks)
    db.execute("ALTER TABLE dead_letters RENAME COLUMN file_id TO stream")
    for column in ("clock REAL", "year_bound REAL", "payload BLOB"):
        db.execute(f"ALTER TABLE dead_letters ADD COLUMN {column}")
    db.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(SCHEMA_VERSION),))
    db.execute("INSERT INTO meta VALUES (?, ?)", (STATE_ID, state_id))


def cursors_1(db: sqlite3.Connection) -> Iterator[tuple[int, dict[str, Any]]]:
    """(stream, cursor) of each row of ``files``."""
    for stream, *values in db.execute(f"SELECT file_id, {', '.join(_CURSOR)} FROM files ORDER BY file_id"):  # noqa: S608  (our names)
        row = _identified(dict(zip(_CURSOR, values, strict=True)))
        ledger = from_text(row["ledger"]) if row["ledger"] else {}
        yield stream, row | path_values(bytes(row["path"])) | {"ended": bool(row["ended"]), "ledger": ledger}


def marks_1(db: sqlite3.Connection) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(sink, destination, mark)."""
    query = f"SELECT sink, destination, {', '.join(_MARK)} FROM marks ORDER BY sink, destination"  # noqa: S608  (our names)
    for sink, destination, *values in db.execute(query):
        mark = _identified(dict(zip(_MARK, values, strict=True)))
        yield sink, destination, mark | {"ours": bool(mark["ours"])}


def path_values(path: bytes) -> dict[str, str]:
    """A path as JSON can hold it: its text, and its bytes in hexadecimal where they are no UTF-8."""
    try:
        return {"path": path.decode()}
    except UnicodeDecodeError:
        return {"path": path.decode(errors="backslashreplace"), "path_hex": path.hex()}


def _identified(row: dict[str, Any]) -> dict[str, Any]:
    """Devices and inodes may use all 64 bits, SQLite's integers are signed."""
    return row | {name: row[name] % (1 << 64) for name in ("device", "inode")}
