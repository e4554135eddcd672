"""A killed daemon may leave its log and the log's index half made: the next start takes the state as it is, at once."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from tailrace.pipeline.state.file import inspect
from tailrace.pipeline.state.store import State


def opened(directory: Path) -> State:
    state = State(str(directory), max_bytes=1 << 20, when_full="block", config="")
    state.open()
    return state


@pytest.mark.parametrize("cut", [0, 10, 32, 40, None], ids=["empty", "half a head", "a head", "half a frame", "whole"])
@pytest.mark.parametrize("index", ["kept", "zeros", "empty", "gone"])
def test_case_044_a_log_cut_short_by_a_kill_is_no_reason_to_refuse(tmp_path: Path, cut: int | None, index: str) -> None:
    """Where SQLite may not write, a log of a head alone makes it try for ten seconds and give up."""
    opened(tmp_path).close()
    path = tmp_path / "tailrace.sqlite"
    log, shared = Path(f"{path}-wal"), Path(f"{path}-shm")
    db = sqlite3.connect(path)
    db.execute("INSERT INTO meta VALUES ('some', 'thing')")
    db.commit()
    logged, indexed = log.read_bytes(), shared.read_bytes()
    db.close()
    assert len(logged) > 4096
    assert not log.exists()

    log.write_bytes(logged[:cut])
    if index != "gone":
        shared.write_bytes({"kept": indexed, "zeros": bytes(len(indexed)), "empty": b""}[index])
    before = time.monotonic()
    inspect(path)
    state = opened(tmp_path)
    assert time.monotonic() - before < 5
    assert state.cursors() == {}
    state.close()
