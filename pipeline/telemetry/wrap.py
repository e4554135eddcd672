"""Long lines on a terminal: broken between words, what follows is indented. In a pipe or a file they stay whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO

_NARROWEST = 20  # columns; below that, breaking makes nothing better
INDENT = 4  # of what follows a break


def terminal_width(stream: IO[str] | None) -> int | None:
    """Columns; None: no terminal, or one that does not tell."""
    try:
        if stream is None or not stream.isatty():
            return None
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # closed, or a stand-in that has no descriptor
        return None
    return width if width >= _NARROWEST else None


def wrap(text: str, width: int | None, indent: int = INDENT) -> str:
    """``text`` in lines of at most ``width`` columns, as far as its words let it; None: in one line."""
    if width is None or len(text) <= width:
        return text
    import textwrap  # only long lines on a terminal need it

    return "\n".join(
        textwrap.wrap(
            text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False,
            expand_tabs=False, replace_whitespace=False,
        )
    )  # fmt: skip


def lay(parts: Sequence[tuple[int, str]], width: int | None, indent: int = INDENT) -> str:
    """Parts, each with the columns it takes (colours take none), one blank apart; lines break between parts."""
    lines: list[list[str]] = [[]]
    used = 0
    for columns, part in parts:
        if width is not None and lines[-1] and used + 1 + columns > width:
            lines.append([])
            used = indent - 1
        used += columns + (1 if used else 0)
        lines[-1].append(part)
    return ("\n" + " " * indent).join(" ".join(line) for line in lines)
