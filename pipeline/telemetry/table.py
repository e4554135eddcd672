"""Tables for people: coloured by rich on a terminal, plain aligned text in a pipe (rich is not even imported then)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

from pipeline.telemetry.escape import escape


@dataclass(slots=True)
class Table:
    """Cells are escaped when shown. On a terminal that is too narrow, the column ``gives`` is cut first."""

    columns: Sequence[str]
    rows: list[Sequence[str]]
    title: str = ""
    right: frozenset[str] = field(default_factory=frozenset)  # columns aligned to the right
    gives: str = ""


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
        lines.append("  ".join(cells).rstrip())
    return "".join(line + "\n" for line in lines)


def _show_rich(table: Table, stream: IO[str]) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    rich_table = RichTable(
        title=Text(escape(table.title)) if table.title else None,
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2, 0, 0),
        show_header=any(table.columns),
        header_style="bold underline",
    )
    for name in table.columns:
        rich_table.add_column(name, justify="right" if name in table.right else "left", no_wrap=name != table.gives)
    for row in table.rows:  # Text: brackets in a cell are no markup
        rich_table.add_row(*(Text(escape(cell), no_wrap=True, overflow="ellipsis") for cell in row))
    Console(file=stream).print(rich_table)
