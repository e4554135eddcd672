"""Tables in a picture of a fixed size: sections share its lines, the most urgent first; nothing is wider than it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tailrace.pipeline.escape import escape

GAP = 2  # blanks between columns
_LEAST = 12  # columns that what gives way should keep


class Span(NamedTuple):
    text: str
    style: str = ""  # as rich has it


Line = Sequence[Span]


def line(text: str = "", style: str = "") -> Line:
    return [Span(text, style)]


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def fitted(one: Line, width: int) -> Line:
    """As much of it as fits."""
    kept: list[Span] = []
    for span in one:
        kept.append(Span(span.text[:width], span.style))
        width -= len(kept[-1].text)
    return kept


@dataclass(slots=True)
class Section:
    """``columns`` are the head of the rows. ``gives``: the index of the column that is cut where there is too little
    room, at its beginning if ``ends``, as of paths; those in ``spare`` are left out before that."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    styles: Sequence[str] = ()  # of the rows
    weights: Sequence[float] = ()  # of the rows: where there is no room for all, those that weigh most
    gives: int = 0
    ends: bool = False
    left: frozenset[int] = frozenset({0})  # columns aligned to the left
    spare: Sequence[int] = ()  # the first goes first
    least: int = 2  # rows that it should have
    count: int = 0  # how many there are, if there are more than rows

    def lines(self, height: int, width: int) -> list[Line]:
        """At most ``height`` of them: the head, and the rows there is room for."""
        if height < 2 or not self.rows:
            return []
        chosen = self._chosen(height - 1)
        shown = [[escape(cell) for cell in self.rows[index]] for index in chosen]
        kept = self._kept(shown, width)
        widths = {index: max(len(cells[index]) for cells in (self.columns, *shown)) for index in kept}
        self._narrow(widths, width)
        hidden = max(self.count, len(self.rows)) - len(shown)
        head = self._put(self.columns, widths)
        more = f"  +{hidden:,} more"
        if hidden and len(head) + len(more) > width:
            names = list(self.columns)
            names[self.gives] += f" +{hidden:,}"
            head, more = self._put(names, widths), ""
        styles = [self.styles[index] if self.styles else "" for index in chosen]
        rows = [line(cut(self._put(row, widths), width), style) for row, style in zip(shown, styles, strict=True)]
        return [line(cut(head + more * bool(hidden), width), "bold"), *rows]

    def _narrow(self, widths: dict[int, int], width: int) -> None:
        """The column that gives way is cut first, then the widest others."""
        over = sum(widths.values()) + GAP * (len(widths) - 1) - width
        for index in [self.gives, *sorted(widths, key=lambda index: -widths[index])]:
            taken = min(max(0, over), max(0, widths[index] - _LEAST))
            widths[index], over = widths[index] - taken, over - taken

    def _chosen(self, most: int) -> Sequence[int]:
        indexes = range(len(self.rows))
        if not self.weights or len(indexes) <= most:
            return indexes[:most]
        return sorted(sorted(indexes, key=lambda index: -self.weights[index])[:most])

    def _kept(self, rows: Sequence[Sequence[str]], width: int) -> list[int]:
        kept = list(range(len(self.columns)))
        for spare in self.spare:
            least = {index: max(len(cells[index]) for cells in (self.columns, *rows)) for index in kept}
            least[self.gives] = min(least[self.gives], _LEAST)
            if sum(least.values()) + GAP * (len(least) - 1) <= width:
                break
            kept.remove(spare)
        return kept

    def _put(self, cells: Sequence[str], widths: Mapping[int, int]) -> str:
        put = []
        for index, width in widths.items():
            cell = cells[index]
            if len(cell) > width:
                cell = f"…{cell[len(cell) - width + 1 :]}" if self.ends and index == self.gives else cut(cell, width)
            put.append(cell.ljust(width) if index in self.left else cell.rjust(width))
        return (" " * GAP).join(put).rstrip()


@dataclass(slots=True)
class Stack:
    """Sections below each other."""

    sections: Sequence[Section] = field(default_factory=list)  # the most urgent first

    def lines(self, height: int, width: int) -> list[Line]:
        """At most ``height`` of them. Each section is given its least first, then what is left goes round."""
        lines: list[Line] = []
        for section, given in self._shared(height):
            lines += [line()] if lines else []
            lines += section.lines(given, width)
        return lines

    def _shared(self, height: int) -> list[tuple[Section, int]]:
        """How many lines each has, its head included; between two there is a blank one."""
        given: list[list[int]] = []  # index of the section, lines
        left = height + 1
        for index, section in enumerate(self.sections):
            wanted = min(section.least, len(section.rows)) + 1
            if section.rows and left > wanted:
                given.append([index, wanted])
                left -= wanted + 1
        growing = True
        while left > 0 and growing:
            growing = False
            for one in given:
                if left > 0 and one[1] <= len(self.sections[one[0]].rows):
                    one[1], left, growing = one[1] + 1, left - 1, True
        return [(self.sections[index], lines) for index, lines in given]
