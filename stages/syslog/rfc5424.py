"""RFC 5424, section 6: ``<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]``."""

from __future__ import annotations

import re
from typing import Any

from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.patterns.place import place
from tailrace.stages.patterns.reach import Reach
from tailrace.stages.syslog.priority import Priority
from tailrace.stages.values.conversion import Column
from tailrace.stages.values.times import BAD_TIMESTAMP

NIL = "-"
BOM = "\ufeff"
_PARAM = r'[^ =\]"\n]++="[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
SD = rf'-|(?:\[[^ =\]"\n]++(?: {_PARAM})*+ *\])++'
_NO_SD = r'(?=\[[^ =:\]"]++:")'  # of Check Point's devices: [action:"Accept"; ifdir:"inbound"]
_HEADER = re.compile(rf"([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+)(?: ({SD})(?: |\Z)| (?![-\[])| {_NO_SD}|\Z)")
_ELEMENTS = re.compile(rf'\[([^ =\]"]++)((?: {_PARAM})*+)').findall
_PARAMS = re.compile(r'([^ =\]"]++)="([^"\\]*+(?:\\.[^"\\]*+)*+)"').findall
_SD_ESCAPE = re.compile(r'\\(["\\\]])')
_WORD = re.compile("[^ ]+")
_SD_REACH = Reach(rf"(?:{SD})(?: |\Z)")

VERSION = re.compile(r"1 ")
LIKE_3164 = re.compile(
    r"[0-9]{9,11}\.[0-9]{3,9} [^ ]+ "
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][^ ]+ [^ ]+ (?:[^ :\[]{1,255}(?:\[[^\]]{0,128}\])?: |[^ =]+=\")"
)
"""Behind the version, a Unix time (Meraki), a tag, or pairs: the header of RFC 5424 is only begun."""
WITHOUT_VERSION = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt][0-9:.]{{8,18}}(?:[Zz]|[+-][0-9]{{2}}:[0-9]{{2}}) "
    rf"[^ ]*[^ :] [^ ]*[^ :] (?:-|[0-9]+) [^ ]+ (?:{SD})(?: |\Z)"
)
"""Without the version, a header is known by its process id and its structured data."""


def read_rfc5424(line: str, position: int, priority: Priority, times: Column, pids: Column) -> Event | Fail:
    """The line of a header that begins there, behind PRI and version. Structured data may be missing."""
    match = _HEADER.match(line, position)
    if match is None:
        return Fail("no_match", _fault(line, position))
    time, host, app, pid, msgid, sd = (None if part == NIL else part for part in match.groups())
    if time is not None:
        time = times[time]
        if times.take_failed():
            return Fail(BAD_TIMESTAMP, time.why)
    return {
        "timestamp": time,
        "host": host,
        "app": app,
        "pid": pids[pid or ""],
        "msgid": msgid,
        **priority,
        "sd": None if sd is None else structured(sd),
        "message": line[match.end() :].removeprefix(BOM) or None,
    }


def structured(text: str) -> dict[str, dict[str, Any]]:
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


def _fault(line: str, position: int) -> str:
    """What is wrong with the header that begins there."""
    for name in ("time", "host", "app", "process id", "message id"):
        match = _WORD.match(line, position)
        if match is None:
            return f"expected the {name}, or -, {place(line, position)}"
        position = match.end()
        if line[position : position + 1] != " ":
            return f"expected a blank after the {name} {place(line, position)}"
        position += 1
    return _SD_REACH.why(line, position, 'structured data, [id name="value"] or -,')
