"""The state: one SQLite file that says how far every source file, every output and every dead letter is.

Everything a commit changes is written in one transaction. Only one daemon may have a state directory; others may read.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import orjson
from tailrace.pipeline import disk
from tailrace.pipeline.batch import Position
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.stage import Mark
from tailrace.pipeline.state.dead_letters import TABLE, DeadLetter, DeadLetters
from tailrace.pipeline.state.file import (
    COLUMNS,
    FILE_NAME,
    LOCK_NAME,
    OF_THE_DISK,
    SCHEMA,
    SCHEMA_VERSION,
    check_absence,
    inspect,
    read_counters,
    read_marks,
    read_positions,
    refusal,
    refusing,
    signed,
    unwritable,
)
from tailrace.pipeline.telemetry.counters import Counters, Key

WAL_LIMIT = 16 << 20  # bytes the write-ahead log is cut back to


@dataclass(slots=True)
class Commit:
    """All that one commit writes."""

    positions: Sequence[Position]
    marks: Mapping[str, Sequence[Mark]]  # sink id: marks that changed
    dead_letters: Sequence[DeadLetter]
    counters: Mapping[Key, float]
    retired: Sequence[int] = ()  # file ids whose rows may go


class State:
    """The open state file. All methods are called from the engine's thread."""

    def __init__(
        self, directory: str, *, max_bytes: int, when_full: Literal["block", "drop_oldest"], config: str
    ) -> None:
        self._directory = Path(directory)
        self._max_bytes, self._when_full, self._config = max_bytes, when_full, config
        self.outputs: set[str] = set()  # paths that sinks write to: never read as a source
        self.dropped = 0  # dead letters that made room for newer ones

    def open(self) -> None:
        """Lock the directory and open or create the file; StateError says what is wrong and how to recover."""
        self._directory = Path(os.path.realpath(self._directory))  # below it no symbolic link is followed
        path = self.path
        with ExitStack() as undo:
            self._lock_directory(undo)
            with refusing(path):
                if not os.path.lexists(path):
                    self._create(path)
                for directory in sorted(disk.directories(os.fspath(path))):  # who made them may have been killed
                    disk.sync_directory(directory)
                inspect(path)
                self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
                undo.callback(self._db.close)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
                self.outputs = {mark.path for marks in self.marks().values() for mark in marks}
                self._letters = DeadLetters(self._db, self._max_bytes, self._when_full, self._config)
                self.positions(), self.counters()  # so that what cannot be read is told now,
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
                db.executescript("BEGIN;" + SCHEMA + TABLE)
                db.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))
                disk.commit(db, temporary)
                disk.close(db, temporary)
            disk.sync(descriptor, temporary)
        finally:
            os.close(descriptor)
        disk.rename(temporary, os.fspath(path))

    # Reading, at start and after a rewind.

    def positions(self) -> list[Position]:
        return read_positions(self._db)

    def marks(self) -> dict[str, list[Mark]]:
        """By sink id, also those of sinks that the configuration no longer has."""
        return read_marks(self._db)

    def counters(self) -> Counters:
        return read_counters(self._db)

    # Writing.

    def register(self, positions: Sequence[Position]) -> list[int]:
        """Give new generations their file ids; durable on return."""
        with self._transaction():
            return [self._insert(position) for position in positions]

    def announce(self, sink: str, marks: Sequence[Mark]) -> None:
        """The first marks of new destinations; durable on return."""
        with self._transaction():
            self._write_marks(sink, marks)

    def forget(self, sink: str) -> None:
        """Drop the marks of a sink that the configuration no longer has."""
        with self._transaction():
            self._db.execute("DELETE FROM marks WHERE sink = ?", (sink,))

    def commit(self, commit: Commit) -> None:
        """Positions, marks, dead letters and counters, all or nothing. OSError: the disk did not take it."""
        with self._transaction():
            changes = ", ".join(f"{name} = :{name}" for name in COLUMNS[1:])
            update = f"UPDATE files SET {changes} WHERE file_id = :file_id"  # noqa: S608  (our own column names)
            self._db.executemany(update, map(_row, commit.positions))
            self._db.executemany("DELETE FROM files WHERE file_id = ?", ((file_id,) for file_id in commit.retired))
            for sink, marks in commit.marks.items():
                self._write_marks(sink, marks)
            dropped = self._letters.write(commit.dead_letters)
            self._db.executemany(
                "INSERT OR REPLACE INTO counters VALUES (?, ?, ?)",
                ((name, orjson.dumps(labels).decode(), value) for (name, labels), value in commit.counters.items()),
            )
        self._letters.committed()
        self.dropped += dropped

    def drop_letters(self, ids: Sequence[int]) -> None:
        """Remove these dead letters, all or none; durable on return. OSError: the disk did not take it."""
        with self._transaction():
            self._letters.drop(ids)
        self._letters.committed()

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

    def _insert(self, position: Position) -> int:
        names = COLUMNS[1:]
        insert = f"INSERT INTO files ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"  # noqa: S608
        cursor = self._db.execute(insert, _row(position))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _write_marks(self, sink: str, marks: Sequence[Mark]) -> None:
        self.outputs.update(mark.path for mark in marks)
        self._db.executemany(
            "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((sink, m.destination, m.path, signed(m.device), signed(m.inode), m.length, m.tail, m.ours) for m in marks),
        )


def _row(position: Position) -> dict[str, object]:
    return asdict(position) | {"device": signed(position.device), "inode": signed(position.inode)}


def take(lock: int, path: str) -> None:
    """Lock a state directory until the descriptor of its lock is closed; StateError if another process has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StateError(
            f"{os.path.dirname(path)}: another tailrace (process {read_holder(lock)}) uses this state directory; "
            "stop it first, or give this one its own pipeline.state_dir"
        ) from error
    try:  # our process id, for the message of whoever comes second; it need not outlive a crash
        disk.truncate(lock, 0, path)
        disk.write(lock, memoryview(f"{os.getpid()}\n".encode()), 0, path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}; {OF_THE_DISK}") from error


def read_holder(lock: int) -> str:
    """The process that wrote itself into the lock, for people."""
    return os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"


def holder(directory: str) -> str | None:
    """The process of the daemon that has this state directory now, as it wrote it down. Touches nothing."""
    try:
        lock = os.open(os.path.join(directory, LOCK_NAME), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(lock)
    finally:
        os.close(lock)
    return None


@contextmanager
def held(directory: str) -> Iterator[None]:
    """No daemon can start on this state directory meanwhile. One that was never used is not made, and cannot be held.

    StateError: a daemon has it, or it may not be written.
    """
    path = os.path.join(os.path.realpath(directory), LOCK_NAME)
    with ExitStack() as undo:
        try:
            lock = disk.open_file(path)
            undo.callback(os.close, lock)
            take(lock, path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise unwritable(Path(path).parent, error.strerror) from error
        yield
