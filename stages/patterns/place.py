"""Where a line stops to be what its format says, in words for the reason of a dead letter."""

from __future__ import annotations

import re

from tailrace.stages.values.conversion import excerpt

_BEHIND = 20  # characters before the end of a line that tell where it ends

Expected = tuple[str, re.Pattern[str]]
"""What comes next in a line, in words and as a pattern. ``{}`` in the words: the column of the quote or bracket before
it, which opened something."""


def place(line: str, position: int) -> str:
    """``at column 7: 'what stands there'``."""
    if position < len(line):
        return f"at column {position + 1}: {excerpt(line[position:])}"
    if not line:
        return "at column 1: the line is empty"
    behind = line if len(line) <= _BEHIND else f"…{line[-_BEHIND:]}"
    return f"at column {position + 1}, where the line ends: {behind!r}"


def unmet(line: str, position: int, expected: list[Expected]) -> str:
    """The first of what is expected from ``position`` on that is not there."""
    opened = position
    for words, pattern in expected:
        match = pattern.match(line, position)
        if match is None:
            return f"expected {words.format(opened + 1)} {place(line, position)}"
        if match[0].endswith(('"', "[")):
            opened = match.end() - 1
        position = match.end()
    raise AssertionError("all that is expected is there")
