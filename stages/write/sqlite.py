"""``write.sqlite``: events as rows of a table of an SQLite file; a repeat changes nothing."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Annotated, Any, ClassVar, Literal

import orjson
from tailrace.pipeline import disk
from tailrace.pipeline.batch import Event
from tailrace.pipeline.delivery import Batch, RetryPolicy
from tailrace.pipeline.errors import Park, Reject, Retry, Split
from tailrace.pipeline.keys import Duration, Problems, Size, Text, Whole
from tailrace.pipeline.outgoing import About, Outgoing, Payload, Verdicts
from tailrace.pipeline.stage import Guarantee
from tailrace.stages.outputs.ndjson import line_ends, to_lines
from tailrace.stages.outputs.template import Template

ID = "event_id"
EVENT = "event"
FLAT = {str, int, float, bool, type(None)}  # what SQLite holds as it is
MOST_VARIABLES = 999  # in a statement, of SQLite before 3.32
MODE = 0o640  # of a new file; SQLite gives it to the files beside it, too
PRIMARY = 0xFF  # the part of an error's code that is the same for all of its kind

BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT}
OF_THE_ROW = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}


@dataclass(slots=True, frozen=True)
class Transaction(Batch):
    """How many events go into one transaction, which costs a sync of the disk however few they are."""

    max_events: Annotated[int, Whole(1, 1_000_000, "a batch is held in memory until it is delivered")] = 10_000
    max_bytes: Annotated[int, Size("1KiB", "256MiB", "a batch is held in memory until it is delivered")] = 4 << 20


@dataclass
class Sqlite:
    """Insert events into ``table`` of the file ``path``; file, directory and table are made where they are missing.

    ``columns`` are fields, or columns with the fields they are filled from: ``{ code = "status" }``. Without them the
    table has two: ``event_id`` and ``event``, the event as JSON. A column ``event_id`` always holds the id that
    tailrace gives each event, the same after every restart; it comes first where ``columns`` do not name it. ``key`` is
    the column by which a row is known again: a row that is there stays as it is (``on_conflict = "ignore"``) or gets
    the new values (``"replace"``). A table of your own needs a primary key or unique index on ``key``.

    A field that is missing is NULL, lists and tables are JSON, true and false are 1 and 0, NaN and infinities NULL.
    Dead letters (``rejected``): an integer beyond 64 bits, a lone surrogate, and, with SQLite's words, a row that a
    constraint or a trigger of the table refuses. ``missing_field``: an event without a ``key`` of your own.

    The file is in WAL mode, which does not work on network file systems, with ``synchronous = FULL``: what a batch
    holds is durable, or not there. A full disk is waited for, and a damaged file is never replaced.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "write.sqlite"
        path = "shop.sqlite"
        table = "orders"
        columns = { number = "order", level = "level", text = "msg" }

    Lines::

        {"level": "info", "msg": "order paid", "order": 7}
        {"level": "error", "msg": "payment refused"}

    Commands::

        tailrace run -c example.toml --until-eof
        sqlite3 shop.sqlite 'SELECT number, level, text FROM orders'
    """

    path: str  # no placeholders
    table: str = "events"
    columns: list[str] | dict[str, str] = field(default_factory=list)
    key: Annotated[str, Text()] = ID
    on_conflict: Literal["ignore", "replace"] = "ignore"
    busy_timeout: Annotated[float, Duration("0s", "1m", "others may hold the file's lock so long")] = 5.0
    batch: Transaction = field(default_factory=Transaction)
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    guarantee: ClassVar[Guarantee] = Guarantee.IDEMPOTENT
    shared_by: ClassVar[str] = "table"  # several may write to one file if their tables differ

    def __post_init__(self) -> None:
        problems = Problems()
        with problems.of("path"):
            template = Template(self.path)
            if not template.is_constant:
                raise ValueError("has a placeholder: all events go into one file; write {{ for a brace")
            self._path = str(template.paths([], ""))
        columns = self.columns if isinstance(self.columns, dict) else {name: name for name in self.columns}
        if len(columns) < len(self.columns):
            problems.add("columns", "names a column twice")
        if len({name.lower() for name in columns}) < len(columns):
            problems.add("columns", "has two that differ in upper and lower case only, which are one to SQLite")
        if not isinstance(self.columns, list) and columns.get(ID, ID) != ID:
            problems.add(
                f"columns.{ID}", f"is filled from {columns[ID]!r}, but holds the id that tailrace gives: rename it"
            )
        if self.key != ID and self.key not in columns:
            problems.add("key", f"is {self.key!r}, expected one of the columns: {', '.join((ID, *columns))}")
        if len(columns) > MOST_VARIABLES - 1:
            problems.add("columns", f"has {len(columns)}, expected at most {MOST_VARIABLES - 1}")
        for key, names in (("table", [self.table]), ("columns", list(columns))):
            if any(not name or "\0" in name for name in names):
                problems.add(key, "has an empty name, or one with a NUL character")
        problems.check()
        self._fields = {name: column for name, column in columns.items() if name != ID}
        self._whole = not columns  # the event is one column
        self._has_id = self._whole or ID in columns or self.key == ID
        self._key_field = self._fields.get(self.key)
        self._columns = [EVENT] if self._whole else list(self._fields)
        if self._has_id:
            self._columns.append(ID)  # bound last: it is added in the sink's thread
        self.given_plain = False  # set when the chain is built
        self._database: sqlite3.Connection | None = None  # that and what follows belong to the sink's thread
        self._identity = (0, 0)  # of the file: device and inode
        self._insert = self._insert_statement()

    # In a worker.

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        """A record is the event as JSON where the table holds that, else a JSON array of its fields: reading one such
        array of arrays is all that is left to do in the sink's thread."""
        if not events:
            return []
        data = to_lines(events, self.given_plain) if self._whole else self._arrays(events)
        return [Payload(self._path, data, line_ends(data))]

    def _arrays(self, events: list[Event]) -> bytes:
        names = list(self._fields.values())
        if self._key_field is not None and any(event.get(self._key_field) is None for event in events):
            raise Reject(
                "missing_field", f"the field {self._key_field}, by which a row is known again, is missing or null"
            )
        rows = [list(map(event.get, names)) for event in events]
        try:
            if not FLAT.issuperset(map(type, chain.from_iterable(rows))):
                rows = [[_flat(value) for value in row] for row in rows]
            return b"\n".join(chain(map(orjson.dumps, rows), (b"",)))
        except TypeError:
            for row in rows:
                for name, value in zip(names, row, strict=True):
                    try:
                        orjson.dumps(value)
                    except TypeError as error:
                        raise Reject("rejected", f"the table cannot hold the field {name}: {error}") from error
            raise

    # In the sink's thread.

    def paths(self, marks: Mapping[str, Any]) -> Sequence[str]:  # noqa: ARG002  there are none
        path = self._resolved()
        return [path, f"{path}-wal", f"{path}-shm", f"{path}-journal"]

    def connect(self, about: About) -> None:  # noqa: ARG002  nothing of it is needed
        self.close()
        path = self._resolved()
        descriptor, made = disk.create(path, MODE)
        status = os.fstat(descriptor)
        os.close(descriptor)
        if made:
            for directory in sorted(disk.directories(path)):
                disk.sync_directory(directory)
        database = sqlite3.connect(path, timeout=self.busy_timeout, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute(self._create_statement())
        except sqlite3.Error as error:
            database.close()
            raise self._meaning(error) from error
        self._database, self._identity = database, (status.st_dev, status.st_ino)

    def deliver(self, batch: Outgoing) -> Verdicts | None:
        assert self._database is not None, "connect() comes first"
        rows = self._rows(batch)
        refused: list[tuple[int, str, str]] = []
        try:
            with self._database as database:  # commits at the end, or rolls back
                database.execute("BEGIN IMMEDIATE")
                database.executemany(self._insert, rows)
        except (sqlite3.Error, OverflowError) as error:
            if not _is_of_a_row(error):
                raise self._meaning(error) from error
            refused = self._one_by_one(self._database, rows)
        self._check_in_place()
        return Verdicts(refused=refused) if refused else None

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _rows(self, batch: Outgoing) -> Sequence[Any]:
        if self._whole:
            return list(zip(str(batch.data, "utf-8").split("\n"), batch.ids, strict=False))  # an empty text comes last
        rows: list[list[Any]] = orjson.loads(b"[%b]" % bytes(batch.data[:-1]).replace(b"\n", b","))
        if self._has_id:
            for row, identity in zip(rows, batch.ids, strict=True):
                row.append(identity)
        return rows

    def _one_by_one(self, database: sqlite3.Connection, rows: Sequence[Any]) -> list[tuple[int, str, str]]:
        """Again, in one transaction, to find the rows that the table refuses."""
        refused = []
        try:
            with database:
                database.execute("BEGIN IMMEDIATE")
                for index, row in enumerate(rows):
                    try:
                        database.execute(self._insert, row)
                    except (sqlite3.Error, OverflowError) as error:
                        if not _is_of_a_row(error) or not database.in_transaction:
                            raise
                        refused.append((index, "rejected", self._words(error)))
        except (sqlite3.Error, OverflowError) as error:
            if _is_of_a_row(error):  # a trigger has rolled back, or a constraint is checked at the end
                raise Split(self._words(error), "rejected") from error
            raise self._meaning(error) from error
        return refused

    def _check_in_place(self) -> None:
        """SQLite goes on writing to a file that was deleted, and nobody would find it."""
        path = self._resolved()
        status = disk.status(path)
        if (status.st_dev, status.st_ino) != self._identity:
            raise OSError(errno.ESTALE, "was replaced by somebody else while it was written to", path)

    def _meaning(self, error: Exception) -> Retry | Park:
        """What the engine must do about an error that no row is at fault for."""
        code = getattr(error, "sqlite_errorcode", 0) & PRIMARY
        return Retry(self._words(error)) if code in BUSY else Park(self._words(error))

    def _words(self, error: Exception) -> str:
        name = getattr(error, "sqlite_errorname", "")
        return f"table {self.table} of {self._path}: {error}{f' ({name})' if name else ''}"

    def _resolved(self) -> str:
        directory, name = os.path.split(self._path)
        return os.path.join(os.path.realpath(directory), name)

    def _create_statement(self) -> str:
        types = (
            {ID: " TEXT", EVENT: " TEXT"} if self._whole else {ID: " TEXT"}
        )  # the others keep the type of each value
        names = self._columns
        if self._has_id and ID not in self.columns:
            names = [ID, *names[:-1]]
        elif self._has_id:
            names = list(self.columns)
        columns = (
            f"{_quoted(name)}{types.get(name, '')}{' NOT NULL PRIMARY KEY' if name == self.key else ''}"
            for name in names
        )
        return f"CREATE TABLE IF NOT EXISTS {_quoted(self.table)} ({', '.join(columns)})"

    def _insert_statement(self) -> str:
        names = ", ".join(map(_quoted, self._columns))
        values = ", ".join("?" * len(self._columns))
        others = [_quoted(name) for name in self._columns if name != self.key]
        update = ", ".join(f"{name} = excluded.{name}" for name in others)
        action = f"UPDATE SET {update}" if self.on_conflict == "replace" and others else "NOTHING"
        # Not INSERT OR IGNORE: that passes over rows that other constraints refuse, too.
        return (
            f"INSERT INTO {_quoted(self.table)} ({names}) VALUES ({values}) "  # noqa: S608  quoted
            f"ON CONFLICT ({_quoted(self.key)}) DO {action}"
        )


def _is_of_a_row(error: Exception) -> bool:
    return isinstance(error, OverflowError) or getattr(error, "sqlite_errorcode", 0) & PRIMARY in OF_THE_ROW


def _flat(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
