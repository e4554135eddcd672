"""The state file: one holder, what is written is read back, and a file that cannot be used is refused untouched."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Position
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.stage import Mark
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.file import FILE_NAME
from tailrace.pipeline.state.store import Commit, State

U64 = st.integers(0, (1 << 64) - 1)


def state(directory: Path, **options: Any) -> State:
    options = {"max_bytes": 1 << 20, "when_full": "block", "config": "digest", **options}
    return State(os.fspath(directory), **options)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., State]]:
    """Opens states and closes them at the end."""
    some: list[State] = []

    def open_one(directory: Path = tmp_path / "state", **options: Any) -> State:
        one = state(directory, **options)
        one.open()
        some.append(one)
        return one

    yield open_one
    for one in some:
        one.close()


def reopened(directory: Path) -> State:
    """As the next process would find it."""
    one = state(directory)
    one.open()
    return one


def position(file_id: int = 0, offset: int = 0, **options: Any) -> Position:
    values = {"device": 1, "inode": 2, "head_hash": "", "tail_hash": "", "size": offset, **options}
    return Position(file_id, "a.log", b"/logs/a\xff.log", offset=offset, head_length=0, tail_length=0, **values)


def letter(raw: bytes = b"raw \x00\xff", offset: int = 0) -> DeadLetter:
    return DeadLetter(1.5, "parse.x", "no_match", "why", 1, "a.log", "/logs/a.log", offset, len(raw), raw)


# What is written is read back.


@settings(max_examples=15)
@given(device=U64, inode=U64, offset=st.integers(0, 1 << 62), path=st.binary(max_size=30), ended=st.booleans())
def test_positions_survive_with_all_64_bits(device: int, inode: int, offset: int, path: bytes, ended: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        one = reopened(Path(directory))
        row = Position(0, "ü\n.log", path, device, inode, 0, 7, "head", 8, "tail", 0)
        (row.file_id,) = one.register([row])
        row.offset, row.size, row.ended = offset, offset, ended
        one.commit(Commit([row], {}, [], {}))
        one.close()
        again = reopened(Path(directory))
        assert again.positions() == [row]
        again.close()


def test_registered_generations_get_ids_that_are_never_used_again(opened: Callable[..., State]) -> None:
    one = opened()
    first, second = one.register([position(), position()])
    one.commit(Commit([], {}, [], {}, retired=[second]))
    (third,) = one.register([position()])
    assert len({first, second, third}) == 3
    assert [row.file_id for row in one.positions()] == [first, third]


def test_marks_are_announced_replaced_and_forgotten(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    one = reopened(directory)
    big = Mark("a", "/out/a", (1 << 64) - 1, 1 << 63, 10, "ab", ours=True)
    one.announce("sink", [big, Mark("b", "/out/b", 1, 2, 3, "", ours=False)])
    one.announce("gone", [Mark("c", "/out/c", 1, 2, 3, "", ours=True)])
    longer = Mark("a", "/out/a", 5, 6, 99, "cd", ours=True)
    one.commit(Commit([], {"sink": [longer]}, [], {}))
    one.forget("gone")
    one.close()
    again = reopened(directory)
    assert again.marks() == {"sink": [longer, Mark("b", "/out/b", 1, 2, 3, "", ours=False)]}
    again.close()


def test_counters_keep_their_labels_and_whole_numbers(opened: Callable[..., State]) -> None:
    values: dict[Any, float] = {("lines_read", ()): 1 << 52, ("seconds", (("stage", "ü\n"), ("x", "y"))): 1.25}
    one = opened()
    one.commit(Commit([], {}, [], values))
    found = one.counters().values
    assert found == values
    assert isinstance(found["lines_read", ()], int)


def test_dead_letters_are_kept_with_their_bytes(opened: Callable[..., State]) -> None:
    one = opened()
    one.commit(Commit([], {}, [letter(offset=77)], {}))
    with sqlite3.connect(one.path) as db:
        row = db.execute("SELECT raw, event_id, offset, stage, attempts, config FROM dead_letters").fetchone()
    db.close()
    assert row == (b"raw \x00\xff", "1:77", 77, "parse.x", 1, "digest")


def test_case_046_a_commit_is_all_or_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    one = reopened(directory)
    (file_id,) = one.register([position()])
    broken = letter()
    broken.why = None  # type: ignore[assignment]  # the table refuses it, as the last thing but one
    with pytest.raises(Exception, match=r"NOT NULL|NoneType"):
        one.commit(Commit([position(file_id, 50)], {"s": [Mark("a", "/a", 1, 1, 1, "", True)]}, [broken], {}))
    one.commit(Commit([], {}, [], {("x", ()): 1}))  # the connection is as usable as before
    one.close()
    again = reopened(directory)
    assert (again.positions()[0].offset, again.marks(), again.counters().values) == (0, {}, {("x", ()): 1})
    again.close()


def test_case_046_what_sqlite_cannot_write_is_an_oserror_for_the_engine_to_go_back(
    opened: Callable[..., State],
) -> None:
    one = opened()
    one._db.execute("PRAGMA busy_timeout=1")
    with sqlite3.connect(one.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OSError, match=rf"{FILE_NAME}.*locked") as caught:
            one.commit(Commit([], {}, [letter()], {}))
        assert caught.value.filename is None or FILE_NAME in caught.value.filename
        other.execute("ROLLBACK")
    other.close()
    one.commit(Commit([], {}, [letter()], {}))


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
    one.register([position() for _ in range(200)])
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
            with sqlite3.connect(path) as db:
                db.execute("CREATE TABLE other (x)")
            db.close()
        case "newer":
            with sqlite3.connect(path) as db:
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
    with sqlite3.connect(directory / FILE_NAME) as db:  # the log is read: it holds the 99
        db.execute("UPDATE meta SET value = value - 98 WHERE key = 'schema_version'")
    db.close()
    again = reopened(directory)
    assert len(again.positions()) == 200
    again.close()


def test_case_044_a_creation_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    (directory / f"{FILE_NAME}.new").write_bytes(b"half")
    one = reopened(directory)
    assert one.positions() == []
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
        one.register([position()])
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
