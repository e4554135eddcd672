"""A state file with any bytes changed: it is refused, or it works; never anything else, never a fresh one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.file import FILE_NAME, SinkRecord
from tailrace.pipeline.state.store import Commit, State


def state(directory: Path) -> State:
    return State(os.fspath(directory), max_bytes=1 << 20, when_full="block", config="digest")


def cursor(number: int) -> dict[str, Any]:
    return {"name": f"{number}.log", "path": f"/logs/{number}.log", "inode": number, "offset": 100, "ended": False}


def mark(number: int) -> dict[str, Any]:
    return {"path": f"/out/{number}", "inode": number, "length": 100 * number, "tail": "abcd"}


def letter(offset: int) -> DeadLetter:
    return DeadLetter(1.5, "parse.x", "no_match", "why", 1, "1", "a.log", "/a.log", offset, 3, b"raw")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state file that was closed in order."""
    directory = tmp_path_factory.mktemp("state")
    one = state(directory)
    one.open()
    ids = one.register([cursor(number) for number in range(40)])
    marks = {f"out/{number}": mark(number) for number in range(40)}
    letters = [letter(number) for number in range(40)]
    memory = {"stage": {f"key {number}": b'{"n":1}' for number in range(40)}}
    one.enter_sinks({"file": SinkRecord("write.file", {"path": "out/{source}"})})
    one.commit(Commit({}, {"file": marks}, letters, {("lines_read", (("file", "a"),)): 40}, memory=memory))
    one.close()
    assert len(ids) == 40
    return directory / FILE_NAME


def use(directory: Path) -> tuple[int, int, int]:
    """Everything that a start, a commit and `dlq` do; how many streams, outputs and remembered values it knows."""
    one = state(directory)
    one.open()
    try:
        outputs, remembered = (sum(map(len, some.values())) for some in (one.marks(), one.memory()))
        known = len(one.cursors()), outputs, remembered
        one.counters(), one.sinks()
        (stream,) = one.register([cursor(99)])
        changes = {"stage": {"key 1": None, "new": b"1"}}
        one.commit(
            Commit({stream: cursor(99)}, {"file": {"x": mark(1)}}, [letter(0)], {("lines", ()): 1}, memory=changes)
        )
        return known
    finally:
        one.close()


@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=6))
@example(changes=[(4026, 128)])  # a verdict of SQLite's that is no UTF-8
@example(changes=[(3977, 48)])  # the name of a column: no commit would ever succeed
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
        assert "To recover: " in str(error)
        return
    assert known == (40, 40, 40), "nothing is forgotten in silence"


@given(size=st.integers(0, 1 << 20))
@example(size=0)
@example(size=100)
@example(size=4096)
@example(size=36000)  # inside the last page: SQLite takes what is missing for zeros
def test_a_file_cut_short_is_refused(whole: Path, tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    directory = tmp_path_factory.mktemp("cut")
    data = whole.read_bytes()
    data = data[: size % len(data)]
    (directory / FILE_NAME).write_bytes(data)
    with pytest.raises(StateError):
        use(directory)
    assert (directory / FILE_NAME).read_bytes() == data, "and left as it is"
