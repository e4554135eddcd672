"""Any bytes in a file, read in any buffer with any pauses, stops and kills: the lines are those between newlines."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import assume, example, given
from hypothesis import strategies as st
from tailrace.pipeline.encoding import UTF8, marked
from tailrace.pipeline.source.tail.newlines import (
    first_newline,
    fitting_lines,
    last_newline,
    leading_nuls,
    trailing_nuls,
)

from ..source.tail.tail_stand import Stand

LONGEST = 40
PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\0", b"\0" * 5000, b"\xff\xfe", b"x" * LONGEST, b"y" * (LONGEST + 1)]),
    st.integers(1, 40).map(lambda count: b"line\n" * count),
    st.integers(LONGEST, 9000).map(lambda count: b"z" * count),
)
STEPS = st.sampled_from(["run", "run", "run", "stop", "crash", "rewind", "read", "nothing"])


def step(stand: Stand, what: str) -> None:
    match what:
        case "run":
            stand.run(1)
        case "stop":
            stand.run(1).stop().start()
        case "crash":
            stand.poll(1)
            stand.read()
            stand.crash().start()
        case "rewind":
            stand.poll(1)
            stand.read()
            stand.rewind()
        case "read":
            stand.poll(1)
            stand.read()


@given(story=st.lists(st.tuples(PIECES, STEPS), max_size=12), extra=st.integers(0, 200))
@example(story=[(b"\0\0\n", "run"), (b"a\n", "crash")], extra=0)
@example(story=[(b"x" * 9000, "read"), (b"\ny", "crash"), (b"\n", "stop")], extra=0)
def test_every_reading_gives_the_same_lines(story: list[tuple[bytes, str]], extra: int) -> None:
    assume(marked(b"".join(piece for piece, _ in story)) in (None, UTF8))  # else its newlines are wider
    with tempfile.TemporaryDirectory() as directory:
        stand = Stand(Path(directory), buffer=LONGEST + 2 + extra, max_line_bytes=LONGEST)
        stand.write("a.log", b"")
        stand.start()
        data = b""
        for piece, what in story:
            stand.write("a.log", piece)
            data += piece
            step(stand, what)
        stand.run(1)
        stand.run(1)
        stand.check_balances()
        stand.stop()
    lines = [line + b"\n" for line in data.lstrip(b"\0").split(b"\n")[:-1]]
    assert [line for _, line in stand.delivered.values()] == [line for line in lines if len(line) <= LONGEST + 1]
    long = [line for line in lines if len(line) > LONGEST + 1]
    assert [length for length, _ in stand.oversize.values()] == [len(line) - 1 for line in long]
    assert all(line.startswith(kept) for line, (_, kept) in zip(long, stand.oversize.values(), strict=True))


@given(data=st.lists(PIECES, max_size=8).map(b"".join), start=st.integers(0, 300), longest=st.integers(1, 5000))
@example(data=b"\n" + b"x" * 4096 + b"\n", start=0, longest=4096)  # just behind the first window
def test_searches_find_what_plain_python_finds(data: bytes, start: int, longest: int) -> None:
    view = memoryview(data)
    start = min(start, len(data))
    assert last_newline(view, start, len(data), UTF8) == data.rfind(b"\n", start)
    assert first_newline(view, start, UTF8) == data.find(b"\n", start)
    assert leading_nuls(view) == len(data) - len(data.lstrip(b"\0"))
    assert trailing_nuls(view) == len(data) - len(data.rstrip(b"\0"))
    stop = data.rfind(b"\n") + 1
    fitting = 0
    while fitting < stop and (end := data.find(b"\n", fitting)) - fitting <= longest:
        fitting = end + 1
    assert fitting_lines(view, stop, longest, UTF8) == fitting
