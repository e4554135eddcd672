"""Lines on a narrow terminal: broken between words or fields, indented, whole everywhere else."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import struct
import termios
from collections.abc import Iterator, Sequence
from typing import IO

import pytest
from tailrace.pipeline.cli.screen.table import Table, show
from tailrace.pipeline.telemetry.log import console_line
from tailrace.pipeline.telemetry.wrap import lay, terminal_width, wrap

TEXT = "one two three four five six seven"


@pytest.fixture
def terminal() -> Iterator[tuple[int, IO[str]]]:
    """(the screen's side, our side) of a terminal of 60 columns."""
    screen, ours = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with open(ours, "w", encoding="utf-8") as stream:
        yield screen, stream
    os.close(screen)


def shown(screen: int, stream: IO[str]) -> str:
    """All that came to the screen; one read may give a part of it."""
    stream.close()
    data = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes there any more
        while portion := os.read(screen, 1 << 16):
            data += portion
    return data.decode()


def test_only_a_terminal_has_a_width(terminal: tuple[int, IO[str]]) -> None:
    assert terminal_width(terminal[1]) == 60
    assert terminal_width(io.StringIO()) is None
    assert terminal_width(None) is None
    closed = io.StringIO()
    closed.close()
    assert terminal_width(closed) is None


def test_a_terminal_that_tells_no_sensible_width_has_none(terminal: tuple[int, IO[str]]) -> None:
    for columns in (0, 5):
        fcntl.ioctl(terminal[1].fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        assert terminal_width(terminal[1]) is None


def test_a_line_is_broken_between_words_and_goes_on_indented() -> None:
    assert wrap(TEXT, 20) == "one two three four\n    five six seven"
    assert wrap(TEXT, None) == wrap(TEXT, len(TEXT)) == TEXT
    assert wrap("a-long-word-that-is-not-broken and", 20, indent=2) == "a-long-word-that-is-not-broken\n  and"


def test_parts_are_not_broken_and_colours_take_no_room() -> None:
    parts = [(len(word), f"<colour>{word}") for word in TEXT.split()]
    assert lay(parts, 20).replace("<colour>", "") == "one two three four\n    five six seven"
    assert lay(parts, None).replace("<colour>", "") == TEXT
    assert lay([(99, "x"), (99, "y")], 20) == "x\n    y"


def test_a_log_line_is_broken_between_fields() -> None:
    fields = {
        "timestamp": "T",
        "level": "info",
        "logger": "tail",
        "event": "file.found",
        "why": "two words",
        "count": 12,
    }
    assert console_line(fields, width=30) == 'T info    [tail] file.found\n    why="two words" count=12'
    plain = console_line(fields, width=None)
    coloured = console_line(fields, colour=True, width=30)
    assert "\n" not in plain
    assert coloured.count("\n") == 1


def test_a_sentence_that_no_line_can_hold_is_broken_between_its_words() -> None:
    fields = {"timestamp": "T", "level": "info", "logger": "x", "event": "e", "why": f"{TEXT} {TEXT}", "n": 1}
    lines = console_line(fields, width=30).split("\n")
    assert lines == [
        'T info    [x] e why="one two',
        "    three four five six seven",
        "    one two three four five",
        '    six seven" n=1',
    ]
    assert "\n" not in console_line(fields, width=None)


def test_a_table_leaves_out_what_can_be_spared_before_it_cuts(terminal: tuple[int, IO[str]]) -> None:
    screen, stream = terminal
    row = ("1", "2020-09-13T12:26:40Z", "parse.combined", "access.log", "this line fits no pattern at all")
    table = Table(("id", "time", "stage", "file", "why"), [row], gives="why", spare=("file", "time"))
    show(table, stream)
    header, line = shown(screen, stream).split("\r\n")[:2]
    assert "file" not in header
    assert "time" in header
    assert "access.log" not in line
    assert "this line fits n" in line
    assert table.narrowed(200) == table
    assert list(table.narrowed(50).columns) == ["id", "stage", "why"]
    assert list(table.narrowed(1).columns) == ["id", "stage", "why"], "what is not spare stays"


def test_sentences_stand_whole_below_their_rows_where_a_column_would_cut_them(terminal: tuple[int, IO[str]]) -> None:
    screen, stream = terminal
    why = "this line fits no pattern at all, for it has neither a time nor a level\x1b[2J"
    rows: list[Sequence[str]] = [("7", "parse.combined", "access.log", why), ("11", "enrich.set", "app.log", "short")]
    table = Table(
        ("id", "stage", "file", "why"), rows, right=frozenset({"id"}), gives="why", spare=("file",), below=("why",)
    )
    show(table, stream)
    lines = shown(screen, stream).replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "").split("\r\n")
    assert [line.rstrip() for line in lines] == [
        "id  stage           file",
        " 7  parse.combined  access.log",
        "    why  this line fits no pattern at all, for it has",
        "         neither a time nor a level\\x1b[2J",
        "11  enrich.set      app.log",
        "    why  short",
        "",
    ]
    assert table.parted(120) == (table, []), "with more room it is a column"
    short = Table(("id", "why"), [("1", "short")], gives="why", below=("why",))
    assert short.parted(20) == (short, []), "and where nothing would be cut"


def test_of_several_long_columns_all_but_the_last_are_cut_to_the_width(terminal: tuple[int, IO[str]]) -> None:
    screen, stream = terminal
    line, why = "127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] GET / HTTP/1.0", "this line fits no pattern at all"
    row = ("7", "no_match", line, why)
    table = Table(("id", "error", "line", "why"), [row] * 2, gives="why", below=("line", "why"))
    show(table, stream)
    lines = shown(screen, stream).replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "").split("\r\n")
    below = [
        "7   no_match",
        "    line  127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] GET / …",
        "    why   this line fits no pattern at all",
    ]
    assert [line.rstrip() for line in lines] == ["id  error", *below, *below, ""]
