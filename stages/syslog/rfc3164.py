"""RFC 3164 in all the forms that daemons and devices write: a time, then perhaps a host and a tag, then the message.

Of Cisco's devices (IOS, NX-OS, ASA): ``94: sw01: *Mar  1 18:46:11.123 CET: %SYS-5-CONFIG_I: text``, also behind the
header of the server that received it. Of macOS: tags of several words, and ``name[1] (subject[2]) <Notice>:``. Of
BusyBox and FreeBSD: facility and severity as words.
"""

from __future__ import annotations

import re

from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.patterns.place import place
from tailrace.stages.patterns.reach import Reach
from tailrace.stages.syslog.priority import ANY_LEVEL, LEVEL, LIKE_WORDS, Priority, of_level, of_message, read_priority
from tailrace.stages.values.conversion import Column
from tailrace.stages.values.times import BAD_TIMESTAMP, Times
from tailrace.stages.values.zones import ABBREVIATIONS

# A word behind the time is a zone if it is known as one; any other in capitals only where nothing else can stand.
_ZONE = (
    rf"(?:[Zz]| ?[+-][0-9]{{2}}(?::?[0-9]{{2}})?| (?:{ABBREVIATIONS}"
    r"|[A-Z]{1,7}(?=: *%| [0-9]{4}[ :])|[A-Z][A-Za-z]{1,3}(?=: *%)"
    r"|(?:[A-Z]{2,4}T|[A-Z]{2,5}(?= [a-z0-9._-]+ ))(?= [^ :]{1,255} [^ :\[]{1,255}(?:\[[^\]]{0,128}\])?: )"
    r"))(?=[ :]|\Z)"
)
_CLOCK = rf"[0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}(?:[.,][0-9]{{1,12}})?(?:{_ZONE})?"
_ISO = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt ]{_CLOCK}"
_DATE = rf"(?:[0-9]{{4}} )?[A-Z][a-z]{{2}} {{1,2}}[0-9]{{1,2}},?(?: [0-9]{{4}})? {_CLOCK}(?: [0-9]{{4}}(?=[ :]))?"
_UNIX = r"[0-9]{9,11}\.[0-9]{3,9}(?= )"
_WEEKDAY = "(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?"
_UPTIME = r"(?:[0-9]+y[0-9]+w|[0-9]+w[0-9]+d|[0-9]+d[0-9]+h|[0-9]+:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)"

# A number of the message, the device, another number, the part of it, the task; the sign of a clock that is not set.
_BEFORE = (
    r":? *(?:([0-9]{1,12}): +)?(?:(?![0-9]+:)([^ :<*]{1,255})(?:: +| (?=[A-Z0-9]+/)))?(?:[0-9]{1,12}: +)?"
    r"(?:[A-Z0-9]+(?:/[A-Z0-9]+)+:)?(?:\*[A-Za-z][^ :]{0,63}: )?[*.;]?"
)
_TIME = rf"{_WEEKDAY}(?:({_ISO}|{_DATE})|({_UNIX}))(?: ?: +| +|\Z)"
_START = re.compile(_BEFORE + _TIME)
_SINCE_START = re.compile(rf"{_BEFORE}(?:({_UPTIME}): |(\[ *[0-9]+\.[0-9]+\]) )")
_TIME_REACH = Reach(_TIME)

_SECONDS = re.compile(r"\[[0-9]{1,11}\.[0-9]{1,9}\] ")  # OpenWrt's logread -t, behind the time
_HOST = re.compile(
    r"(?![%|<]|--|[0-9]+,|[0-9]+ \[[A-Z]|\[[^\]:.]*\]|last message repeated )(?![^ ]*\[[0-9]*\]:? )"
    r"([^ =]{0,254}[^ :=])(?: +:? *(?=%)| |: +(?=%))"
)
# AIX, and UniFi's access points: model, address and version
_HOST_AND_COLON = re.compile(r"(?:Message forwarded from ([^ :]{1,255})|([^ :,]{1,64},[0-9a-f]{12},[^ :]{1,64})): ")
_BEFORE_TAG = r"[^ :\[]{1,255}(?:\[[^\]]{1,128}\])?: "
_HOST_BEFORE_TAG = re.compile(rf"(?!syslogd started: )[^ ]{{0,254}}[^ :] {_BEFORE_TAG}")
_LEVEL_BEFORE_TAG = re.compile(rf"(emerg|alert|crit|err|warning|notice|info|debug) (?={_BEFORE_TAG})")  # F5
_LEVEL_BEFORE_PID = re.compile(rf"({ANY_LEVEL}) (?={_BEFORE_TAG})(?=[^ ]+\[)")
_LEVEL_AND_BLANKS = re.compile(rf"({ANY_LEVEL}) +")
_NUMBERED = re.compile(
    rf"(?:: *)?(?:[0-9]{{1,12}}: +){{0,2}}"
    rf"(?:(?:[^ :%<*]{{1,255}}: +)?(?:[0-9]{{1,12}}: +)?[*.;]?(?:{_DATE}|{_UPTIME})(?: [^ :%]{{1,255}} ?)?: +)?"
    rf"(?:%\$ ?[^ $]{{1,64}} ?%?\$ +)?(?=%[A-Z])"
)

_END = rf"(?: \([^()]{{0,255}}\))?(?: <({LEVEL})>)? ?:(?: |\Z)"
_TAGS = [
    re.compile(pattern)
    for pattern in (
        r"(?![0-9]+:|[{\"])([^ :\[]{1,255})(?:\[([^\]]{0,128})\])?():(?: |\Z)",
        rf"([^ :\[]{{1,255}})\[([^\]]{{0,128}})\]{_END}",
        rf"([^ :\[]{{1,64}}(?: [^ :\[]{{1,64}}){{1,6}})\[([0-9]*)\]{_END}",
        r"(%[A-Z][A-Z0-9_-]{1,128})()() :(?: |\Z)",
        # "syslogd 1.4.1:", but not an address
        r"([A-Za-z][^ :\[]{0,63} (?!(?:[0-9]+\.){3}[0-9]+:)v?[0-9]+\.[0-9][^ :\[]{0,30})()():(?: |\Z)",
        r"([^ :\[]{1,255})\[([0-9]+)\]()(?: |\Z)",
        r"(?![0-9])([^ \[]{1,255})\[([0-9]+)\]():(?: |\Z)",  # "docker/nginx:1.25/web[5]:"
        r"(?![0-9{\"]|(?:CEF|LEEF):[0-9]|[a-z]+://)([^ :\[]{1,255})(?:\[([^\]]{1,128})\])?():",
    )
]
"""App, pid and severity. What has a pid in brackets is a tag, also with blanks in it."""

# What the usual form must leave to the forms here.
NO_HOST = rf"(?![<+\-\[|]|{LIKE_WORDS} |(?=[A-Z]{{1,5}} )(?:{ABBREVIATIONS}) )"
_LIKE_LEVEL = "(?=[AaCcDdEeFfIiNnPpTtVvWw][AaEeLlMmNnOoRr][A-Za-z]{1,7} )"  # found out faster
NO_LEVEL = rf"(?! (?:{_LIKE_LEVEL}(?:{ANY_LEVEL}) |[A-Z][a-z]\([0-9]))"  # behind an ISO time
NO_TAG = r'(?![0-9{"<\t])'


class Rfc3164:
    """``read(line, position, priority)``: the event of a line whose PRI ends there."""

    def __init__(self, times: Column, pids: Column) -> None:
        self._times, self._pids = times, pids
        self._unix = Times(["unix_s"])

    def read(self, line: str, position: int, priority: Priority) -> Event | Fail:
        match = _START.match(line, position)
        if match is None or (match[2] and not (match[1] or priority)):  # a word and a colon are no device
            return _fault(line, position)
        if match[4]:
            time = self._unix(match[4])
        else:
            time = self._times[match[3]]
            if self._times.take_failed():
                return Fail(BAD_TIMESTAMP, time.why)
        host, iso, position = match[2], line[match.start(3)].isdigit(), match.end()
        if match := _SECONDS.match(line, position):
            position = match.end()
        level = ""
        if iso and not priority and (match := _LEVEL_AND_BLANKS.match(line, position)):  # the form of many programs
            level, position = match[1], match.end()
        else:
            host, priority, position = _host(line, position, host, priority)
            if match := (_LEVEL_BEFORE_TAG if priority else _LEVEL_BEFORE_PID).match(line, position):
                level, position = match[1], match.end()
        if match := _NUMBERED.match(line, position):
            position = match.end()
        app, pid = None, ""
        start = len(line) - len(line[position:].lstrip(" \t"))
        for tag in _TAGS:
            if match := tag.match(line, start):
                app, pid, level = match[1], match[2] or "", match[3] or level
                position = match.end()
                break
        else:
            position += 2 * line.startswith(": ", position)  # an empty tag
        return {
            "timestamp": time,
            "host": host,
            "app": app,
            "pid": self._pids[pid],
            **(priority or of_message(line, position)),
            **(of_level(level) if level else {}),
            "message": line[position:],
        }


def _host(line: str, position: int, host: str | None, priority: Priority) -> tuple[str | None, Priority, int]:
    """The host, the priority told in front of it or behind it, and where the line goes on."""
    start = position
    priority, position = _read_again(line, position, priority)
    if host is not None:
        return host, priority, position
    if match := _HOST_AND_COLON.match(line, position):
        return match[1] or match[2], priority, match.end()
    words = position > start and line[start] != "<"  # those of OpenWrt and BusyBox often have no host behind them
    if words and not _HOST_BEFORE_TAG.match(line, position):
        return None, priority, position
    if match := _HOST.match(line, position):
        host = None if match[1] == "-" else match[1]
        priority, position = _read_again(line, match.end(), priority)
    return host, priority, position


def _read_again(line: str, position: int, before: Priority) -> tuple[Priority, int]:
    """The priority told behind the time or the host, if one is; what looks like one and is none belongs to the text."""
    found = read_priority(line, position)
    if isinstance(found, Fail) or not found[0]:
        return before, position
    return found


def _fault(line: str, position: int) -> Fail:
    if match := _SINCE_START.match(line, position):
        found = match.lastindex or 0
        remedy = "`journalctl -o short-iso`" if found == 4 else "Cisco's `service timestamps log datetime`"
        why = f"{match[found]!r} is the time since the device started, and no date; {remedy} gives one"
        return Fail(BAD_TIMESTAMP, f"{why}, {place(line, match.start(found))}")
    expected = "a time such as 'Mar 27 13:06:56' or '2015-03-27T13:06:56Z'"
    if line.startswith(("%ASA-", "%FTD-", "%PIX-"), position):
        expected += " (Cisco's `logging timestamp` gives one)"
    return Fail("no_match", _TIME_REACH.why(line, position, expected))
