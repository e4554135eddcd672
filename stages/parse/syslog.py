"""Lines of syslog: RFC 3164 as daemons write it to files, and RFC 5424, told apart line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.stages.patterns.line import UsualForm
from tailrace.stages.patterns.place import place
from tailrace.stages.patterns.reach import Reach
from tailrace.stages.values.conversion import Column
from tailrace.stages.values.times import BAD_TIMESTAMP, Times

_PRI = "(?:<(19[01]|1[0-8][0-9]|[1-9]?[0-9])>)?"  # 0 to 191
_ISO = "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.,]{5,30}(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"

# RFC 3164 with a host and a tag.
_USUAL_3164 = UsualForm(
    rf"{_PRI}([A-Z][a-z]{{2}} [ 0-9][0-9] [0-9:]{{8}}|{_ISO}) "
    r"([^ ]{0,254}[^ :]) ([^ :\[\n]{1,255})(?:\[([^\]]{1,128})\])?: ?(.*)"
)

# RFC 5424, section 6: <PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]
_PARAM = r'[^ =\]"\n]++="[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
_SD = rf'-|(?:\[[^ =\]"\n]++(?: {_PARAM})*+ *\])++'
_USUAL_5424 = UsualForm(
    rf"<(19[01]|1[0-8][0-9]|[1-9]?[0-9])>1 ({_ISO}) "
    rf"([^ ]{{1,255}}) ([^ ]{{1,48}}) ([^ ]{{1,128}}) ([^ ]{{1,32}}) ({_SD}) (.+)"
)
_HEADER_5424 = re.compile(rf"([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ({_SD})(?: |\Z)")
_IS_5424 = re.compile(r"<[0-9]{1,3}>1 ").match
_ELEMENTS = re.compile(rf'\[([^ =\]"]++)((?: {_PARAM})*+)').findall
_PARAMS = re.compile(r'([^ =\]"]++)="([^"\\]*+(?:\\.[^"\\]*+)*+)"').findall
_SD_ESCAPE = re.compile(r'\\(["\\\]])')

# The rest: no host, no tag, years in front or behind, blanks, fractions, a leading octet count.
_COUNT = re.compile(r"[0-9]{1,10} (?=<)")
_ANY_PRI = re.compile(r"<([0-9]{1,10})>")
_ANY_TIME = re.compile(
    rf"({_ISO}|(?:[0-9]{{4}} )?[A-Z][a-z]{{2}} {{1,2}}[0-9]{{1,2}}(?: [0-9]{{4}})? [0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}"
    r"(?:\.[0-9]{1,9})?(?: [0-9]{4}(?= ))?)(?::? +|\Z)"
)
_HOST = re.compile(r"([^ ]{0,254}[^ :]) ")
_TAG = re.compile(r"([^ :\[]{1,255})(?:\[([^\]]{1,128})\])?:(?: |\Z)")

_WORD = re.compile("[^ ]+")
_TIME_REACH = Reach(_ANY_TIME.pattern)
_SD_REACH = Reach(rf"(?:{_SD})(?: |\Z)")

_VERSION = re.compile(r"1 ")

_YEARLESS = ("%b %d %H:%M:%S", "rfc3339")
_RARE = ("%b %d %H:%M:%S.%f", "%Y %b %d %H:%M:%S", "%b %d %Y %H:%M:%S", "%b %d %H:%M:%S %Y")
_NIL = "-"
_BOM = "\ufeff"


@dataclass
class Syslog:
    """RFC 3164: ``timestamp host app pid message``; RFC 5424: also ``msgid`` and ``sd``. With a PRI in front both have
    ``facility`` (0 to 23) and ``severity`` (0, emergency, to 7, debug); files often lack it, and
    then so does the event.

    ``timestamp`` is RFC 3339 in UTC. The classic form tells no year and no zone: it is taken to be in ``timezone``,
    and in the latest year that puts it not more than 7 days after the file's last write. ISO times (rsyslog's
    file format) and a year before or behind are understood. ``app`` is the tag; ``pid`` is an integer, or
    text where the log has text. A missing part and RFC 5424's ``-`` are null. ``sd`` is ``{id: {name: value}}``, a
    repeated name having an array.

    Fails: ``no_match`` (also a PRI above 191), ``bad_timestamp`` (such as 30 February).
    """

    plain: ClassVar[bool] = True

    timezone: str = "UTC"

    def __post_init__(self) -> None:
        self._convert = Times([*_YEARLESS, *_RARE], self.timezone)
        self._times = Column(self._convert, BAD_TIMESTAMP)
        self._pids = Column(_pid)

    def parse(self, lines: Lines) -> list[Event | Fail]:
        if self._convert.set_bound(lines.origin.year_bound):
            self._times.clear()
        if lines.several_lines:
            return [self._unusual(line) for line in lines]
        text = lines.text
        forms = (self._usual_5424, self._usual_3164) if _IS_5424(text) else (self._usual_3164, self._usual_5424)
        events = forms[0](text)
        if self._times.take_failed():  # also at the empty time of a line that has not this form
            others = [i for i, event in enumerate(events) if type(event["timestamp"]) is Fail]
            more = forms[1]("\n".join([lines[i] for i in others]))
            failed = self._times.take_failed()
            for i, event in zip(others, more, strict=True):
                events[i] = self._unusual(lines[i]) if failed and type(event["timestamp"]) is Fail else event
        return events

    def _usual_3164(self, text: str) -> list[Any]:
        times, pids = self._times, self._pids
        return [
            {"timestamp": times[time], "host": host, "app": app, "pid": pids[pid], "message": message}
            if not pri
            else {
                "timestamp": times[time],
                "host": host,
                "app": app,
                "pid": pids[pid],
                "facility": int(pri) >> 3,
                "severity": int(pri) & 7,
                "message": message,
            }
            for pri, time, host, app, pid, message in _USUAL_3164.rows(text)
        ]

    def _usual_5424(self, text: str) -> list[Any]:
        times, pids = self._times, self._pids
        return [
            {
                "timestamp": times[time],
                "host": None if host == _NIL else host,
                "app": None if app == _NIL else app,
                "pid": pids[pid],
                "msgid": None if msgid == _NIL else msgid,
                "facility": int(pri or 0) >> 3,
                "severity": int(pri or 0) & 7,
                "sd": None if sd == _NIL else _structured(sd),
                "message": message.removeprefix(_BOM) or None,
            }
            for pri, time, host, app, pid, msgid, sd, message in _USUAL_5424.rows(text)
        ]

    def _unusual(self, line: str) -> Event | Fail:
        position = match.end() if (match := _COUNT.match(line)) else 0
        pri: dict[str, int] = {}
        if match := _ANY_PRI.match(line, position):
            number = int(match[1])
            if number > 191:
                return Fail("no_match", f"PRI {number} is above 191, {place(line, position + len('<'))}")
            pri = {"facility": number >> 3, "severity": number & 7}
            position = match.end()
        if match := _VERSION.match(line, position):
            return self._rfc5424(line, match.end(), pri)
        return self._rfc3164(line, position, pri)

    def _rfc3164(self, line: str, position: int, pri: dict[str, int]) -> Event | Fail:
        match = _ANY_TIME.match(line, position)
        if match is None:
            expected = "a time such as 'Mar 27 13:06:56' or '2015-03-27T13:06:56Z'"
            return Fail("no_match", _fault(line, position, expected, _TIME_REACH))
        time = self._times[match[1]]
        if self._times.take_failed():
            return Fail(BAD_TIMESTAMP, time.why)
        position = match.end()
        host = app = pid = None
        if match := _HOST.match(line, position):
            host = match[1]
            position = match.end()
        if match := _TAG.match(line, position):
            app, pid = match.groups("")
            position = match.end()
        return {
            "timestamp": time,
            "host": host,
            "app": app,
            "pid": self._pids[pid or ""],
            **pri,
            "message": line[position:],
        }

    def _rfc5424(self, line: str, position: int, pri: dict[str, int]) -> Event | Fail:
        match = _HEADER_5424.match(line, position)
        if match is None:
            return Fail("no_match", _fault_5424(line, position))
        time, host, app, pid, msgid, sd = (None if part == _NIL else part for part in match.groups())
        if time is not None:
            time = self._times[time]
            if self._times.take_failed():
                return Fail(BAD_TIMESTAMP, time.why)
        return {
            "timestamp": time,
            "host": host,
            "app": app,
            "pid": self._pids[pid or ""],
            "msgid": msgid,
            **pri,
            "sd": None if sd is None else _structured(sd),
            "message": line[match.end() :].removeprefix(_BOM) or None,
        }


def _fault_5424(line: str, position: int) -> str:
    """What is wrong with the header that begins there."""
    for name in ("time", "host", "app", "process id", "message id"):
        match = _WORD.match(line, position)
        if match is None:
            return f"expected the {name}, or -, {place(line, position)}"
        position = match.end()
        if line[position : position + 1] != " ":
            return f"expected a blank after the {name} {place(line, position)}"
        position += 1
    return _fault(line, position, 'structured data, [id name="value"] or -,', _SD_REACH)


def _fault(line: str, position: int, expected: str, reach: Reach) -> str:
    fault = reach.fault(line, position)
    if fault is None or fault.position == position:
        return f"expected {expected} {place(line, position)}"
    return f"expected {expected} from column {position + 1} on; it goes wrong {place(line, fault.position)}"


def _pid(text: str) -> int | str | None:
    """The process id: an integer where that loses nothing."""
    if not text or text == _NIL:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text else text


def _structured(text: str) -> dict[str, dict[str, Any]]:
    """The elements of structured data by id, each with its parameters by name."""
    elements: dict[str, dict[str, Any]] = {}
    for name, params in _ELEMENTS(text):
        element = elements.setdefault(name, {})
        for key, escaped in _PARAMS(params):
            value = _SD_ESCAPE.sub(r"\1", escaped)
            if key not in element:
                element[key] = value
            elif type(element[key]) is list:
                element[key].append(value)
            else:
                element[key] = [element[key], value]
    return elements
