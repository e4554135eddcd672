"""``write.sqlite`` into real files, called as the engine calls it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline import disk
from tailrace.pipeline.batch import Event
from tailrace.pipeline.errors import Park, Reject, Retry, Split
from tailrace.pipeline.outgoing import About, Outgoing
from tailrace.stages.write.sqlite import Sqlite

ABOUT = About("write.sqlite", None, lambda words: None)  # noqa: ARG005
Make = Callable[..., Sqlite]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "logs.sqlite"


@pytest.fixture
def make(path: Path) -> Iterator[Make]:
    made: list[Sqlite] = []

    def sink(**options: Any) -> Sqlite:
        made.append(Sqlite(str(path), **options))
        made[-1].connect(ABOUT)
        return made[-1]

    yield sink
    for one in made:
        one.close()


def outgoing(sink: Sqlite, events: list[Event], first: int = 0) -> Outgoing:
    """The events as a batch of the engine's, whose memory it will use again."""
    (payload,) = sink.encode(events)
    assert payload.ends is not None
    assert len(payload.ends) == len(events)
    ids = [f"abcdefgh-1:{first + n}" for n in range(len(events))]
    return Outgoing(payload.destination, memoryview(bytearray(payload.data)), payload.ends, ids)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        return database.execute(sql).fetchall()


def test_without_columns_the_table_holds_id_and_event(path: Path, make: Make) -> None:
    sink = make()
    events: list[Event] = [{"n": 1, "text": "a\nb\u2028c\0d"}, {"n": 2, "big": 2**64 - 1}, {}]
    assert sink.deliver(outgoing(sink, events)) is None
    assert query(path, "SELECT event_id, event FROM events ORDER BY rowid") == [
        ("abcdefgh-1:0", '{"n":1,"text":"a\\nb\u2028c\\u0000d"}'),
        ("abcdefgh-1:1", '{"n":2,"big":18446744073709551615}'),
        ("abcdefgh-1:2", "{}"),
    ]
    assert query(path, "SELECT json_extract(event, '$.n') FROM events LIMIT 1") == [(1,)]


def test_a_transaction_waits_for_the_disk(make: Make) -> None:
    database = make()._database
    assert database is not None
    assert database.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"


def test_values_keep_their_types(path: Path, make: Make) -> None:
    fields = ["text", "whole", "part", "yes", "nothing", "gone", "list", "table", "time", "nan", "least"]
    sink = make(columns=fields)
    event = {
        "text": "a\nb\0c\u2028",
        "whole": 2**63 - 1,
        "part": 0.1,
        "yes": True,
        "nothing": None,
        "list": [1, "a\nb", None],
        "table": {"a": {"b": 1.5}},
        "time": datetime(2026, 1, 2, tzinfo=UTC),
        "nan": float("nan"),
        "least": -(2**63),
        "not a column": 1,
    }
    sink.deliver(outgoing(sink, [event, {"text": "12"}]))
    whole, bare = query(path, "SELECT * FROM events")
    assert whole == (
        "abcdefgh-1:0", "a\nb\0c\u2028", 2**63 - 1, 0.1, 1, None, None, '[1,"a\\nb",null]', '{"a":{"b":1.5}}',
        "2026-01-02T00:00:00+00:00", None, -(2**63),
    )  # fmt: skip
    assert bare == ("abcdefgh-1:1", "12", *[None] * 10)


def test_a_repeat_changes_nothing_or_puts_new_values(path: Path, make: Make) -> None:
    sink = make(columns=["n"])
    for _ in range(2):
        sink.deliver(outgoing(sink, [{"n": 1}, {"n": 2}]))
    sink.deliver(outgoing(sink, [{"n": 5}, {"n": 3}], first=1))
    assert query(path, "SELECT event_id, n FROM events") == [
        ("abcdefgh-1:0", 1), ("abcdefgh-1:1", 2), ("abcdefgh-1:2", 3),
    ]  # fmt: skip
    replacing = make(columns=["n"], on_conflict="replace")
    replacing.deliver(outgoing(replacing, [{"n": 7}]))
    assert query(path, "SELECT n FROM events WHERE event_id = 'abcdefgh-1:0'") == [(7,)]


def test_columns_may_have_other_names_than_fields_and_a_key_of_their_own(path: Path, make: Make) -> None:
    sink = make(
        table='my "t"', columns={"request id": "req", "event_id": "event_id", 'co"de': "status"}, key="request id"
    )
    sink.deliver(outgoing(sink, [{"req": "a", "status": 200, "event_id": "forged"}, {"req": "b", "status": 404}]))
    sink.deliver(outgoing(sink, [{"req": "a", "status": 500}], first=7))
    assert query(path, 'SELECT * FROM "my ""t"""') == [("a", "abcdefgh-1:0", 200), ("b", "abcdefgh-1:1", 404)]
    with pytest.raises(Reject, match="the field req, by which a row is known again, is missing") as caught:
        list(sink.encode([{"req": "a"}, {"status": 1}]))
    assert caught.value.code == "missing_field"


def test_a_table_of_the_users_own_is_used(path: Path, make: Make) -> None:
    path.parent.mkdir()
    query(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0), event_id TEXT UNIQUE)")
    sink = make(table="t", columns=["n"])
    sink.deliver(outgoing(sink, [{"n": 4}, {"n": "5"}]))
    assert query(path, "SELECT * FROM t") == [(1, 4, "abcdefgh-1:0"), (2, 5, "abcdefgh-1:1")]


def test_only_the_rows_at_fault_are_refused(path: Path, make: Make) -> None:
    path.parent.mkdir()
    query(path, "CREATE TABLE t (event_id TEXT PRIMARY KEY, n INTEGER NOT NULL CHECK (n != 13))")
    sink = make(table="t", columns=["n"])
    events: list[Event] = [{"n": n} for n in range(500)]
    events[7] = {"n": None}
    events[300] = {"n": 2**63}
    verdicts = sink.deliver(outgoing(sink, events))
    assert verdicts is not None
    (null, check, large) = verdicts.refused
    assert (null[0], check[0], large[0]) == (7, 13, 300)
    assert "NOT NULL constraint failed: t.n" in null[2]
    assert "CHECK constraint failed" in check[2]
    assert "too large to convert to SQLite INTEGER" in large[2]
    assert {code for _, code, _ in verdicts.refused} == {"rejected"}
    assert query(path, "SELECT COUNT(*) FROM t") == [(497,)]


def test_a_trigger_that_rolls_back_has_the_batch_halved(path: Path, make: Make) -> None:
    path.parent.mkdir()
    query(path, "CREATE TABLE t (event_id TEXT PRIMARY KEY, n)")
    query(path, "CREATE TRIGGER g BEFORE INSERT ON t WHEN new.n = 3 BEGIN SELECT RAISE(ROLLBACK, 'no threes'); END")
    sink = make(table="t", columns=["n"])
    with pytest.raises(Split, match="no threes"):
        sink.deliver(outgoing(sink, [{"n": n} for n in range(5)]))
    assert query(path, "SELECT COUNT(*) FROM t") == [(0,)]
    assert sink.deliver(outgoing(sink, [{"n": 1}])) is None


@pytest.mark.parametrize(
    ("event", "words"),
    [({"n": 2**64}, "the field n"), ({"n": "\udcff"}, "the field n"), ({"n": {"a": b"x"}}, "the field n")],
)
def test_what_a_table_cannot_hold_is_rejected_in_the_worker(event: Event, words: str) -> None:
    with pytest.raises(Reject, match=words) as caught:
        list(Sqlite("/x", columns=["m", "n"]).encode([{"n": 1}, event]))
    assert caught.value.code == "rejected"


def test_what_was_delivered_survives_a_crash_of_the_process(path: Path, make: Make) -> None:
    sink = make()
    sink.deliver(outgoing(sink, [{"n": 1}]))
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    log = Path(f"{path}-wal")
    assert log.stat().st_size > 0
    copy = path.with_name("copy.sqlite")  # as a killed process leaves them
    copy.write_bytes(path.read_bytes())
    copy.with_name("copy.sqlite-wal").write_bytes(log.read_bytes())
    assert query(copy, "SELECT COUNT(*) FROM events") == [(1,)]


def test_a_locked_file_is_tried_again(path: Path, make: Make) -> None:
    sink = make(busy_timeout=0.01)
    batch = outgoing(sink, [{"n": 1}])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Retry, match=r"database is locked \(SQLITE_BUSY\)"):
            sink.deliver(batch)
    sink.deliver(batch)
    assert query(path, "SELECT COUNT(*) FROM events") == [(1,)]


def test_a_damaged_file_parks_the_sink_and_stays_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"precious " * 1000)
    sink = Sqlite(str(path))
    with pytest.raises(Park, match=r"file is not a database \(SQLITE_NOTADB\)"):
        sink.connect(ABOUT)
    assert path.read_bytes() == b"precious " * 1000


def test_a_missing_column_parks_the_sink_and_a_dropped_table_comes_back(path: Path, make: Make) -> None:
    sink = make(columns=["n"])
    wider = make(columns=["n", "m"])
    with pytest.raises(Park, match="table events has no column named m"):
        wider.deliver(outgoing(wider, [{"n": 1}]))
    query(path, "DROP TABLE events")
    with pytest.raises(Park, match="no such table: events"):
        sink.deliver(outgoing(sink, [{"n": 1}]))
    sink.connect(ABOUT)
    sink.deliver(outgoing(sink, [{"n": 1}]))
    assert query(path, "SELECT n FROM events") == [(1,)]


def test_a_table_without_a_key_parks_the_sink(path: Path, make: Make) -> None:
    path.parent.mkdir()
    query(path, "CREATE TABLE events (event_id, event)")
    sink = make()
    with pytest.raises(Park, match="ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint"):
        sink.deliver(outgoing(sink, [{"n": 1}]))


def test_a_full_database_parks_the_sink_and_nothing_of_the_batch_stays(path: Path, make: Make) -> None:
    sink = make()
    assert sink._database is not None
    sink._database.execute("PRAGMA max_page_count = 5")
    with pytest.raises(Park, match=r"database or disk is full \(SQLITE_FULL\)"):
        sink.deliver(outgoing(sink, [{"pad": "x" * 1000} for _ in range(100)]))
    assert query(path, "SELECT COUNT(*) FROM events") == [(0,)]
    sink.connect(ABOUT)
    sink.deliver(outgoing(sink, [{"pad": "x" * 1000} for _ in range(100)]))
    assert query(path, "SELECT COUNT(*) FROM events") == [(100,)]


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_is_taken_away_is_noticed_and_the_batch_counts_for_nothing(
    path: Path, make: Make, how: str
) -> None:
    sink = make()
    batch = outgoing(sink, [{"n": 1}])
    path.rename(path.with_name("away"))
    if how == "replaced":
        path.touch()
    with pytest.raises(OSError, match=r"replaced by somebody else|No such file"):
        sink.deliver(batch)
    sink.connect(ABOUT)
    sink.deliver(batch)
    assert query(path, "SELECT COUNT(*) FROM events") == [(1,)]


def test_a_new_file_is_durable_and_not_for_everybody(path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, str]] = []
    monkeypatch.setattr(disk, "before", lambda operation, path: done.append((operation, path)))
    make()
    assert path.stat().st_mode & 0o777 == 0o640
    assert ("create", str(path)) in done
    assert ("sync", str(path.parent)) in done


def test_its_files_are_never_read_as_a_source(path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path.parent.symlink_to(tmp_path / "real")
    sink = Sqlite(str(path))
    real = str(tmp_path / "real" / "logs.sqlite")
    assert sink.paths({}) == [real, f"{real}-wal", f"{real}-shm", f"{real}-journal"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "/out/{source}.sqlite"}, "path: has a placeholder"),
        ({"columns": ["a", "a"]}, "columns: names a column twice"),
        ({"columns": ["a", "A"]}, "columns: has two that differ in upper and lower case only"),
        ({"columns": {"event_id": "id"}}, "columns.event_id: is filled from 'id'"),
        ({"columns": ["a"], "key": "b"}, "key: is 'b', expected one of the columns: event_id, a"),
        ({"columns": [""]}, "columns: has an empty name"),
        ({"table": "a\0"}, "table: has an empty name, or one with a NUL"),
        ({"columns": [str(n) for n in range(999)]}, "columns: has 999, expected at most 998"),
    ],
)
def test_options_that_cannot_be_right_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sqlite(**{"path": "/x", **options})


def test_braces_in_the_path_are_written_twice(tmp_path: Path) -> None:
    assert Sqlite(f"{tmp_path}/a{{{{b}}}}").paths({})[0] == f"{tmp_path}/a{{b}}"
