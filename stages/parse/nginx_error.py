"""Lines of nginx's error log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.stages.patterns.line import UsualForm
from tailrace.stages.patterns.place import Expected, unmet
from tailrace.stages.values.conversion import Column
from tailrace.stages.values.times import BAD_TIMESTAMP, Times
from tailrace.stages.values.typed import Typed

_TIME = "[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_LEVELS = "debug|info|notice|warn|error|crit|alert|emerg"
_HEADER = rf"({_TIME}) \[({_LEVELS})\] ([0-9]{{1,18}})#([0-9]{{1,18}}): (?:\*([0-9]{{1,18}}) )?+(.+)"
_USUAL = UsualForm(_HEADER)
_WHOLE = re.compile(_HEADER, re.DOTALL)
_PARTS: list[Expected] = [
    (words, re.compile(pattern))
    for words, pattern in (
        ("a time such as 2026/03/27 13:06:56", _TIME),
        ("a blank and a level in brackets", r" \["),
        (f"a level, one of {_LEVELS.replace('|', ', ')},", _LEVELS),
        ("the bracket that closes the level and a blank", r"\] "),
        ("a process id of digits", "[0-9]{1,18}"),
        ("# and a thread id", "#[0-9]{1,18}"),
        ("a colon and a blank after the thread id", ": "),
        ("", r"(?:\*[0-9]{1,18} )?"),
        ("a message", "(?!)"),
    )
]

# What follows the message, in this order, each of it optional. Behind `, client: ` all of it in its usual form, which
# has no quotes in quotes.
_QUOTED = ("request", "subrequest", "upstream", "host", "referrer", "request_id")
_USUAL_TAIL = re.compile(
    '([^ ,"]+)(?:, server: ([^ ,"]*))?' + "".join([f'(?:, {name}: "([^"]*)")?' for name in _QUOTED])
).fullmatch
_NAMES = ("message", "client", "server", *_QUOTED)
_CLIENT, _SERVER = ", client: ", ", server: "
_QUOTED_TAILS = [(name, f', {name}: "') for name in reversed(_QUOTED)]
_NEXT_TAIL = re.compile(f'", (?:{"|".join(_QUOTED)}): "').search
_WORD = re.compile('[^ ,"]+').fullmatch

# A session of the stream module ends with these instead.
_CLIENT_BYTES, _UPSTREAM_BYTES = ", bytes from/to client:", ", bytes from/to upstream:"
_TWO = "([0-9]{1,18})/([0-9]{1,18})"
_COUNTS = re.compile(f"{_CLIENT_BYTES}{_TWO}{_UPSTREAM_BYTES}{_TWO}")
_COUNTED = ("bytes_from_client", "bytes_to_client", "bytes_from_upstream", "bytes_to_upstream")

_ZONE = ' by zone "'
_LIMIT = re.compile(r'(?:, excess: ([0-9]{1,15}(?:\.[0-9]{1,15})?),?)? by zone "([^"]*)"')


@dataclass
class NginxError(Typed):
    """Fields ``timestamp level pid tid connection message``, and of a request or session those that the line has of
    ``client server request subrequest upstream host referrer request_id``.

    ``timestamp`` is RFC 3339 in UTC; the log tells no zone, so it is taken to be in ``timezone``. ``pid``, ``tid`` and
    ``connection`` (the number behind ``*``; null without one) are integers. ``message`` is the text up to what follows
    it. A limited request or connection also has ``zone`` and, in requests, ``excess``, a float; a stream session that
    ended ``bytes_from_client bytes_to_client bytes_from_upstream bytes_to_upstream``.

    The parts behind the message are searched for from the end of the line, since a message may hold a requested path.
    What nginx cut off after 2,048 bytes, or has in another form, stays in ``message``.

    Fails: ``no_match``, ``bad_timestamp``.

    Example::

        [[stages]]
        use = "parse.nginx_error"
        timezone = "Europe/Berlin"

    Lines::

        2026/02/02 11:30:45 [error] 412#412: *7 limiting requests, excess: 5.250 by zone "perip", client: 192.0.2.7, server: example.com, request: "POST /pay HTTP/1.1", host: "example.com"
        2026/02/02 11:30:46 [error] 412#412: *8 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 2001:db8::7, server: example.com, request: "GET /cart HTTP/1.1", upstream: "http://192.0.2.20:8080/cart", host: "example.com"
        2026/02/02 11:30:47 [notice] 1#1: signal process started
        2026/02/02 11:30:48 [fatal] 1#1: hello
    """  # noqa: E501 - lines of this log are long

    plain: ClassVar[bool] = True

    timezone: str = "UTC"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._times = Column(Times(["%Y/%m/%d %H:%M:%S"], self.timezone), BAD_TIMESTAMP)

    def events(self, lines: Lines) -> list[Event | Fail]:
        if lines.several_lines:
            return [self._unusual(line) for line in lines]
        times = self._times
        events: list[Any] = [
            {
                "timestamp": times[time],
                "level": level,
                "pid": int(pid or 0),
                "tid": int(tid or 0),
                "connection": int(connection) if connection else None,
                **_message(message),
            }
            for time, level, pid, tid, connection, message in _USUAL.rows(lines.text, len(lines))
        ]
        if times.take_failed():
            for i, event in enumerate(events):
                if type(event["timestamp"]) is Fail:
                    events[i] = self._unusual(lines[i])
        return events

    def _unusual(self, line: str) -> Event | Fail:
        match = _WHOLE.match(line)
        if match is None:
            return Fail("no_match", unmet(line, 0, _PARTS))
        time, level, pid, tid, connection, message = match.groups()
        timestamp = self._times[time]
        if self._times.take_failed():
            return Fail(BAD_TIMESTAMP, timestamp.why)
        return {
            "timestamp": timestamp,
            "level": level,
            "pid": int(pid),
            "tid": int(tid),
            "connection": int(connection) if connection else None,
            **_message(message),
        }


def _message(text: str) -> dict[str, Any]:
    """The message and what follows it, by name."""
    message, found, tail = text.rpartition(_CLIENT)
    if not found:
        plain = text[-1:] not in '"0123456789' and _SERVER not in text
        fields: dict[str, Any] = {"message": text} if plain else _from_the_end(text)
    elif match := _USUAL_TAIL(tail):
        fields = dict(zip(_NAMES, (message, *match.groups()), strict=True))
        if None in fields.values():
            fields = {name: value for name, value in fields.items() if value is not None}
    else:
        fields = _from_the_end(text)
    if _ZONE in fields["message"] and (limit := _LIMIT.search(fields["message"])):
        if limit[1]:
            fields["excess"] = float(limit[1])
        fields["zone"] = limit[2]
    return fields


def _from_the_end(text: str) -> dict[str, Any]:
    """The same of any line."""
    counts: dict[str, Any] = {}
    at = text.rfind(_CLIENT_BYTES)
    if at >= 0 and (match := _COUNTS.fullmatch(text, at)):
        counts = dict(zip(_COUNTED, map(int, match.groups()), strict=True))
        text = text[:at]
    found: list[tuple[str, str]] = []
    for name, opening in _QUOTED_TAILS:
        at = text.rfind(opening)
        if at >= 0 and text.endswith('"', at + len(opening)):
            value = text[at + len(opening) : -1]
            if not _NEXT_TAIL(value):  # else it stands in the value of another
                found.append((name, value))
                text = text[:at]
    at = text.rfind(_SERVER)
    before = text.rfind(_CLIENT, 0, len(text) if at < 0 else at)
    has_client = before >= 0 and _WORD(text, before + len(_CLIENT), len(text) if at < 0 else at) is not None
    if at >= 0 and '"' not in text[at:] and (has_client or " " not in text[at + len(_SERVER) :]):
        found.append(("server", text[at + len(_SERVER) :]))
        text = text[:at]
    if has_client and _WORD(text, before + len(_CLIENT)):
        found.append(("client", text[before + len(_CLIENT) :]))
        text = text[:before]
    return {"message": text, **dict(reversed(found)), **counts}
