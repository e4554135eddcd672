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

_LEVELS = "|".join(sorted(_SEVERITIES, key=len, reverse=True))
WORDS = rf"(?:{'|'.join(_FACILITIES)})\.(?:{_LEVELS})"
LIKE_WORDS = rf"[a-z]{{3,8}}[0-7]?\.(?:{_LEVELS})"  # found out faster
LEVEL = "|".join(sorted({name.capitalize() for name in _SEVERITIES}))
_PRIORITY = re.compile(
    rf"<(?:([0-9]{{1,10}})|([0-9]{{1,2}})\.([0-7])|({WORDS}))>:? ?|({WORDS})(?:<[0-9]{{1,3}}>)?(?:: | )"
)

Priority = dict[str, int]
"""The fields ``facility`` and ``severity``; empty where the line tells none."""


def of_number(number: int) -> Priority:
    return {"facility": number >> 3, "severity": number & 7}


def of_level(word: str) -> Priority:
    """A severity without a facility."""
    return {"severity": _SEVERITIES[word.lower()]}


def read_priority(line: str, position: int) -> tuple[Priority, int] | Fail:
    """What the line tells at that place, and where it goes on: ``<38>``, ``<auth.info>``, ``<4.6>`` (FreeBSD),
    ``auth.info`` (BusyBox) or ``auth.info<38>:`` (rsyslog's ``pri-text``)."""
    match = _PRIORITY.match(line, position)
    if match is None:
        return {}, position
    number, facility, severity, *words = match.groups()
    if number:
        if int(number) > 191:
            return Fail("no_match", f"PRI {int(number)} is above 191, {place(line, match.start(1))}")
        return of_number(int(number)), match.end()
    if facility:
        if int(facility) > 23:
            return Fail("no_match", f"facility {int(facility)} is above 23, {place(line, match.start(2))}")
        return {"facility": int(facility), "severity": int(severity)}, match.end()
    name, level = (words[0] or words[1]).split(".")
    return {"facility": _FACILITIES[name], "severity": _SEVERITIES[level]}, match.end()
