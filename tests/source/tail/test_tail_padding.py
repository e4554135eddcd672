"""Files made in advance: NULs to the end, in whose place lines are written, and which are cut off later."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .rotation_kit import split
from .tail_stand import numbered

Make = Callable[..., Any]
SIZES = [4096, 300_000]  # also more than is read again


def put(path: Path, at: int, text: str, size: int) -> int:
    """In place, as a mapped file is written; where it ends."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(size)
        file.seek(at)
        file.write(text.encode())
    ticks = path.stat().st_mtime_ns + 10_000_000
    os.utime(path, ns=(ticks, ticks))
    return at + len(text)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stopped", [False, True], ids=["live", "while stopped"])
def test_lines_in_place_of_nuls_arrive_when_they_are_written_and_the_rest_is_no_loss(
    stand: Make, size: int, stopped: bool
) -> None:
    rig = stand(max_line_bytes=100_000, buffer=1 << 17)
    path = rig.directory / "a.log"
    at = put(path, 0, numbered(0, 2), size)
    rig.start().run(2)
    at = put(path, at, numbered(2, 3), size)
    rig.run(2)
    assert rig.lines() == split(numbered(0, 3)), "before anything is cut off"
    assert not rig.notes.of("file.rewritten")
    if stopped:
        rig.running.leave()
        rig.commit()
        rig.stop()
    os.truncate(path, at)
    (rig.start() if stopped else rig).run(2)
    rig.write("a.log", numbered(3, 4))
    rig.run(2)
    assert rig.lines() == split(numbered(0, 4))
    assert {file_id for file_id, _ in rig.delivered} == {1}
    assert not rig.said_lost()
    rig.check_balances()


@pytest.mark.parametrize("size", SIZES)
def test_what_follows_the_last_newline_before_the_nuls_is_the_last_line_of_a_deleted_file(
    stand: Make, size: int
) -> None:
    rig = stand(max_line_bytes=100_000, buffer=1 << 17)
    path = rig.directory / "a.log"
    put(path, 0, numbered(0, 2) + "half", size)
    rig.start().run(2)
    path.unlink()
    rig.run(12)
    assert rig.lines() == [*split(numbered(0, 2)), "half"]
    assert rig.rows[1].ended
    assert not rig.said_lost()
    rig.check_balances()


@pytest.mark.parametrize("last_line", [False, True])
def test_a_run_to_the_end_does_not_wait_for_nuls(stand: Make, last_line: bool) -> None:
    rig = stand(until_eof=True, last_line=last_line)
    put(rig.directory / "a.log", 0, numbered(0, 2), SIZES[0])
    rig.start().run()
    assert rig.running.exhausted
    assert rig.lines() == split(numbered(0, 2))


def test_content_that_goes_with_the_nuls_is_lost_and_said(stand: Make) -> None:
    rig = stand()
    path = rig.directory / "a.log"
    at = put(path, 0, numbered(0, 2), SIZES[0])
    put(path, at, "half", SIZES[0])
    rig.start().run(2)
    os.truncate(path, at)
    rig.run(2)
    assert rig.said_lost() == {1: len("half")}
    rig.check_balances()
