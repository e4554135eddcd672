"""Facility and severity: as the number in front of a line, or as the words that some daemons write."""

from __future__ import annotations

import re

from tailrace.pipeline.batch import Fail
from tailrace.stages.patterns.place import place

_FACILITIES = {
    **{"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9},
    **{"authpriv": 10, "ftp": 11, "ntp": 12, "security": 13, "audit": 13, "console": 14, "alert": 14, "clock": 15},
    **{f"local{i}": 16 + i for i in range(8)},
}
_SEVERITIES = {
    **{"emerg": 0, "alert": 1, "crit": 2, "err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7},
    **{"panic": 0, "emergency": 0, "critical": 2, "error": 3, "warn": 4},
}
_LEVELS = {**_SEVERITIES, "fatal": 2, "verbose": 7, "trace": 7}

_FACILITY = "|".join(_FACILITIES)
_SEVERITY = "|".join(sorted(_SEVERITIES, key=len, reverse=True))
WORDS = rf"(?:{_FACILITY})\.(?:{_SEVERITY})"
LIKE_WORDS = rf"[a-z]{{3,8}}[0-7]?\.(?:{_SEVERITY})"  # found out faster
LEVEL = "|".join(sorted({name.capitalize() for name in _SEVERITIES}))
ANY_LEVEL = "|".join(  # the first letter as a set: found out faster
    [f"[{name[0]}{name[0].upper()}](?i:{name[1:]})" for name in sorted(_LEVELS, reverse=True)]
)
_ESXI = re.compile(r"(?:Em|Al|Cr|Er|Wa|No|In|Db)\((19[01]|1[0-8][0-9]|[1-9]?[0-9])\) ")
_NUMBER = re.compile(r"<(?:([0-9]{1,10})|([0-9]{1,2})\.([0-7]))>:? ?")
_WORDS = re.compile(
    rf"<({_FACILITY})\.({_SEVERITY})>:? ?|({_FACILITY})\.({_SEVERITY})(?:<[0-9]{{1,3}}>)?(?:: | )"
    rf"|({_FACILITY})(?:\|[a-z]{{3,8}})*:({_SEVERITY})(?:\|[a-z]{{3,8}})* "
)
_MESSAGE_ID = re.compile(rf"\[ID [0-9]{{1,10}} ({_FACILITY})\.({_SEVERITY})\]")

Priority = dict[str, int]
"""The fields ``facility`` and ``severity``; empty where the line tells none."""


def of_number(number: int) -> Priority:
    return {"facility": number >> 3, "severity": number & 7}


def of_level(word: str) -> Priority:
    """A severity without a facility."""
    return {"severity": _LEVELS[word.lower()]}


def of_message(line: str, position: int) -> Priority:
    """What Solaris puts in front of its messages: ``[ID 800047 auth.info]``."""
    match = _MESSAGE_ID.match(line, position)
    return {} if match is None else {"facility": _FACILITIES[match[1]], "severity": _SEVERITIES[match[2]]}


def read_priority(line: str, position: int) -> tuple[Priority, int] | Fail:
    """What the line tells at that place, and where it goes on: ``<38>``, ``<auth.info>``, ``<4.6>`` (FreeBSD),
    ``In(182)`` (ESXi), ``auth.info`` (BusyBox), ``auth|security:info`` (AIX) or ``auth.info<38>:`` (rsyslog's
    ``pri-text``)."""
    if match := _NUMBER.match(line, position):
        number, facility, severity = match.groups()
        if number and int(number) > 191:
            return Fail("no_match", f"PRI {int(number)} is above 191, {place(line, match.start(1))}")
        if facility and int(facility) > 23:
            return Fail("no_match", f"facility {int(facility)} is above 23, {place(line, match.start(2))}")
        return of_number(int(number) if number else int(facility) * 8 + int(severity)), match.end()
    if match := _ESXI.match(line, position):
        return of_number(int(match[1])), match.end()
    if match := _WORDS.match(line, position):
        facility, severity = filter(None, match.groups())
        return {"facility": _FACILITIES[facility], "severity": _SEVERITIES[severity]}, match.end()
    return {}, position
