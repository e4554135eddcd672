"""Tables that are read from files as a whole: rows of plain values by a key."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from sys import getsizeof
from typing import Any, Literal
from urllib.parse import quote

from tailrace.pipeline.batch import Fail
from tailrace.stages.values.conversion import INT_MAX, INT_MIN, Types, excerpt
from tailrace.stages.values.times import DEFAULT_FORMATS

FORMATS = {"csv": "csv", "json": "json", "db": "sqlite", "sqlite": "sqlite", "sqlite3": "sqlite"}
"""By the ending of the file's name."""

PlainKind = Literal["int", "float", "bool", "ip", "string"]
Row = dict[str, Any]

VALUE = "value"  # the column of a JSON object that has one value for each key
_SAMPLE = 1000  # rows
_LONGEST = 1 << 20  # characters of a value in CSV


@dataclass(slots=True)
class Table:
    """``rows`` by key; ``names``: its columns, without that of the key; ``twice``: keys that more than one row had."""

    rows: dict[str, Row] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)

    def add(self, key: str, row: Row) -> None:
        if key in self.rows:
            self.twice.append(key)
        self.rows[key] = row

    @property
    def size(self) -> int:
        """Bytes in memory, about: as the first rows are, so are all."""
        some = list(islice(self.rows.items(), _SAMPLE))
        of_some = sum(getsizeof(key) + getsizeof(row) + sum(map(getsizeof, row.values())) for key, row in some)
        return getsizeof(self.rows) + (of_some * len(self.rows) // len(some) * 5 // 4 if some else 0)

    def shaped(self, columns: Mapping[str, str], types: Mapping[str, PlainKind], *, ignore_case: bool) -> Table:
        """With these columns only, under these names, of these types. ValueError."""
        for name in (*columns, *types):
            if name not in self.names:
                raise ValueError(f"has no column {name!r}; it has {', '.join(map(repr, self.names)) or 'none'}")
        if types:
            converted: list[Any] = list(self.rows.values())
            Types(dict(types), "error", DEFAULT_FORMATS, "UTC").convert(converted)
            wrong = [(key, row) for key, row in zip(self.rows, converted, strict=True) if isinstance(row, Fail)]
            if wrong:
                raise ValueError(f"row {excerpt(wrong[0][0])}: column {wrong[0][1].why}")
        shaped = Table(names=self.names, twice=self.twice)
        for key, row in self.rows.items():
            named = {columns[name]: value for name, value in row.items() if name in columns} if columns else row
            _check_plain(named, key)
            shaped.add(key.casefold() if ignore_case else key, named)
        return shaped


def read_table(path: str, form: str, key: str, delimiter: str, table: str, columns: Collection[str]) -> Table:
    """ValueError, OSError. ``columns`` that are needed, empty: all; others may be left out."""
    if form == "csv":
        return _read_csv(path, key, delimiter)
    return _read_json(path, key) if form == "json" else _read_sqlite(path, table, key, columns)


def _read_csv(path: str, key: str, delimiter: str) -> Table:
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            names = next(reader, [])
            at = _columns(names, key)
            found = Table(names=[name for index, name in enumerate(names) if index != at])
            for values in reader:
                if not values:
                    continue  # an empty line
                if len(values) != len(names):
                    raise ValueError(f"line {reader.line_num}: {len(values)} columns, expected {len(names)}")
                row = dict(zip(names, values, strict=True))
                found.add(row.pop(names[at]), row)
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
    return found


def _columns(names: list[str], key: str) -> int:
    """Which of the names is the key's."""
    if not names:
        raise ValueError("is empty; expected the names of the columns in its first line")
    for name in names:
        if names.count(name) > 1 or not name:
            raise ValueError(f"line 1: {f'two columns are named {name!r}' if name else 'a column has no name'}")
    if key and key not in names:
        raise ValueError(f"has no column {key!r}, which `key` names; it has {', '.join(map(repr, names))}")
    return names.index(key) if key else 0


def _read_json(path: str, key: str) -> Table:
    found = Table()

    def paired(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            names = [name for name, _ in pairs]
            found.twice += [name for name in members if names.count(name) > 1]
        return members

    with open(path, encoding="utf-8-sig") as file:
        try:
            content = json.load(file, object_pairs_hook=paired, parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError("is nested too deeply") from None
    names: dict[str, None] = {}
    for name, row in _json_rows(content, key):
        found.add(name, row)
        names.update(dict.fromkeys(row))
    found.names = list(names)
    return found


def _json_rows(content: Any, key: str) -> Iterator[tuple[str, Row]]:
    if isinstance(content, dict):
        if key:
            raise ValueError("is an object, whose names are the keys; `key` is for a list of objects")
        for name, value in content.items():
            yield name, value if isinstance(value, dict) else {VALUE: value}
        return
    rows = content if isinstance(content, list) else None
    if rows is None:
        raise ValueError(f"holds {excerpt(content)}; expected an object or a list of objects")
    if not key:
        raise ValueError("is a list of objects; `key` must say which member is looked in")
    for number, item in enumerate(rows, 1):
        if not isinstance(item, dict) or key not in item:
            raise ValueError(f"item {number}: expected an object with {key!r}, found {excerpt(item)}")
        yield _key_text(item.pop(key), f"item {number}"), item


def _read_sqlite(path: str, table: str, key: str, columns: Collection[str]) -> Table:
    import sqlite3

    with open(path, "rb"):  # a plain reason when it cannot be read
        pass
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as database:
            names = [name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))]
            if not names:
                tables = database.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
                has = ", ".join(repr(name) for (name,) in tables) or "none"
                raise ValueError(f"has no table {table!r}; it has {has}")
            _columns(names, key)
            found = Table(names=[name for name in names if name != key])
            wanted = [name for name in names if name == key or not columns or name in columns]
            query = f"SELECT {', '.join(map(_quoted, wanted))} FROM {_quoted(table)}"  # noqa: S608  quoted
            for values in database.execute(query):
                row = dict(zip(wanted, values, strict=True))
                if row[key] is not None:  # no value is equal to it
                    found.add(_key_text(row.pop(key), "a row"), row)
    except sqlite3.Error as error:
        raise ValueError(f"cannot be read as a database: {error}") from error
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _key_text(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{where}: the key is {excerpt(value)}, expected a text or a whole number")


def _check_plain(row: Row, key: str) -> None:
    for name, value in row.items():
        problem = ""
        if value is not None and not isinstance(value, (str, int, float, bool)):
            problem = f"is {excerpt(value)}, expected a text, a number, true, false or null"
        elif isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
            problem = "is an integer of more than 64 bits"
        elif isinstance(value, float) and not math.isfinite(value):
            problem = "is a number that JSON cannot hold"
        if problem:
            raise ValueError(f"row {excerpt(key)}: {name!r} {problem}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"holds {name}, which is not JSON")
