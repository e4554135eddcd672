"""``--last-line``: what stands behind the last newline at the end of a run is a line. Nothing is lost or repeated."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


def ended(rig: Any) -> Any:
    """One run to the end."""
    rig.start().run()
    assert rig.running.exhausted
    rig.check_balances()
    return rig.stop()


def test_case_028_an_unterminated_last_line_is_a_line_when_asked_for(stand: Make) -> None:
    rig = stand(until_eof=True, last_line=True)
    rig.write("a.log", "one\ntwo")
    rig.write("b.log", "only")
    rig.write("c.log", "whole\n")
    ended(rig)
    assert sorted(rig.lines()) == ["one\n", "only", "two", "whole\n"]
    ended(rig)
    assert len(rig.lines()) == 4, "once"


@pytest.mark.parametrize("last_line", [True, False])
@pytest.mark.parametrize(
    ("appended", "lines"),
    [
        ("\n", ["\n"]),
        ("\nthree\n", ["\n", "three\n"]),
        (" and more\nthree\n", [" and more\n", "three\n"]),
    ],
)
def test_case_028_what_is_appended_to_it_later_is_a_line_of_its_own(
    stand: Make, appended: str, lines: list[str], *, last_line: bool
) -> None:
    rig = stand(until_eof=True, last_line=True)
    rig.write("a.log", "one\ntwo")
    ended(rig)
    rig.write("a.log", appended)
    rig.tail_options["last_line"] = last_line
    ended(rig)
    assert rig.lines() == ["one\n", "two", *lines]
    assert "".join(rig.lines()) == (rig.directory / "a.log").read_text(), "no byte is missing, none is there twice"


def test_case_028_a_line_that_grows_during_the_run_is_left_whole_for_the_next(stand: Make) -> None:
    rig = stand(until_eof=True, last_line=True)
    rig.write("a.log", "one\ntwo")
    rig.start()
    rig.write("a.log", " and more")
    rig.run()
    assert rig.running.exhausted
    assert rig.lines() == ["one\n"]
    rig.stop()
    ended(rig)
    assert rig.lines() == ["one\n", "two and more"]


@pytest.mark.parametrize("length", [999, 1000, 1001, 5_000, 200_000])
def test_case_030_a_long_last_line_is_one_line_or_one_dead_letter(stand: Make, length: int) -> None:
    rig = stand(until_eof=True, last_line=True, buffer=1 << 11)
    rig.write("a.log", "one\n" + "x" * length)
    ended(rig)
    if length <= 1000:
        assert rig.lines() == ["one\n", "x" * length]
    else:
        assert [size for size, _ in rig.oversize.values()] == [length]
    rig.write("a.log", "\nafter\n")
    ended(rig)
    assert rig.lines()[-1] == "after\n"


def test_case_028_a_rewind_reads_it_again(stand: Make) -> None:
    rig = stand(until_eof=True, last_line=True)
    rig.write("a.log", "one\ntwo")
    rig.start()
    rig.read_all()
    rig.rewind()
    rig.run()
    assert rig.running.exhausted
    assert rig.lines() == ["one\n", "two"]


def test_case_028_a_kill_before_the_commit_reads_it_again(stand: Make) -> None:
    rig = stand(until_eof=True, last_line=True)
    rig.write("a.log", "one\ntwo")
    rig.start()
    rig.read_all()
    rig.crash()
    ended(rig)
    assert rig.lines() == ["one\n", "two"]


def test_case_028_rotation_after_it_loses_and_repeats_nothing(stand: Make) -> None:
    rig = stand(until_eof=True, last_line=True)
    rig.write("a.log", "one of a.log\ntwo of a.log")
    ended(rig)
    rig.write("a.log", "\nthree\n")
    os.rename(rig.directory / "a.log", rig.directory / "a.log.1")
    rig.write("a.log", "four\nfive")
    ended(rig)
    assert sorted(rig.lines()) == sorted(["one of a.log\n", "two of a.log", "\n", "three\n", "four\n", "five"])
    rig.copytruncate("a.log", "a.log.2")
    ended(rig)
    assert len(rig.lines()) == 6
