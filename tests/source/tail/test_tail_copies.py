"""Copies at awkward moments: around a stop, of what nobody has read, over an older copy."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]
TEXT = "".join(f"{number:06} a line with a number\n" for number in range(200))


def read_a_part(rig: Any) -> None:
    rig.write("a.log", TEXT)
    rig.start()
    rig.read()
    rig.release()
    rig.commit()


def test_case_014_a_stop_between_a_truncation_and_the_next_scan_gives_nothing_for_lost_that_a_copy_holds(
    stand: Make,
) -> None:
    """Mutation: ``leave`` accounts for everything. The product of conditions (case 53) found it."""
    rig = stand(buffer=1002)
    read_a_part(rig)
    rig.copytruncate("a.log", "a.log.1")
    log = rig.write("a.log", "fresh\n")
    rig.running._discovery.look(os.fsencode(log), rig.now)  # a hint comes first, and no scan before the stop
    assert rig.notes.of("file.truncated")
    rig.running.leave()
    rig.commit()
    rig.stop()
    assert not rig.said_lost()
    rig.start().run(5)
    assert "".join(sorted(rig.lines())) == TEXT + "fresh\n"
    assert not rig.said_lost()
    rig.check_balances()


@pytest.mark.parametrize("until_eof", [False, True], ids=["run", "until eof"])
def test_case_014_copied_and_truncated_while_the_first_scan_of_a_start_looks(
    stand: Make, monkeypatch: pytest.MonkeyPatch, until_eof: bool
) -> None:
    """Mutation: the start makes no second scan."""
    rig = stand(buffer=1002)
    read_a_part(rig)
    rig.crash()
    real = os.scandir

    class Rotating:
        def __init__(self, directory: Any) -> None:
            self.entries = list(real(directory))
            if not (rig.directory / "a.log.1").exists():
                rig.copytruncate("a.log", "a.log.1")

        def __enter__(self) -> list[os.DirEntry[bytes]]:
            return self.entries

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", Rotating)
    rig.start(until_eof=until_eof).run(3)
    rig.running.leave()
    rig.commit()
    rig.stop()
    rig.start().run(3)
    assert "".join(rig.lines()) == TEXT
    assert not rig.said_lost()
    rig.check_balances()


def test_case_014_a_copy_of_a_file_of_which_nothing_was_read_yet_keeps_its_name_and_is_not_given_for_lost(
    stand: Make,
) -> None:
    """Mutation: only what was read makes a copy known. The product of conditions (case 53) found it."""
    rig = stand()
    rig.write("a.log", TEXT)
    rig.start()
    assert rig.rows[1].offset == 0
    rig.crash()
    rig.copytruncate("a.log", "a.log.1")
    rig.write("a.log", "fresh\n")
    rig.start().run(5)
    assert "".join(sorted(rig.lines("a.log"))) == TEXT + "fresh\n"
    assert not rig.said_lost()
    rig.check_balances()


@pytest.mark.parametrize("stopped", [False, True], ids=["live", "while stopped"])
@pytest.mark.parametrize("more", [0, 30, -30], ids=["as long", "longer", "shorter"])
def test_case_014_a_copy_that_is_written_over_an_older_copy_is_known_for_one(
    stand: Make, stopped: bool, more: int
) -> None:
    """Mutation: what comes in the place of something truncated is no copy. The simulated year (case 49) found it."""
    rig = stand()
    log = rig.write("a.log", TEXT)
    rig.start().run(3)
    rig.copytruncate("a.log", "a.log.1")
    rig.run(3)
    second = "".join(f"{number:06} of the second day\n" for number in range(1000, 1200 + more))
    rig.write("a.log", second)
    rig.run(3)
    if stopped:
        rig.running.leave()
        rig.commit()
        rig.stop()
    inode = os.stat(f"{log}.1").st_ino
    rig.copytruncate("a.log", "a.log.1")
    assert os.stat(f"{log}.1").st_ino == inode
    rig.write("a.log", "fresh\n")
    (rig.start() if stopped else rig).run(5)
    assert "".join(rig.lines()) == TEXT + second + "fresh\n"
    assert not rig.said_lost()
    rig.check_balances()


@pytest.mark.parametrize("stopped", [False, True], ids=["live", "while stopped"])
def test_case_014_a_file_renamed_then_copied_and_emptied_is_not_read_again(stand: Make, stopped: bool) -> None:
    """Its inode has another name and other bytes then, as one that was used again. The engine's model found it."""
    rig = stand(buffer=1002)
    read_a_part(rig)
    if stopped:
        rig.stop()
    (rig.directory / "a.log").rename(rig.directory / "a.log.1")
    rig.copytruncate("a.log.1", "a.log.2")
    rig.write("a.log", "fresh\n")
    (rig.start() if stopped else rig).run(5)
    assert "".join(sorted(rig.lines())) == TEXT + "fresh\n"
    assert not rig.said_lost()
    rig.check_balances()
