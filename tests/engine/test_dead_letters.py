"""The table of dead letters: its bounds, and what happens at them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from tailrace.pipeline.state.dead_letters import ROW_COST, DeadLetter, DeadLetters, DeadLettersFullError
from tailrace.pipeline.state.schema import DEAD_LETTERS

SIZE = ROW_COST + 100 + len("why") + len("a.log") + len("/a.log")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "letters", isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute(DEAD_LETTERS)
    yield connection
    connection.close()


def purge(db: sqlite3.Connection, where: str = "1") -> None:
    """Somebody else does it."""
    ((_, _, path),) = db.execute("PRAGMA database_list").fetchall()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"DELETE FROM dead_letters WHERE {where}")  # noqa: S608  (our own)


def letters(count: int, first: int = 0) -> list[DeadLetter]:
    return [
        DeadLetter(0.0, "s", "e", "why", 1, "1", "a.log", "/a.log", number, 100, b"x" * 100)
        for number in range(first, first + count)
    ]


def table(db: sqlite3.Connection, room: int, when_full: Literal["block", "drop_oldest"] = "block") -> DeadLetters:
    """With room for so many letters."""
    return DeadLetters(db, room * SIZE, when_full, "digest")


def write(some: DeadLetters, new: list[DeadLetter]) -> int:
    dropped = some.write(new)
    some.committed()
    return dropped


def offsets(db: sqlite3.Connection) -> list[int]:
    return [offset for (offset,) in db.execute("SELECT offset FROM dead_letters ORDER BY id")]


def test_a_letter_counts_for_its_texts_and_its_row() -> None:
    assert letters(1)[0].size == SIZE


def test_case_078_the_table_takes_exactly_what_it_has_room_for(db: sqlite3.Connection) -> None:
    some = table(db, 5)
    assert write(some, letters(5)) == 0
    with pytest.raises(DeadLettersFullError, match=r"\(1\.5 KiB of 1\.5 KiB, 314 bytes more to come\).*dlq drop"):
        some.write(letters(1, 5))
    assert offsets(db) == [0, 1, 2, 3, 4]


def test_case_078_what_others_purged_is_noticed(db: sqlite3.Connection) -> None:
    some = table(db, 5)
    write(some, letters(5))
    purge(db, "offset < 3")
    assert write(some, letters(3, 5)) == 0
    assert offsets(db) == [3, 4, 5, 6, 7]


def test_a_transaction_that_was_rolled_back_counts_for_nothing(db: sqlite3.Connection) -> None:
    some = table(db, 5)
    db.execute("BEGIN")
    some.write(letters(4))
    db.execute("ROLLBACK")
    assert write(some, letters(5)) == 0


def test_case_078_letters_of_an_earlier_run_count(db: sqlite3.Connection) -> None:
    write(table(db, 5), letters(4))
    with pytest.raises(DeadLettersFullError):
        table(db, 5).write(letters(2, 4))


def test_case_078_one_commit_larger_than_everything_is_taken_by_an_empty_table(db: sqlite3.Connection) -> None:
    """Else it would block for ever, however often somebody purges."""
    some = table(db, 2)
    write(some, letters(1))
    with pytest.raises(DeadLettersFullError):
        some.write(letters(5, 1))
    purge(db)
    assert write(some, letters(5, 1)) == 0


def test_case_078_drop_oldest_drops_as_few_as_it_must(db: sqlite3.Connection) -> None:
    some = table(db, 5, "drop_oldest")
    write(some, letters(4))
    assert write(some, letters(3, 4)) == 2
    assert offsets(db) == [2, 3, 4, 5, 6]


def test_case_078_drop_oldest_keeps_the_newest_of_a_commit_that_is_larger_than_everything(
    db: sqlite3.Connection,
) -> None:
    some = table(db, 5, "drop_oldest")
    write(some, letters(2))
    assert write(some, letters(9, 2)) == 6
    assert offsets(db) == [6, 7, 8, 9, 10]
