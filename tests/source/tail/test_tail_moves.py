"""What a person changes of where files are read: only where it is the same content, and so that it all adds up."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.source.tail.moves import moved, streams_of
from tailrace.pipeline.source.tail.position import Position

from .tail_stand import Begun, Stand, numbered

Make = Callable[..., Stand]


def cursors(rig: Stand) -> dict[int, Any]:
    return {stream: row.to_json() for stream, row in rig.rows.items()}


def the_row(rig: Stand) -> Position:
    (row,) = [row for row in rig.rows.values() if row.path]
    return row


def test_a_file_is_found_by_its_path_and_by_a_link_to_it(begun: Begun) -> None:
    rig = begun.rig
    link = rig.directory.parent / "link"
    link.symlink_to(rig.directory)
    for path in (str(begun.log), str(link / "a.log")):
        assert [row.file_id for row in streams_of(cursors(rig), path)] == [the_row(rig).file_id]


def test_a_file_that_is_not_known_is_refused_with_one_that_is_near(begun: Begun) -> None:
    with pytest.raises(TailraceError, match=r"knows no such file; did you mean .*a\.log\? `tailrace state show`"):
        streams_of(cursors(begun.rig), str(begun.log.with_name("aa.log")))
    with pytest.raises(TailraceError, match="knows no such file; `tailrace state show`"):
        streams_of({}, "/nowhere")


def test_of_ended_ones_nothing_is_read_that_could_be_changed(begun: Begun) -> None:
    row = the_row(begun.rig)
    row.ended = True
    with pytest.raises(TailraceError, match="no such file"):
        streams_of({1: row.to_json()}, str(begun.log))


def test_reading_goes_on_in_the_other_file(begun: Begun) -> None:
    rig = begun.rig
    rig.crash()
    other = rig.directory / "elsewhere.log"
    other.write_bytes(begun.log.read_bytes() + numbered(100, 110).encode())
    begun.log.unlink()
    row = the_row(rig)
    changed = Position.from_json(row.file_id, moved(row, str(other)))
    assert (changed.offset, changed.name, changed.path) == (row.offset, "a.log", os.fsencode(other))
    assert changed.ledger["pending"] == changed.size - changed.offset == other.stat().st_size - row.offset
    assert changed.ledger["seen"] == changed.size
    rig.rows[row.file_id] = changed
    rig.start().run(3.0)
    rig.check_balances()
    assert "".join(rig.lines()) == numbered(0, 110)
    assert {name for name, _ in rig.delivered.values()} == {"a.log"}
    assert len(rig.rows) == 1


def test_what_does_not_hold_what_was_read_is_refused(begun: Begun) -> None:
    rig, row = begun.rig, the_row(begun.rig)
    content = begun.log.read_bytes()
    others = {
        "shorter": content[: row.offset - 1],
        "another beginning": b"X" + content[1:],
        "another end": content[: row.offset - 2] + b"XX" + content[row.offset :],
        "nothing": b"",
    }
    for name, data in others.items():
        path = rig.write(name, data)
        with pytest.raises(TailraceError, match=r"does not hold what was read .*nothing was changed"):
            moved(row, str(path))


def test_what_cannot_be_read_is_refused(begun: Begun) -> None:
    row = the_row(begun.rig)
    fifo = begun.rig.directory / "fifo"
    os.mkfifo(fifo)
    for path, why in (("/nowhere/at/all", "No such file"), (str(begun.rig.directory), "no regular file"),
                      (str(fifo), "no regular file")):  # fmt: skip
        with pytest.raises(TailraceError, match=why):
            moved(row, path)


def test_a_file_of_which_nothing_was_read_may_be_anywhere(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 3))
    rig.start().poll()
    rig.poll(3.0)
    row = the_row(rig)
    assert row.offset == 0
    other = rig.write("b.txt", numbered(0, 3))
    assert Position.from_json(row.file_id, moved(row, str(other))).inode == other.stat().st_ino
