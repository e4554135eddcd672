"""What the state keeps, it keeps whole and through a power cut."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.store import Commit, State


def opened(directory: Path) -> State:
    state = State(str(directory), max_bytes=1 << 20, when_full="block", config="digest")
    state.open()
    return state


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    full, write_ahead = 2, "wal"  # sqlite.org/pragma.html: only FULL syncs the log with each transaction
    state = opened(tmp_path)
    assert state._db.execute("PRAGMA synchronous").fetchone() == (full,)
    assert state._db.execute("PRAGMA journal_mode").fetchone() == (write_ahead,)
    state.close()


def test_a_copy_made_beside_a_running_daemon_can_be_put_back(tmp_path: Path) -> None:
    """As the README says it is done."""
    state = opened(tmp_path)
    (stream,) = state.register(["then"])
    with closing(sqlite3.connect(state.path)) as db, closing(sqlite3.connect(tmp_path / "copy")) as copy:
        db.backup(copy)
    state.commit(Commit({stream: "later"}, {}, [], {}))
    state.register(["new"])
    state.close()
    (tmp_path / "copy").rename(state.path)
    again = opened(tmp_path)
    assert (again.id, again.cursors()) == (state.id, {stream: "then"})
    again.close()


@pytest.mark.parametrize("size", [0, 1, 9, 4096, 100_000])
def test_a_dead_letter_keeps_every_byte_of_its_line(tmp_path: Path, size: int) -> None:
    raw = bytes(range(256)) * (size // 256 + 1)
    raw = raw[:size]
    state = opened(tmp_path)
    state.commit(Commit({}, {}, [DeadLetter(0.0, "s", "e", "why", 1, "1", "a", "/a", 5, size, raw)], {}))
    state.close()
    again = opened(tmp_path)
    assert again._db.execute("SELECT raw, offset, length FROM dead_letters").fetchall() == [(raw, 5, size)]
    again.close()
