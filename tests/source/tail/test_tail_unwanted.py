"""Files of the state that the configuration does not ask for any more: said as what they are, and left alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from .tail_stand import Stand, numbered

Make = Callable[..., Any]


def events(rig: Any) -> set[str]:
    return {event for event, _ in rig.notes.said}


def other(rig: Stand, *patterns: str, **options: Any) -> Stand:
    """The same state under another configuration."""
    rig.stop()
    again = Stand(rig.directory, *patterns, **options)
    again.rows, again.next_id, again.delivered = rig.rows, rig.next_id, rig.delivered
    return again.start()


def test_a_file_that_the_paths_do_not_ask_for_is_neither_rotated_nor_gone(stand: Make) -> None:
    rig = stand("*.log")
    rig.write("a.log", numbered(0, 5))
    rig.start().run()
    row = rig.rows[1]
    rig.write("a.log", numbered(5, 9))
    rig.write("b.txt", numbered(20, 25))
    rig = other(rig, "*.txt").run(30)
    assert not events(rig) & {"file.rotated", "file.gone", "file.finished", "bytes.lost"}
    (note,) = rig.notes.of("file.unwanted")
    assert (note["file_id"], note["offset"]) == (1, row.offset)
    assert "source.paths" in note["notice"]
    assert rig.rows[1] == row, "its row is as it was"
    assert rig.lines("a.log") == numbered(0, 5).splitlines(keepends=True)
    assert rig.counters.total("files_rotated") == 0
    assert [balance.file for balance in rig.running.balances()] == [str(rig.directory / "b.txt")]
    rig = other(rig, "*").run()
    assert rig.lines("a.log") == numbered(0, 9).splitlines(keepends=True), "a later configuration asks for it again"
    assert not rig.notes.of("file.unwanted")
    rig.stop()


def test_a_file_that_is_excluded_now_is_left_alone(stand: Make) -> None:
    rig = stand("*.log")
    rig.write("a.log", numbered(0, 5))
    rig.start().run()
    rig.write("a.log", numbered(5, 9))
    rig = other(rig, "*.log", exclude=("a.log",)).run(30)
    assert events(rig) == {"file.unwanted"}
    assert len(rig.lines()) == 5
    rig.stop()


def test_a_file_that_is_asked_for_by_another_path_goes_on(stand: Make) -> None:
    """Its directory was renamed, or is reached by a link, and the configuration follows."""
    rig = stand("logs/*.log")
    (rig.directory / "logs").mkdir()
    rig.write("logs/a.log", numbered(0, 5))
    rig.start().run()
    (rig.directory / "logs").rename(rig.directory / "moved")
    rig.write("moved/a.log", numbered(5, 9))
    rig = other(rig, "moved/*.log").run(30)
    assert events(rig) == {"file.resumed"}
    assert rig.lines() == numbered(0, 9).splitlines(keepends=True)
    (note,) = rig.notes.of("file.resumed")
    assert (note["was"], note["file"]) == tuple(str(rig.directory / name / "a.log") for name in ("logs", "moved"))
    assert os.fsdecode(rig.rows[1].path) == str(rig.directory / "moved" / "a.log")
    assert len(rig.rows) == 1
    rig.stop()


def test_another_file_in_its_inode_is_a_new_one(stand: Make) -> None:
    rig = stand("*.log")
    log = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    row = rig.rows[1]
    log.rename(rig.directory / "b.txt")
    rig.write("b.txt", numbered(50, 60), mode="wb")
    rig = other(rig, "*.txt").run(30)
    assert rig.lines("b.txt") == numbered(50, 60).splitlines(keepends=True)
    assert rig.rows[1] == row
    assert rig.notes.of("file.unwanted")
    rig.stop()


def test_a_file_that_was_renamed_out_of_the_patterns_is_still_read_to_its_end(stand: Make) -> None:
    """It was asked for by the name it had: this is a rotation, and no other configuration."""
    rig = stand("*.log", buffer=1002)
    log = rig.write("a.log", numbered(0, 100))
    rig.start().one_chunk()
    log.rename(rig.directory / "a.log.1")
    rig.poll(2)
    rig.commit()
    rig.crash()
    rig.start().run(30)
    rig.stop()
    rig.start().run(30)
    assert rig.lines() == numbered(0, 100).splitlines(keepends=True)
    assert not rig.notes.of("file.unwanted")


def test_many_of_them_are_said_in_one_line(stand: Make) -> None:
    rig = stand("*.log")
    for number in range(30):
        rig.write(f"{number}.log", numbered(0, 2))
    rig.start().run()
    rig = other(rig, "*.txt").run(5)
    (note,) = rig.notes.of("files.unwanted")
    assert note["files"] == 30
    assert events(rig) == {"files.unwanted"}
    rig.stop()


@pytest.mark.parametrize("name", [b"a\xff.log", b"a\nb.log"])
def test_odd_names_are_followed_as_before(stand: Make, name: bytes) -> None:
    rig = stand("*.log")
    path = os.path.join(os.fsencode(rig.directory), name)
    with open(path, "wb") as file:
        file.write(numbered(0, 5).encode())
    rig.start().run()
    rig.stop()
    with open(path, "ab") as file:
        file.write(numbered(5, 9).encode())
    rig.start().run()
    assert rig.lines() == numbered(0, 9).splitlines(keepends=True)
    assert not rig.notes.of("file.unwanted")
