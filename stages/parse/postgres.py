"""PostgreSQL's server log: the lines it writes to its standard error, or its csvlog."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from operator import getitem
from typing import Any, ClassVar, Literal

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.keys import Problems
from tailrace.stages.patterns.line import UsualForm
from tailrace.stages.patterns.postgres_prefix import Kind, Prefix
from tailrace.stages.patterns.reach import Reach
from tailrace.stages.values.conversion import Column, to_int
from tailrace.stages.values.times import BAD_TIMESTAMP, Times
from tailrace.stages.values.typed import Typed

csv.field_size_limit(2**31 - 1)  # the default is 128 KiB; lines have a limit of their own

# LOG, ERROR, DETAIL, STATEMENT ..., in the server's language. Those that write small letters are not understood.
_LEVEL = r" {0,8}([^\W\d_a-z][^\W_a-z]{1,19}) ?:(?: {1,2}|$)"
_NONE = ("", "[unknown]")

_CSV: tuple[tuple[str, Kind], ...] = (
    *(("timestamp", "time"), ("user", "text"), ("database", "text"), ("pid", "int"), ("client", "text")),
    *(("session", "text"), ("session_line", "int"), ("command", "text"), ("session_start", "time")),
    *(("virtual_transaction", "text"), ("transaction", "int"), ("level", "text"), ("sqlstate", "text")),
    *(("message", "text"), ("detail", "text"), ("hint", "text"), ("internal_query", "text")),
    *(("internal_query_position", "int"), ("context", "text"), ("query", "text"), ("query_position", "int")),
    *(("location", "text"), ("application", "text"), ("backend", "text"), ("leader_pid", "int"), ("query_id", "int")),
)
_CSV_NAMES = [name for name, _ in _CSV]
_CSV_COLUMNS = (23, 24, 26)  # up to version 12, 13, from 14 on
_CLIENT = re.compile(r"(.*):([0-9]{1,5})")


@dataclass
class Postgres(Typed):
    """``level`` (``LOG``, ``ERROR``, ``DETAIL``, ``STATEMENT`` ...), ``message``, and what ``prefix`` tells, which is
    the server's ``log_line_prefix``: ``%m %t %n`` ``timestamp``, ``%p`` ``pid``, ``%u`` ``user``, ``%d`` ``database``,
    ``%a`` ``application``, ``%h`` ``client`` (``%r`` also ``client_port``), ``%L`` ``server``, ``%b`` ``backend``,
    ``%P`` ``leader_pid``, ``%i`` ``command``, ``%e`` ``sqlstate``, ``%c`` ``session``, ``%l`` ``session_line``, ``%s``
    ``session_start``, ``%v`` ``virtual_transaction``, ``%x`` ``transaction``, ``%Q`` ``query_id``; ``%q`` and widths
    (``%-10u``) are heeded. What is empty or ``[unknown]`` is null.

    ``format = "csv"``: csvlog has all of these whatever the prefix, and ``detail hint internal_query
    internal_query_position context query query_position location``. (jsonlog is read by parse.json.)

    Times are RFC 3339 in UTC. The log has its zone by name or offset; of the names, UTC, GMT and those of ``timezone``
    are understood (CET and CEST of Europe/Berlin): set it to the server's ``log_timezone``. The further lines of a
    message begin with a tab, or in csvlog stand in its quotes: they belong to it only if they have been joined.

    Fails: ``no_match`` (also a line that should have been joined to the one before), ``bad_timestamp``, ``bad_type``
    (a process id and the like of more than 64 bits).

    Example::

        [source.multiline]
        preset = "postgres"

        [[stages]]
        use = "parse.postgres"
        prefix = "%m [%p] %q%u@%d "

    Lines::

        2026-02-02 10:30:45.123 UTC [811] LOG:  database system is ready to accept connections
        2026-02-02 10:30:46.456 UTC [4711] ann@shop ERROR:  duplicate key value violates unique constraint "orders_pkey"
        2026-02-02 10:30:46.456 UTC [4711] ann@shop STATEMENT:  INSERT INTO orders (id)
        \tVALUES (7)
        2026-02-02 11:30:47.250 CET [811] LOG:  checkpoint starting: time
        server process was terminated
    """

    plain: ClassVar[bool] = True

    format: Literal["stderr", "csv"] = "stderr"  # what the server writes: lines, or csvlog
    prefix: str = "%m [%p] "  # the server's `log_line_prefix`, just as it is there
    timezone: str = "UTC"  # whose names for its zones are understood: the server's `log_timezone`

    def __post_init__(self) -> None:
        super().__post_init__()
        problems = Problems()
        with problems.of("prefix"):
            prefix = Prefix(self.prefix)
        with problems.of(""):
            times, unix = Times(["rfc3339"], self.timezone), Times(["unix_s"])
        problems.check()
        columns: dict[Kind, Column] = {
            "time": Column(lambda text: times(text) if text else None, BAD_TIMESTAMP),
            "unix": Column(lambda text: unix(text) if text else None, BAD_TIMESTAMP),
            "int": Column(lambda text: to_int(text) if text else None),
            "text": Column(lambda text: None if text in _NONE else text),
        }
        self._all = columns
        self._names = prefix.names
        self._columns = [columns[kind] for kind in prefix.kinds]
        self._csv_columns = [columns[kind] for _, kind in _CSV]
        head = prefix.pattern + _LEVEL
        self._usual = UsualForm(f"{head}(.*)")
        self._head = re.compile(head)
        self._reach = Reach(head)

    def events(self, lines: Lines) -> list[Event | Fail]:
        if self.format == "csv":
            return self._parse_csv(lines)
        if lines.several_lines:
            return [self._line(line) for line in lines]
        *given, levels, messages = zip(*self._usual.rows(lines.text), strict=True)
        values = [map(column.__getitem__, texts) for column, texts in zip(self._columns, given, strict=True)]
        names = (*self._names, "level", "message")
        entries: list[Any] = [dict(zip(names, row)) for row in zip(*values, levels, messages)]  # noqa: B905 - for speed
        if self._take_failed() or "" in levels:
            for i, level in enumerate(levels):
                if not level or any(type(value) is Fail for value in entries[i].values()):
                    entries[i] = self._line(lines[i])
        return entries

    def _line(self, line: str) -> Event | Fail:
        match = self._head.match(line)
        if match is None:
            return Fail("no_match", self._fault(line))
        *values, level = match.groups("")
        event = dict(zip(self._names, map(getitem, self._columns, values), strict=True))
        event["level"], event["message"] = level, line[match.end() :]
        return self._settled(event)

    def _fault(self, line: str) -> str:
        if line[0] == "\t":
            return "the line begins with a tab: it goes on with the message of the line before, to be joined to it"
        expected = f"the prefix {self.prefix!r} and a level such as LOG:"
        return self._reach.why(line, 0, expected)

    def _parse_csv(self, lines: Lines) -> list[Event | Fail]:
        texts = lines.texts
        try:
            rows = list(csv.reader(texts, strict=True))
        except csv.Error:
            rows = []
        if len(rows) != len(texts) or lines.several_lines:  # an open quote takes the next line with it
            return [self._csv_line(text) for text in texts]
        return list(map(self._csv_row, rows))

    def _csv_line(self, text: str) -> Event | Fail:
        try:
            (row,) = csv.reader([text], strict=True)
        except csv.Error as error:
            if "end of data" in str(error):
                return Fail("no_match", "a quote is open where the line ends: the lines of a record have to be joined")
            return Fail("no_match", f"expected a record of CSV: {error}")
        return self._csv_row(row)

    def _csv_row(self, row: list[str]) -> Event | Fail:
        if len(row) not in _CSV_COLUMNS:
            return Fail("no_match", f"expected 23, 24 or 26 columns of csvlog, found {len(row)}")
        event: Event = dict(zip(_CSV_NAMES, map(getitem, self._csv_columns, row), strict=False))
        event["message"] = row[13]
        if client := _CLIENT.fullmatch(event["client"] or ""):
            event["client"], event["client_port"] = client[1], int(client[2])
        return self._settled(event)

    def _take_failed(self) -> bool:
        failed = [column.take_failed() for column in self._all.values()]  # each is reset
        return any(failed)

    def _settled(self, event: Event) -> Event | Fail:
        """The event, or what is wrong with one of its fields."""
        if self._take_failed():
            name, fail = next((name, value) for name, value in event.items() if type(value) is Fail)
            return Fail(fail.code, f"{name}: {fail.why}")
        return event
