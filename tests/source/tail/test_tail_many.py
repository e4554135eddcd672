"""Many files at once: fair turns, start positions, descriptors, and what is not to be read at all."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from typing import Any

import pytest
from tailrace.pipeline.source.tail import descriptors

Make = Callable[..., Any]


def test_case_002_read_from_end_binds_only_files_of_the_first_start(stand: Make) -> None:
    rig = stand(read_from="end")
    rig.write("a.log", "old\nolder\nhal")
    rig.write("empty.log", "")
    rig.start().run()
    assert rig.lines() == []
    rig.write("a.log", "f\nnew\n")
    rig.write("empty.log", "first\n")
    rig.write("later.log", "from the start\n")
    rig.run(1)
    assert sorted(rig.lines()) == ["first\n", "from the start\n", "half\n", "new\n"]
    rig.stop()
    rig.write("stopped.log", "also from the start\n")
    rig.start().run()
    assert rig.lines("stopped.log") == ["also from the start\n"]


def test_case_002_read_from_end_with_no_file_at_the_first_start(stand: Make) -> None:
    rig = stand(read_from="end")
    rig.start().run().stop()
    rig.write("a.log", "one\n")
    rig.start().run()
    assert rig.lines() == ["one\n"]


def test_case_002_read_from_end_goes_on_after_the_last_newline_over_a_restart(stand: Make) -> None:
    rig = stand(read_from="end")
    rig.write("a.log", "old\n" * 50_000)
    rig.start().run().stop()
    rig.write("a.log", "new\n")
    rig.start().run()
    assert rig.lines() == ["new\n"]


def test_case_002_the_first_start_is_not_forgotten_when_all_rows_are_retired(stand: Make) -> None:
    rig = stand(read_from="end")
    path = rig.write("a.log", "one\n")
    rig.start().run()
    path.unlink()
    rig.run(7)
    rig.now += 3600
    rig.run(1)
    rig.stop()
    rig.write("b.log", "two\n")
    rig.start().run()
    assert rig.lines() == ["two\n"]


def test_case_002_a_modification_time_in_1970_or_the_future_wedges_nothing(stand: Make) -> None:
    rig = stand()
    os.utime(rig.write("a.log", "one\n"), (0, 0))
    os.utime(rig.write("b.log", "two\n"), (2**40, 2**40))
    rig.start().run(1)
    assert sorted(rig.lines()) == ["one\n", "two\n"]


def test_case_041_more_files_than_descriptors_each_line_once(stand: Make) -> None:
    rig = stand(max_open=10)
    for number in range(50):
        rig.write(f"{number}.log", f"{number} one\n{number} two\n")
    rig.start().run()
    assert len(rig.running._descriptors) <= 10
    for number in range(50):
        rig.write(f"{number}.log", f"{number} three\n")
        if number % 7 == 0:
            (rig.directory / f"{number}.log").rename(rig.directory / f"{number}.log.1")
    rig.run(2)
    wanted = sorted(f"{number} {word}\n" for number in range(50) for word in ("one", "two", "three"))
    assert sorted(rig.lines()) == wanted
    assert len(rig.rows) == 50
    assert len(rig.running._descriptors) <= 10
    rig.stop().start().run(7)
    assert len(rig.lines()) == 150
    assert rig.counters.total("bytes_unread") == 0


def test_case_041_a_deleted_file_keeps_its_descriptor_until_it_is_read(stand: Make) -> None:
    rig = stand(buffer=1002, max_open=1)
    path = rig.write("a.log", "123456789\n" * 300)
    rig.start()
    rig.read()
    path.unlink()
    rig.poll(1)
    rig.write("b.log", "one\n")
    rig.poll(1)
    rig.run(10)
    assert rig.lines("a.log") == ["123456789\n"] * 300
    assert rig.lines("b.log") == ["one\n"]
    assert len(rig.notes.of("file.unreadable")) == 1


def test_a_new_file_that_lost_its_descriptor_and_its_name_ends_nothing(stand: Make) -> None:
    rig = stand(max_open=1)
    text = "123456789\n" * 100
    rig.write("a.log", text)
    rig.start().run()
    copy = rig.write("a.log.1", text)
    rig.poll(1.0)  # a copy in the making, perhaps: it waits
    rig.write("a.log", "more\n")
    rig.run(1)  # takes the one descriptor
    copy.unlink()
    rig.run(4)
    assert rig.lines() == ["123456789\n"] * 100 + ["more\n"]


def test_case_041_the_allowance_leaves_a_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    assert descriptors.allowance() == 100 - 64


def test_case_041_descriptors_run_out_elsewhere_and_come_back(stand: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = stand()
    rig.write("a.log", "one\n")
    rig.start().run()
    rig.write("b.log", "two\n")
    real = os.open

    def full(*_: Any, **__: Any) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", full)
    rig.run(3)
    monkeypatch.setattr(os, "open", real)
    rig.run(1)
    assert rig.lines() == ["one\n", "two\n"]
    assert len(rig.notes.of("file.unreadable")) == 1


def test_new_files_are_registered_together(stand: Make) -> None:
    rig = stand()
    for number in range(100):
        rig.write(f"{number}.log", f"{number}\n")
    rig.start().run()
    assert rig.registered == [100]


def test_new_files_that_the_state_does_not_take_are_registered_the_next_time(stand: Make) -> None:
    rig = stand().start()
    register = rig.register
    rig.running._discovery._new_files._register = Disk(register, failures=1)
    rig.write("a.log", "one\n")
    with pytest.raises(OSError, match="full"):
        rig.poll(1.0)
    rig.rewind()
    rig.run(1)
    assert rig.lines() == ["one\n"]


class Disk:
    """Takes what it is given, but for the first times."""

    def __init__(self, take: Callable[..., Any], failures: int) -> None:
        self._take, self._failures = take, failures

    def __call__(self, rows: Any) -> Any:
        self._failures -= 1
        if self._failures >= 0:
            raise OSError(errno.ENOSPC, "the disk is full")
        return self._take(rows)


def test_case_069_a_flood_does_not_hold_up_quiet_files(stand: Make) -> None:
    rig = stand(buffer=1002)
    rig.write("flood.log", "flood\n" * 20_000)
    for number in range(99):
        rig.write(f"{number}.log", "quiet\n" * 2)
    rig.start()
    for _ in range(100):
        assert rig.read() is not None
    assert len({chunk.name for chunk in rig.chunks}) == 100


def test_a_file_that_may_have_no_further_slot_does_not_lose_its_turn_nor_block_others(stand: Make) -> None:
    rig = stand(buffer=1002)
    rig.write("a.log", "aaaaa\n" * 1000)
    rig.write("b.log", "bbbbb\n" * 1000)
    rig.start()
    for _ in range(6):
        chunk = rig.read(lambda file_id: file_id == 1)
        assert chunk.stream == 2
    assert rig.read(lambda _: True) is None
    assert rig.poll() > 0  # nothing to do until a slot is released
    rig.release()
    assert rig.poll() == 0
    assert rig.read() is not None


def test_poll_says_when_it_wants_to_be_called_again(stand: Make) -> None:
    rig = stand()
    rig.start()
    assert 0 < rig.poll() <= 1
    rig.write("a.log", "one\n")
    assert rig.poll(1) == 0
    rig.run()
    assert 0 < rig.poll() <= 1
