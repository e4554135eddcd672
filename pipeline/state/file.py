"""A state file as it lies there: its schema, whether it is ours and whole, and what is in it. Nothing here makes, mends
or changes anything, whoever has the file open.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

import orjson
from tailrace.pipeline.batch import Position
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.stage import Mark
from tailrace.pipeline.state.dead_letters import TABLE
from tailrace.pipeline.telemetry.counters import Counters

SCHEMA_VERSION = 1
FILE_NAME = "tailrace.sqlite"
LOCK_NAME = "lock"  # beside it
LOG_HEAD = 32  # bytes of a write-ahead log before its first frame (https://www.sqlite.org/fileformat2.html#walformat)
OF_THE_DISK = "check the disk (space, permissions, kernel log), then start again"

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    file_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, path BLOB NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, offset INTEGER NOT NULL,
    head_length INTEGER NOT NULL, head_hash TEXT NOT NULL, tail_length INTEGER NOT NULL, tail_hash TEXT NOT NULL,
    size INTEGER NOT NULL, ended INTEGER NOT NULL, ledger TEXT NOT NULL
);
CREATE TABLE marks (
    sink TEXT NOT NULL, destination TEXT NOT NULL, path TEXT NOT NULL, device INTEGER NOT NULL,
    inode INTEGER NOT NULL, length INTEGER NOT NULL, tail TEXT NOT NULL, ours INTEGER NOT NULL,
    PRIMARY KEY (sink, destination)
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT NOT NULL, labels TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (name, labels)) WITHOUT ROWID;
"""

COLUMNS = tuple(field.name for field in fields(Position))


def connect(path: Path) -> sqlite3.Connection:
    """To read only, beside a daemon too. Left to itself, SQLite would make a log, or an index for one that a killed
    daemon has left: ``immutable`` and ``readonly_shm`` keep it from that. Only where a log came without its index, as
    from a backup, it has to make that."""
    wal, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    logged = wal.exists() and wal.stat().st_size > LOG_HEAD  # of a head alone, readonly_shm makes SQLite give up
    address = f"file:{quote(os.path.abspath(path))}?mode=ro"
    if logged and index.exists():
        address += "&readonly_shm=1"
    elif not logged:
        address += "&immutable=1"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=5.0)


def inspect(path: Path) -> None:
    """StateError, unless it is ours and whole. Reads every page."""
    found = path.lstat()
    with closing(_connect_to_file(path)) as db:
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise refusal(path, " ".join(verdict.split()))
        check_version(path, db)
        (page,) = db.execute("PRAGMA page_size").fetchone()
        tables = _tables(db)
    wal = path.with_name(path.name + "-wal")  # with one, the last page may be half written and comes from there
    if found.st_size % page and not (wal.exists() and wal.stat().st_size):
        raise refusal(path, f"it is cut short: {found.st_size:,} bytes are not a whole number of its pages of {page:,}")
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA + TABLE)
        if tables != _tables(fresh):
            raise refusal(path, f"its tables are not those of schema version {SCHEMA_VERSION}")


def _connect_to_file(path: Path) -> sqlite3.Connection:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise refusal(path, "it is not a regular file, and no symbolic link is followed here")
    if found.st_size == 0:
        raise refusal(path, "the file is empty")
    return connect(path)


def check_version(path: Path, db: sqlite3.Connection) -> None:
    """StateError for a schema that this tailrace does not know."""
    (version,) = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() or ("none",)
    if version != str(SCHEMA_VERSION):
        raise refusal(
            path,
            f"its schema version is {version}, this tailrace knows {SCHEMA_VERSION}",
            "use the tailrace that made it",
        )


def check_absence(path: Path) -> None:
    """StateError where there is no state file, but something of one."""
    for log in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        if log.exists():
            raise refusal(path, f"{log.name} is there but {path.name} is gone")


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the file inside becomes a StateError that names the fault and how to recover."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise refusal(path, str(error), OF_THE_DISK if _is_of_the_disk(error) else "") from error
    except (ValueError, TypeError) as error:  # its pages may be in order, but not what is written on them
        raise refusal(path, f"something in it cannot be read: {error}") from error


def refusal(path: Path, fault: str, recovery: str = "") -> StateError:
    recovery = recovery or (
        "restore it from a backup; or, to begin anew, move it away together with its -wal and -shm files: every "
        "source file is then read again from its beginning and outputs get lines they already have"
    )
    return StateError(f"{path}: the state file cannot be used: {fault}. Nothing was changed. To recover: {recovery}")


def unwritable(directory: Path, why: str | None) -> StateError:
    return StateError(
        f"{directory}: the state directory cannot be written ({why}); "
        "make it writable or set pipeline.state_dir to another place"
    )


def read_positions(db: sqlite3.Connection) -> list[Position]:
    rows = db.execute(f"SELECT {', '.join(COLUMNS)} FROM files ORDER BY file_id")  # noqa: S608  (our names)
    found = []
    for row in rows:
        values = dict(zip(COLUMNS, row, strict=True))
        values |= {"device": unsigned(values["device"]), "inode": unsigned(values["inode"])}
        found.append(Position(**values | {"path": bytes(values["path"]), "ended": bool(values["ended"])}))
    return found


def read_marks(db: sqlite3.Connection) -> dict[str, list[Mark]]:
    """By sink id, also those of sinks that the configuration no longer has."""
    found: dict[str, list[Mark]] = {}
    for sink, destination, path, device, inode, length, tail, ours in db.execute(
        "SELECT sink, destination, path, device, inode, length, tail, ours FROM marks ORDER BY sink, destination"
    ):
        mark = Mark(destination, path, unsigned(device), unsigned(inode), length, tail, bool(ours))
        found.setdefault(sink, []).append(mark)
    return found


def read_counters(db: sqlite3.Connection) -> Counters:
    counters = Counters()
    for name, labels, value in db.execute("SELECT name, labels, value FROM counters"):
        pairs = tuple((key, text) for key, text in orjson.loads(labels))
        counters.values[name, pairs] = int(value) if value == int(value) else value
    return counters


def signed(number: int) -> int:
    """SQLite's integers are signed; devices and inodes may use all 64 bits."""
    return number - (1 << 64) if number >= 1 << 63 else number


def unsigned(number: int) -> int:
    return number + (1 << 64) if number < 0 else number


def _tables(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    return db.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the trouble is around the file, and not in it: then nobody should move it away."""
    if isinstance(error, OSError):
        return True
    around = (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_READONLY,
    )
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in around
