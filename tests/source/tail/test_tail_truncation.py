"""Truncated, copied and refilled: what was there before is not repeated, what comes is read from its start."""

from __future__ import annotations

import os
from typing import Any

import pytest

from .rotation_kit import Make, split
from .tail_stand import Begun, numbered


def test_case_013_truncated_after_all_was_read_goes_on_without_repeat(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    os.truncate(a, 0)
    rig.run(1)
    rig.write("a.log", numbered(10, 12))
    rig.run(3)
    assert rig.lines() == split(numbered(0, 5) + numbered(10, 12))
    assert rig.counters.total("bytes_unread") == 0
    assert len({file_id for file_id, _ in rig.delivered}) == 2


def test_case_013_truncated_before_all_was_read_counts_and_logs_the_loss(begun: Begun) -> None:
    rig, a = begun.rig, begun.log
    os.truncate(a, 0)
    rig.write("a.log", numbered(200, 201))
    rig.run(3)
    assert rig.unread("truncated") == begun.unread
    (lost,) = rig.notes.of("bytes.lost")
    assert (lost["start"], lost["stop"], lost["file_id"]) == (begun.done, begun.size, 1)
    assert lost["file"] == str(a)
    assert rig.lines()[-1] == numbered(200, 201)
    rig.stop().start().run(3)
    assert rig.unread("truncated") == begun.unread


def test_a_cut_at_the_end_that_spares_what_was_read_is_no_new_generation(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 3) + "partial")
    rig.start().run()
    os.truncate(a, len(numbered(0, 3)))
    rig.run(1)
    assert rig.unread("truncated") == len("partial")
    rig.write("a.log", numbered(3, 5))
    rig.run(1)
    assert rig.lines() == split(numbered(0, 5))
    assert {file_id for file_id, _ in rig.delivered} == {1}


def test_case_014_copytruncate_live_takes_only_the_unread_rest_of_the_copy(begun: Begun) -> None:
    rig = begun.rig
    rig.copytruncate("a.log", "a.log.1")
    rig.write("a.log", numbered(200, 203))
    rig.run(3)
    assert sorted(rig.lines()) == split(numbered(0, 100) + numbered(200, 203))
    assert rig.counters.total("bytes_unread") == 0
    assert {name for name, _ in rig.delivered.values()} == {"a.log"}


def test_case_014_copy_waits_until_the_position_it_goes_on_from_is_durable(stand: Make) -> None:
    rig = stand(buffer=1002)
    rig.write("a.log", numbered(0, 100))
    rig.start()
    rig.read()
    rig.copytruncate("a.log", "a.log.1")
    rig.poll(1)
    assert rig.registered == [1]
    rig.crash().start().run(3)  # the chunk that was read was never committed
    assert sorted(rig.lines()) == split(numbered(0, 100))


def test_case_014_copytruncate_while_stopped(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 50))
    rig.start().run().stop()
    rig.write("a.log", numbered(50, 100))
    rig.copytruncate("a.log", "a.log.1")
    rig.write("a.log", numbered(200, 203))
    rig.start().run(3)
    assert sorted(rig.lines()) == split(numbered(0, 100) + numbered(200, 203))
    assert rig.counters.total("bytes_unread") == 0


@pytest.mark.parametrize("refilled", [0, 10])
def test_case_014_truncated_and_copied_before_a_stop_that_saw_only_the_truncation(stand: Make, refilled: int) -> None:
    rig = stand()
    rig.write("b.log", numbered(0, 50))
    rig.start()
    rig.read()
    rig.copytruncate("b.log", "b.log.1")
    rig.write("b.log", numbered(90, 90 + refilled))
    rig.poll(1)
    rig.release()
    rig.commit()
    assert rig.stop().rows[1].ended
    rig.write("b.log", numbered(100, 150))
    rig.start().run(3)
    assert sorted(rig.lines()) == split(numbered(0, 50) + numbered(90, 90 + refilled) + numbered(100, 150))


def test_case_014_copied_and_truncated_between_the_listing_and_the_stat(
    stand: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = stand(buffer=1002)
    rig.write("a.log", numbered(0, 50))
    rig.start().one_chunk()
    real = os.scandir

    class Rotating:
        def __init__(self, directory: Any) -> None:
            self.entries = list(real(directory))
            rig.copytruncate("a.log", "a.log.1")

        def __enter__(self) -> list[os.DirEntry[bytes]]:
            return self.entries

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", Rotating)
    rig.poll(1)
    monkeypatch.setattr(os, "scandir", real)
    rig.run(3)
    assert rig.lines() == split(numbered(0, 50))
    assert rig.counters.total("bytes_unread") == 0


def test_case_014_a_copy_in_the_making_is_not_read_until_the_original_is_truncated(stand: Make) -> None:
    rig = stand()
    text = numbered(0, 100)
    a = rig.write("a.log", text)
    rig.start().run()
    for at in range(0, len(text), 1500):
        rig.write("a.log.1", text[at : at + 1500])
        rig.run(1)
    os.truncate(a, 0)
    rig.write("a.log", numbered(200, 203))
    rig.run(5)
    assert rig.lines() == split(text + numbered(200, 203))


def test_case_016_a_refill_to_exactly_the_old_size_is_noticed(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 50))
    rig.start().run()
    os.truncate(a, 0)
    rig.write("a.log", numbered(50, 100))
    rig.run(5)
    assert rig.lines() == split(numbered(0, 100))


@pytest.mark.parametrize("refilled", [False, True])
def test_case_014_a_copy_that_was_last_seen_in_the_making_is_known_when_a_hint_tells_of_the_truncation(
    stand: Make, refilled: bool
) -> None:
    rig = stand()
    text = numbered(0, 100)
    a = rig.write("a.log", text)
    rig.start().run()
    rig.write("a.log.1", text[:1000])
    rig.run(1)
    rig.write("a.log.1", text[1000:])
    os.truncate(a, 0)
    if refilled:
        rig.write("a.log", numbered(200, 203))
    rig.running._discovery.look(os.fsencode(a), rig.now)
    rig.read_all()
    rig.run(5)
    assert rig.lines() == split(text + (numbered(200, 203) if refilled else ""))
    assert rig.notes.of("bytes.lost") == []


def test_case_014_a_copy_that_ends_before_the_last_lines_read_is_not_read_again(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 50))
    rig.start().run()
    (rig.directory / "a.log.1").write_bytes(a.read_bytes())
    rig.write("a.log", numbered(50, 52))  # written after the copy was made, read before the truncation
    rig.running._discovery.look(os.fsencode(a), rig.now)
    rig.read_all()
    os.truncate(a, 0)
    rig.release()
    rig.commit()
    rig.write("a.log", numbered(200, 203))
    rig.run(5)
    assert sorted(rig.lines()) == split(numbered(0, 52) + numbered(200, 203))


def test_case_014_a_copy_is_taken_once(begun: Begun) -> None:
    rig = begun.rig
    rig.copytruncate("a.log", "a.log.1")
    rig.run(3)
    assert len(rig.lines()) == 100
    rig.copytruncate("a.log.1", "a.log.2")
    rig.run(5)
    assert sorted(rig.lines()) == split(numbered(0, 100))


def test_case_015_a_writer_that_keeps_its_offset_leaves_no_nuls_in_any_line(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 500))
    rig.start().run()
    with a.open("r+b") as writer:
        writer.seek(0, os.SEEK_END)
        place = writer.tell()
        os.truncate(a, 0)
        rig.run(1)
        writer.write(numbered(500, 503).encode())
        writer.flush()
        rig.run(1)
        writer.write(numbered(503, 504).encode())
        writer.flush()
    rig.run(1)
    assert rig.lines() == split(numbered(0, 504))
    assert rig.counters.total("bytes_skipped", reason="nul") == place
    assert (2, place) in rig.delivered
    rig.stop().start().run()
    assert len(rig.lines()) == 504


def test_case_016_refilled_to_the_old_position_is_read_from_the_start(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 50))
    rig.start().run()
    a.write_text(numbered(100, 150))
    os.utime(a, ns=(10**18, 10**18))
    rig.run(1)
    assert rig.lines() == split(numbered(0, 50) + numbered(100, 150))


def test_case_016_refilled_past_the_old_position_is_read_from_the_start(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 50))
    rig.start().run()
    a.write_text(numbered(100, 170))
    rig.run(1)
    assert rig.lines() == split(numbered(0, 50) + numbered(100, 170))


def test_case_016_refilled_while_stopped_is_read_from_the_start(stand: Make) -> None:
    for stop in (150, 170):
        rig = stand(f"{stop}.log")
        a = rig.write(f"{stop}.log", numbered(0, 50))
        rig.start().run().stop()
        a.write_text(numbered(100, stop))
        rig.start().run(1)
        assert rig.lines() == split(numbered(0, 50) + numbered(100, stop))


def test_case_016_a_refill_with_the_same_end_but_another_beginning_is_noticed(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", "first start\n" + "tick\n" * 100)
    rig.start().run()
    a.write_text("other start\n" + "tick\n" * 120)
    rig.run(1)
    assert len(rig.lines()) == 101 + 121


def test_case_017_truncated_while_slots_are_full_delivers_them_and_then_the_new_content(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 50))
    rig.start()
    rig.read()
    os.truncate(a, 0)
    rig.write("a.log", numbered(100, 110))
    rig.poll(1)
    rig.read_all()
    assert len(rig.pending) == 2
    rig.release()
    rows = rig.running.cut()
    rig.write("a.log", numbered(110, 112))
    rig.poll(1)
    rig.read_all()
    rig.running.committed(rows)  # late: the old generation's row must not move the new one
    rig.rewind()
    rig.run()
    assert rig.lines()[-2:] == split(numbered(110, 112))
    assert [(row["offset"], row["ended"]) for row in rows.values()] == [
        (len(numbered(0, 50)), True),
        (len(numbered(100, 110)), False),
    ]


def test_case_018_moved_truncated_and_moved_back(stand: Make) -> None:
    rig = stand("a.log")
    a = rig.write("a.log", numbered(0, 50))
    rig.start().run()
    b = a.rename(rig.directory / "b")
    rig.run(2)
    os.truncate(b, 0)
    rig.run(1)
    b.rename(a)
    rig.write("a.log", numbered(100, 110))
    rig.run(8)
    assert rig.lines() == split(numbered(0, 50) + numbered(100, 110))


def test_case_018_moved_for_long_and_back_and_then_copied_and_truncated_between_two_scans(stand: Make) -> None:
    rig = stand("*.log")
    a = rig.write("a.log", numbered(0, 50))
    rig.start().run()
    b = a.rename(rig.directory / "b")
    rig.run(8)  # longer than close_after: it has ended
    b.rename(a)
    (rig.directory / "copy.log").write_bytes(a.read_bytes() + numbered(50, 52).encode())
    os.truncate(a, 0)
    rig.write("a.log", numbered(100, 110))
    rig.run(8)
    assert sorted(rig.lines()) == sorted(split(numbered(0, 52) + numbered(100, 110)))


def test_case_018_positions_past_four_gib_are_right(stand: Make) -> None:
    rig = stand()
    a = rig.directory / "a.log"
    far = (4 << 30) + 7
    with a.open("wb") as file:
        file.seek(far)
        file.write(numbered(0, 3).encode())
    rig.start().run()
    rig.write("a.log", numbered(3, 5))
    rig.run(1)
    assert rig.lines() == split(numbered(0, 5))
    assert rig.rows[1].offset == far + len(numbered(0, 5))
    os.truncate(a, 0)
    rig.write("a.log", numbered(5, 6))
    rig.run(1)
    assert rig.lines() == split(numbered(0, 6))
