"""A state file with any bytes changed: it is refused, or it works; never anything else, never a fresh one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Position
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.stage import Mark
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.file import FILE_NAME
from tailrace.pipeline.state.store import Commit, State


def state(directory: Path) -> State:
    return State(os.fspath(directory), max_bytes=1 << 20, when_full="block", config="digest")


def position(number: int) -> Position:
    return Position(0, f"{number}.log", b"/logs/%d\xff.log" % number, 1, number, 100, 10, "abc", 5, "def", 100)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state file that was closed in order."""
    directory = tmp_path_factory.mktemp("state")
    one = state(directory)
    one.open()
    ids = one.register([position(number) for number in range(40)])
    marks = [Mark(f"out/{n}", f"/out/{n}", 1, n, 100 * n, "abcd", True) for n in range(40)]
    letters = [DeadLetter(1.5, "parse.x", "no_match", "why", 1, "a.log", "/a.log", n, 3, b"raw") for n in range(40)]
    one.commit(Commit([], {"file": marks}, letters, {("lines_read", (("file", "a"),)): 40}))
    one.close()
    assert len(ids) == 40
    return directory / FILE_NAME


def use(directory: Path) -> tuple[int, int]:
    """Everything that a start, a commit and `dlq` do; how many files and outputs it knows."""
    one = state(directory)
    one.open()
    try:
        files, outputs = one.positions(), one.marks()
        assert all(isinstance(value, int) for file in files for value in (file.offset, file.size, file.inode))
        assert all(isinstance(mark.length, int) for marks in outputs.values() for mark in marks)
        one.counters()
        (ident,) = one.register([position(99)])
        row = position(99)
        row.file_id = ident
        letter = DeadLetter(1.5, "parse.x", "no_match", "why", 1, "a.log", "/a.log", 0, 3, b"raw")
        one.commit(Commit([row], {"file": [Mark("x", "/x", 1, 2, 3, "t", True)]}, [letter], {("lines", ()): 1}))
        return len(files), sum(map(len, outputs.values()))
    finally:
        one.close()


@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=6))
@example(changes=[(491343, 128)])  # a verdict of SQLite's that is no UTF-8
@example(changes=[(404389, 48)])  # the name of a column: no commit would ever succeed
@example(changes=[(18, 3)])  # a file format that this SQLite reads only
@example(changes=[(18, 0)])
@example(changes=[(0, 0)])
def test_changed_bytes_are_refused_or_do_no_harm(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    directory = tmp_path_factory.mktemp("changed")
    data = bytearray(whole.read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    file = directory / FILE_NAME
    file.write_bytes(data)
    try:
        known = use(directory)
    except StateError as error:
        assert str(file) in str(error)
        assert "Way out" in str(error)
        return
    assert known == (40, 40), "nothing is forgotten in silence"


@given(size=st.integers(0, 1 << 20))
@example(size=0)
@example(size=100)
@example(size=4096)
@example(size=53196)  # inside the last page: SQLite takes what is missing for zeros
def test_a_file_cut_short_is_refused(whole: Path, tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    directory = tmp_path_factory.mktemp("cut")
    data = whole.read_bytes()
    data = data[: size % len(data)]
    (directory / FILE_NAME).write_bytes(data)
    with pytest.raises(StateError):
        use(directory)
    assert (directory / FILE_NAME).read_bytes() == data, "and left as it is"
