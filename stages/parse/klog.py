"""Lines of klog, the log of Kubernetes' components, and of glog, whose form it took."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines, Skip
from tailrace.stages.patterns.line import UsualForm
from tailrace.stages.patterns.place import Expected, unmet
from tailrace.stages.values.conversion import Column, to_float, to_int
from tailrace.stages.values.escapes import unescape
from tailrace.stages.values.times import BAD_TIMESTAMP, Times
from tailrace.stages.values.typed import Typed

# Lmmdd hh:mm:ss.uuuuuu pid file:line] msg; glog may write the year before the month.
_USUAL = UsualForm(
    r"([IWEF])([0-9]{4}(?:[0-9]{4})? [0-9]{2}:[0-9]{2}:[0-5][0-9])\.([0-9]{1,9}) +([0-9]{1,18}) "
    r"([^ :\n]{1,255}):([0-9]{1,9})\](?: (.*))?"
)
_LINE = re.compile(
    r"([IWEF])([0-9]{4}(?:[0-9]{4})? [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,9}) +([0-9]{1,18}) "
    r"([^ :\n]{1,255}):([0-9]{1,9})\](?: |\Z)"
)
# What glog and klog write at the beginning of a file.
_HEADER = re.compile(
    r"(?:Log file created at|Running on machine|Binary|Running duration \(h:mm:ss\)|Previous log|Log line format): "
)
_PARTS: list[Expected] = [
    (words, re.compile(pattern))
    for words, pattern in (
        ("a level (I, W, E or F)", "[IWEF]"),
        ("a date such as 0327", "[0-9]{4}(?:[0-9]{4})?"),
        ("a blank and a time such as 13:06:56.123456", r" [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,9}"),
        ("a blank and the process id", " +[0-9]{1,18}"),
        ("a blank and the file", r" [^ :\n]{1,255}"),
        ("a colon and the line in the file", ":[0-9]{1,9}"),
        ("] and a blank", r"\](?: |\Z)"),
    )
]
_TIMES = ("%m%d %H:%M:%S", "%m%d %H:%M:%S.%f", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M:%S.%f")
_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "fatal"}

_QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_LONG = r"<\n(?:\t[^\n]*+\n)++ >"  # a text of several lines, each behind a tab
_WORD = rf'(?:[^ "\n]++|{_QUOTED})*+'
_PAIR = rf' ([^ ="\n]++)=({_QUOTED}(?= |\Z)|{_LONG}(?= |\Z)|(?!"|<\n){_WORD}(?: (?![^ ="\n]++=){_WORD})*+(?= |\Z))'
_STRUCTURED = re.compile(rf"({_QUOTED})((?:{_PAIR})*+)\Z", re.DOTALL)
_PAIRS = re.compile(_PAIR, re.DOTALL).findall
_CONSTANTS = {"true": True, "false": False, "<nil>": None, "null": None}


@dataclass
class Klog(Typed):
    """``timestamp level pid file line message``; the level is ``info``, ``warning``, ``error`` or ``fatal``.

    ``structured``: of a quoted message with ``key="value"`` pairs behind it, ``message`` is what stands in the quotes,
    and the pairs become the object ``fields``. There a quoted value is a string, a plain one a number, a boolean or
    null where it is one; anything else (a Go struct) stays as it is written. Of a value of several lines, the lines
    must have been joined.

    The time has no zone, and with klog no year: it is taken to be in ``timezone`` (a name, or ``local``), and in the
    latest year that puts it not more than 7 days after the file's last write.

    The lines at the beginning of a file (``Log file created at: ...``) yield no event; they are counted as filtered.

    Fails: ``no_match``, ``bad_timestamp`` (such as 30 February).

    Example::

        [[stages]]
        use = "parse.klog"

    Lines::

        I0202 10:30:45.123456    4711 server.go:155] Version: v1.30.2
        E0202 10:30:46.000001    4711 pod_workers.go:1301] "Error syncing pod" pod="shop/web-1" attempt=3 err=<nil>
        I0230 10:30:47.250000    4711 server.go:160] "Started"
        panic: runtime error: index out of range
    """

    plain: ClassVar[bool] = True

    structured: bool = True  # takes quoted messages with pairs apart; false: the message is all of that
    timezone: str = "UTC"  # of all times, which tell none: a name such as `Europe/Berlin`, or `local`

    def __post_init__(self) -> None:
        super().__post_init__()
        self._convert = Times(_TIMES, self.timezone)
        self._seconds = Column(lambda text: self._convert(text)[:-1], BAD_TIMESTAMP)

    def events(self, lines: Lines) -> list[Event | Fail | Skip]:
        if self._convert.set_bound(lines.origin.year_bound):
            self._seconds.clear()
        if lines.several_lines:
            return [self._line(line) for line in lines]
        seconds = self._seconds
        rows = _USUAL.rows(lines.text)
        events: list[Any] = [
            {
                "timestamp": f"{seconds[second]}.{fraction}Z",
                "level": _LEVELS.get(level),
                "pid": int(pid or 0),
                "file": file,
                "line": int(line or 0),
                "message": message,
            }
            for level, second, fraction, pid, file, line, message in rows
        ]
        if seconds.take_failed():
            for i, row in enumerate(rows):
                if type(seconds[row[1]]) is Fail:  # also at the empty time of a line that has not this form
                    events[i] = self._line(lines[i])
            seconds.take_failed()
        if self.structured:
            for event in events:
                if type(event) is dict and event["message"][:1] == '"':
                    _structure(event)
        return events

    def _line(self, line: str) -> Event | Fail | Skip:
        match = _LINE.match(line)
        if match is None:
            return Skip("header") if _HEADER.match(line) else Fail("no_match", unmet(line, 0, _PARTS))
        level, time, pid, file, number = match.groups()
        try:
            timestamp = self._convert(time)
        except ValueError as error:
            return Fail(BAD_TIMESTAMP, str(error))
        event = {
            "timestamp": timestamp,
            "level": _LEVELS[level],
            "pid": int(pid),
            "file": file,
            "line": int(number),
            "message": line[match.end() :],
        }
        if self.structured:
            _structure(event)
        return event


def _structure(event: Event) -> None:
    """Take a message apart that is a quoted text and pairs as a whole."""
    match = _STRUCTURED.match(event["message"])
    if match is None:
        return
    event["message"] = _value(match[1])
    event["fields"] = {key: _value(text) for key, text in _PAIRS(match[2])}


def _value(text: str) -> Any:
    if text[:1] == '"':
        return unescape(text[1:-1]) if "\\" in text else text[1:-1]
    if text[:2] == "<\n":
        return "\n".join([line[1:] for line in text.split("\n")[1:-1]])
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for convert in (to_int, to_float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text
