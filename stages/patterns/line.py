"""A regular expression applied to each line of a piece by itself, in one call for the whole piece where that is safe.

``LinePattern`` takes any pattern. Its batch form is ``^(?:.*?(?:PATTERN).*|(.+))$`` over the whole piece: one row a
line, the last group telling a line that does not match. It is used only when the pattern can't tell lines in a piece
from lines alone: no look-around, no ``\\A`` or ``\\Z``, no flags, nothing atomic or possessive. What is left that can
see a neighbour are sets such as ``[^"]`` or ``\\s`` that match a newline. They may be tried across it; if such a match
*succeeds* it swallows a line, there are fewer rows than lines, and the piece is taken line by line; if it fails, the
search goes on exactly as it would have at the end of the line.
"""

from __future__ import annotations

import re

Row = tuple[str, ...]
"""The groups of a match ('' for one that took no part) and '' at the end; or '' for each group and then the line."""

_TOKEN = re.compile(
    r"""
    \\(?P<escape>.)                       # outside of a set
    | \[\^?\]?(?:\\.|[^\]\\])*\]          # a set
    | \(\?(?!P<|:)(?P<special>.)          # look-around, flags, atomic, conditional, comment, back-reference
    | [*+?}](?P<possessive>\+)
    | (?P<or>\|)
    """,
    re.VERBOSE | re.DOTALL,
)
_SENSITIVE_ESCAPES = frozenset("AZzB123456789")


class UsualForm:
    """A pattern of ours for whole lines: ``rows(text)`` is one row of its groups for each line, all '' for a line that
    does not match.

    It has at least two groups and nothing that ``can_batch`` forbids, unless that excludes the newline. Sets of one
    excluded character, as ``[^ ]``, are several times faster than sets of two, so they may run across a newline here;
    where that makes rows fewer than lines, the same pattern with all its sets kept from newlines is used. Sets that
    nothing but a far blank would end should be bounded, so that no line is searched for it through all the others.
    """

    def __init__(self, pattern: str) -> None:
        self._fast = re.compile(f"^(?:{pattern}|.*)$", re.MULTILINE).findall
        safe = pattern.replace("[^", r"[^\n")
        self._safe = re.compile(f"^(?:{safe}|.*)$", re.MULTILINE).findall

    def rows(self, text: str, lines: int = 0) -> list[Row]:
        """One a line. ``lines``: how many these are, where the caller knows."""
        rows: list[Row] = self._fast(text)
        if len(rows) != (lines or text.count("\n") + 1):
            rows = self._safe(text)
        return rows


class LinePattern:
    """``rows(text)`` is one row for each line of ``text``. ``pattern`` has groups and is searched for anywhere in the
    line; ``re.error`` when it can't be compiled. ``piece``: the same pattern, made so that nothing in it can match a
    newline; then it may have look-around and atomic groups."""

    def __init__(self, pattern: str, piece: str = "", flags: int = 0) -> None:
        compiled = re.compile(pattern, flags)
        self._search = compiled.search
        self._nothing = ("",) * compiled.groups
        self._batch = None
        if not piece and can_batch(pattern):
            piece = pattern
        if piece:
            before = "" if _is_anchored(piece) else ".*?"
            self._batch = re.compile(f"^(?:{before}(?:{piece}).*|(.+))$", re.MULTILINE).findall

    def rows(self, text: str) -> list[Row]:
        """One a line."""
        if self._batch is not None:
            rows: list[Row] = self._batch(text)
            if len(rows) == text.count("\n") + 1:
                return rows
        return self.rows_of(text.split("\n"))

    def rows_of(self, records: list[str]) -> list[Row]:
        """One a record, which may hold newlines."""
        return [
            (*match.groups(""), "") if (match := self._search(record)) is not None else (*self._nothing, record)
            for record in records
        ]


def can_batch(pattern: str) -> bool:
    """Whether the batch form gives what line by line gives. Errs on the side of no."""
    for token in _TOKEN.finditer(pattern):
        if token["special"] or token["possessive"] or token["escape"] in _SENSITIVE_ESCAPES:
            return False
    return True


def _is_anchored(pattern: str) -> bool:
    return pattern.startswith("^") and not any(token["or"] for token in _TOKEN.finditer(pattern))
