"""Directories and files that move or go while they are listed: no crash, no state lost, nothing twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from .listing import Scandir

Make = Callable[..., Any]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("listed", [".", "sub"], ids=["parent", "itself"])
def test_case_003_a_directory_renamed_in_the_middle_of_a_scan_keeps_the_state_of_its_files(
    stand: Make, monkeypatch: pytest.MonkeyPatch, listed: str, when: str
) -> None:
    rig = stand("*/*.log")
    sub, other = rig.directory / "sub", rig.directory / "other"
    sub.mkdir()
    (sub / "a.log").write_text("one\n")
    rig.start().run()
    scandir = Scandir(rig.directory / listed, when, lambda: sub.rename(other))
    monkeypatch.setattr(os, "scandir", scandir)
    rig.poll(1)
    assert scandir.acted, "or this shows nothing"
    with (other / "a.log").open("a") as file:
        file.write("two\n")
    rig.run(8)
    assert rig.lines() == ["one\n", "two\n"]
    assert list(rig.rows) == [1]
    assert not rig.rows[1].ended


@pytest.mark.parametrize("when", ["before", "after"])
def test_case_003_a_file_removed_in_the_middle_of_a_scan_is_let_go_and_the_others_are_read(
    stand: Make, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    rig = stand()
    path = rig.write("a.log", "one\n")
    rig.start().run()
    rig.write("b.log", "two\n")
    new = rig.write("c.log", "never seen by anybody\n")

    def remove() -> None:
        path.unlink()
        new.unlink()

    scandir = Scandir(rig.directory, when, remove)
    monkeypatch.setattr(os, "scandir", scandir)
    rig.run(1)
    assert scandir.acted, "or this shows nothing"
    rig.run(8)
    assert rig.lines() == ["one\n", "two\n"]
    rig.run(3700)
    rig.run(1)
    assert [row.name for row in rig.rows.values()] == ["b.log"]
