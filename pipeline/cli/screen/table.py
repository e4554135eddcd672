"""Tables for people: coloured by rich on a terminal, plain aligned text in a pipe (rich is not even imported then)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING

from tailrace.pipeline.escape import escape
from tailrace.pipeline.telemetry.wrap import terminal_width

if TYPE_CHECKING:
    from rich.console import Console

_GAP = 2  # blanks between two columns
_FAIR = 16  # characters that the column that gives way should keep
_TELLING = 60  # characters of a sentence that are worth a column of their own
_INDENT = 4  # of a sentence that stands below its row


@dataclass(slots=True)
class Table:
    """Cells are escaped when shown. On a terminal that is too narrow, columns in ``spare`` are left out one by one
    until the column ``gives`` keeps a fair width; what is too wide then is cut, that column first. The last columns may
    be long texts, ``below``: where there is too little room for them they stand below their row, each on a line with
    its name, cut to the width; the last one, a sentence, is wrapped instead."""

    columns: Sequence[str]
    rows: list[Sequence[str]]
    title: str = ""
    right: frozenset[str] = field(default_factory=frozenset)  # columns aligned to the right
    gives: str = ""
    spare: Sequence[str] = ()
    below: Sequence[str] = ()

    def narrowed(self, width: int) -> Table:
        """Without the spare columns that ``width`` (in columns of the terminal) has no room for."""
        table = self
        for name in self.spare:
            if table._least_width() <= width:
                break
            index = list(table.columns).index(name)
            table = replace(
                table,
                columns=[*table.columns[:index], *table.columns[index + 1 :]],
                rows=[[*row[:index], *row[index + 1 :]] for row in table.rows],
            )
        return table

    def parted(self, width: int) -> tuple[Table, list[Sequence[str]]]:
        """The table, and what stands below each of its rows: nothing, where there is room for the columns."""
        count = len(self.below)
        if not count or self._least_width(dict.fromkeys(self.below, _TELLING)) <= width:
            return self, []
        rows: list[Sequence[str]] = [row[:-count] for row in self.rows]
        rest = replace(self, columns=self.columns[:-count], rows=rows, gives="", below=())
        return rest, [row[-count:] for row in self.rows]

    def _least_width(self, fair: Mapping[str, int] | None = None) -> int:
        """With these columns cut to these widths, else with the one that gives way cut to a fair one."""
        fair = {self.gives: _FAIR} if fair is None else fair
        cells = [self.columns, *(tuple(map(escape, row)) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        least = [min(width, fair.get(name, width)) for name, width in zip(self.columns, widths, strict=True)]
        return sum(least) + _GAP * (len(least) - 1)


def show(table: Table, stream: IO[str]) -> None:
    """Print it. Raises OSError as the stream does."""
    if stream.isatty():
        _show_rich(table, stream)
    else:
        stream.write(plain(table))


def plain(table: Table) -> str:
    """Columns two blanks apart, nothing cut; a header line above, unless all column names are empty."""
    rows = [list(map(escape, row)) for row in table.rows]
    if any(table.columns):
        rows.insert(0, list(table.columns))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [escape(table.title)] if table.title else []
    for row in rows:
        cells = [
            cell.rjust(width) if name in table.right else cell.ljust(width)
            for cell, width, name in zip(row, widths, table.columns, strict=True)
        ]
        lines.append((" " * _GAP).join(cells).rstrip())
    return "".join(line + "\n" for line in lines)


def _show_rich(table: Table, stream: IO[str]) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(file=stream, width=terminal_width(stream))
    names = table.below
    table, below = table.parted(console.width)
    table = table.narrowed(console.width)
    if below:
        header, *lines = plain(replace(table, title="")).splitlines()
        console.print(Text(header, style="bold"), no_wrap=True, overflow="ellipsis")
        for line, texts in zip(lines, below, strict=True):
            console.print(Text(line), no_wrap=True, overflow="ellipsis")
            for name, text in zip(names, texts, strict=True):
                _show_below(console, name.ljust(max(map(len, names))), escape(text), cut=name != names[-1])
        return
    rich_table = RichTable(
        title=Text(escape(table.title)) if table.title else None,
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, _GAP, 0, 0),
        pad_edge=False,
        show_header=any(table.columns),
        header_style="bold underline",
    )
    for name in table.columns:
        rich_table.add_column(name, justify="right" if name in table.right else "left", no_wrap=name != table.gives)
    for row in table.rows:  # Text: brackets in a cell are no markup
        rich_table.add_row(*(Text(escape(cell), no_wrap=True, overflow="ellipsis") for cell in row))
    console.print(rich_table)


def _show_below(console: Console, name: str, text: str, *, cut: bool) -> None:
    from rich.padding import Padding
    from rich.text import Text

    begin, indent = Text.assemble(" " * _INDENT, (name, "dim"), " " * _GAP), _INDENT + len(name) + _GAP
    if cut:
        console.print(begin + Text(text), no_wrap=True, overflow="ellipsis")
        return
    first, *rest = Text(text).wrap(console, console.width - indent)
    console.print(begin + first)
    for line in rest:
        console.print(Padding(line, (0, 0, 0, indent)))
