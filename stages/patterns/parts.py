"""A regular expression taken apart: its alternatives, each a row of parts, and what stands inside of its groups."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NEXT = r"""
    (?P<open>\((?:\?P<(?P<name>\w+)>|\?:|(?!\?)))    # of a group that can be looked into
    | (?P<comment>\(\?\#[^)]*\))
    | (?P<special>\(\?)                              # look-around, flags, atomic, conditional, reference
    | (?P<close>\))
    | (?P<or>\|)
    | (?P<quantifier>(?:[*+?]|\{(?:\d+(?:,\d*)?|,\d*)\})[+?]?)
    | (?P<atom>\\(?:x..|u....|U.{8}|N\{[^}]*\}|\d{1,3}|.) | \[\^?\]?(?:\\.|[^\]\\])*\] | .)
"""
_SCAN = re.compile(_NEXT, re.VERBOSE | re.DOTALL)
_SCAN_VERBOSE = re.compile(rf"(?P<blank>\s+|\#[^\n]*) | {_NEXT}", re.VERBOSE | re.DOTALL)
_PLAIN = re.compile(r"[^\\.^$*+?\[|()]|\\[^A-Za-z0-9]", re.DOTALL)


@dataclass(slots=True)
class Part:
    """A character, set, escape, anchor or group, with its quantifier."""

    body: str
    quantifier: str = ""
    opening: str = ""  # of a group that can be looked into
    inside: list[Row] = field(default_factory=list)  # ... and its alternatives
    name: str = ""  # ... and its name

    @property
    def source(self) -> str:
        return self.body + self.quantifier

    @property
    def optional(self) -> bool:
        return self.quantifier.startswith(("?", "*", "{0", "{,"))

    @property
    def repeats(self) -> bool:
        return self.quantifier != "" and self.quantifier[0] != "?"

    @property
    def text(self) -> str:
        """The one character that it stands for; '' where it stands for others, too."""
        return self.body[-1] if not self.quantifier and _PLAIN.fullmatch(self.body) else ""


Row = list[Part]


def take_apart(pattern: str, flags: int) -> list[Row]:
    """The alternatives of a pattern that compiles, with these flags in the end. None at all: this module cannot, as
    with a ``(?x:...)`` that has a bracket in a comment.
    """
    rows, end = _alternatives(_SCAN_VERBOSE if flags & re.VERBOSE else _SCAN, pattern, 0)
    return rows if end == len(pattern) else []


def _alternatives(scan: re.Pattern[str], pattern: str, at: int) -> tuple[list[Row], int]:
    """Up to the bracket that closes them, and the place behind it."""
    rows: list[Row] = [[]]
    while token := scan.match(pattern, at):
        start, at = token.span()
        match token.lastgroup:
            case "close":
                break
            case "or":
                rows.append([])
            case "quantifier":
                rows[-1][-1].quantifier = token[0]
            case "open":
                inside, at = _alternatives(scan, pattern, at)
                rows[-1].append(Part(pattern[start:at], "", token[0], inside, token["name"] or ""))
            case "special":
                _, at = _alternatives(scan, pattern, at)
                rows[-1].append(Part(pattern[start:at]))
            case "atom":
                rows[-1].append(Part(token[0]))
    return rows, at
