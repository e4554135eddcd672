"""Lines of the "combined" and "common" access logs of Apache and nginx, told apart line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.stages.patterns.line import UsualForm
from tailrace.stages.patterns.place import Expected, unmet
from tailrace.stages.values.conversion import Column, to_int
from tailrace.stages.values.times import BAD_TIMESTAMP, CLF, Times

# The form nearly all lines have.
_USUAL = UsualForm(
    r'([^ \n]{1,255}) (?:-|([^ ]{1,255})) (?:-|([^ ]{1,255})) \[([^\]]{26})\] "([A-Za-z_-]+) ([^ ]+) (HTTP/[^ "]+)" '
    r'([0-9]{3}) (?:-|([0-9]{1,18}))(?: "(?:-|([^"]*))" "(?:-|([^"]*))")?'
)

# The whole grammar, step by step; each step is linear, and none gives back what an earlier one took. A list of hosts
# ("1.2.3.4, 5.6.7.8") and a user name with blanks occur. Inside of quotes a backslash escapes the next character.
_TEXT = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_STEPS = [
    re.compile(r"((?:[^ ]+, )*+[^ ]++) "),
    re.compile(r"([^ ]++) "),
    re.compile(r"([^\[]*[^\[ ]) \[([^\]]*+)\] "),
    re.compile(rf'"({_TEXT})" ', re.DOTALL),
    re.compile(r"([0-9]{3}|-) "),
    re.compile(r"([0-9]++|-)(?= |\Z)"),
    re.compile(rf'(?: "({_TEXT})" "({_TEXT})")?+\Z', re.DOTALL),
]


def _expected(*parts: tuple[str, str]) -> list[Expected]:
    return [(words, re.compile(pattern, re.DOTALL)) for words, pattern in parts]


# What each step consists of, to tell where a line goes wrong.
_PARTS = [
    _expected(("a host", r"(?:[^ ]+, )*+[^ ]++"), ("a blank after the host", " ")),
    _expected(("an ident, or -,", "[^ ]++"), ("a blank after the ident", " ")),
    _expected(
        ("a user, or -,", r"[^\[]*[^\[ ](?= \[)|[^ \[]++"),
        ("a blank and a time in brackets", r" \["),
        ("", r'[^\]" ]*+(?: [^\]" ]*+)?+'),
        ("the bracket that closes the time (opened at column {})", r"\]"),
        ("a blank after the time", " "),
    ),
    _expected(
        ("a request in quotes", '"'),
        ("", _TEXT),
        ("the quote that closes the request (opened at column {})", '"'),
        ("a blank after the quote that closes the request", " "),
    ),
    _expected(("a status of three digits", "[0-9]{3}|-"), ("a blank after the status", " ")),
    _expected(("a size in bytes, or -,", "[0-9]++|-"), ("a blank or the end of the line after the size", "(?!)")),
    _expected(
        ("the end of the line, or a blank and a referer in quotes,", ' "'),
        ("", _TEXT),
        ("the quote that closes the referer (opened at column {})", '"'),
        ("a blank and an agent in quotes after the referer", ' "'),
        ("", _TEXT),
        ("the quote that closes the agent (opened at column {})", '"'),
        ("the end of the line after the agent (parse.regex can read more than that)", "(?!)"),
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
        if lines.several_lines:
            return [self._unusual(line) for line in lines]
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
        for step, expected in zip(_STEPS, _PARTS, strict=True):
            match = step.match(line, position)
            if match is None:
                return Fail("no_match", unmet(line, position, expected))
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
