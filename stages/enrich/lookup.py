"""``enrich.lookup``: adds what a table says of a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Annotated, Any, ClassVar, Literal

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Duration, FilePath, Problems
from tailrace.pipeline.stage import Refreshed
from tailrace.stages.reloaded import Reloaded
from tailrace.stages.tables import FORMATS, PlainKind, Table, read_table
from tailrace.stages.values.conversion import excerpt

_TOLD = 5  # keys that are there twice, by name


@dataclass
class Lookup:
    """Add the columns of the row whose key is the value of ``field`` (a text or a whole number).

    The table is a file: ``csv``, with the names of the columns in its first line; ``json``, either
    ``{"key": {"column": "value"}}``, or ``{"key": "value"}`` with one column named ``value``, or a list of objects;
    ``sqlite``, one ``table`` of a database. Its values are texts, numbers, true, false and null. Of a key that is there
    twice the last row counts (``check`` tells).

    The whole table is held in the memory of each worker. The file is looked at every ``reload`` and read again when it
    has changed, and the new table takes the place of the old one as a whole; one that is wrong leaves the old one in
    use and is told in the log. Replace it by renaming a finished file.

    An event whose key is not in the table gets ``default``, or goes on as it is, as does one without the field; unless
    ``required``.

    Fails: ``missing_field``, ``bad_type`` (neither a text nor a whole number), ``no_match`` (not in the table, and no
    ``default``), all only if ``required``.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.lookup"
        path = "services.csv"
        field = "service"
        key = "name"
        columns = { team = "owner", tier = "tier" }
        types = { tier = "int" }
        default = { owner = "nobody" }
        required = true

    File services.csv::

        name,team,tier,phone
        shop,Sales,1,555-0100
        mail,Office,2,555-0101

    Lines::

        {"service": "shop", "msg": "order paid"}
        {"service": "mail", "msg": "sent", "owner": "ann"}
        {"service": "chat", "msg": "not in the table"}
        {"msg": "of no service"}
    """

    plain: ClassVar[bool] = True

    path: Annotated[str, FilePath()]  # of the table
    field: str  # the one whose value is looked up
    key: str = ""  # the column that `field` is looked for in; by default the first, or the names in a JSON object
    columns: list[str] | dict[str, str] = dataclass_field(
        default_factory=list
    )  # or column = "field"; empty: all others
    into: str = ""  # the field that takes the row, as a table; by default its columns become fields
    types: dict[str, PlainKind] = dataclass_field(default_factory=dict)  # of columns; without, CSV has texts only
    default: dict[str, Any] = dataclass_field(default_factory=dict)  # field = value, if it is not there
    ignore_case: bool = False  # true: `Shop` is found as `shop`
    overwrite: bool = True  # false: what the event has already stays
    required: bool = False  # an event that gets nothing is a dead letter; else it goes on as it is
    format: Literal["auto", "csv", "json", "sqlite"] = "auto"  # auto: by the ending of the file's name
    delimiter: str = ","  # of CSV
    table: str = ""  # of SQLite
    reload: Annotated[float, Duration("1s", "1d", "a look costs a system call")] = 60.0  # of `path`

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.field:
            problems.add("field", "is empty; name the field whose value is looked up")
        form = FORMATS.get(self.path.rpartition(".")[2].lower(), "") if self.format == "auto" else self.format
        if not form:
            problems.add("path", f'ends with none of .{", .".join(FORMATS)}; say what it is: format = "csv"')
        if form == "sqlite" and not (self.table and self.key):
            problems.add(
                "table" if self.key else "key", "a database needs both `table` and `key`, the column to look in"
            )
        if form in ("csv", "json") and self.table:
            problems.add("table", f"is for a database; this file is {form.upper()}")
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            problems.add("delimiter", f"found {self.delimiter!r}, expected one character")
        for name, value in self.default.items():
            if isinstance(value, (list, dict)):
                problems.add(f"default.{name}", "expected a text, a number, true or false")
        names = self.columns.values() if isinstance(self.columns, dict) else self.columns
        if "" in names:
            problems.add("columns", "a field needs a name")
        problems.check()
        columns = self.columns if isinstance(self.columns, dict) else {name: name for name in self.columns}

        needed = {*columns, *self.types} if columns else ()

        def read(path: str) -> Table:
            found = read_table(path, form, self.key, self.delimiter, self.table, needed)
            return found.shaped(columns, self.types, ignore_case=self.ignore_case)

        with problems.of("path"):
            self._file = Reloaded(self.path, read, self.reload, beside=("-wal",) if form == "sqlite" else ())
        problems.check()

    def refresh(self, now: float) -> Refreshed | None:
        return self._file.refresh(now)

    def remarks(self) -> Sequence[str]:
        twice = self._file.value.twice
        if not twice:
            return []
        more = f" and {len(twice) - _TOLD:,} more" if len(twice) > _TOLD else ""
        names = ", ".join(map(excerpt, twice[:_TOLD]))
        return [f"{self.path}: there twice, the last one counts: {names}{more}"]

    @property
    def held_bytes(self) -> int:
        return self._file.value.size

    def process(self, events: list[Event]) -> list[Event | Fail]:
        rows, field, into = self._file.value.rows, self.field, self.into
        entries: list[Event | Fail] = []
        for event in events:
            value = event.get(field)
            if isinstance(value, str):
                row = rows.get(value.casefold() if self.ignore_case else value, self.default)
            elif type(value) is int:
                row = rows.get(str(value), self.default)
            elif self.required:
                entries.append(self._unsuitable(value, event))
                continue
            else:
                entries.append(event)
                continue
            if not row:
                entries.append(self._not_there(value, event) if self.required else event)
            else:
                if into:
                    if self.overwrite or into not in event:
                        event[into] = row.copy()  # a later stage may change it
                elif self.overwrite:
                    event.update(row)
                else:
                    for name, one in row.items():
                        event.setdefault(name, one)
                entries.append(event)
        return entries

    def _unsuitable(self, value: Any, event: Event) -> Fail:
        if value is None:
            return Fail("missing_field", f"field {self.field!r}: the event has none, and it is required", event)
        why = f"field {self.field!r}: {excerpt(value)} is neither a text nor a whole number"
        return Fail("bad_type", why, event)

    def _not_there(self, value: Any, event: Event) -> Fail:
        return Fail("no_match", f"field {self.field!r}: {excerpt(value)} is not in the table {self.path}", event)
