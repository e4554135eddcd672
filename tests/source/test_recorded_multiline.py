"""Records of several lines in recorded files: as the whole file would be framed, however it is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.encoding import UTF8, Encoding, encoding
from tailrace.pipeline.framing import Framer, Multiline, lines_of
from tailrace.pipeline.source.recorded.lines import LineReader

from .recorded_kit import Scripted, read_all

LONGEST = 1500  # bytes of a line; more than a record may have
LIMITS = {"max_lines": 5, "max_bytes": 1024}
KINDS: list[dict[str, Any]] = [
    {"start": "^R", **LIMITS},
    {"continue_": "^ ", **LIMITS},
    {"preset": "python", **LIMITS},
    {"start": "^R"},
]
LINES = ["R\n", "R one\n", "  more\n", "\n", "Traceback (most recent call last):\n", "ValueError: x\n", "half"]
SIZES = [100, 900, 1400, 1600, 4000]
TEXT = st.lists(st.sampled_from(LINES) | st.sampled_from(SIZES).map(lambda n: "x" * n + "\n"), max_size=25).map("".join)


def framed(data: bytes, written_in: Encoding, framer: Framer) -> list[bytes]:
    lines, ends = lines_of(data, written_in)
    begins = [ends[first - 1] if first else 0 for first in framer.starts(lines, ends)]
    return [data[a:b] for a, b in zip(begins, [*begins[1:], len(data)], strict=True)]


def expected(data: bytes, written_in: Encoding, framer: Framer) -> list[bytes]:
    """A line that is too long stands alone, and ends what stands before it."""
    newline, found, begin, at = written_in.newline, [], 0, 0
    for line in written_in.split(data):
        if len(line) > LONGEST:
            found += framed(data[begin:at], written_in, framer) if at > begin else []
            begin = at + len(line) + len(newline)
        at += len(line) + len(newline)
    return found + (framed(data[begin:], written_in, framer) if begin < len(data) else [])


@given(
    TEXT,
    st.sampled_from(KINDS),
    st.lists(st.integers(1, 3000), max_size=20),
    st.sampled_from(["utf-8", "utf-16-le", "utf-32-be"]),
    st.sampled_from([64, 700, 5000]),
)
def test_any_cutting_gives_the_records_of_the_whole(
    text: str, kind: dict[str, Any], cuts: list[int], name: str, chunk: int
) -> None:
    framer, one, data = Framer(Multiline(**kind)), encoding(name) if name != "utf-8" else UTF8, text.encode(name)
    pieces: list[bytes | Exception | None] = []
    rest = data
    for cut in cuts:
        pieces += [rest[:cut], None] if rest else []
        rest = rest[cut:]
    reader = LineReader(Scripted([*pieces, rest] if rest else pieces), LONGEST, chunk, one, framer)
    room = max(chunk, LONGEST + framer.max_bytes + 4)
    found: list[bytes] = []
    seen = 0
    for lines, piece in read_all(reader, room):
        assert lines.start == seen
        seen = lines.end
        if lines.oversize is None:
            found += framed(piece, one, framer)
    assert found == expected(data, one, framer)
    assert seen == len(data)


@pytest.mark.parametrize("name", ["utf-8", "utf-16-le"])
def test_a_line_longer_than_a_record_may_be_is_one(name: str) -> None:
    """Mutation: more is waited for, which the buffer has no room for."""
    framer, one = Framer(Multiline(start="^R", max_bytes=1024)), encoding(name)
    data = (f"{'x' * 700}\n" * 4).encode(name)
    reader = LineReader(Scripted([data]), LONGEST, 64, one, framer)
    read = [piece for _, piece in read_all(reader, LONGEST + 1024 + 4)]
    assert b"".join(read) == data
    assert framer.closed(b"x" * 1100 + b"\n", UTF8) == framer.first(b"x" * 1100 + b"\n", UTF8) == 1101
