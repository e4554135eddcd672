"""Rename rotation, copytruncate, truncation, deletion: the numbered cases of RELIABILITY.md that concern the tailer."""

from __future__ import annotations

import os

from .rotation_kit import Make, open_files, split
from .tail_stand import numbered


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
