"""Events of a replay have the ids that ``run`` gave them, and the state is not touched for that."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tailrace.pipeline.state.file import FILE_NAME
from tailrace.pipeline.state.store import Commit, State

Run = Callable[..., tuple[int, str, str]]

CONFIG = """
[pipeline]
state_dir = "state"
workers = 0
[source]
use = "tail"
paths = ["logs/*.log*"]
[[stages]]
use = "parse.raw"
[[stages]]
use = "enrich.origin"
[[stages]]
use = "write.file"
path = "out/all.ndjson"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("".join(f"line {number} of a\n" for number in range(50)))
    (tmp_path / "logs" / "b.log").write_text("".join(f"line {number} of b\n" for number in range(50)))
    return tmp_path


def ids(text: str) -> dict[str, str]:
    """By message."""
    return {event["message"]: event["event_id"] for event in map(json.loads, text.splitlines())}


def looks(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Every file in it."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.iterdir()}


def test_a_file_that_run_has_read_gives_the_same_ids_in_a_replay(home: Path, tailrace: Run) -> None:
    assert tailrace("run", "--until-eof", "-q")[0] == 0
    written = ids((home / "out" / "all.ndjson").read_text())
    before = looks(home / "state")
    code, out, _ = tailrace("replay", "-q", "logs/b.log", "logs/a.log")
    assert code == 0
    assert len(written) == 100
    assert ids(out) == written
    assert looks(home / "state") == before


def test_a_replay_repeats_itself_without_any_state(home: Path, tailrace: Run) -> None:
    (home / "logs" / "a.log.1.gz").write_bytes(gzip.compress(b"packed\n"))
    first = tailrace("replay", "-q", "logs/a.log", "logs/b.log", "logs/a.log.1.gz")[1]
    again = tailrace("replay", "-q", "logs/a.log.1.gz", "logs/b.log", "logs/a.log")[1]
    assert ids(first) == ids(again)
    assert len(set(ids(first).values())) == 101
    assert not (home / "state").exists()


def test_the_state_of_a_daemon_is_read_beside_it_and_left_as_it_is(home: Path, tailrace: Run) -> None:
    tailrace("run", "--until-eof", "-q")
    written = ids((home / "out" / "all.ndjson").read_text())
    state = State(os.fspath(home / "state"), max_bytes=1 << 20, when_full="block", config="")
    state.open()
    try:
        state.commit(Commit(state.cursors(), {}, (), {("a_counter", ()): 1}))
        before = looks(home / "state")
        assert before[f"{FILE_NAME}-wal"][1]
        command = [sys.executable, "-m", "tailrace", "replay", "-q", "logs/a.log", "logs/b.log"]
        out = subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout  # (SQLite knows its own process)
        assert ids(out) == written
        assert looks(home / "state") == before
    finally:
        state.close()


def test_a_log_without_its_index_is_not_given_one(home: Path, tailrace: Run) -> None:
    """As a copy has it that was made beside a daemon: SQLite would have to make a file to read it."""
    tailrace("run", "--until-eof", "-q")
    state = State(os.fspath(home / "state"), max_bytes=1 << 20, when_full="block", config="")
    state.open()
    state.commit(Commit(state.cursors(), {}, (), {("a_counter", ()): 1}))
    kept = {end: (home / "state" / f"{FILE_NAME}{end}").read_bytes() for end in ("", "-wal")}
    state.close()
    for end, data in kept.items():
        (home / "state" / f"{FILE_NAME}{end}").write_bytes(data)
    (home / "state" / f"{FILE_NAME}-shm").unlink(missing_ok=True)
    before = looks(home / "state")
    assert tailrace("replay", "-q", "logs/a.log")[0] == 0
    assert looks(home / "state") == before


def test_a_damaged_state_keeps_nothing_from_being_replayed_and_is_said(home: Path, tailrace: Run) -> None:
    (home / "state").mkdir()
    (home / "state" / FILE_NAME).write_bytes(b"no database" * 1000)
    code, out, err = tailrace("replay", "logs/a.log")
    assert code == 0
    assert len(ids(out)) == 50
    assert "state.unreadable" in err
