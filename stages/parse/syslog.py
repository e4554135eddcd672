"""Lines of syslog: RFC 3164 as daemons write it to files, and RFC 5424, told apart line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines, Skip
from tailrace.stages.patterns.line import UsualForm
from tailrace.stages.syslog.priority import read_priority
from tailrace.stages.syslog.rfc3164 import NO_HOST, NO_LEVEL, NO_TAG, Rfc3164
from tailrace.stages.syslog.rfc5424 import BOM, LIKE_3164, NIL, SD, VERSION, WITHOUT_VERSION, read_rfc5424, structured
from tailrace.stages.values.conversion import Column
from tailrace.stages.values.times import BAD_TIMESTAMP, Times
from tailrace.stages.values.typed import Typed

_PRI = "(?:<(19[01]|1[0-8][0-9]|[1-9]?[0-9])>)?"  # 0 to 191
_ISO = "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,12})?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"

# RFC 3164 with a host and a tag.
_USUAL_3164 = UsualForm(
    rf"{_PRI}([A-Z][a-z]{{2}} [ 0-9][0-9] [0-9:]{{8}}|{_ISO}{NO_LEVEL}) "
    rf"{NO_HOST}([^ =]{{0,254}}[^ :=]) {NO_TAG}([^ :\[\n]{{1,255}})(?:\[([^\]]{{1,128}})\])?"
    r":(?: (?!\[ID )|$)(.*)"
)
_USUAL_5424 = UsualForm(
    rf"<(19[01]|1[0-8][0-9]|[1-9]?[0-9])>1 ({_ISO}) "
    rf"([^ ]{{1,255}}) ([^ ]{{1,48}}) ([^ ]{{1,128}}) ([^ ]{{1,32}}) ({SD}) (.+)"
)
_IS_5424 = re.compile(r"<[0-9]{1,3}>1 ").match
_COUNT = re.compile(r"[0-9]{1,10} (?=<)")  # of octets, RFC 6587

# What it prints between the lines.
_OF_JOURNALCTL = re.compile(r"-- (?:Boot [0-9a-f]{32}|Reboot|No entries|(?:Journal|Logs) begins? at [^\n]{1,100}) --\Z")

_TIMES = ("%b %d %H:%M:%S", "rfc3339", "rfc3164")


@dataclass
class Syslog(Typed):
    """RFC 3164: ``timestamp host app pid message``; RFC 5424: also ``msgid`` and ``sd``. With a PRI both have
    ``facility`` (0 to 23) and ``severity`` (0, emergency, to 7, debug), also where BusyBox, FreeBSD, AIX or Solaris
    write words (``auth.info``); files often lack it, and then so does the event.

    ``timestamp`` is RFC 3339 in UTC. The classic form tells no year and no zone: it is taken to be in ``timezone`` (a
    name, or ``local``), and in the latest year that puts it not more than 7 days after the file's last write. ISO times
    (rsyslog, ``journalctl -o short-iso``, a blank for the T), a weekday, a year, a fraction, and a zone behind the time
    are understood: an offset, UTC, or a name that ``timezone`` has (CET and CEST of Europe/Berlin). ``app`` is the tag,
    of Cisco's devices ``%SYS-5-CONFIG_I``; ``pid`` is an integer, or text where the log has text. A missing part and
    RFC 5424's ``-`` are null. ``sd`` is ``{id: {name: value}}``, a repeated name having an array. A level in the place
    of the host (ESXi) or before the tag (F5) is ``severity``. What journalctl prints between the lines
    (``-- Boot ... --``) yields no event.

    Fails: ``no_match`` (also a PRI above 191), ``bad_timestamp`` (such as 30 February, a zone that ``timezone`` has
    not, or the time since a device started).

    Example::

        [[stages]]
        use = "parse.syslog"
        timezone = "Europe/Berlin"

    Lines::

        Feb  2 11:30:45 web1 sshd[4711]: Accepted publickey for ann from 192.0.2.7 port 50022 ssh2
        <30>2026-02-02T11:30:46+01:00 web1 systemd[1]: Started shop.service.
        <165>1 2026-02-02T10:30:47.003Z web1 shop 4712 ID47 [order@32473 id="7" total="12.50"] order paid
        Feb 30 11:30:48 web1 kernel: eth0: link up
        order sent
    """

    plain: ClassVar[bool] = True

    timezone: str = "UTC"  # of times that tell none: a name such as `Europe/Berlin`, or `local`

    def __post_init__(self) -> None:
        super().__post_init__()
        self._convert = Times(_TIMES, self.timezone)
        self._times = Column(self._convert, BAD_TIMESTAMP)
        self._pids = Column(_pid)
        self._rfc3164 = Rfc3164(self._times, self._pids)

    def events(self, lines: Lines) -> list[Event | Fail | Skip]:
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
                "host": None if host == NIL else host,
                "app": None if app == NIL else app,
                "pid": pids[pid],
                "msgid": None if msgid == NIL else msgid,
                "facility": int(pri or 0) >> 3,
                "severity": int(pri or 0) & 7,
                "sd": None if sd == NIL else structured(sd),
                "message": message.removeprefix(BOM) or None,
            }
            for pri, time, host, app, pid, msgid, sd, message in _USUAL_5424.rows(text)
        ]

    def _unusual(self, line: str) -> Event | Fail | Skip:
        if _OF_JOURNALCTL.match(line):
            return Skip("header")
        position = match.end() if (match := _COUNT.match(line)) else 0
        found = read_priority(line, position)
        if isinstance(found, Fail):
            return found
        priority, position = found
        position += line.startswith(" ", position)
        match = VERSION.match(line, position)
        if match or WITHOUT_VERSION.match(line, position):
            at = match.end() if match else position
            if LIKE_3164.match(line, at):
                return self._rfc3164.read(line, at, priority)
            return read_rfc5424(line, at, priority, self._times, self._pids)
        return self._rfc3164.read(line, position, priority)


def _pid(text: str) -> int | str | None:
    """The process id: an integer where that loses nothing."""
    if not text or text == NIL:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text else text
