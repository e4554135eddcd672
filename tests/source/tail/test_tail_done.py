"""Files that are deleted when they are done: read to the end, committed, and open for writing nowhere."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .tail_stand import Stand, numbered

LINES = numbered(0, 3000)


@pytest.fixture
def rig(stand: Callable[..., Stand]) -> Stand:
    return stand("*.log*", on_done="delete", close_after=2.0)


def names(rig: Stand) -> list[str]:
    return sorted(path.name for path in rig.directory.iterdir())


def test_a_file_goes_when_it_is_read_committed_and_quiet(rig: Stand) -> None:
    rig.write("a.log", LINES)
    rig.start().run(1)
    assert names(rig) == ["a.log"]
    rig.run(4)
    assert names(rig) == []
    assert "".join(rig.lines()) == LINES
    assert [note["offset"] for note in rig.notes.of("file.deleted")] == [len(LINES)]
    rig.check_balances()
    rig.stop().start().run(3)
    assert rig.running.missing == []


def test_what_was_not_read_to_its_end_stays(rig: Stand) -> None:
    rig.write("half.log", "a line\nhalf a line")
    rig.write("empty.log", "")
    rig.start().run(10)
    assert names(rig) == ["empty.log", "half.log"]
    rig.write("half.log", "\n")
    rig.run(5)
    assert names(rig) == ["empty.log"]
    assert rig.lines() == ["a line\n", "half a line\n"]


def test_what_somebody_has_open_for_writing_stays_until_it_is_closed(rig: Stand) -> None:
    with rig.write("a.log", "one\n").open("ab", buffering=0) as writer:
        rig.start().run(10)
        assert names(rig) == ["a.log"]
        writer.write(b"two\n")
        rig.run(10)
    rig.run(3)
    assert names(rig) == []
    assert rig.lines() == ["one\n", "two\n"]


def test_it_goes_only_after_the_commit_that_ends_it(rig: Stand) -> None:
    rig.write("a.log", "one\n")
    rig.start().run(1)
    rig.poll(5)
    rig.running.cut()
    assert names(rig) == ["a.log"]
    rig.rewind()
    rig.poll(1)
    assert names(rig) == ["a.log"]
    rig.run(8)
    assert names(rig) == []
    assert rig.lines() == ["one\n"]
    rig.check_balances()


def test_killed_between_commit_and_deletion_it_is_deleted_later(rig: Stand) -> None:
    rig.write("a.log", "one\n")
    rig.start().run(4)
    assert rig.rows[1].ended
    path = rig.write("a.log", "one\n")
    os.utime(path)
    rig.rows[1].inode = path.stat().st_ino
    rig.crash().start().run(6)
    assert names(rig) == []
    assert rig.lines() == ["one\n"]


def test_what_is_written_at_the_last_moment_is_read(rig: Stand) -> None:
    rig.write("a.log", "one\n")
    rig.start().run(1)
    rig.poll(5)  # it has ended, and that is not committed yet
    rig.write("a.log", "two\n")
    rig.commit()
    assert names(rig) == ["a.log"]
    rig.run(8)
    assert names(rig) == []
    assert rig.lines() == ["one\n", "two\n"]
    rig.check_balances()


def test_a_symbolic_link_stays_and_that_is_said_once(rig: Stand, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("one\n")
    (rig.directory / "a.log").symlink_to(elsewhere)
    rig.start().run(20)
    assert (rig.directory / "a.log").exists()
    assert len(rig.notes.of("file.not_deleted")) == 1
    assert rig.lines() == ["one\n"]


def test_case_036_what_could_not_be_read_whole_stays(stand: Callable[..., Stand]) -> None:
    rig = stand("*.log*", on_done="delete", compressed="read", close_after=2.0)
    packed = gzip.compress(LINES.encode())
    rig.write("whole.log.gz", packed)
    rig.write("broken.log.gz", packed[:-4] + b"\0\0\0\0")
    rig.write("other.log.xz", b"\xfd7zXZ\x00" + bytes(100))
    for _ in range(2):
        rig.start().run(20)
        assert names(rig) == ["broken.log.gz", "other.log.xz"]
        rig.stop()
    late = stand(on_done="delete", read_from="end", close_after=2.0)
    late.write("a.log", "not read\n")
    late.start().run(10)
    assert "a.log" in names(late)


def test_a_run_to_the_end_deletes_what_it_has_read(stand: Callable[..., Stand]) -> None:
    rig = stand("*.log*", on_done="delete", until_eof=True, compressed="read")
    rig.write("a.log", LINES)
    rig.write("b.log", "one\nhalf")
    rig.write("c.log.gz", gzip.compress(LINES.encode()))
    rig.start()
    while not rig.running.exhausted:
        rig.run(1)
    rig.running.leave()
    assert names(rig) == ["a.log", "b.log", "c.log.gz"]
    rig.commit()
    assert names(rig) == ["b.log"]


def test_what_has_grown_since_a_run_to_the_end_began_stays(stand: Callable[..., Stand]) -> None:
    rig = stand(on_done="delete", until_eof=True)
    rig.write("a.log", "one\n")
    rig.start()
    rig.write("a.log", "two\n")
    rig.run(1)
    rig.running.leave()
    rig.commit()
    assert names(rig) == ["a.log"]
    assert rig.lines() == ["one\n"]


def test_kept_is_the_default(stand: Callable[..., Stand]) -> None:
    rig = stand(close_after=1.0)
    rig.write("a.log", "one\n")
    rig.start().run(10)
    assert names(rig) == ["a.log"]
