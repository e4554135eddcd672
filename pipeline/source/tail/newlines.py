"""Where lines end in a buffer: searches that copy and look at as little of it as they can."""

from __future__ import annotations

import re

from tailrace.pipeline.encoding import Encoding

NEWLINE = re.compile(rb"\n")
NOT_NUL = re.compile(rb"[^\0]")
_WINDOW = 4096  # bytes looked at first; the next windows are larger


def last_newline(view: memoryview, start: int, stop: int, written_in: Encoding) -> int:
    """Its index in ``view[start:stop]``; -1: there is none."""
    if written_in.width > 1:
        return written_in.rfind(bytes(view[:stop]), start)
    window = _WINDOW
    while stop > start:
        low = max(start, stop - window)
        at = bytes(view[low:stop]).rfind(b"\n")
        if at >= 0:
            return low + at
        stop = low
        window = min(window * 8, 1 << 20)
    return -1


def first_newline(view: memoryview, start: int, written_in: Encoding) -> int:
    """Its index in ``view[start:]``; -1: there is none."""
    if written_in.width > 1:
        return written_in.find(bytes(view), start)
    found = NEWLINE.search(view, start)
    return found.start() if found else -1


def leading_nuls(view: memoryview) -> int:
    """How many NUL bytes it begins with."""
    found = NOT_NUL.search(view)
    return found.start() if found else len(view)


def trailing_nuls(view: memoryview) -> int:
    """How many NUL bytes it ends with."""
    stop, window = len(view), _WINDOW
    while stop and view[stop - 1] == 0:
        low = max(0, stop - window)
        rest = len(bytes(view[low:stop]).rstrip(b"\0"))
        if rest:
            return len(view) - low - rest
        stop, window = low, min(window * 8, 1 << 20)
    return len(view) - stop


def fitting_lines(view: memoryview, stop: int, longest: int, written_in: Encoding) -> int:
    """``view[:stop]`` ends with a newline: how much of it lies before the first line of more than ``longest`` bytes.

    Hops from the last newline within a line's reach to the next such one, not from line to line.
    """
    start, width = 0, written_in.width
    while stop - start > longest + width:
        newline = last_newline(view, start, start + longest + width, written_in)
        if newline < 0:
            return start
        start = newline + width
    return stop
