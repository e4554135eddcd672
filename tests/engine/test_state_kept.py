"""What the state keeps, it keeps whole and through a power cut."""

from __future__ import annotations

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
