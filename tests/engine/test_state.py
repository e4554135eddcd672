"""What is written to the state is read back."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.state.file import FILE_NAME, SinkRecord
from tailrace.pipeline.state.store import Commit, State

from .state_kit import ANY, letter, reopened, rows, state


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


# What is written is read back.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(ANY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(ANY, max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25)
@given(first=JSON, second=JSON, mark=JSON, destination=st.text(max_size=9))
def test_cursors_and_marks_are_any_json_and_come_back_as_they_were(
    first: Any, second: Any, mark: Any, destination: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        one = reopened(Path(directory))
        (stream,) = one.register([first])
        assert one.cursors() == {stream: first}
        one.commit(Commit({stream: second}, {"sink": {destination: mark}}, [], {}))
        one.close()
        again = reopened(Path(directory))
        assert (again.cursors(), again.marks()) == ({stream: second}, {"sink": {destination: mark}})
        again.close()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1j: 2}])
def test_what_is_no_json_is_a_fault_of_its_owner_and_leaves_the_state_as_it_was(
    opened: Callable[..., State], value: Any
) -> None:
    one = opened()
    (stream,) = one.register([1])
    with pytest.raises((TypeError, ValueError)):
        one.commit(Commit({stream: {"offset": value}}, {}, [], {}))
    assert one.cursors() == {stream: 1}


def test_registered_streams_get_numbers_that_are_never_used_again(opened: Callable[..., State]) -> None:
    one = opened()
    first, second = one.register(["a", "b"])
    one.commit(Commit({}, {}, [], {}, retired=[second]))
    (third,) = one.register(["c"])
    assert len({first, second, third}) == 3
    assert one.cursors() == {first: "a", third: "c"}


def test_a_view_shows_the_files_among_the_streams(opened: Callable[..., State]) -> None:
    one = opened()
    cursor = {"name": "a", "path": "/a", "inode": 5, "offset": 3, "size": 4, "ended": False, "ledger": {"seen": 4}}
    one.register([cursor])
    assert rows(one, "SELECT path, offset, ledger FROM files") == [("/a", 3, '{"seen":4}')]
    assert rows(one, "SELECT file_id, name, inode, size, ended FROM files") == [(1, "a", 5, 4, 0)]


def test_marks_are_announced_replaced_and_forgotten(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    one = reopened(directory)
    file, gone = SinkRecord("write.file", {"path": "out/${DIR}"}), SinkRecord("my:Sink", {})
    one.enter_sinks({"sink": file, "gone": SinkRecord("write.file", {})})
    one.enter_sinks({"sink": file, "gone": gone})
    one.announce("sink", {"a": {"length": 10}, "b": 3})
    one.announce("gone", {"c": None})
    assert (one.sinks(), one.marks()["gone"]) == ({"sink": file, "gone": gone}, {"c": None})
    one.commit(Commit({}, {"sink": {"a": {"length": 99}}}, [], {}))
    one.forget("gone")
    one.close()
    again = reopened(directory)
    assert again.marks() == {"sink": {"a": {"length": 99}, "b": 3}}
    assert again.sinks() == {"sink": file}
    again.close()


def test_what_stages_remember_is_replaced_and_deleted(tmp_path: Path) -> None:
    one = reopened(tmp_path)
    one.commit(
        Commit({}, {}, [], {}, memory={"count": {"ann": b'{"n":1}', "\0\n": b"2"}, "other": {"": '"ü"'.encode()}})
    )
    one.commit(Commit({}, {}, [], {}, memory={"count": {"ann": b"3", "\0\n": None, "never": None}}))
    one.close()
    again = reopened(tmp_path)
    assert again.memory() == {"count": {"ann": b"3"}, "other": {"": '"ü"'.encode()}}
    again.close()


def test_a_state_has_an_id_of_its_own_that_stays(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "one", "two"):
        some = reopened(tmp_path / name)
        ids.append(some.id)
        some.close()
    assert ids[0] == ids[1] != ids[2]
    assert all(re.fullmatch("[a-z0-9]{8}", text) for text in ids)


def test_counters_keep_their_labels_and_whole_numbers(opened: Callable[..., State]) -> None:
    values: dict[Any, float] = {("lines_read", ()): 1 << 52, ("seconds", (("stage", "ü\n"), ("x", "y"))): 1.25}
    one = opened()
    one.commit(Commit({}, {}, [], values))
    found = one.counters().values
    assert found == values
    assert isinstance(found["lines_read", ()], int)


def test_dead_letters_are_kept_with_their_bytes(opened: Callable[..., State]) -> None:
    one = opened()
    more: dict[str, Any] = {"clock": 7.5, "year_bound": 8.5, "sink": "out", "payload": b"sent \xff"}
    one.commit(Commit({}, {}, [letter(offset=77), letter(b"x", **more)], {}))
    columns = "raw, event_id, offset, stage, attempts, config, stream, clock, year_bound, sink, payload"
    assert rows(one, f"SELECT {columns} FROM dead_letters") == [  # noqa: S608
        (b"raw \x00\xff", "abcd1234-1:77", 77, "parse.x", 1, "digest", 1, 0.0, 0.0, None, None),
        (b"x", "abcd1234-1:0", 0, "parse.x", 1, "digest", 1, *more.values()),
    ]


def test_case_046_a_commit_is_all_or_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    one = reopened(directory)
    (stream,) = one.register([0])
    broken = letter()
    broken.why = None  # type: ignore[assignment]  # the table refuses it, as the last thing but one
    with pytest.raises(Exception, match=r"NOT NULL|NoneType"):
        one.commit(Commit({stream: 50}, {"s": {"a": 1}}, [broken], {}, memory={"s": {"k": b"1"}}))
    one.commit(Commit({}, {}, [], {("x", ()): 1}))  # the connection is as usable as before
    one.close()
    again = reopened(directory)
    assert (again.cursors(), again.marks(), again.memory()) == ({stream: 0}, {}, {})
    assert again.counters().values == {("x", ()): 1}
    again.close()


def test_case_046_what_sqlite_cannot_write_is_an_oserror_for_the_engine_to_go_back(
    opened: Callable[..., State],
) -> None:
    one = opened()
    one._db.execute("PRAGMA busy_timeout=1")
    with closing(sqlite3.connect(one.path, isolation_level=None)) as other, other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OSError, match=rf"{FILE_NAME}.*locked") as caught:
            one.commit(Commit({}, {}, [letter()], {}))
        assert caught.value.filename is None or FILE_NAME in caught.value.filename
        other.execute("ROLLBACK")
    other.close()
    one.commit(Commit({}, {}, [letter()], {}))
