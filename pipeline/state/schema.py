"""The tables of the state file, as this version makes them, and how values that are not its own stand in them."""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

SCHEMA_VERSION = 2

# What a stream's row says is its source's own; a view shows those of files as columns.
STREAMS = "CREATE TABLE streams (stream INTEGER PRIMARY KEY AUTOINCREMENT, cursor TEXT NOT NULL)"
FILES = """CREATE VIEW files AS SELECT
    stream AS file_id, json_extract(cursor, '$.name') AS name, json_extract(cursor, '$.path') AS path,
    json_extract(cursor, '$.inode') AS inode, json_extract(cursor, '$.offset') AS offset,
    json_extract(cursor, '$.size') AS size, json_extract(cursor, '$.ended') AS ended,
    json_extract(cursor, '$.ledger') AS ledger
FROM streams"""
SINKS = "CREATE TABLE sinks (sink TEXT PRIMARY KEY, use TEXT NOT NULL, options TEXT NOT NULL) WITHOUT ROWID"
MARKS = """CREATE TABLE marks (
    sink TEXT NOT NULL, destination TEXT NOT NULL, mark TEXT NOT NULL, PRIMARY KEY (sink, destination)
) WITHOUT ROWID"""
MEMORY = """CREATE TABLE memory (
    stage TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (stage, key)
) WITHOUT ROWID"""
META = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
COUNTERS = """CREATE TABLE counters (name TEXT NOT NULL, labels TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (name, labels)) WITHOUT ROWID"""

# The last columns were added to those of schema 1; a file that is older is altered, and its rows stay where they are.
DEAD_LETTERS = """CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, stage TEXT NOT NULL, error TEXT NOT NULL,
    why TEXT NOT NULL, attempts INTEGER NOT NULL, stream INTEGER NOT NULL, file TEXT NOT NULL, path TEXT NOT NULL,
    offset INTEGER NOT NULL, length INTEGER NOT NULL, event_id TEXT NOT NULL, raw BLOB NOT NULL, event TEXT,
    trace TEXT, sink TEXT, config TEXT NOT NULL, size INTEGER NOT NULL, clock REAL, year_bound REAL, payload BLOB
)"""

SCHEMA = ";\n".join((META, STREAMS, FILES, SINKS, MARKS, MEMORY, COUNTERS, DEAD_LETTERS, ""))

STATE_ID = "state"  # its key in `meta`
_ID_CHARACTERS, _ID_LENGTH = string.ascii_lowercase + string.digits, 8

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode  # SQLite's own functions refuse NaN


def to_text(value: Any) -> str:
    """A cursor, a mark or options, as JSON: ASCII only, the same text for the same value. ValueError, TypeError: it is
    no JSON value."""
    return _encode(value)


def from_text(text: str | bytes) -> Any:
    return json.loads(text)


def new_state_id() -> str:
    """Random, made with the state: no two states give the same event ids."""
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH))


def is_state_id(text: str) -> bool:
    return len(text) == _ID_LENGTH and set(text) <= set(_ID_CHARACTERS)
