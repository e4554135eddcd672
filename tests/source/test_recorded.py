"""Recorded files: whole lines in order, from plain and packed files and pipes; damage is said and costs only itself."""

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.source import Source
from tailrace.pipeline.source.recorded.lines import BOM, OVERSIZE_KEPT, LineReader, Lines
from tailrace.pipeline.source.recorded.recorded import Recorded
from tailrace.pipeline.source.recorded.streams import Damaged
from tailrace.pipeline.telemetry.counters import Counters

from ..permissions import bound_by_permissions
from .recorded_kit import LINES, Scripted, content, drain, never, opened, read_all

TEXT = st.lists(st.binary(max_size=12) | st.just(b"\n") | st.just(b"abcdefgh" * 4), max_size=20).map(b"".join)


@given(TEXT, st.lists(st.integers(1, 9), max_size=60), st.integers(3, 20), st.integers(3, 30), st.integers(0, 10))
def test_case_031_any_cutting_gives_each_line_once_at_its_place(
    text: bytes, cuts: list[int], max_line: int, chunk: int, more: int
) -> None:
    pieces: list[bytes | Exception | None] = []
    rest = text
    for cut in cuts:
        if rest:
            pieces += [rest[:cut], None]
            rest = rest[cut:]
    pieces += [rest] if rest else []
    reader = LineReader(Scripted(pieces), max_line, chunk)
    start = len(BOM) if text.startswith(BOM) else 0
    seen = start
    size = max(max_line, chunk) + 1 + more
    for lines, data in read_all(reader, size):
        assert lines.start == seen
        seen = lines.end
        whole = text[lines.start : lines.end]
        if lines.oversize is None:
            assert data == whole
            assert data
            assert data.endswith(b"\n") or lines.end == len(text)
            assert max(map(len, data.rstrip(b"\n").split(b"\n"))) <= max_line
        else:
            line = whole.removesuffix(b"\n")
            assert b"\n" not in line
            assert len(line) == lines.oversize > max_line
            assert line.startswith(data)
            assert len(data) == min(len(line), OVERSIZE_KEPT, size)
    assert seen == len(text)


@given(
    st.text(st.sampled_from("ab\n\u010a\u0a0a\U0001f600"), max_size=60),
    st.lists(st.integers(1, 9), max_size=60),
    st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le"]),
    st.integers(4, 40),
)
def test_any_cutting_gives_each_line_of_wide_characters_at_its_place(
    text: str, cuts: list[int], name: str, max_line: int
) -> None:
    data = f"\ufeff{text}".encode(name)
    pieces: list[bytes | Exception | None] = []
    rest = data
    for cut in cuts:
        if rest:
            pieces += [rest[:cut], None]
            rest = rest[cut:]
    reader = LineReader(Scripted([*pieces, rest] if rest else pieces), max_line, 30)
    seen = 0
    for lines, found in read_all(reader, max(max_line, 30) + 4):
        assert lines.start == seen
        seen = lines.end
        whole = data[lines.start : lines.end].decode(name)
        if lines.oversize is None:
            assert found.decode(name) == whole
            assert all(len(line.encode(name)) <= max_line for line in whole.removesuffix("\n").split("\n"))
        else:
            assert len(whole.removesuffix("\n").encode(name)) == lines.oversize > max_line
    assert seen == len(data)
    assert reader.encoding.name == name


def test_recorded_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x\n")
    source: Source = opened(tmp_path / "a.log")
    assert source.cut() == {}
    source.committed({})
    with pytest.raises(TailraceError, match="run it again"):
        source.rewind()
    source.close()


def test_files_come_in_the_order_of_the_arguments_with_name_id_mtime_and_offsets(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_bytes(LINES)
    (tmp_path / "a.log").write_bytes(b"one\ntwo")
    os.utime(tmp_path / "b.log", (1e9, 1e9))
    os.utime(tmp_path / "a.log", (2e9, 2e9))
    chunks = drain(opened(tmp_path / "b.log", tmp_path / "a.log"))
    assert content(chunks) == LINES + b"one\ntwo"
    assert {(chunk.stream, chunk.name, chunk.clock) for chunk, _ in chunks} == {(1, "b.log", 1e9), (2, "a.log", 2e9)}
    assert len(chunks) > 20
    ends = [0] + [chunk.end for chunk, _ in chunks if chunk.stream == 1]
    assert [chunk.start for chunk, _ in chunks if chunk.stream == 1] == ends[:-1]
    assert chunks[-1][0].start == 0
    assert chunks[-1][0].end == 7


def test_case_028_an_unterminated_last_line_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\ntwo")
    assert content(drain(opened(tmp_path / "a.log"))) == b"one\ntwo"


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    assert drain(opened(tmp_path / "a.log")) == []


def test_case_034_a_byte_order_mark_is_skipped_and_offsets_still_count_it(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(BOM + b"one\n" + BOM + b"two\n")
    ((chunk, data),) = drain(opened(tmp_path / "a.log"))
    assert (chunk.start, chunk.end, data) == (3, 14, b"one\n" + BOM + b"two\n")


def test_case_030_an_over_long_line_costs_itself_only(tmp_path: Path) -> None:
    long = b"x" * 200_000
    (tmp_path / "a.log").write_bytes(b"one\n" + long + b"\ntwo\n" + long)
    chunks = drain(opened(tmp_path / "a.log", max_line_bytes=1000))
    assert [(chunk.oversize, data) for chunk, data in chunks] == [
        (None, b"one\n"),
        (200_000, long[:OVERSIZE_KEPT]),
        (None, b"two\n"),
        (200_000, long[:OVERSIZE_KEPT]),
    ]
    assert [chunk.start for chunk, _ in chunks] == [0, 4, 200_005, 200_009]


def test_a_file_that_may_not_have_a_slot_waits(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\n")
    source = opened(tmp_path / "a.log")
    buffer = memoryview(bytearray(1 << 16))
    assert source.read(buffer, 0.0, lambda file_id: file_id == 1) is None
    assert not source.exhausted
    assert content(drain(source)) == b"one\n"


def test_as_names_every_file_and_packing_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "access.log.gz").write_bytes(gzip.compress(b"one\n"))
    ((chunk, _),) = drain(opened(tmp_path / "access.log.gz"))
    assert chunk.name == "access.log"
    ((chunk, _),) = drain(opened(tmp_path / "access.log.gz", name_as="other.log"))
    assert chunk.name == "other.log"


def test_bytes_are_counted_as_they_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\n" + b"x" * 5000 + b"\n")
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(LINES))
    counters = Counters()
    drain(opened(tmp_path / "a.log", tmp_path / "b.log.gz", counters=counters, max_line_bytes=1000))
    assert counters.total("bytes_read") == 5005 + len(LINES)


def test_progress_counts_bytes_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\n")
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(LINES))
    total = 4 + (tmp_path / "b.log.gz").stat().st_size
    source = opened(tmp_path / "a.log", tmp_path / "b.log.gz")
    assert source.progress() == (0, total)
    drain(source)
    assert source.progress() == (total, total)


# Paths that cannot be read


def test_every_unreadable_path_is_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "good.log").write_bytes(b"x\n")
    with pytest.raises(TailraceError) as caught:
        opened(tmp_path / "good.log", tmp_path / "missing\n.log", tmp_path, "-", "-")
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/missing\\n.log: there is no such file",
        f"{tmp_path}: is a directory; name the files in it (for example with a pattern: DIRECTORY/*.log)",
        "standard input (-) can be read only once",
    ]


def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch(mode=0)
    with pytest.raises(TailraceError, match=r"permission denied: uid \d+ cannot read it"):
        bound_by_permissions(lambda: opened(tmp_path / "a.log"))


def test_a_file_that_vanishes_after_the_start_is_an_error_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\n")
    (tmp_path / "b.log").write_bytes(b"two\n")
    source = opened(tmp_path / "a.log", tmp_path / "b.log")
    (tmp_path / "a.log").unlink()
    assert content(drain(source)) == b"two\n"
    assert source.errors == [f"{tmp_path}/a.log: there is no such file"]


def test_a_read_error_ends_the_file_with_its_reason() -> None:
    reader = LineReader(Scripted([b"one\ntw", OSError(5, "Input/output error")]), 100, 100)
    assert [data for _, data in read_all(reader, 200)] == [b"one\n"]
    assert (reader.fault, reader.left_out) == ("Input/output error", 2)


def test_damage_inside_an_over_long_line_leaves_it_out() -> None:
    reader = LineReader(Scripted([b"one\n" + b"x" * 300, Damaged("cut short")]), 100, 100)
    assert [data for _, data in read_all(reader, 200)] == [b"one\n"]
    assert (reader.fault, reader.left_out) == ("cut short", 300)


# Pipes


def test_a_pipe_that_has_nothing_yet_does_not_block() -> None:
    reading, writing = os.pipe()
    source = opened("-", stdin=reading, wall=lambda: 123.0)
    buffer = memoryview(bytearray(1 << 16))
    assert source.read(buffer, 0.0, never) is None
    assert 0 < source.poll(0.0) < 1
    os.write(writing, b"one\ntw")
    assert source.poll(0.0) == 0.0
    chunk = source.read(buffer, 0.0, never)
    assert chunk is not None
    assert (chunk.name, chunk.clock, bytes(buffer[: chunk.length])) == ("stdin", 123.0, b"one\n")
    assert source.read(buffer, 0.0, never) is None
    assert not source.exhausted
    os.write(writing, b"o")
    os.close(writing)
    assert content(drain(source)) == b"two"
    assert source.progress()[1] is None
    os.close(reading)  # it is not the source's to close


def test_a_pipe_whose_writers_are_gone_is_as_large_as_what_is_left_in_it() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo\n")
    unknown = Recorded(["-"], stdin=reading)
    unknown.examine()
    os.close(writing)
    source = Recorded(["-"], stdin=reading)
    source.examine()
    assert unknown.progress() == (0, None)
    assert source.progress() == (0, 8)
    assert content(drain(source)) == b"one\ntwo\n"
    assert source.progress() == (8, 8)
    os.close(reading)


def test_an_exhausted_source_does_not_want_to_be_called_soon(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\n")
    source = opened(tmp_path / "a.log")
    drain(source)
    assert source.poll(0.0) >= 1.0


def test_a_byte_order_mark_in_pieces_from_a_pipe_is_skipped() -> None:
    reader = LineReader(Scripted([b"\xef", None, b"\xbb", None, b"\xbfone\n"]), 100, 100)
    assert list(read_all(reader, 200)) == [(Lines(3, 4, 7), b"one\n")]


def test_case_040_a_named_pipe_without_a_writer_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    source = opened(tmp_path / "pipe")
    buffer = memoryview(bytearray(1 << 16))
    assert source.read(buffer, 0.0, never) is None
    assert source.poll(0.0) > 0
    with (tmp_path / "pipe").open("wb", buffering=0) as writer:
        writer.write(b"one\n")
        assert source.read(buffer, 0.0, never) is not None
    assert drain(source) == []


def test_standard_input_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\n")
    with (tmp_path / "a.log").open("rb") as file:
        source = opened("-", stdin=file.fileno())
        assert source.progress() == (0, 4)
        assert content(drain(source)) == b"one\n"
