"""A state file as it lies there: whether it is ours and whole, and what is in it. Nothing here makes, mends or changes
anything, whoever has the file open.
"""

from __future__ import annotations

import os
import pwd
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from tailrace.pipeline.errors import StateError, TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.state import remembered
from tailrace.pipeline.state.migrate import SCHEMA_1, cursors_1, marks_1
from tailrace.pipeline.state.schema import SCHEMA, SCHEMA_VERSION, STATE_ID, from_text, is_state_id
from tailrace.pipeline.telemetry.counters import Counters

FILE_NAME = "tailrace.sqlite"
LOG_HEAD = 32  # bytes of a write-ahead log before its first frame (https://www.sqlite.org/fileformat2.html#walformat)
OF_THE_DISK = "check the disk (space, permissions, kernel log), then start again"
T = TypeVar("T")
SCHEMAS = {1: SCHEMA_1, SCHEMA_VERSION: SCHEMA}  # that can be read


@dataclass(slots=True, frozen=True)
class SinkRecord:
    """What a sink was when it wrote its marks, so that they can be understood once the configuration has it no more."""

    use: str  # its class, as the configuration names it
    options: dict[str, Any]  # JSON; variables and secrets unexpanded


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


def inspect(path: Path) -> int:
    """Its schema version. StateError, unless it is ours and whole. Reads every page."""
    found = path.lstat()
    with closing(_connect_to_file(path)) as db:
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise refusal(path, " ".join(verdict.split()))
        version = check_version(path, db)
        (page,) = db.execute("PRAGMA page_size").fetchone()
        wal = path.with_name(path.name + "-wal")  # with one, the last page may be half written and comes from there
        if found.st_size % page and not (wal.exists() and wal.stat().st_size):
            raise refusal(
                path, f"it is cut short: {found.st_size:,} bytes are not a whole number of its pages of {page:,}"
            )
        check_tables(path, db, version)
    return version


def check_tables(path: Path, db: sqlite3.Connection, version: int) -> None:
    """StateError unless they are those of this version."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMAS[version])
        if _tables(db) != _tables(fresh):
            raise refusal(path, f"its tables are not those of schema version {version}")


def _connect_to_file(path: Path) -> sqlite3.Connection:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise refusal(path, "it is not a regular file, and no symbolic link is followed here")
    if found.st_size == 0:
        raise refusal(path, "the file is empty")
    return connect(path)


def check_version(path: Path, db: sqlite3.Connection) -> int:
    """Of its schema; StateError for one that this tailrace does not know."""
    (version,) = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() or ("none",)
    if version not in map(str, SCHEMAS):
        raise refusal(
            path,
            f"its schema version is {version}, this tailrace knows {' and '.join(map(str, SCHEMAS))}",
            "use the tailrace that made it, or a newer one",
        )
    return int(version)


def look_for(path: Path) -> os.stat_result:
    """TailraceError: there is no state file, or this user may not look."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TailraceError(
            f"{escape(str(path))}: there is no state file; nothing was run with this configuration yet, or "
            "pipeline.state_dir is another place"
        ) from error
    except PermissionError as error:
        raise TailraceError(forbidden(str(path.parent))) from error


def forbidden(directory: str) -> str:
    """What to say to a user who may not look into it."""
    try:
        owner = pwd.getpwuid(os.stat(directory).st_uid).pw_name
    except (OSError, KeyError):
        owner = "whoever runs the daemon"
    return f"{escape(directory)}: uid {os.geteuid()} may not use this state: run this as its user, {escape(owner)}"


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
    except (ValueError, TypeError, KeyError) as error:  # its pages may be in order, but not what is written on them
        raise refusal(path, f"something in it cannot be read: {error}") from error


def refusal(path: Path, fault: str, recovery: str = "") -> StateError:
    recovery = recovery or (
        'restore a backup of it (first read "Restoring the state from a backup" in the README); or, to start afresh, '
        "move it away together with its -wal and -shm files: every source file is then read again from its beginning, "
        "and outputs get lines again that they already have"
    )
    return StateError(f"{path}: the state file cannot be used: {fault}. Nothing was changed. To recover: {recovery}")


def unwritable(directory: Path, why: str | None) -> StateError:
    return StateError(
        f"{directory}: the state directory cannot be written ({why}); "
        "make it writable or set pipeline.state_dir to another place"
    )


def check_contents(db: sqlite3.Connection, version: int = SCHEMA_VERSION) -> None:
    """Errors that ``refusing`` takes, where something on its pages cannot be read. Dead letters are not looked into."""
    read_cursors(db, version), read_marks(db, version), read_counters(db)
    if version == SCHEMA_VERSION:
        read_id(db), read_sinks(db)
        for stage, values in remembered.read(db).items():
            for key, value in values.items():
                _value(value, f"what {stage} remembers of {key!r}")


def read_cursors(db: sqlite3.Connection, version: int = SCHEMA_VERSION) -> dict[int, Any]:
    """By stream."""
    if version == 1:
        return dict(cursors_1(db))
    rows = db.execute("SELECT stream, cursor FROM streams ORDER BY stream")
    return {stream: _value(text, f"the cursor of stream {stream}") for stream, text in rows}


def known_streams(directory: str) -> tuple[str, dict[int, Any]]:
    """The state's id and its cursors by stream, for who only looks, also beside a daemon; an empty id where there is no
    state, or none that can be read without making a file. StateError."""
    nothing: tuple[str, dict[int, Any]] = ("", {})
    return _look(directory, lambda db: (read_id(db), read_cursors(db)), nothing)


def known_memory(directory: str) -> dict[str, dict[str, bytes]]:
    """What the stages remember, likewise."""
    return _look(directory, remembered.read, {})


def _look(directory: str, read: Callable[[sqlite3.Connection], T], nothing: T) -> T:
    path = Path(os.path.realpath(directory), FILE_NAME)
    wal, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    try:
        there = path.exists()
    except PermissionError as error:
        raise StateError(forbidden(directory)) from error
    if not there or (wal.exists() and wal.stat().st_size > LOG_HEAD and not index.exists()):
        return nothing
    with refusing(path), closing(_connect_to_file(path)) as db:
        if check_version(path, db) != SCHEMA_VERSION:
            return nothing  # its event ids are of an older form
        return read(db)


def read_marks(db: sqlite3.Connection, version: int = SCHEMA_VERSION) -> dict[str, dict[str, Any]]:
    """By sink id and destination, also those of sinks that the configuration no longer has."""
    if version == 1:
        rows = marks_1(db)
    else:
        texts = db.execute("SELECT sink, destination, mark FROM marks ORDER BY sink, destination")
        rows = ((sink, to, _value(text, f"the mark of {sink}: {to}")) for sink, to, text in texts)
    found: dict[str, dict[str, Any]] = {}
    for sink, destination, mark in rows:
        found.setdefault(sink, {})[destination] = mark
    return found


def read_sinks(db: sqlite3.Connection) -> dict[str, SinkRecord]:
    """By sink id, also those that the configuration no longer has."""
    rows = db.execute("SELECT sink, use, options FROM sinks ORDER BY sink")
    return {sink: SinkRecord(use, _value(options, f"the options of {sink}")) for sink, use, options in rows}


def read_id(db: sqlite3.Connection) -> str:
    """The state's own."""
    (text,) = db.execute("SELECT value FROM meta WHERE key = ?", (STATE_ID,)).fetchone() or ("",)
    if not is_state_id(text):
        raise ValueError(f"the state's id is {text!r}, expected 8 lowercase letters and digits")
    return str(text)


def read_counters(db: sqlite3.Connection) -> Counters:
    counters = Counters()
    for name, labels, value in db.execute("SELECT name, labels, value FROM counters"):
        pairs = tuple((key, text) for key, text in orjson.loads(labels))
        counters.values[name, pairs] = int(value) if value == int(value) else value
    return counters


def _value(text: str | bytes, what: str) -> Any:
    try:
        return from_text(text)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _tables(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """What made them. Without whitespace: SQLite has its own mind where a column that is added stands in the text."""
    rows = db.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(kind, name, "".join(sql.split())) for kind, name, sql in rows]


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
