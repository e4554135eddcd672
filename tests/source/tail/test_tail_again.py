"""Bytes that were read once: given again for a dead letter, and left alone when somebody writes them again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.source import Balances, Exhausts, Progress, Rereads, Source, Whole

from .tail_stand import Begun, Stand, numbered

Make = Callable[..., Any]


def test_a_record_is_given_again_just_as_it_is_in_the_file(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", b"one\r\n\xff\x00 two\nthree\n")
    rig.start().run()
    original = rig.running.original
    assert original(1, 5, 6) == b"\xff\x00 two"
    assert original(1, 0, 4) == b"one\r"
    assert original(1, 12, 6) == b"three\n"
    assert original(1, 12, 7) is None, "there are not so many bytes"
    assert original(2, 0, 3) is None, "no such stream"


def test_a_record_of_a_file_that_was_renamed_or_is_closed_is_given(stand: Make) -> None:
    rig = stand(max_open=2)
    log = rig.write("a.log", numbered(0, 3))
    for number in range(5):
        rig.write(f"{number}.log", numbered(number * 10, number * 10 + 3))
    rig.start().run()
    log.rename(rig.directory / "a.log.1")
    rig.run(2)
    (stream,) = (stream for stream, row in rig.rows.items() if row.name == "a.log")
    assert rig.running.original(stream, 0, 6) == b"000000"


def test_a_record_of_a_deleted_file_is_given_while_it_is_open(begun: Begun) -> None:
    begun.log.unlink()
    assert begun.rig.running.original(1, 0, 6) == b"000000"


def truncated(log: Path) -> None:
    os.truncate(log, 0)


def refilled(log: Path) -> None:
    log.write_text(numbered(500, 600))


def replaced(log: Path) -> None:
    log.unlink()
    log.write_text(numbered(500, 600))


@pytest.mark.parametrize("change", [truncated, refilled])
@pytest.mark.parametrize("seen", [False, True])
def test_other_bytes_are_not_given_for_a_record(begun: Begun, change: Callable[[Path], None], seen: bool) -> None:
    change(begun.log)
    if seen:
        begun.rig.poll(2)
    assert begun.rig.running.original(1, 0, 6) is None


def test_another_file_in_its_place_does_not_give_the_record(stand: Make) -> None:
    rig = stand()
    log = rig.write("a.log", numbered(0, 100))
    rig.start().run()
    rig.running._descriptors.close_all()
    replaced(log)
    assert rig.running.original(1, 0, 6) is None


def test_the_copy_of_a_truncated_file_gives_the_record(begun: Begun) -> None:
    begun.rig.copytruncate("a.log", "a.log.1")
    begun.rig.run(5)
    assert begun.rig.rows[1].ended
    assert begun.rig.running.original(1, 0, 6) == b"000000"


def later(log: Path) -> None:
    when = log.stat().st_mtime + 5
    os.utime(log, (when, when))


def test_case_101_a_file_rewritten_with_the_same_text_is_said_and_not_read_again(stand: Make) -> None:
    """Mutation: it is not said."""
    rig = stand()
    log = rig.write("a.log", numbered(0, 10))
    rig.start().run()
    log.write_text(numbered(0, 10))
    later(log)
    rig.run(3)
    (note,) = rig.notes.of("file.rewritten")
    assert (note["file_id"], note["size"]) == (1, len(numbered(0, 10)))
    assert len(rig.lines()) == 10
    rig.write("a.log", numbered(10, 12))
    rig.run(3)
    assert rig.lines() == numbered(0, 12).splitlines(keepends=True)
    assert len(rig.notes.of("file.rewritten")) == 1


def test_growth_is_no_rewriting_whoever_sees_it_first(stand: Make) -> None:
    """A read may find more than the last scan has seen; the next scan then sees its time change, and not its size."""
    rig = stand(buffer=1002)
    log = rig.write("a.log", numbered(0, 50))
    rig.start()
    rig.read()
    rig.write("a.log", numbered(50, 90))
    later(log)
    rig.read_all()
    rig.run(3)
    assert len(rig.lines()) == 90
    assert not rig.notes.of("file.rewritten")


def test_what_nothing_was_done_to_is_not_said_at_a_restart(stand: Make) -> None:
    rig = stand()
    log = rig.write("a.log", numbered(0, 10))
    rig.start().run()
    rig.stop()
    later(log)
    rig.start().run(3)
    assert not rig.notes.of("file.rewritten"), "the state does not keep the time"


def test_keys_hold_the_state_and_the_stream(stand: Make) -> None:
    rig: Stand = stand()
    rig.write("a.log", numbered(0, 3))
    rig.write("b.log", numbered(3, 6))
    rig.start(key_prefix="k3y0f0n3").run()
    assert {(chunk.key, chunk.stream) for chunk in rig.chunks} == {("k3y0f0n3-1", 1), ("k3y0f0n3-2", 2)}


def test_the_tailer_keeps_the_contracts_of_a_source(begun: Begun) -> None:
    tail = begun.rig.running
    source: Source = tail
    parts: tuple[Exhausts, Progress, Balances, Rereads, Whole] = (tail, tail, tail, tail, tail)
    for part, kind in zip(parts, (Exhausts, Progress, Balances, Rereads, Whole), strict=True):
        assert isinstance(part, kind)
    assert source.changed is False
