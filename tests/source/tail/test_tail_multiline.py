"""Records of several lines: handed out whole, closed by time only when the state knows it, the same after a restart."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from tailrace.pipeline.encoding import UTF8
from tailrace.pipeline.framing import Framer, Multiline, lines_of

Make = Callable[..., Any]
MULTILINE = Multiline(start="^R")
FRAMER = Framer(MULTILINE)


def record(number: int, lines: int = 3) -> str:
    return f"R{number:05}\n" + "".join(f"  line {line} of {number}\n" for line in range(1, lines))


@pytest.fixture
def rig(stand: Make) -> Any:
    return stand(multiline=MULTILINE, buffer=4096, max_line_bytes=500)


def records(rig: Any) -> list[str]:
    """As a worker frames what was handed out and committed."""
    found = []
    for chunk, data in rig.handed:
        if chunk.oversize is not None:
            continue
        lines, ends = lines_of(data, UTF8)
        starts = FRAMER.starts(lines, ends)
        for a, b in zip(starts, [*starts[1:], len(lines)], strict=True):
            found.append((chunk.stream, chunk.start, b"".join(lines[a:b]).decode()))
    return [text for _, _, text in sorted(found)]


@pytest.fixture(autouse=True)
def _handed(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was committed, chunk by chunk."""
    rig.handed = []
    commit = rig.commit

    def committed() -> None:
        rig.handed += rig.released
        commit()

    monkeypatch.setattr(rig, "commit", committed)


def test_the_last_record_waits_for_the_next_one_or_for_its_time(rig: Any) -> None:
    rig.write("a.log", record(0) + "R00001\n")
    rig.start()
    rig.read_all()
    rig.release()
    rig.commit()
    assert records(rig) == [record(0)]
    rig.poll(0.9)
    rig.write("a.log", "  late line\nhalf")
    rig.poll(0.3)
    rig.read_all()
    rig.poll(0.9)
    assert rig.read() is None, "it grew in the last second"
    rig.poll(0.2)
    assert rig.read() is None, "not before the state knows"
    rig.commit()
    assert rig.rows[1].ledger["closed"] == [len(record(0)) + len("R00001\n  late line\n")]
    rig.read_all()
    rig.release()
    rig.commit()
    assert records(rig) == [record(0), "R00001\n  late line\n"]
    assert "closed" not in rig.rows[1].ledger
    rig.write("a.log", " a line\nR00002\n")
    rig.run(4)
    assert records(rig)[2:] == ["half a line\n", "R00002\n"]
    rig.check_balances()


def test_what_time_has_closed_stays_closed_after_a_crash(rig: Any) -> None:
    """Mutation: it is not in the state, or handed out before it is. A sink may have it already."""
    rig.write("a.log", record(0) + record(1))
    rig.start()
    rig.read_all()
    rig.poll(1.1)
    rig.commit()
    rig.read_all()
    assert [data.decode() for _, data in rig.pending] == [record(0), record(1)]
    rig.crash()
    rig.write("a.log", "  came when it was closed\n" + record(2))
    rig.start().run(4)
    assert records(rig) == [record(0), record(1), "  came when it was closed\n", record(2)]
    rig.check_balances()


def test_a_stop_leaves_the_last_record_open(rig: Any) -> None:
    rig.write("a.log", record(0) + "R00001\n")
    rig.start()
    rig.read_all()
    rig.release()
    rig.running.leave()
    rig.commit()
    rig.stop()
    rig.write("a.log", "  more of it\n" + record(2))
    rig.start().run(4)
    assert records(rig) == [record(0), "R00001\n  more of it\n", record(2)]


@pytest.mark.parametrize("name", ["a.log.1", "away"])
def test_a_file_that_is_renamed_or_gone_ends_its_last_record(rig: Any, name: str) -> None:
    log = rig.write("a.log", record(0) + "R00001\n  half")
    rig.start().run()
    log.rename(rig.directory / name)
    rig.write("a.log", record(5))
    rig.run(12)
    half = "R00001\n" if name == "a.log.1" else "R00001\n  half"
    assert records(rig)[:2] in ([record(0), half], [record(0), "R00001\n"])
    assert record(5) in records(rig)
    rig.check_balances()


def test_long_records_and_long_lines(rig: Any) -> None:
    """A line beyond the limit is a dead letter by itself and ends what stands before it."""
    text = record(0, 200) + record(1) + "  " + "x" * 600 + "\n" + "  behind it\n" + record(2)
    rig.write("a.log", text)
    rig.start().run(4)
    assert "".join(records(rig)) == text.replace("  " + "x" * 600 + "\n", "")
    assert [length for length, _ in rig.oversize.values()] == [602]
    assert records(rig)[-2:] == ["  behind it\n", record(2)]
    rig.check_balances()


def test_a_run_to_the_end_takes_the_last_record_unless_it_goes_on(stand: Make) -> None:
    rig = stand(multiline=MULTILINE, until_eof=True)
    rig.write("a.log", record(0) + record(1))
    rig.write("b.log", record(2) + record(3))
    rig.start()
    rig.read_all()
    rig.release()
    assert not rig.running.exhausted
    rig.write("b.log", "  it goes on\n")
    rig.run(3)
    assert rig.running.exhausted
    assert "".join(rig.lines("a.log")) == record(0) + record(1)
    assert "".join(rig.lines("b.log")) == record(2), "the next run has the rest"


def test_a_rewind_hands_the_same_records_out_again(rig: Any) -> None:
    rig.write("a.log", record(0) + record(1))
    rig.start()
    rig.read_all()
    rig.poll(1.1)
    rig.commit()
    rig.read_all()
    rig.rewind()
    os.truncate(rig.directory / "a.log", (rig.directory / "a.log").stat().st_size)
    rig.run(3)
    assert records(rig) == [record(0), record(1)]


def test_what_is_not_read_yet_keeps_a_record_open(rig: Any) -> None:
    """Mutation: only its growth counts. While all slots are in use, or with a slow sink, lines of the record wait."""
    rig.write("a.log", "R00001\n")
    rig.start()
    rig.read_all()
    rig.write("a.log", "  more of it\n")
    rig.poll(1.0)
    rig.poll(5.0)
    rig.commit()
    rig.run(3)
    assert records(rig) == ["R00001\n  more of it\n"]


def test_what_a_read_finds_is_growth(rig: Any) -> None:
    """Mutation: only what a scan finds is."""
    rig.write("a.log", record(0))
    rig.start()
    rig.write("a.log", "  half")
    rig.poll(3.0)
    rig.poll(3.0)
    rig.write("a.log", " a line\n  and another one\n")
    rig.read_all()
    assert not rig.running.changed, "nothing is closed"
    rig.write("a.log", "  one more\n")
    rig.run(3)
    assert records(rig) == [record(0) + "  half a line\n  and another one\n  one more\n"]


def test_a_record_that_time_has_closed_is_not_handed_out_with_more_before_the_state_knows(rig: Any) -> None:
    """Mutation: what came meanwhile is read with it. After a crash it would be two records, and was one."""
    rig.write("a.log", record(0))
    rig.start()
    rig.read_all()
    rig.poll(1.1)
    cursors = rig.running.cut()
    rig.write("a.log", "  came late\n" + record(1))
    rig.poll(1.0)
    assert rig.read() is None
    rig.running._registry.dirty |= cursors.keys()
    rig.commit()
    rig.run(4)
    assert records(rig) == [record(0), "  came late\n", record(1)]


def test_a_full_buffer_that_waits_for_the_state_closes_nothing_more(stand: Make) -> None:
    """Mutation: what does not fit into the buffer is not looked for before time closes what does."""
    rig = stand(multiline=Multiline(start="^R", max_bytes=1024), buffer=1528, max_line_bytes=500)
    rig.write("a.log", record(0))
    rig.start()
    rig.read_all()
    rig.poll(1.1)
    rig.write("a.log", "".join(f"  line {n:03}\n" for n in range(300)))
    rig.poll(1.0)
    assert rig.read() is None
    rig.commit()
    rig.poll(5.0)
    rig.commit()
    assert rig.rows[1].ledger["closed"] == [len(record(0))]
    rig.run(3)
    assert [chunk.end - len(record(0)) for chunk in rig.chunks] == [0, 93 * 11, 186 * 11, 279 * 11, 300 * 11]


def test_a_long_line_does_not_hide_where_time_has_closed_a_record(rig: Any) -> None:
    """Mutation: what stands before a line that is too long is handed out as it stands there."""
    rig.write("a.log", record(0))
    rig.start()
    rig.read_all()
    rig.poll(1.1)
    rig.commit()
    rig.read_all()
    assert [data.decode() for _, data in rig.pending] == [record(0)]
    rig.crash()
    rig.write("a.log", "  came late\n" + "x" * 600 + "\n")
    rig.start().run(4)
    assert records(rig) == [record(0), "  came late\n"]


@pytest.mark.parametrize("nuls", [600, 10_000])
def test_nuls_that_a_writer_fills_later_do_not_end_a_record(rig: Any, nuls: int) -> None:
    """A file that was made in advance. Mutation: they are taken for a line that is too long."""
    log = rig.write("a.log", record(0) + "R00001\n" + "\0" * nuls)
    rig.start()
    rig.read_all()
    rig.release()
    rig.commit()
    with log.open("r+b") as file:
        file.seek(len(record(0) + "R00001\n"))
        file.write(b"  more of it\n")
    os.utime(log, ns=(1, 1))
    rig.run(4)
    assert records(rig) == [record(0), "R00001\n  more of it\n"]
    rig.check_balances()


def test_a_run_to_the_end_does_not_wait_for_a_file_that_is_gone(stand: Make) -> None:
    """Mutation: its record is open for ever. It was closed to make room for the other one."""
    rig = stand(multiline=MULTILINE, until_eof=True, max_open=1)
    log = rig.write("a.log", record(0) + record(1))
    rig.write("b.log", record(2) + record(3))
    rig.start()
    rig.read_all()
    log.unlink()
    rig.run(5)
    assert rig.running.exhausted


def test_records_of_a_file_that_was_closed_to_make_room(stand: Make) -> None:
    """Mutation: only open files are looked at when a record is due."""
    rig = stand(multiline=MULTILINE, max_open=1)
    rig.write("a.log", record(0))
    rig.write("b.log", record(1))
    rig.start()
    rig.read_all()
    rig.poll(0.9)
    rig.write("a.log", "  more of it\n")
    rig.write("b.log", "  more of it\n")
    rig.poll(0.05)  # (a scan is due after a second)
    rig.now += 0.05
    rig.running._next_scan = rig.now + 1.0
    rig.poll(0.05)
    rig.run(4)
    assert "".join(rig.lines("a.log")) == record(0) + "  more of it\n"
    assert all(not row.ledger.get("closed") for row in rig.rows.values())
    assert {chunk.start for chunk in rig.chunks} == {0}


def test_a_mark_of_time_in_what_is_no_longer_there_is_forgotten(rig: Any) -> None:
    """Emptied before anything of it was committed, and written anew. Mutation: it cuts a line."""
    log = rig.write("a.log", record(0))
    rig.start()
    rig.read_all()
    rig.poll(1.1)
    rig.commit()
    os.truncate(log, 0)
    rig.poll(1.0)
    rig.write("a.log", "R" + "y" * 200 + "\n")
    rig.run(4)
    assert records(rig) == ["R" + "y" * 200 + "\n"]
