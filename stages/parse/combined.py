"""Lines of the "combined" and "common" access logs of Apache and nginx, told apart line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.stages.patterns.line import UsualForm
from tailrace.stages.values.conversion import Column, excerpt, to_int
from tailrace.stages.values.times import BAD_TIMESTAMP, CLF, Times

# The form nearly all lines have.
_USUAL = UsualForm(
    r'([^ \n]{1,255}) (?:-|([^ ]{1,255})) (?:-|([^ ]{1,255})) \[([^\]]{26})\] "([A-Za-z_-]+) ([^ ]+) (HTTP/[^ "]+)" '
    r'([0-9]{3}) (?:-|([0-9]{1,18}))(?: "(?:-|([^"]*))" "(?:-|([^"]*))")?'
)

# The whole grammar, step by step; each step is linear, and none gives back what an earlier one took. A list of hosts
# ("1.2.3.4, 5.6.7.8") and a user name with blanks occur. Inside of quotes a backslash escapes the next character.
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_STEPS = [
    ("a host", re.compile(r"((?:[^ ]+, )*+[^ ]++) ")),
    ("an ident", re.compile(r"([^ ]++) ")),
    ("a user and a time in brackets", re.compile(r"([^\[]*[^\[ ]) \[([^\]]*+)\] ")),
    ("a request in quotes", re.compile(rf"{_QUOTED} ", re.DOTALL)),
    ("a status", re.compile(r"([0-9]{3}|-) ")),
    ("a size", re.compile(r"([0-9]++|-)(?= |\Z)")),
    (
        "nothing, or a referer and an agent in quotes, and no more,",
        re.compile(rf"(?: {_QUOTED} {_QUOTED})?+\Z", re.DOTALL),
    ),
]
_REQUEST = re.compile(r"([A-Za-z_-]+) (.*) (HTTP/[^ ]+)", re.DOTALL)
_STATUSES: dict[str, int | None] = {f"{status:03}": status for status in range(1000)} | {"": None, "-": None}


@dataclass
class Combined:
    """Fields ``host ident user time method path proto status size referer agent``, the same for each line.

    ``time`` is RFC 3339 in UTC, ``status`` and ``size`` (bytes of the body) are integers. ``-`` is null, and so are
    ``referer`` and ``agent`` of a common line or where they are empty. Text is kept as it stands in the log, escapes
    (``\\"``, ``\\x16``) included. A request other than ``METHOD PATH HTTP/...`` (empty, binary, without a protocol)
    leaves ``method``, ``path`` and ``proto`` null and is kept whole in the field ``request``, which no other line has.
    A path may hold blanks.

    Fails: ``no_match`` (also for anything behind the agent), ``bad_timestamp``, ``bad_type`` (a size beyond 64 bits).
    """

    plain: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._times = Column(Times([CLF]), BAD_TIMESTAMP)
        self._sizes = Column(lambda text: to_int(text) if text else None)

    def parse(self, lines: Lines) -> list[Event | Fail]:
        text = lines.text
        if '\\"' in text:  # the usual form knows no escaped quotes: keep such lines from it
            text = "\n".join([" " if '\\"' in line else line for line in lines])
        times, statuses = self._times, _STATUSES
        rows = _USUAL.rows(text, len(lines))
        events: list[Event | Fail] = [
            {
                "host": host,
                "ident": ident or None,
                "user": user or None,
                "time": times[time],
                "method": method,
                "path": path,
                "proto": proto,
                "status": statuses[status],
                "size": int(size) if size else None,
                "referer": referer or None,
                "agent": agent or None,
            }
            for host, ident, user, time, method, path, proto, status, size, referer, agent in rows
        ]
        if times.take_failed():  # also at the empty time of a line that has not the usual form
            for i, event in enumerate(events):
                if type(event["time"]) is Fail:  # type: ignore[index]  # all are events still
                    events[i] = self._unusual(lines[i])
        return events

    def _unusual(self, line: str) -> Event | Fail:
        found: list[str | None] = []
        position = 0
        for expected, step in _STEPS:
            match = step.match(line, position)
            if match is None:
                return Fail("no_match", f"expected {expected} at column {position + 1}: {excerpt(line[position:])}")
            found += match.groups()
            position = match.end()
        host, ident, user, time, request, status, size, referer, agent = (None if x == "-" else x for x in found)
        event: Event = {
            "host": host,
            "ident": ident,
            "user": user,
            "time": self._times[time or ""],
            "method": None,
            "path": None,
            "proto": None,
            "status": _STATUSES[status or ""],
            "size": self._sizes[size or ""],
            "referer": referer or None,
            "agent": agent or None,
        }
        for name, column in (("time", self._times), ("size", self._sizes)):
            if column.take_failed():
                return Fail(event[name].code, f"{name}: {event[name].why}")
        if request is not None and (parts := _REQUEST.fullmatch(request)) is not None:
            event["method"], event["path"], event["proto"] = parts.groups()
        else:
            event["request"] = request
        return event
