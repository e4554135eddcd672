"""The ledger of the soak tells what is lost, repeated or made up; a soak that could not fail would prove nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ..scenarios.daemon import Daemon
from ..scenarios.writer import Writer
from .ledger import SINKS, Ledger

LINES = 100


@pytest.fixture
def stand(tmp_path: Path) -> tuple[Ledger, Writer, Path]:
    """A ledger, a writer that has written a hundred lines of which two are bad, and their output, as it should be; the
    other sink's too."""
    daemon = Daemon(tmp_path, "")
    ledger = Ledger(daemon)
    writer = Writer(tmp_path / "app.log", who="a")
    ledger.open("a")
    lines = [writer._line(number) for number in range(LINES)]
    writer.written = LINES
    daemon.database.parent.mkdir()
    with closing(sqlite3.connect(daemon.database)) as db, db:
        db.execute("CREATE TABLE dead_letters (id INTEGER PRIMARY KEY, raw BLOB)")
        db.executemany("INSERT INTO dead_letters (raw) VALUES (?)", [(line,) for line in writer.bad])
    outputs = [tmp_path / sink / "a.ndjson" for sink in SINKS]
    for output in outputs:
        output.parent.mkdir()
        output.write_bytes(b"".join(line for line in lines if line[:-1] not in writer.bad))
    return ledger, writer, outputs[1]


def balance(ledger: Ledger, writer: Writer) -> tuple[list[str], bool]:
    """(found, dead-lettered, lost, repeated) of all, and whether it is well."""
    ledger.collect()
    table, exact = ledger.table([writer])
    (row,) = (line for line in table.splitlines() if line.split()[0] == "all")
    return row.split()[-4:], exact


def add_letter(ledger: Ledger, raw: bytes) -> None:
    with closing(sqlite3.connect(ledger._daemon.database)) as db, db:
        db.execute("INSERT INTO dead_letters (raw) VALUES (?)", (raw,))


def test_a_hundred_lines_each_once_are_well(stand: tuple[Ledger, Writer, Path]) -> None:
    ledger, writer, output = stand
    assert balance(ledger, writer) == (["98", "2", "0", "0"], True)
    assert not output.exists(), "what is entered is not counted again"
    assert balance(ledger, writer) == (["98", "2", "0", "0"], True)


def test_a_line_that_is_missing_in_one_sink_is_lost_and_named(stand: tuple[Ledger, Writer, Path]) -> None:
    ledger, writer, output = stand
    output.write_bytes(b"".join(output.read_bytes().splitlines(keepends=True)[1:]))
    assert balance(ledger, writer) == (["97", "2", "1", "0"], False)
    assert "a: line 0 is lost" in ledger.table([writer])[0]


def test_a_bad_line_without_its_letter_is_lost(stand: tuple[Ledger, Writer, Path]) -> None:
    ledger, writer, _ = stand
    with closing(sqlite3.connect(ledger._daemon.database)) as db, db:
        db.execute("DELETE FROM dead_letters WHERE id = 2")
    assert balance(ledger, writer) == (["98", "1", "1", "0"], False)


def test_a_second_letter_of_a_line_and_one_of_a_good_line_are_too_many(stand: tuple[Ledger, Writer, Path]) -> None:
    ledger, writer, _ = stand
    add_letter(ledger, writer.bad[0])
    assert balance(ledger, writer) == (["98", "2", "0", "1"], False)
    add_letter(ledger, b'{"broken a": 7')
    assert balance(ledger, writer) == (["98", "2", "0", "2"], False)
    assert "a: line 7 came out 1 times too often" in ledger.table([writer])[0]


def test_a_line_that_comes_twice_is_repeated(stand: tuple[Ledger, Writer, Path]) -> None:
    ledger, writer, output = stand
    output.write_bytes(output.read_bytes() + output.read_bytes().splitlines(keepends=True)[7])
    assert balance(ledger, writer) == (["98", "2", "0", "1"], False)


def test_a_line_that_comes_again_in_a_later_life_is_repeated(stand: tuple[Ledger, Writer, Path]) -> None:
    ledger, writer, output = stand
    again = output.read_bytes().splitlines(keepends=True)[7]
    ledger.collect()
    output.write_bytes(again)
    assert balance(ledger, writer) == (["98", "2", "0", "1"], False)


@pytest.mark.parametrize("line", [b'{"n": 3, "who": "a", "text": "xx', b'{"n": 3, "who": "a", "text": "x"}\n', b"\n"])
def test_a_torn_or_altered_line_is_nobodys(stand: tuple[Ledger, Writer, Path], line: bytes) -> None:
    ledger, writer, output = stand
    output.write_bytes(output.read_bytes() + line)
    assert balance(ledger, writer) == (["98", "2", "0", "0"], False)


def test_a_line_that_was_never_written_is_too_much(stand: tuple[Ledger, Writer, Path]) -> None:
    ledger, writer, output = stand
    output.write_bytes(output.read_bytes() + writer._line(LINES))
    assert balance(ledger, writer) == (["98", "2", "0", "1"], False)


def test_nothing_written_is_not_well(tmp_path: Path) -> None:
    ledger = Ledger(Daemon(tmp_path, ""))
    ledger.open("a")
    assert not ledger.table([Writer(tmp_path / "app.log", who="a")])[1]
