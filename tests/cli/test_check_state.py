"""``check`` looks at the state as a start would, tells what that would say, and leaves it as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tailrace.pipeline.state.file import FILE_NAME
from tailrace.pipeline.state.store import State

from ..permissions import bound_by_permissions

Run = Callable[..., tuple[int, str, str]]


def opened(directory: Path) -> State:
    state = State(os.fspath(directory), max_bytes=1 << 20, when_full="block", config="")
    state.open()
    return state


def filled(directory: Path) -> State:
    state = opened(directory)
    state.register([{"path": "/a.log", "offset": 100} for _ in range(200)])
    return state


def as_left_by_a_kill(home: Path) -> Path:
    """A state whose last transactions stand in its write-ahead log only."""
    state = filled(home / "elsewhere")
    shutil.copytree(home / "elsewhere", home / "state")
    state.close()
    assert (home / "state" / f"{FILE_NAME}-wal").stat().st_size > 0
    return home / "state"


def change(directory: Path, sql: str) -> None:
    with closing(sqlite3.connect(directory / FILE_NAME)) as db, db:
        db.execute(sql)


def newer(directory: Path) -> None:
    change(directory, "UPDATE meta SET value = '99' WHERE key = 'schema_version'")


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its bytes and the time of its last change."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir() if path.is_file()}


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda directory: os.truncate(directory / FILE_NAME, 0),
    "garbage": lambda directory: (directory / FILE_NAME).write_bytes(b"garbage " * 1000),
    "torn": lambda directory: os.truncate(directory / FILE_NAME, (directory / FILE_NAME).stat().st_size // 2 + 100),
    "newer": newer,
    "a cursor": lambda directory: change(directory, "UPDATE streams SET cursor = '{' WHERE stream = 7"),
    "no id": lambda directory: change(directory, "DELETE FROM meta WHERE key = 'state'"),
    "memory": lambda directory: change(directory, "INSERT INTO memory VALUES ('stage', 'key', 'nothing')"),
    "only its log": lambda directory: (directory / FILE_NAME).rename(directory / f"{FILE_NAME}-wal"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_case_044_a_state_that_a_start_would_refuse_fails_in_the_same_words(
    config: Path, tailrace: Run, how: str
) -> None:
    directory = config.parent / "state"
    filled(directory).close()
    DAMAGE[how](directory)
    before = contents(directory)
    code, out, _ = tailrace("check")
    assert contents(directory) == before
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith("✗ ")]
    assert "To recover: " in line
    assert tailrace("run", "-qq", "--until-eof")[2] == f"tailrace: {line.removeprefix('✗ state: ')}\n"


def test_a_value_that_cannot_be_read_is_named(config: Path, tailrace: Run) -> None:
    filled(config.parent / "state").close()
    DAMAGE["a cursor"](config.parent / "state")
    assert "something in it cannot be read: the cursor of stream 7: Expecting" in tailrace("run", "-qq")[2]


def test_a_state_that_is_whole_is_left_without_a_trace(config: Path, tailrace: Run) -> None:
    directory = config.parent / "state"
    filled(directory).close()
    before = contents(directory)
    assert tailrace("check")[0] == 0
    assert contents(directory) == before
    assert sorted(before) == ["lock", FILE_NAME], "no log of SQLite's"


def test_a_state_that_a_killed_daemon_left_is_read_with_its_log(config: Path, tailrace: Run) -> None:
    directory = as_left_by_a_kill(config.parent)
    before = contents(directory)
    assert tailrace("check")[0] == 0
    assert contents(directory) == before
    assert len(before) == 4
    newer(directory)
    assert "schema version is 99" in tailrace("check")[1]


def test_case_048_a_running_daemon_is_told_with_its_process_and_is_no_fault(config: Path, tailrace: Run) -> None:
    state = filled(config.parent / "state")
    before = contents(config.parent / "state")
    code, out, _ = tailrace("check")
    after = contents(config.parent / "state")
    assert code == 0
    assert f"! state: a tailrace is running with it, process {os.getpid()}; a second one would be refused" in out
    assert before.keys() == after.keys()
    assert all(after[name] == before[name] for name in before if not name.endswith("-shm"))
    state.register([{"path": "/b.log", "offset": 0}])
    state.close()
    assert "is running" not in tailrace("check")[1]


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o500])
@pytest.mark.parametrize("closed", ["", "lock", FILE_NAME])
def test_case_044_a_state_of_somebody_else_fails_in_the_same_words(
    config: Path, tailrace: Run, closed: str, mode: int
) -> None:
    directory = config.parent / "state"
    filled(directory).close()
    path = directory / closed
    path.chmod(mode)
    try:
        code, out, _ = bound_by_permissions(lambda: tailrace("check"))
        (line,) = [line for line in out.splitlines() if line.startswith("✗ ")]
        assert code == 1
        words = line.removeprefix("✗ state: ")
        assert bound_by_permissions(lambda: tailrace("run", "-qq")) == (1, "", f"tailrace: {words}\n")
    finally:
        path.chmod(0o700)


def test_a_state_directory_that_may_be_read_only_is_told(config: Path, tailrace: Run) -> None:
    (config.parent / "state").mkdir(mode=0o500)
    code, out, _ = bound_by_permissions(lambda: tailrace("check"))
    assert code == 1
    assert f"✗ state: {config.parent}/state: the state directory cannot be written (Permission denied); make it" in out
