"""The Python limit: a bare loop of the calls that a tailrace worker spends its time in, with no engine around it.

``python -m benchmarks.limit KIND INPUT OUTPUT [--half 1|2]``. One process and one thread; it tails nothing, commits
nothing, bounds nothing and leaves lines out that do not parse. What it takes is what the same work costs in
this interpreter at the least; the distance to it is the price of the engine.
"""

from __future__ import annotations

import argparse
import calendar
import ctypes
import gc
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

DECODE = msgspec.json.Decoder().decode
ENCODE_LINES = msgspec.json.Encoder().encode_lines

PIECE = 64 << 10  # bytes handed to `findall` at once: small enough to stay in the processor's cache

M_TRIM_THRESHOLD = -1  # of glibc's malloc.h
KEEP = 64 << 20  # bytes of free memory that malloc may keep

COMBINED = re.compile(
    r'^(?:(\S+) (\S+) (\S+) \[([^\]]*)\] "(\S+) (\S+) ([^"\s]+)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"|(.*))$',
    re.MULTILINE,
)
NAMES = ["host", "ident", "user", "time", "method", "path", "proto", "status", "size", "referer", "agent"]
MONTHS = {name: f"{n:02d}" for n, name in enumerate(calendar.month_abbr)}


def iso(stamp: str) -> str:
    """``14/Mar/2026:09:00:00 +0000`` as ISO 8601."""
    zone = "Z" if stamp[-5:] == "+0000" else f"{stamp[-5:-2]}:{stamp[-2:]}"
    return f"{stamp[7:11]}-{MONTHS[stamp[3:6]]}-{stamp[:2]}T{stamp[12:20]}{zone}"


def pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    """The next ``length`` bytes in pieces of whole lines."""
    rest = b""
    while length > 0 and (block := file.read(min(PIECE, length))):
        length -= len(block)
        end = block.rfind(b"\n") + 1
        yield rest + block[:end]
        rest = block[end:]


def combined(piece: bytes) -> bytes:
    """Regex into columns, two integers, a time stamp, `-` to null, a dict each, one field added, JSON lines."""
    columns = list(zip(*COMBINED.findall(piece.decode("utf-8", "replace")[:-1]), strict=True))
    if any(columns[-1]):  # of a real log: lines that do not match are left out
        good = [row for row in zip(*columns, strict=True) if row[0]]
        columns = list(zip(*good, strict=True)) if good else [()] * len(columns)
    columns.pop()
    known = {stamp: iso(stamp) for stamp in set(columns[3])}
    rows = zip(
        columns[0],
        *([None if value == "-" else value for value in column] for column in columns[1:3]),
        [known[stamp] for stamp in columns[3]],
        *columns[4:7],
        map(int, columns[7]),
        [None if value == "-" else int(value) for value in columns[8]],
        *([None if value == "-" else value for value in column] for column in columns[9:11]),
        strict=True,
    )
    events = [dict(zip(NAMES, row, strict=True)) for row in rows]
    for event in events:
        event["env"] = "bench"
    return ENCODE_LINES(events)


def loaded(line: bytes) -> Any:
    """The line's value; None: it has none."""
    try:
        return DECODE(line)
    except msgspec.DecodeError:
        return None


def json_lines(piece: bytes) -> bytes:
    """Parse each line, one field added, JSON lines."""
    lines = piece[:-1].split(b"\n")
    try:
        events = list(map(DECODE, lines))
    except msgspec.DecodeError:  # of a real log: lines that are no objects are left out
        events = [event for event in map(loaded, lines) if isinstance(event, dict)]
    for event in events:
        event["env"] = "bench"
    return ENCODE_LINES(events)


def raw(piece: bytes) -> bytes:
    """A dict with the line in it, JSON lines."""
    events = [{"message": line} for line in piece.decode("utf-8", "replace")[:-1].split("\n")]
    return ENCODE_LINES(events)


KINDS: dict[str, Callable[[bytes], bytes]] = {"combined": combined, "json": json_lines, "raw": raw}


def half(file: BinaryIO, size: int, which: int) -> int:
    """Positions ``file`` at the begin of its first or second half, on a line border, and returns the half's length."""
    file.seek(size // 2)
    file.readline()
    middle = file.tell()
    file.seek(0 if which == 1 else middle)
    return middle if which == 1 else size - middle


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed. By default it gives the end of the heap back to the kernel after each piece and
    asks for it again with the next, page by page: that alone takes a third of the time here, three quarters with raw
    lines. Other C libraries have no such call.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_TRIM_THRESHOLD, KEEP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--half", type=int, choices=(1, 2))
    options = parser.parse_args()
    work = KINDS[options.kind]
    gc.disable()  # events hold no cycles
    keep_freed_memory()
    with options.input.open("rb") as source, options.output.open("wb", buffering=0) as target:
        length = os.fstat(source.fileno()).st_size
        if options.half:
            length = half(source, length, options.half)
        for piece in pieces(source, length):
            target.write(work(piece))


if __name__ == "__main__":
    main()
