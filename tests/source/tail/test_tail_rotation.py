"""Rename rotation, copytruncate, truncation, deletion: the numbered cases of RELIABILITY.md that concern the tailer."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from tailrace.pipeline.source.tail.file import File

from .tail_stand import Begun, numbered

Make = Callable[..., Any]


def split(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def open_files(rig: Any) -> int:
    return len(rig.running._descriptors)


def living(rig: Any) -> list[File]:
    return list(rig.running._registry.living.values())


def test_lines_appended_are_delivered_once_and_in_order(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 5))
    rig.start().run()
    assert rig.lines() == split(numbered(0, 5))
    rig.write("a.log", numbered(5, 9))
    rig.run(1)
    assert rig.lines() == split(numbered(0, 9))
    assert rig.counters.total("bytes_read") == len(numbered(0, 9))


def test_case_006_late_and_new_lines_of_a_renamed_file_arrive_once(stand: Make) -> None:
    rig = stand()
    path = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    with path.open("a") as writer:
        path.rename(path.with_name("a.log.1"))
        rig.write("a.log", numbered(100, 105))
        writer.write(numbered(5, 7))
        writer.flush()
        rig.run(1)
        writer.write(numbered(7, 9))
        writer.flush()
        rig.write("a.log", numbered(105, 107))
        rig.run(1)
    assert sorted(rig.lines()) == split(numbered(0, 9)) + split(numbered(100, 107))
    assert {name for name, _ in rig.delivered.values()} == {"a.log"}
    assert len(rig.rows) == 2
    assert rig.rows[1].path.endswith(b"a.log.1")


def test_case_007_a_cascade_of_several_generations_between_two_scans(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    rig.write("a.log", numbered(5, 6))
    for start in (10, 20, 30):
        for number in (2, 1):
            if (old := a.with_name(f"a.log.{number}")).exists():
                old.rename(a.with_name(f"a.log.{number + 1}"))
        a.rename(a.with_name("a.log.1"))
        rig.write("a.log", numbered(start, start + 5))
    rig.run(1)
    wanted = numbered(0, 6) + numbered(10, 15) + numbered(20, 25) + numbered(30, 35)
    assert sorted(rig.lines()) == split(wanted)


def test_case_007_a_generation_deleted_unseen_brings_no_repeats(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    a.rename(a.with_name("a.log.1"))
    rig.write("a.log", numbered(10, 15)).unlink()
    rig.write("a.log", numbered(20, 25))
    rig.run(1)
    assert sorted(rig.lines()) == split(numbered(0, 5) + numbered(20, 25))


def test_case_008_a_file_moved_out_of_the_pattern_is_read_to_its_end_whenever_the_sink_allows(stand: Make) -> None:
    rig = stand("a.log", buffer=1002)
    a = rig.write("a.log", numbered(0, 100))
    rig.start()
    rig.read()
    a.rename(rig.directory / "moved")
    rig.write("a.log", numbered(200, 201))
    for _ in range(20):  # blocked for four times `close_after`
        rig.poll(1)
    assert open_files(rig) == 2
    rig.run(3)  # it may be that the writer was waiting too: quiet begins at the end of the file
    rig.write("moved", numbered(100, 101))
    rig.run(3)
    assert sorted(rig.lines()) == split(numbered(0, 101) + numbered(200, 201))
    rig.run(6)
    assert open_files(rig) == 1
    assert rig.rows[1].ended
    rig.stop()
    assert rig.counters.total("bytes_unread") == 0


def test_case_009_rotated_once_while_stopped_resumes_under_the_new_name(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run().stop()
    rig.write("a.log", numbered(5, 7))
    a.rename(a.with_name("a.log.1"))
    rig.write("a.log", numbered(10, 12))
    rig.start().run()
    assert sorted(rig.lines()) == split(numbered(0, 7) + numbered(10, 12))
    assert {name for name, _ in rig.delivered.values()} == {"a.log"}
    assert rig.rows[1].path.endswith(b"a.log.1")


def test_case_009_rotated_three_times_while_stopped(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run().stop()
    rig.write("a.log", numbered(5, 7))
    for start in (10, 20, 30):
        for number in (2, 1):
            if (old := a.with_name(f"a.log.{number}")).exists():
                old.rename(a.with_name(f"a.log.{number + 1}"))
        a.rename(a.with_name("a.log.1"))
        rig.write("a.log", numbered(start, start + 2))
    rig.start().run()
    wanted = numbered(0, 7) + numbered(10, 12) + numbered(20, 22) + numbered(30, 32)
    assert sorted(rig.lines()) == split(wanted)


def test_case_009_renamed_out_of_the_pattern_while_stopped_is_found_in_its_directory(stand: Make) -> None:
    rig = stand("a.log")
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run().stop()
    rig.write("a.log", numbered(5, 7))
    a.rename(a.with_name("a.log.1"))
    rig.write("a.log", numbered(10, 12))
    rig.start().run(7)
    assert sorted(rig.lines()) == split(numbered(0, 7) + numbered(10, 12))
    assert rig.counters.total("bytes_unread") == 0
    assert open_files(rig) == 1


def test_case_012_a_line_cut_by_rotation_stays_with_its_file(stand: Make) -> None:
    rig = stand("a.log")
    a = rig.write("a.log", numbered(0, 2) + "half a l")
    rig.start().run()
    a.rename(rig.directory / "moved")
    rig.write("a.log", numbered(10, 12))
    rig.run(2)
    rig.write("moved", "ine\nand another half")
    rig.run(2)
    assert "half a line\n" in rig.lines()
    assert "and another half" not in rig.lines()
    rig.run(8)
    assert rig.lines().count("and another half") == 1
    assert len(rig.lines()) == 6


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


def test_case_019_an_unlinked_file_is_drained_and_its_descriptor_released(stand: Make) -> None:
    rig = stand(buffer=1002)
    a = rig.write("a.log", numbered(0, 100))
    rig.start()
    rig.read()
    a.unlink()
    rig.run(7)
    assert rig.lines() == split(numbered(0, 100))
    assert open_files(rig) == 0
    assert rig.counters.total("bytes_unread") == 0


def test_case_020_deleted_and_remade_is_read_from_the_start(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    a.unlink()
    rig.write("a.log", numbered(100, 120))
    rig.run(1)
    assert rig.lines() == split(numbered(0, 5) + numbered(100, 120))


def test_case_020_inode_used_again_by_another_path_while_stopped(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run().stop()
    a.write_text(numbered(100, 120))  # same inode ...
    a.rename(rig.directory / "b.log")  # ... and another file, as far as anybody can see
    rig.start().run(1)
    assert rig.lines("a.log") == split(numbered(0, 5))
    assert rig.lines("b.log") == split(numbered(100, 120))


def test_case_020_an_inode_used_again_by_a_copy_is_known_for_a_copy(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 50))
    b = rig.write("b.log", numbered(100, 150))
    rig.start().run().stop()
    b.rename(rig.directory / "a.log.1")
    rig.copytruncate("a.log", "a.log.1")  # (into the inode that was b.log's)
    rig.start().run(3)
    assert sorted(rig.lines()) == split(numbered(0, 50) + numbered(100, 150))


def test_an_inode_used_again_by_a_longer_copy_is_known_for_a_copy_when_descriptors_are_few(stand: Make) -> None:
    rig = stand(max_open=1)
    b = rig.write("b.log", numbered(100, 101))
    rig.start().run()
    rig.write("a.log", numbered(0, 50))
    rig.run(1)  # takes the one descriptor
    b.rename(rig.directory / "a.log.1")
    rig.copytruncate("a.log", "a.log.1")  # (into the inode that was b.log's)
    for _ in range(3):
        rig.poll(1.0)  # no slot is free, so nothing is read
    rig.run(5)
    assert sorted(rig.lines()) == split(numbered(0, 50) + numbered(100, 101))


def test_a_file_deleted_while_stopped_is_counted_with_its_unread_bytes(begun: Begun) -> None:
    rig, a = begun.rig, begun.log
    rig.stop()
    a.unlink()
    rig.start().run(2)
    assert rig.unread("deleted") == begun.unread
    assert rig.rows[1].ended


def test_case_021_two_files_with_equal_beginnings_are_both_read_whole(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 50))
    rig.start().run()
    rig.write("b.log", numbered(0, 50))
    rig.run(1)
    assert len(rig.lines()) == 50  # may still be a copy in the making
    rig.run(4)
    assert rig.lines("a.log") == rig.lines("b.log") == split(numbered(0, 50))
    rig.write("a.log", numbered(50, 51))
    rig.write("b.log", numbered(60, 61))
    rig.run(1)
    assert len(rig.lines()) == 102


def test_case_021_a_busy_twin_does_not_wait_for_quiet(stand: Make) -> None:
    rig = stand()
    head = "# the same long header in each file\n" * 40
    rig.write("a.log", head + numbered(0, 50))
    rig.start().run()
    rig.write("b.log", head)
    for number in range(100, 110):
        rig.write("b.log", numbered(number, number + 1))
        rig.run(1)
    assert rig.lines("b.log") == split(head + numbered(100, 110))


def test_case_021_two_empty_files_are_both_read_when_they_grow(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", "")
    rig.write("b.log", "")
    rig.start().run(1)
    rig.write("a.log", numbered(0, 2))
    rig.write("b.log", numbered(0, 2))
    rig.run(4)
    assert rig.lines("a.log") == rig.lines("b.log") == split(numbered(0, 2))


def test_case_022_the_one_row_grows_with_the_head_over_restarts_at_every_stage(stand: Make) -> None:
    rig = stand()
    written = ""
    rig.write("a.log", "")
    for piece in ("", "x", "yz\n", "second line\n", numbered(0, 10), numbered(10, 60)):
        rig.write("a.log", piece)
        written += piece
        rig.start().run(1).stop()
        assert "".join(rig.lines()) == written[: written.rfind("\n") + 1]
    assert len(rig.rows) == 1
    assert rig.rows[1].head_length == 1024


def test_case_023_another_device_number_for_the_same_file_goes_on(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 5))
    rig.start().run().stop()
    device = rig.rows[1].device
    rig.rows[1].device = device + 1
    rig.write("a.log", numbered(5, 7))
    rig.start().run()
    assert rig.lines() == split(numbered(0, 7))
    assert list(rig.rows) == [1]
    assert rig.rows[1].device == device


def test_case_023_replaced_under_its_name_is_a_new_file_even_if_it_begins_alike(stand: Make) -> None:
    rig = stand("a.log")
    a = rig.write("a.log", numbered(0, 50))
    rig.start().run()
    rig.write("a.log.new", numbered(0, 50) + numbered(50, 52)).rename(a)
    rig.run(1)
    assert rig.lines() == split(numbered(0, 50) + numbered(0, 52))


def test_case_024_link_and_target_are_one_file_and_a_bad_link_holds_up_nothing(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    (rig.directory / "b.log").symlink_to(a)
    (rig.directory / "dangling.log").symlink_to(rig.directory / "nowhere")
    (rig.directory / "loop.log").symlink_to(rig.directory / "loop.log")
    c = rig.write("c.log", numbered(10, 12))
    rig.start().run()
    assert sorted(rig.lines()) == split(numbered(0, 5) + numbered(10, 12))
    assert len(rig.rows) == 2
    c.rename(rig.directory / "away")
    rig.run(7)
    assert sum(row.ended for row in rig.rows.values()) == 1


def test_case_025_a_link_switched_thirty_times_brings_every_target_to_its_end(stand: Make) -> None:
    rig = stand("current.log")
    link = rig.directory / "current.log"
    for number in range(30):
        target = rig.write(f"target-{number}", numbered(number * 10, number * 10 + 3))
        rig.directory.joinpath("next").symlink_to(target)
        rig.directory.joinpath("next").rename(link)
        if number == 0:
            rig.start()
        rig.run(1)
        rig.write(f"target-{number - 1}" if number else "unrelated", numbered(number * 10 - 5, number * 10 - 4))
    rig.run(8)
    wanted = {line for number in range(30) for line in split(numbered(number * 10, number * 10 + 3))}
    late = {line for number in range(1, 30) for line in split(numbered(number * 10 - 5, number * 10 - 4))}
    assert len(rig.lines()) == len(wanted | late)
    assert set(rig.lines()) == wanted | late
    assert open_files(rig) == 1


def test_case_026_two_hard_links_are_one_file_that_goes_on_when_one_is_removed(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    (rig.directory / "b.log").hardlink_to(a)
    rig.start().run(2)
    assert rig.counters.total("files_rotated") == 0
    a.unlink()
    rig.run(7)
    rig.write("b.log", numbered(5, 7))
    rig.run(1)
    assert rig.lines() == split(numbered(0, 7))
    assert not rig.rows[1].ended


def test_a_finished_file_that_comes_back_is_not_read_again(stand: Make) -> None:
    rig = stand("a.log")
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    away = a.rename(rig.directory / "away")
    rig.run(7)
    assert rig.rows[1].ended
    away.rename(a)
    rig.write("a.log", numbered(5, 7))
    rig.run(1)
    assert rig.lines() == split(numbered(0, 7))
    assert not rig.rows[1].ended


def test_a_file_that_comes_back_before_it_is_finished_lives_on(stand: Make) -> None:
    rig = stand("a.log")
    a = rig.write("a.log", numbered(0, 5) + "half")
    rig.start().run()
    away = a.rename(rig.directory / "away")
    rig.run(2)
    away.rename(a)
    rig.run(10)
    assert rig.lines() == split(numbered(0, 5))
    rig.write("a.log", " a line\n")
    rig.run(1)
    assert rig.lines()[-1] == "half a line\n"
    assert not rig.rows[1].ended


def test_case_049_retired_rows_leave_the_state_after_an_hour_and_touch_no_others(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 5))
    rig.write("b.log", numbered(10, 12))
    rig.start().run()
    (rig.directory / "a.log").unlink()
    rig.run(7)
    assert sorted(rig.rows) == [1, 2]
    rig.now += 3600
    rig.run(1)
    assert sorted(rig.rows) == [2]


def test_rewind_reads_a_deleted_file_again_through_its_descriptor(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start()
    rig.read_all()
    a.unlink()
    rig.poll(1)
    rig.release()
    rig.running.cut()
    for _ in range(10):
        rig.poll(1)
    rig.rewind()
    rig.run(7)
    assert rig.lines() == split(numbered(0, 5))
    assert open_files(rig) == 0


def test_rewind_makes_rows_of_the_failed_cut_due_again(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    a.rename(a.with_name("a.log.1"))
    rig.poll(1)
    assert [row["path"][-7:] for row in rig.running.cut().values()] == ["a.log.1"]
    rig.rewind()
    assert [row["path"][-7:] for row in rig.running.cut().values()] == ["a.log.1"]


def test_a_rewind_after_a_cut_goes_back_to_the_cut_and_not_to_what_was_released_since(stand: Make) -> None:
    rig = stand(buffer=1002)
    rig.write("a.log", numbered(0, 100))
    rig.start()
    first = rig.read()
    rig.release()
    rows = rig.running.cut()
    rig.read()
    rig.release()
    rig.running.committed(rows)
    rig.rewind()
    assert rig.read().start == first.end == rows[1]["offset"]


def test_a_refill_between_two_reads_is_noticed_by_the_bytes_before_the_position(stand: Make) -> None:
    rig = stand(buffer=4002)
    head = "# the same long header in each file\n" * 40
    a = rig.write("a.log", head + numbered(0, 100))
    rig.start()
    rig.read()
    a.write_text(head + numbered(200, 300))
    rig.read_all()
    rig.run(2)
    assert [line for line in rig.lines() if line >= "000200"] == split(numbered(200, 300))
    assert len({file_id for file_id, _ in rig.delivered}) == 2


def test_a_generation_after_a_truncation_keeps_the_name_the_file_was_first_seen_with(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    moved = a.rename(a.with_name("a.log.1"))
    rig.run(1)
    os.truncate(moved, 0)
    rig.write("a.log.1", numbered(10, 12))
    rig.run(1)
    assert rig.lines("a.log") == split(numbered(0, 5) + numbered(10, 12))


def test_case_015_nuls_are_passed_over_again_after_a_rewind(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", b"\0" * 10_000 + b"one\n")
    rig.start()
    rig.read_all()
    rig.rewind()
    rig.run(1)
    assert rig.lines() == ["one\n"]
    assert rig.counters.total("bytes_skipped") == 10_000


def test_a_file_that_became_shorter_than_it_was_seen_keeps_nobody_busy(stand: Make) -> None:
    rig = stand()
    a = rig.write("a.log", "one\n")
    rig.start().run()
    rig.write("a.log", "a long beginning of a line")
    rig.poll(1)
    os.truncate(a, 10)
    rig.read_all()
    rig.run(2)
    rig.write("a.log", "...\n")
    rig.run(1)
    assert rig.lines() == ["one\n", "a long...\n"]


def test_a_copy_bears_the_name_of_the_file_whose_rest_it_holds_and_its_place_goes_on(stand: Make) -> None:
    rig = stand("a.log", "archive/*")
    (rig.directory / "archive").mkdir()
    rig.write("a.log", numbered(0, 5))
    rig.start().run().stop()
    rig.write("a.log", numbered(5, 7))
    rig.copytruncate("a.log", "archive/2024-01-01")
    rig.start().run(3)
    assert rig.lines("a.log") == split(numbered(0, 7))
    assert sorted(rig.delivered)[-2:] == [(2, len(numbered(0, 5))), (2, len(numbered(0, 6)))]


def test_case_014_a_copy_made_before_the_original_was_refilled_past_the_position_is_known(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", "one one\n")
    rig.start()
    rig.read()
    rig.copytruncate("a.log", "a.log.1")
    rig.write("a.log", "two, longer\n")
    rig.run(3)
    assert rig.lines() == ["one one\n", "two, longer\n"]


def test_case_041_a_file_renamed_while_its_descriptor_was_closed_is_read_under_its_new_name(stand: Make) -> None:
    rig = stand(max_open=1)
    a = rig.write("a.log", "one\n")
    rig.write("b.log", "two\n")
    rig.start()
    a.rename(a.with_name("c.log"))
    rig.write("a.log", "three\n")
    rig.read_all()
    rig.run(2)
    assert sorted(rig.lines()) == ["one\n", "three\n", "two\n"]
