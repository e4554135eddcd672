"""What the stages remember: a table of texts by stage and key. The values are JSON of the stages' own."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping


def read(db: sqlite3.Connection) -> dict[str, dict[str, bytes]]:
    """By stage name and key, JSON in UTF-8; also of stages that the configuration no longer has."""
    found: dict[str, dict[str, bytes]] = {}
    for stage, key, value in db.execute("SELECT stage, key, CAST(value AS BLOB) FROM memory ORDER BY stage, key"):
        found.setdefault(stage, {})[key] = value
    return found


def write(db: sqlite3.Connection, changes: Mapping[str, Mapping[str, bytes | None]]) -> None:
    """Inside the open transaction. None: deleted. UnicodeError: a value is not UTF-8."""
    for stage, values in changes.items():
        gone = ((stage, key) for key, value in values.items() if value is None)
        db.executemany("DELETE FROM memory WHERE stage = ? AND key = ?", gone)
        kept = ((stage, key, value.decode()) for key, value in values.items() if value is not None)
        db.executemany("INSERT OR REPLACE INTO memory VALUES (?, ?, ?)", kept)
