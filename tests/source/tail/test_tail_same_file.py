"""Is this the same file? Inodes used again, twins, links, and files that come back."""

from __future__ import annotations

from .rotation_kit import Make, open_files, split
from .tail_stand import Begun, numbered


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
