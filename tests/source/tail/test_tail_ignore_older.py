"""Files that were last written long ago are left alone, until they are written to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .rotation_kit import split
from .tail_stand import numbered

Make = Callable[..., Any]
NOW = 1.7e9
DAY = 86_400.0


@pytest.fixture
def rig(stand: Make) -> Any:
    return stand(ignore_older=30 * DAY, wall=lambda: NOW)


def aged(path: Path, days: float) -> Path:
    os.utime(path, (NOW - days * DAY,) * 2)
    return path


def test_only_what_was_written_lately_is_read_and_the_rest_said_once(rig: Any) -> None:
    aged(rig.write("old.log", numbered(0, 3)), 31)
    aged(rig.write("new.log", numbered(3, 6)), 29)
    rig.start().run(5)
    assert rig.lines() == split(numbered(3, 6))
    assert [note["files"] for note in rig.notes.of("files.ignored")] == [1]
    assert list(rig.rows) == [1]


def test_one_that_is_written_to_is_read_from_its_beginning(rig: Any) -> None:
    old = aged(rig.write("old.log", numbered(0, 3)), 31)
    rig.start().run(2)
    aged(rig.write("old.log", numbered(3, 4)), 0)
    rig.run(2)
    assert rig.lines() == split(numbered(0, 4))
    aged(old, 99)
    rig.run(2)
    rig.write("old.log", numbered(4, 5))
    rig.run(2)
    assert rig.lines() == split(numbered(0, 5)), "once it is read, its age does not matter"


def test_what_the_state_knows_is_never_too_old(rig: Any) -> None:
    log = aged(rig.write("a.log", numbered(0, 3)), 1)
    rig.start().run(2)
    away = log.rename(rig.directory / "away")
    rig.run(10)
    assert rig.rows[1].ended
    with away.open("a") as file:
        file.write(numbered(3, 4))
    aged(away.rename(log), 40)
    rig.run(2)
    assert rig.lines() == split(numbered(0, 4))
    rig.stop().start().run(2)
    assert not rig.notes.of("files.ignored")
