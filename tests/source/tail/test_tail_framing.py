"""Lines and chunks: whatever the buffer, the reads and the pauses, the lines are the same."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

Make = Callable[..., Any]
MAX_LINE = 40


def whole_lines(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data.split(b"\n")[:-1]]


@settings(max_examples=150)
@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\xff\xfe", b"x" * MAX_LINE, b"y" * (MAX_LINE + 1)]),
            st.integers(1, 5).map(lambda count: b"line\n" * 10 * count),
            st.just(b"z" * 300),
        ),
        max_size=12,
    ),
    extra=st.integers(0, 200),
    restarts=st.booleans(),
)
def test_case_031_every_chunking_gives_the_same_lines(
    stand: Make, pieces: list[bytes], extra: int, restarts: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        rig = stand(buffer=MAX_LINE + 2 + extra, max_line_bytes=MAX_LINE)
        rig.directory = Path(directory)
        rig.settings = type(rig.settings)(paths=(directory + "/*.log",), max_line_bytes=MAX_LINE)
        data = b"#"  # (leading NULs would be skipped)
        rig.write("a.log", data)
        rig.start()
        for piece in pieces:
            rig.write("a.log", piece)
            data += piece
            rig.run(1)
            if restarts:
                rig.stop().start()
        rig.run(1)
        rig.stop()
        lines = whole_lines(data)
        assert [line for _, line in rig.delivered.values()] == [line for line in lines if len(line) <= MAX_LINE + 1]
        long = [line for line in lines if len(line) > MAX_LINE + 1]
        assert [length for length, _ in rig.oversize.values()] == [len(line) - 1 for line in long]
        assert all(line.startswith(kept) for line, (_, kept) in zip(long, rig.oversize.values(), strict=True))


def test_case_027_a_line_in_two_halves_over_a_pause_a_restart_and_a_kill_is_one_line(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", "one\ntw")
    rig.start().run(2)
    rig.write("a.log", "o\nth")
    rig.run(1)
    rig.stop().start().run(1)
    rig.write("a.log", "r")
    rig.run(1)
    rig.poll(1)
    rig.read_all()
    rig.crash().start()
    rig.write("a.log", "ee\n")
    rig.run(1)
    assert rig.lines() == ["one\n", "two\n", "three\n"]


def test_case_028_an_unterminated_last_line_waits_as_long_as_the_file_has_a_name(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", "one\ntwo")
    rig.start().run(60)
    assert rig.lines() == ["one\n"]


def test_case_028_until_eof_leaves_an_unterminated_last_line_for_the_next_run(stand: Make) -> None:
    rig = stand(until_eof=True)
    rig.write("a.log", "one\ntwo")
    rig.start()
    assert not rig.running.exhausted
    rig.run()
    assert rig.running.exhausted
    assert rig.lines() == ["one\n"]
    rig.stop()
    rig.write("a.log", " and more\n")
    rig.start().run()
    assert rig.running.exhausted
    assert rig.lines() == ["one\n", "two and more\n"]


def test_until_eof_reads_to_the_size_of_the_first_scan_and_no_further(stand: Make) -> None:
    rig = stand(until_eof=True)
    rig.write("a.log", "one\ntwo\n")
    rig.write("empty.log", "")
    rig.start()
    rig.write("a.log", "three\n")
    rig.write("b.log", "four\n")
    rig.run(3)
    assert rig.running.exhausted
    assert rig.lines() == ["one\n", "two\n"]
    rig.stop().start().run()
    assert sorted(rig.lines()) == ["four\n", "one\n", "three\n", "two\n"]


def test_until_eof_is_not_exhausted_before_every_file_is_read(stand: Make) -> None:
    rig = stand(until_eof=True)
    for number in range(5):
        rig.write(f"{number}.log", f"{number}\n")
    rig.start()
    for _ in range(5):
        assert not rig.running.exhausted
        assert rig.read() is not None
    assert rig.read() is None
    assert rig.running.exhausted


def test_until_eof_does_not_wait_for_a_file_that_is_gone(stand: Make) -> None:
    rig = stand(until_eof=True, max_open=8)
    rig.write("a.log", "one\ntwo\n")
    rig.start().run().stop()
    (rig.directory / "a.log").unlink()
    rig.start().run()
    assert rig.running.exhausted


def test_case_030_an_endless_line_costs_its_own_bytes_and_its_neighbours_are_whole(stand: Make) -> None:
    rig = stand(buffer=200_002, max_line_bytes=200_000)
    rig.write("a.log", "before\n" + "x" * 150_000)
    rig.start().run()
    length = 150_000
    searched = 0
    for _ in range(20):
        rig.write("a.log", "x" * 50_000)
        length += 50_000
        rig.poll(1)
        (file,) = rig.running._registry.living.values()
        before = file.cursor.scanned.offset
        rig.read_all()
        searched += (
            rig.running._registry.living[next(iter(rig.running._registry.living))].cursor.scanned.offset - before
        )
    assert searched == 20 * 50_000
    rig.write("a.log", "\nafter\n")
    rig.run(1)
    assert rig.lines() == ["before\n", "after\n"]
    assert rig.oversize == {(1, 7): (length, b"x" * (64 << 10))}


def test_case_030_an_over_long_line_across_a_restart_is_one_dead_letter(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", "before\n" + "x" * 5000)
    rig.start().run().stop()
    rig.write("a.log", "y" * 5000)
    rig.start().run(1)
    rig.stop()
    rig.write("a.log", "\nafter\n")
    rig.start().run(1)
    assert rig.lines() == ["before\n", "after\n"]
    assert rig.oversize == {(1, 7): (10_000, b"x" * 5000 + b"y" * 5000)}
    assert rig.rows[1].offset == len("before\n") + 10_001 + len("after\n")


def test_case_030_a_long_line_within_the_limit_that_comes_in_pieces_is_a_line(stand: Make) -> None:
    rig = stand(buffer=300_002, max_line_bytes=300_000)
    rig.write("a.log", "before\n")
    rig.start().run()
    for _ in range(6):
        rig.write("a.log", "x" * 50_000)
        rig.run(1)
    rig.write("a.log", "\nafter\n")
    rig.run(1)
    assert rig.lines() == ["before\n", "x" * 300_000 + "\n", "after\n"]


def test_case_030_an_over_long_last_line_of_a_finished_file_is_a_dead_letter(stand: Make) -> None:
    rig = stand()
    path = rig.write("a.log", "before\n" + "x" * 5000)
    rig.start().run()
    path.unlink()
    rig.run(12)
    assert rig.oversize == {(1, 7): (5000, b"x" * 5000)}
    assert rig.rows[1].ended
    assert rig.counters.total("bytes_unread") == 0


def test_case_032_a_line_of_exactly_the_limit_is_a_line_and_one_byte_more_is_not(stand: Make) -> None:
    rig = stand(buffer=1002)
    rig.write("a.log", "a" * 1000 + "\n" + "b" * 1001 + "\n" + "c" * 1000 + "\n")
    rig.start().run()
    assert rig.lines() == ["a" * 1000 + "\n", "c" * 1000 + "\n"]
    assert [length for length, _ in rig.oversize.values()] == [1001]


def test_an_over_long_line_among_others_in_one_buffer_is_cut_out(stand: Make) -> None:
    rig = stand(buffer=1 << 16)
    rig.write("a.log", "one\n" * 300 + "x" * 1500 + "\n" + "two\n" * 300)
    rig.start().run()
    assert rig.lines() == ["one\n"] * 300 + ["two\n"] * 300
    assert rig.oversize == {(1, 1200): (1500, b"x" * 1500)}
    assert [chunk.end for chunk in rig.chunks] == [1200, 2701, 3901]


def test_case_033_empty_lines_are_handed_on(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", "\n\none\n\n")
    rig.start().run()
    assert rig.lines() == ["\n", "\n", "one\n", "\n"]


def test_a_partial_release_is_where_a_restart_goes_on(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", "one\ntwo\nthree\n")
    rig.start()
    chunk, data = rig.read(), bytes(rig.buffer[:14])
    rig.running.released(chunk, 8, memoryview(data))
    rig.pending = []
    rig.commit()
    assert rig.rows[1].offset == 8
    rig.crash().start().run()
    assert rig.lines() == ["three\n"]
    assert rig.counters.total("bytes_read") == 14


def test_rewind_goes_back_to_the_committed_position(stand: Make) -> None:
    rig = stand(buffer=1002)
    rig.write("a.log", "".join(f"{number:09}\n" for number in range(500)))
    rig.start()
    rig.read()
    rig.read()
    rig.release()
    rig.commit()
    rig.read()
    rig.release()
    rig.read()
    rig.rewind()
    rig.run()
    assert [line for _, line in rig.delivered.values()] == [f"{number:09}\n".encode() for number in range(500)]


def test_a_file_of_nothing_but_nuls_is_passed_over_and_read_when_something_follows(stand: Make) -> None:
    rig = stand()
    path = rig.write("a.log", b"\0" * 200_000)
    rig.start().run(2)
    assert rig.chunks == []
    rig.write("a.log", "one\n")
    rig.run(1)
    assert rig.lines() == ["one\n"]
    path.unlink()
    rig.run(7)
    assert rig.rows[1].ended


def test_a_deleted_file_of_nothing_but_nuls_is_let_go(stand: Make) -> None:
    rig = stand()
    path = rig.write("a.log", b"\0" * 5000)
    rig.start().run(1)
    path.unlink()
    rig.run(7)
    assert rig.rows[1].ended


def test_a_sparse_hole_is_jumped_over_not_read(stand: Make) -> None:
    rig = stand()
    with (rig.directory / "a.log").open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
        file.seek(1 << 40)
        file.write(b"one\n")
    rig.start().run()
    assert rig.lines() == ["one\n"]
    assert rig.counters.total("bytes_skipped", reason="nul") == 1 << 40
