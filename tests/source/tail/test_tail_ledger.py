"""The ledger of each file: every byte that was seen is accounted for, and what is lost is said once, with its range."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from .tail_stand import Begun, numbered

Make = Callable[..., Any]


def ledger(rig: Any, file_id: int) -> dict[str, Any]:
    """As the state has them."""
    rig.check_balances()
    found: dict[str, Any] = rig.rows[file_id].ledger
    return found


def leave(rig: Any) -> None:
    """As the engine does at the end: everything is released, then the last commit is made."""
    rig.running.leave()
    rig.commit()
    rig.stop()


def test_what_was_truncated_unread_is_lost_once_also_after_a_restart(begun: Begun) -> None:
    rig, log = begun.rig, begun.log
    os.truncate(log, 0)
    rig.write("a.log", numbered(500, 501))
    rig.run(3)
    lost = ledger(rig, 1)
    assert (lost["seen"], lost["lost"]) == (begun.size, {"truncated": begun.unread})
    assert lost["lost_ranges"] == [["truncated", begun.done, begun.size]]
    assert lost["pending"] == 0
    leave(rig)
    rig.start().run(3)
    assert ledger(rig, 1) == lost
    assert rig.said_lost() == {1: begun.unread}


def test_a_loss_that_was_not_committed_before_a_crash_is_found_at_the_next_start(begun: Begun) -> None:
    rig, log = begun.rig, begun.log
    os.truncate(log, 0)
    rig.poll(1)
    rig.commit()  # it ended, and nobody knows yet whether there is a copy
    assert rig.rows[1].ended
    rig.crash()
    rig.start().run(3)
    assert ledger(rig, 1)["lost"] == {"truncated": begun.unread}
    assert rig.said_lost() == {1: begun.unread}


@pytest.mark.parametrize("ends", [leave, lambda rig: rig.crash()], ids=["leaves", "crashes"])
def test_a_file_deleted_with_bytes_unread_is_lost_once_however_the_run_ends(
    begun: Begun, ends: Callable[[Any], None]
) -> None:
    rig, log = begun.rig, begun.log
    log.unlink()
    rig.poll(1)
    ends(rig)
    rig.start().run(3)
    assert sum(ledger(rig, 1)["lost"].values()) == begun.unread
    assert rig.said_lost() == {1: begun.unread}


def test_a_loss_that_is_taken_back_is_taken_back_in_the_state_and_in_the_counters(begun: Begun) -> None:
    """The file was gone, and is there again without what it held: a copy may hold that. The engine's model found it."""
    rig, log = begun.rig, begun.log
    away = rig.directory.parent / "away"
    rig.stop()
    log.rename(away)
    rig.start().run(3)
    assert ledger(rig, 1)["lost"] == {"deleted": begun.unread}
    os.truncate(away, 0)
    away.write_text("fresh\n")
    away.rename(log)
    rig.poll(1)
    rig.commit()
    assert ledger(rig, 1)["lost"] == {}
    assert rig.unread("deleted") == 0
    rig.run(3)
    assert ledger(rig, 1)["lost"] == {"truncated": rig.unread("truncated")} == {"truncated": begun.unread}


def test_a_copy_takes_over_the_rest_and_nothing_is_lost(begun: Begun) -> None:
    rig = begun.rig
    rig.copytruncate("a.log", "a.log.1")
    rig.run(3)
    assert ledger(rig, 1)["skipped"] == {"taken_over": begun.unread}
    assert ledger(rig, 2)["skipped"] == {"copied": begun.done}
    assert ledger(rig, 2)["copy_of"] == 1
    assert not rig.said_lost()


def test_a_crash_between_a_copy_and_the_next_commit_gives_no_false_alarm(begun: Begun) -> None:
    rig, log = begun.rig, begun.log
    rig.copytruncate("a.log", "a.log.1")
    rig.write("a.log", numbered(500, 501))
    rig.poll(1)
    assert len(rig.rows) >= 2, "the copy is registered"
    rig.crash()
    rig.start().run(3)
    assert log.exists()
    assert not rig.said_lost()
    assert ledger(rig, 1)["skipped"]["taken_over"]
    assert len(rig.lines()) == 101


def test_what_was_written_between_a_copy_and_the_truncation_is_lost_and_said(begun: Begun) -> None:
    rig, log = begun.rig, begun.log
    copy = log.read_bytes()
    rig.write("a.log", numbered(200, 203))
    rig.poll(1)  # its size is noticed
    grown = log.stat().st_size
    rig.write("a.log.1", copy)
    os.truncate(log, 0)
    rig.run(3)
    assert ledger(rig, 1)["lost_ranges"] == [["truncated", begun.size, grown]]
    assert rig.said_lost() == {1: grown - begun.size}


def test_a_hole_at_the_beginning_is_skipped(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", b"\0" * 5000 + numbered(0, 3).encode())
    rig.start().run(1)
    assert ledger(rig, 1)["skipped"] == {"nul": 5000}


def test_a_deleted_file_of_nothing_but_a_hole_has_lost_nothing(stand: Make) -> None:
    rig = stand()
    log = rig.write("a.log", b"\0" * 5000)
    rig.start().run(1)
    log.unlink()
    rig.run(10)
    assert ledger(rig, 1)["skipped"] == {"nul": 5000}
    assert not rig.said_lost()


def test_what_was_there_before_the_first_start_is_skipped(stand: Make) -> None:
    rig = stand(read_from="end")
    rig.write("a.log", numbered(0, 3))
    rig.start().run()
    rig.write("a.log", numbered(3, 5))
    rig.run(1)
    assert ledger(rig, 1)["skipped"] == {"before_start": len(numbered(0, 3))}
    assert ledger(rig, 1)["pending"] == 0


def test_an_unfinished_line_is_pending(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 3) + "half")
    rig.start().run()
    assert ledger(rig, 1)["pending"] == len("half")


def test_a_rewind_undoes_what_was_done_and_keeps_the_ledger(stand: Make) -> None:
    rig = stand(buffer=1002)
    rig.write("a.log", numbered(0, 200))
    rig.start()
    rig.read()
    rig.release()
    rig.rewind()
    rig.check_balances()
    rig.run(1)
    assert ledger(rig, 1)["pending"] == 0
    assert len(rig.lines()) == 200


def test_new_files_are_registered_in_the_order_of_their_paths(stand: Make) -> None:
    rig = stand()
    rig.write("b.log", "")
    rig.start().run(1)
    for name in ("c.log", "b.log", "a.log"):  # b is known already, and is something to be registered only now
        rig.write(name, numbered(0, 1))
    rig.run(1)
    assert rig.registered == [3]
    assert [rig.rows[file_id].name for file_id in sorted(rig.rows)] == ["a.log", "b.log", "c.log"]
