"""One holder at a time; a state that cannot be used is refused and left as it is."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.state.file import FILE_NAME

from .state_kit import reopened, state

# One holder.

HOLD = """
import sys
from tailrace.pipeline.state.store import State
State(sys.argv[1], max_bytes=1, when_full="block", config="").open()
print("held", flush=True)
sys.stdin.read()
"""


def test_case_048_a_second_daemon_is_refused_with_the_first_ones_pid_until_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, os.fspath(tmp_path / "state")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for _ in range(2):
            with pytest.raises(StateError, match=rf"another tailrace \(process {holder.pid}\)"):
                state(tmp_path / "state").open()
        holder.kill()
        holder.wait()
    again = reopened(tmp_path / "state")  # the lock that the killed one left does not block
    assert (tmp_path / "state" / "lock").read_text() == f"{os.getpid()}\n"
    again.close()


# Files that cannot be used.


def damaged(directory: Path, how: str) -> None:
    """A state that was used, and then damaged."""
    one = reopened(directory)
    one.register(range(200))
    path = directory / FILE_NAME
    if how in ("newer with wal", "truncated with wal", "only wal"):  # as a killed process leaves it
        wal, shm = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
        if how == "newer with wal":
            one._db.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
        kept = [(file, file.read_bytes()) for file in (path, wal, shm)]
        one.close()
        for file, content in kept:
            file.write_bytes(content)
        if how == "truncated with wal":
            os.truncate(path, path.stat().st_size // 2 + 100)
        if how == "only wal":
            path.unlink()
        return
    one.close()
    match how:
        case "empty":
            os.truncate(path, 0)
        case "garbage":
            path.write_bytes(os.urandom(8192))
        case "truncated":
            os.truncate(path, path.stat().st_size // 2 + 100)
        case "zeroed":
            path.write_bytes(bytes(path.stat().st_size))
        case "another database":
            path.unlink()
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("CREATE TABLE other (x)")
            db.close()
        case "newer":
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
            db.close()
        case "a directory":
            path.unlink()
            path.mkdir()
        case "a symbolic link":
            path.rename(directory.parent / "elsewhere")
            path.symlink_to(directory.parent / "elsewhere")


FAULTS = {
    "empty": "empty",
    "garbage": "not a database",
    "truncated": "malformed|disk image",
    "truncated with wal": "malformed|in database main",
    "zeroed": "not a database|malformed|schema version is none|no such table",
    "another database": "no such table",
    "newer": "schema version is 99",
    "newer with wal": "schema version is 99",
    "only wal": "-wal is there but tailrace.sqlite is gone",
    "a directory": "not a regular file",
    "a symbolic link": "not a regular file.*symbolic link",
}


def contents(directory: Path) -> dict[str, bytes]:
    """Of all files but the lock; SQLite's index of the log is made anew by every reader and holds nothing."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != "lock"]
    return {path.name: path.read_bytes() for path in files if not path.name.endswith("-shm")}


@pytest.mark.parametrize("how", FAULTS)
def test_case_044_a_state_that_cannot_be_used_is_refused_each_time_and_left_as_it_is(tmp_path: Path, how: str) -> None:
    directory = tmp_path / "state"
    damaged(directory, how)
    before = contents(tmp_path)
    assert before or how == "a directory"
    for _ in range(2):
        with pytest.raises(StateError) as caught:
            state(directory).open()
        message = str(caught.value)
        assert message.startswith(f"{directory / FILE_NAME}: ")
        assert re.search(FAULTS[how], message), message
        assert "Nothing was changed. To recover: " in message
        after = contents(tmp_path)
        assert {name: data for name, data in after.items() if data} == before or after == before


def test_case_044_a_state_left_by_a_killed_process_is_taken_up_with_its_log(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    damaged(directory, "newer with wal")
    with closing(sqlite3.connect(directory / FILE_NAME)) as db, db:  # the log is read: it holds the 99
        db.execute("UPDATE meta SET value = value - 97 WHERE key = 'schema_version'")
    db.close()
    again = reopened(directory)
    assert len(again.cursors()) == 200
    again.close()


def test_case_044_a_creation_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    (directory / f"{FILE_NAME}.new").write_bytes(b"half")
    one = reopened(directory)
    assert one.cursors() == {}
    one.close()
    assert not (directory / f"{FILE_NAME}.new").exists()


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A directory that the test may not write to: root may everywhere, so it becomes somebody else."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name, "state")
        directory.mkdir()
        directory.chmod(0o555)
        Path(name).chmod(0o755)
        if os.geteuid():
            yield directory
        else:
            os.seteuid(65534)
            try:
                yield directory
            finally:
                os.seteuid(0)


def test_case_044_a_directory_that_cannot_be_written_is_refused(as_nobody: Path) -> None:
    for _ in range(2):
        with pytest.raises(StateError, match=rf"{as_nobody}: .*cannot be written \(Permission denied\).*state_dir"):
            state(as_nobody).open()
    assert list(as_nobody.iterdir()) == []


def test_a_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateError, match="cannot be written"):
        state(tmp_path / "file" / "state").open()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_case_087_only_the_owner_may_read_the_state_under_any_umask(tmp_path: Path, umask: int) -> None:
    directory = tmp_path / "state"
    old = os.umask(umask)
    try:
        one = reopened(directory)
        one.register([0])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
        one.close()
    finally:
        os.umask(old)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert f"{FILE_NAME}-wal" in modes
    assert set(modes.values()) == {0o600}, modes


def test_a_closed_state_lets_go_of_everything(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        reopened(tmp_path / "state").close()
    damaged(tmp_path / "bad", "garbage")
    with pytest.raises(StateError):
        state(tmp_path / "bad").open()
    assert len(os.listdir("/proc/self/fd")) == before
