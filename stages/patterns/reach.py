"""How far a pattern gets in a line that it does not match, and what it expects there: for the reason of a dead letter.

The pattern is cut behind each of its parts, and the longest such beginning that matches tells the place. Where the next
part is a group, or optional groups stand before it, they are looked into, and what gets farthest is told. A beginning
takes no longer to fail than the whole pattern did, and few are tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter, thread_time

from tailrace.stages.patterns.parts import Part, Row, take_apart
from tailrace.stages.values.conversion import excerpt

LONGEST = 16 * 1024  # characters of a line that is looked into
_PATIENCE = 0.01  # seconds of processor time for one line, and then the search that is running
_SHOWN = 40  # characters of a pattern
_NAMED = re.compile(r"(\\.)|\(\?P<\w+>", re.DOTALL)
_NOTHING = re.compile("(?!)")
_ANCHORS = ("^", r"\A")
_WORDS = {"$": "the end of the line", r"\Z": "the end of the line", r"\b": "the edge of a word"}

_Match = Callable[[re.Pattern[str]], re.Match[str] | None]


@dataclass(slots=True, frozen=True)
class Fault:
    """Where a line stops to be what a pattern describes; places count from 0."""

    start: int  # where in the line the beginning of the pattern matches
    position: int  # up to where it does
    expected: str  # for people
    group: str  # the innermost named group that it is in, or ''
    nowhere: bool = False  # not even the pattern's first part matches, at any place

    def __str__(self) -> str:
        return f"expected {self.expected}" + (f' in group "{self.group}"' if self.group else "")


class Reach:
    """``fault(line)`` for a pattern that compiles. ``anywhere``: it is searched for, instead of matched at a place."""

    def __init__(self, pattern: str, *, anywhere: bool = False) -> None:
        flags = re.compile(pattern).flags
        self._rows = [_Sequence("", row, "", "", flags) for row in take_apart(pattern, flags)]
        self._anywhere = anywhere

    def fault(self, line: str, at: int = 0) -> Fault | None:
        """Of the alternative that gets farthest. None: the line matches, is too long or takes too long to look into."""
        if len(line) > LONGEST:
            return None
        clock, processor = perf_counter() + _PATIENCE, thread_time() + _PATIENCE

        def match(pattern: re.Pattern[str]) -> re.Match[str] | None:
            if perf_counter() > clock and thread_time() > processor:
                raise TimeoutError
            return pattern.search(line) if self._anywhere else pattern.match(line, at)

        try:
            faults = [self._whole(row, match) for row in self._rows]
        except TimeoutError:
            return None
        told = [fault for fault in faults if fault]
        return max(told, key=lambda fault: fault.position) if len(told) == len(faults) else None

    def _whole(self, row: _Sequence, match: _Match) -> Fault | None:
        fault = row.fault(match)
        if fault and self._anywhere and fault.start == fault.position and not row.anchored:
            return replace(fault, nowhere=True)
        return fault


class _Sequence:
    """The parts of ``row`` behind ``before``; ``after`` closes the groups that this opens. Patterns are made once."""

    def __init__(self, before: str, row: Row, after: str, group: str, flags: int) -> None:
        self.anchored = any(part.body in _ANCHORS for part in row[:2])
        self._before, self._row, self._after, self._group, self._flags = before, row, after, group, flags
        self._beginnings: dict[int, re.Pattern[str]] = {}
        self._groups: dict[int, list[_Sequence]] = {}
        self._shown: dict[int, str] = {}

    def fault(self, match: _Match) -> Fault | None:
        """What stops the row. None: nothing does, or ``before`` does not match."""
        if match(self._beginning(len(self._row))):
            return None
        fits, fails = 0, len(self._row)
        found = None
        while fails - fits > 1:
            middle = (fits + fails) // 2
            longer = match(self._beginning(middle))
            fits, fails, found = (middle, fails, longer) if longer else (fits, middle, found)
        found = found or match(self._beginning(0))
        if found is None:  # a group's last turn went by another alternative than this
            return None
        if fits not in self._shown:
            self._shown[fits] = _shown(self._row[fits:])
        best = Fault(found.start(), found.end(), self._shown[fits], self._row[fits].name or self._group)
        single = len(self._row[fits].inside) == 1  # then its part says more than the group
        for fault in self._within(fits, match):
            if fault.position > best.position or (single and fault.position == best.position):
                best = fault
        return max([best, *self._optional_before(fits, match)], key=lambda fault: fault.position)

    def _within(self, index: int, match: _Match) -> list[Fault]:
        return [fault for inside in self._inside(index) if (fault := inside.fault(match))]

    def _optional_before(self, count: int, match: _Match) -> Iterator[Fault]:
        """What ended each optional group directly before a part, also at the end of the group before it."""
        for index in range(count - 1, -1, -1):
            part = self._row[index]
            if part.optional or part.repeats:
                yield from self._within(index, match)
            else:
                for inside in self._inside(index):
                    yield from inside._optional_before(len(inside._row), match)
            if not part.optional:
                return

    def _beginning(self, count: int) -> re.Pattern[str]:
        """The pattern of the first ``count`` parts."""
        if count not in self._beginnings:
            try:
                self._beginnings[count] = re.compile(self._source(count) + self._after, self._flags)
            except re.error:  # such as a reference to a group of another alternative
                self._beginnings[count] = _NOTHING
        return self._beginnings[count]

    def _source(self, count: int) -> str:
        return self._before + "".join([part.source for part in self._row[:count]])

    def _inside(self, index: int) -> list[_Sequence]:
        """The alternatives of the group at ``index``, in its next turn if it has several."""
        if index not in self._groups:
            part = self._row[index]
            before = self._source(index) + (_again(part) if part.repeats else "") + part.opening
            self._groups[index] = [
                _Sequence(before, row, ")" + self._after, part.name or self._group, self._flags) for row in part.inside
            ]
        return self._groups[index]


def _again(part: Part) -> str:
    """A group as often as it matches, its names left to the turn after that."""
    return _NAMED.sub(lambda found: found[1] or "(", part.body) + "*+"


def _shown(row: Row) -> str:
    """The next part of a row, for people; of characters all that follow."""
    text = ""
    for part in row:
        if not part.text:
            break
        text += part.text
    if text:
        return excerpt(text)
    part = row[0]
    source = part.source
    if part.name:
        source = "|".join(["".join([inner.source for inner in inside]) for inside in part.inside]) + part.quantifier
    return _WORDS.get(source, source if len(source) <= _SHOWN else f"{source[:_SHOWN]}…")
