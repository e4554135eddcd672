"""How far a pattern gets in a line that it does not match, and what it expects there: for the reason of a dead letter.

The pattern is cut behind each of its parts, and the longest such beginning that matches tells the place. Where the next
part is a group, or optional groups stand before it, they are looked into, and what gets farthest is told. A beginning
takes no longer to fail than the whole pattern did, and few are tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter, thread_time

from tailrace.stages.patterns.parts import Part, Row, take_apart
from tailrace.stages.patterns.place import place
from tailrace.stages.values.conversion import excerpt

LONGEST = 16 * 1024  # characters of a line that is looked into
_PATIENCE = 0.01  # seconds of processor time for one line, and then the search that is running
_SHOWN = 40  # characters of a pattern
_NAMED = re.compile(r"(\\.)|\(\?P<\w+>", re.DOTALL)
_NOTHING = re.compile("(?!)")
_ANCHORS = ("^", r"\A")
_WORDS = {"$": "the end of the line", r"\Z": "the end of the line", r"\b": "the edge of a word"}


@dataclass(slots=True)
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
    """``fault(line)`` of lines that a pattern does not match. ``anywhere``: it is searched for."""

    def __init__(self, pattern: str, *, anywhere: bool = False) -> None:
        flags = re.compile(pattern).flags
        self._rows = [_Sequence("", row, "", "", flags) for row in take_apart(pattern, flags)]
        self._anywhere = anywhere

    def fault(self, line: str, at: int = 0) -> Fault | None:
        """Of the alternative that gets farthest. None: the line is too long or takes too long to look into, or the
        pattern could not be taken apart.
        """
        if len(line) > LONGEST or not self._rows:
            return None
        look = _Look(line, at, self._anywhere)
        try:
            faults = [self._whole(row, look) for row in self._rows]
        except TimeoutError:
            return None
        return max(faults, key=lambda fault: fault.position)

    def why(self, line: str, at: int, expected: str) -> str:
        """What keeps the line from matching there, where ``expected`` are words for the pattern as a whole."""
        fault = self.fault(line, at)
        if fault is None or fault.position == at:
            return f"expected {expected} {place(line, at)}"
        return f"expected {expected} from column {at + 1} on; it goes wrong {place(line, fault.position)}"

    def _whole(self, row: _Sequence, look: _Look) -> Fault:
        fault = row.first_fault(look)
        assert fault is not None, "the empty beginning matches"
        if self._anywhere and fault.start == fault.position and not row.anchored:
            fault.nowhere = True
        return fault


class _Look:
    """Tries beginnings of the pattern at one line, for a bounded time. What compiling takes does not count: it happens
    once, and the next line of the same kind must get the same answer."""

    def __init__(self, line: str, at: int, anywhere: bool) -> None:
        self._line, self._at, self._anywhere = line, at, anywhere
        self._clock, self._processor = perf_counter() + _PATIENCE, thread_time() + _PATIENCE

    def __call__(self, sequence: _Sequence, count: int) -> re.Match[str] | None:
        pattern = sequence.beginnings.get(count)
        if pattern is None:
            self._clock, self._processor = self._clock - perf_counter(), self._processor - thread_time()
            sequence.make(count)
            self._clock, self._processor = self._clock + perf_counter(), self._processor + thread_time()
            pattern = sequence.beginnings[count]
        if perf_counter() > self._clock and thread_time() > self._processor:  # the second costs more
            raise TimeoutError
        return pattern.search(self._line) if self._anywhere else pattern.match(self._line, self._at)


class _Sequence:
    """The parts of ``row`` behind ``before``; ``after`` closes the groups that this opens. Patterns are made once."""

    def __init__(self, before: str, row: Row, after: str, group: str, flags: int) -> None:
        self.anchored = any(part.body in _ANCHORS for part in row[:2])
        self._before, self._row, self._after, self._group, self._flags = before, row, after, group, flags
        self.beginnings: dict[int, re.Pattern[str]] = {}
        self._groups: dict[int, list[_Sequence]] = {}
        self._before_part: dict[int, list[_Sequence]] = {}
        self._last = len(row) // 2  # how many parts matched in the line before
        self._shown: dict[int, str] = {}

    def fault(self, look: _Look) -> Fault | None:
        """What stops the row. None: nothing does, or ``before`` does not match."""
        return None if look(self, len(self._row)) else self.first_fault(look)

    def first_fault(self, look: _Look) -> Fault | None:
        """The same of a row that is known not to match."""
        fits, fails = 0, len(self._row)
        found = None
        guesses = [self._last + 1, self._last]  # a bad line seldom comes alone
        while fails - fits > 1:
            middle = guesses.pop() if guesses else (fits + fails) // 2
            if fits < middle < fails:
                longer = look(self, middle)
                fits, fails, found = (middle, fails, longer) if longer else (fits, middle, found)
        found = found or look(self, 0)
        if found is None:  # a group's last turn went by another alternative than this
            return None
        self._last = fits
        if fits not in self._shown:
            self._shown[fits] = _shown(self._row[fits:])
        best = Fault(found.start(), found.end(), self._shown[fits], self._row[fits].name or self._group)
        single = len(self._row[fits].inside) == 1  # then its part says more than the group
        for inside in self._inside(fits):
            fault = inside.fault(look)
            if fault and (fault.position > best.position or (single and fault.position == best.position)):
                best = fault
        if fits not in self._before_part:
            self._before_part[fits] = list(self._optional_before(fits))
        for inside in self._before_part[fits]:
            fault = inside.fault(look)
            if fault and fault.position > best.position:
                best = fault
        return best

    def _optional_before(self, count: int) -> Iterator[_Sequence]:
        """The alternatives of each optional group directly before a part, also at the end of the group before it."""
        for index in range(count - 1, -1, -1):
            part = self._row[index]
            if part.optional or part.repeats:
                yield from self._inside(index)
            else:
                for inside in self._inside(index):
                    yield from inside._optional_before(len(inside._row))
            if not part.optional:
                return

    def make(self, count: int) -> None:
        """Compile the pattern of the first ``count`` parts."""
        try:
            self.beginnings[count] = re.compile(self._source(count) + self._after, self._flags)
        except re.error:  # such as a reference to a group of another alternative
            self.beginnings[count] = _NOTHING

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
