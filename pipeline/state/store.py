"""The state: one SQLite file that says how far every stream and every output is, with dead letters, counters and what
stages remember.

Everything a commit changes is written in one transaction. Only one daemon may have a state directory; others may read.
Cursors belong to the source, marks to their sink: JSON values that are kept here and not looked into.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
from tailrace.pipeline import disk
from tailrace.pipeline.state import remembered
from tailrace.pipeline.state.dead_letters import DeadLetter, DeadLetters
from tailrace.pipeline.state.file import (
    FILE_NAME,
    SinkRecord,
    check_absence,
    check_contents,
    check_tables,
    inspect,
    read_counters,
    read_cursors,
    read_id,
    read_marks,
    read_sinks,
    refusal,
    refusing,
    unwritable,
)
from tailrace.pipeline.state.lock import LOCK_NAME, take
from tailrace.pipeline.state.migrate import migrate_1
from tailrace.pipeline.state.schema import SCHEMA, SCHEMA_VERSION, STATE_ID, new_state_id, to_text
from tailrace.pipeline.telemetry.counters import Counters, Key

WAL_LIMIT = 16 << 20  # bytes the write-ahead log is cut back to


@dataclass(slots=True)
class Commit:
    """All that one commit writes."""

    cursors: Mapping[int, Any]  # stream: cursor; those that changed
    marks: Mapping[str, Mapping[str, Any]]  # sink id: destination: mark; those that changed
    dead_letters: Sequence[DeadLetter]
    counters: Mapping[Key, float]
    retired: Sequence[int] = ()  # streams whose rows may go
    memory: Mapping[str, Mapping[str, bytes | None]] = field(default_factory=dict)  # stage: key: JSON; None: deleted
    redriven: Sequence[int] = ()  # dead letters that were sent through the chain again: their rows go
    overfull: bool = False  # there may be more dead letters than there is room for


class State:
    """The open state file. All methods are called from the engine's thread."""

    def __init__(
        self, directory: str, *, max_bytes: int, when_full: Literal["block", "drop_oldest"], config: str
    ) -> None:
        self._directory = Path(directory)
        self._max_bytes, self._when_full, self._config = max_bytes, when_full, config
        self.id = ""  # 8 letters and digits: what makes event ids of several states different
        self.upgraded_from: int | None = None  # the schema version that the file had, where `open` migrated it
        self.outputs: set[str] = set()  # paths that sinks write to: never read as a source; filled by the daemon
        self.dropped = 0  # dead letters that made room for newer ones

    def open(self) -> None:
        """Lock the directory and open, migrate or create the file; StateError says what is wrong and how to recover."""
        self._directory = Path(os.path.realpath(self._directory))  # below it no symbolic link is followed
        path = self.path
        with ExitStack() as undo:
            self._lock_directory(undo)
            with refusing(path):
                if not os.path.lexists(path):
                    self._create(path)
                for directory in sorted(disk.directories(os.fspath(path))):  # who made them may have been killed
                    disk.sync_directory(directory)
                version = inspect(path)
                self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
                undo.callback(self._db.close)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
                if version < SCHEMA_VERSION:
                    self._migrate(version)
                self.id = read_id(self._db)
                self._letters = DeadLetters(self._db, self._max_bytes, self._when_full, self._config)
                check_contents(self._db)  # so that what cannot be read is reported now,
                self._db.execute("DELETE FROM meta WHERE key = ''")  # and that it cannot be written
            undo.pop_all()

    @property
    def path(self) -> Path:
        return self._directory / FILE_NAME

    def _lock_directory(self, undo: ExitStack) -> None:
        lock = os.fspath(self._directory / LOCK_NAME)
        try:
            self._make_directory()
            self._lock, _ = disk.create(lock, 0o600)
            undo.callback(os.close, self._lock)
            take(self._lock, lock)
        except OSError as error:
            raise unwritable(self._directory, error.strerror) from error

    def _make_directory(self) -> None:
        directory = os.fspath(self._directory)
        os.close(disk.open_parent(directory, mode=0o777))
        if not os.path.lexists(directory):
            os.close(disk.open_parent(directory + "/.", mode=0o700))
            self._directory.chmod(0o700)  # whatever the umask took away

    def _create(self, path: Path) -> None:
        """Make the file under another name first: under its own name it is never empty or half made."""
        check_absence(path)
        temporary = f"{path}.new"
        for leftover in (temporary, *(temporary + end for end in ("-journal", "-wal", "-shm"))):
            if os.path.lexists(leftover):
                disk.unlink(leftover)  # else SQLite would take a log for that of the new file
        descriptor, _ = disk.create(temporary, 0o600)
        try:
            with closing(sqlite3.connect(temporary, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode=WAL")
                db.executescript("BEGIN;" + SCHEMA)
                meta = (("schema_version", str(SCHEMA_VERSION)), (STATE_ID, new_state_id()))
                db.executemany("INSERT INTO meta VALUES (?, ?)", meta)
                disk.commit(db, temporary)
                disk.close(db, temporary)
            disk.sync(descriptor, temporary)
        finally:
            os.close(descriptor)
        disk.rename(temporary, os.fspath(path))

    def _migrate(self, version: int) -> None:
        """In one transaction: killed anywhere in it, the file is as it was."""
        with self._transaction():
            migrate_1(self._db, new_state_id())
            check_tables(self.path, self._db, SCHEMA_VERSION)
        self.upgraded_from = version

    # Reading, at start and after a rewind.

    def cursors(self) -> dict[int, Any]:
        """By stream."""
        return read_cursors(self._db)

    def marks(self) -> dict[str, dict[str, Any]]:
        """By sink id and destination, also those of sinks that the configuration no longer has."""
        return read_marks(self._db)

    def sinks(self) -> dict[str, SinkRecord]:
        """By sink id, also those that the configuration no longer has."""
        return read_sinks(self._db)

    def memory(self) -> dict[str, dict[str, bytes]]:
        """What stages remember: JSON by stage name and key."""
        return remembered.read(self._db)

    def counters(self) -> Counters:
        return read_counters(self._db)

    # Writing.

    def register(self, cursors: Sequence[Any]) -> list[int]:
        """Give new streams their numbers, which are never given again; durable on return."""
        with self._transaction():
            return [self._insert(cursor) for cursor in cursors]

    def enter_sinks(self, sinks: Mapping[str, SinkRecord]) -> None:
        """What these sinks are, beside their marks; durable on return. Before the first mark of each."""
        known = self.sinks()
        rows = [(sink, one.use, to_text(one.options)) for sink, one in sinks.items() if known.get(sink) != one]
        if rows:
            with self._transaction():
                self._db.executemany("INSERT OR REPLACE INTO sinks VALUES (?, ?, ?)", rows)

    def announce(self, sink: str, marks: Mapping[str, Any]) -> None:
        """The first marks of new destinations; durable on return."""
        with self._transaction():
            self._write_marks(sink, marks)

    def forget(self, sink: str) -> None:
        """Drop the marks of a sink that the configuration no longer has, and what it was."""
        with self._transaction():
            self._db.execute("DELETE FROM marks WHERE sink = ?", (sink,))
            self._db.execute("DELETE FROM sinks WHERE sink = ?", (sink,))

    def commit(self, commit: Commit) -> bool:
        """All of it or nothing; whether there are more dead letters now than there is room for. OSError: the disk did
        not take it."""
        with self._transaction():
            rows = ((to_text(cursor), stream) for stream, cursor in commit.cursors.items())
            self._db.executemany("UPDATE streams SET cursor = ? WHERE stream = ?", rows)
            self._db.executemany("DELETE FROM streams WHERE stream = ?", ((stream,) for stream in commit.retired))
            for sink, marks in commit.marks.items():
                self._write_marks(sink, marks)
            remembered.write(self._db, commit.memory)
            dropped = self._letters.write(commit.dead_letters, commit.redriven, overfull=commit.overfull)
            self._db.executemany(
                "INSERT OR REPLACE INTO counters VALUES (?, ?, ?)",
                ((name, orjson.dumps(labels).decode(), value) for (name, labels), value in commit.counters.items()),
            )
        self._letters.committed()
        self.dropped += dropped
        return self._letters.overfull

    def change_streams(self, cursors: Mapping[int, Any], gone: Sequence[int]) -> None:
        """These cursors are others now, and these streams are forgotten; durable on return. OSError."""
        with self._transaction():
            rows = ((to_text(cursor), stream) for stream, cursor in cursors.items())
            self._db.executemany("UPDATE streams SET cursor = ? WHERE stream = ?", rows)
            self._db.executemany("DELETE FROM streams WHERE stream = ?", ((stream,) for stream in gone))

    def limit_letters(self, max_bytes: int, when_full: Literal["block", "drop_oldest"], config: str) -> None:
        """As a changed configuration has it."""
        self._letters.limit(max_bytes, when_full, config)

    def drop_letters(self, ids: Sequence[int]) -> None:
        """Remove these dead letters, all or none; durable on return. OSError: the disk did not take it."""
        with self._transaction():
            self._letters.drop(ids)
        self._letters.committed()

    def expire_letters(self, before: float, most: int) -> int:
        """Remove so many, at most, that are from before this time (seconds since the epoch); how many. OSError."""
        with self._transaction():
            count = self._letters.expire(before, most)
        self._letters.committed()
        return count

    @property
    def letters(self) -> DeadLetters:
        """To be read only."""
        return self._letters

    def close(self) -> None:
        disk.close(self._db, os.fspath(self.path))
        os.close(self._lock)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                disk.commit(self._db, os.fspath(self.path))
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:  # busy, full, an I/O error: may pass
            raise OSError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise  # a fault of ours
            raise refusal(self.path, str(error)) from error

    def _insert(self, cursor: Any) -> int:
        row = self._db.execute("INSERT INTO streams (cursor) VALUES (?)", (to_text(cursor),)).lastrowid
        assert row is not None
        return row

    def _write_marks(self, sink: str, marks: Mapping[str, Any]) -> None:
        rows = ((sink, destination, to_text(mark)) for destination, mark in marks.items())
        self._db.executemany("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", rows)
