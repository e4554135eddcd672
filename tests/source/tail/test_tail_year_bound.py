"""No record of a file is from after the file's last write: the bound that guides times without a year."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .tail_stand import numbered

Make = Callable[..., Any]

OLD = 1_732_528_800  # 2024-11-25T10:00:00Z
NOW = 1.7e9 + 1e8  # the wall clock


def aged(path: os.PathLike[str], when: int = OLD) -> None:
    os.utime(path, (when, when))


def bounds(rig: Any) -> list[tuple[str, float]]:
    return [(chunk.name, chunk.year_bound) for chunk in rig.chunks]


def test_what_was_there_is_not_from_after_the_last_write(stand: Make) -> None:
    rig = stand(wall=lambda: NOW)
    aged(rig.write("a.log", numbered(0, 5)))
    rig.start().run()
    (chunk,) = rig.chunks
    assert (chunk.year_bound, chunk.clock) == (OLD, NOW)


def test_what_appeared_while_we_watched_is_not_from_after_now_however_old_the_file_claims_to_be(stand: Make) -> None:
    rig = stand(wall=lambda: NOW)
    log = rig.write("a.log", numbered(0, 5))
    aged(log)
    rig.start().run()
    rig.write("a.log", numbered(5, 9))
    aged(log)  # as mounts do that write the time lazily
    rig.run(2)
    assert bounds(rig) == [("a.log", OLD), ("a.log", NOW)]


def test_a_last_write_in_the_future_counts_for_what_appeared_while_we_watched(stand: Make) -> None:
    rig = stand(wall=lambda: NOW)
    log = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    rig.write("a.log", numbered(5, 9))
    aged(log, int(NOW) + 5000)
    rig.run(2)
    assert bounds(rig)[-1] == ("a.log", int(NOW) + 5000)


def test_lines_that_were_there_keep_their_bound_when_the_file_grows_before_they_are_read(stand: Make) -> None:
    rig = stand(wall=lambda: NOW, buffer=1002)
    aged(rig.write("a.log", numbered(0, 50)))
    rig.start()
    rig.write("a.log", numbered(50, 60))
    rig.run(2)
    assert rig.lines() == numbered(0, 60).splitlines(keepends=True)
    there = len(numbered(0, 50))
    for chunk in rig.chunks:
        assert chunk.year_bound == (OLD if chunk.end <= there else NOW), chunk


def test_what_was_written_while_we_were_stopped_is_bound_by_the_last_write(stand: Make) -> None:
    rig = stand(wall=lambda: NOW)
    log = rig.write("a.log", numbered(0, 5))
    aged(log, OLD - 1000)
    rig.start().run()
    rig.stop()
    rig.write("a.log", numbered(5, 9))
    aged(log)
    rig.start().run()
    assert bounds(rig) == [("a.log", OLD - 1000), ("a.log", OLD)]


def test_an_old_file_that_is_moved_in_is_as_old_as_it_says(stand: Make) -> None:
    rig = stand(wall=lambda: NOW)
    rig.start().run()
    aged(rig.write("elsewhere", numbered(0, 5)))
    (rig.directory / "elsewhere").rename(rig.directory / "b.log")
    rig.run(2)
    assert bounds(rig) == [("b.log", OLD)]


def test_a_new_generation_has_a_bound_of_its_own(stand: Make) -> None:
    rig = stand(wall=lambda: NOW)
    log = rig.write("a.log", numbered(0, 5))
    rig.start().run()
    os.truncate(log, 0)
    rig.write("a.log", numbered(5, 7))
    aged(log)
    rig.run(4)
    assert bounds(rig)[-1] == ("a.log", OLD)
