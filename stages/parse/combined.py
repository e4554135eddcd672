"""Lines of the "combined" and "common" access logs of Apache and nginx, told apart line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.stages.patterns.client import (
    IPV4,
    MAYBE_ADDRESS,
    QUOTED,
    Ambiguous,
    FirstOfTwo,
    client,
    forwarded_list,
    is_address,
    leading,
)
from tailrace.stages.patterns.line import UsualForm
from tailrace.stages.patterns.place import Expected, place, unmet
from tailrace.stages.values.conversion import Column, to_int
from tailrace.stages.values.times import BAD_TIMESTAMP, CLF, Times
from tailrace.stages.values.typed import Typed

_HOST = r'[^ \n"(-][^ \n]{0,254}(?<!,)'
_USER = rf"(?:-|((?!{MAYBE_ADDRESS})[^ ]{{1,255}}))"
_REQUEST = r'\[([^\]]{26})\] "([A-Za-z_-]+) ([^ ]+) (HTTP/[^ "]+)" ([0-9]{3}) (?:-|([0-9]{1,18}))'
_REFERER_AGENT = r' "(?:-|([^"]*))" "(?:-|([^"]*))"'

# The form nearly all lines have.
_USUAL_PATTERN = rf"({_HOST}) - {_USER} {_REQUEST}(?:{_REFERER_AGENT})?"
_USUAL = UsualForm(_USUAL_PATTERN)
_IS_USUAL = re.compile(f"{_USUAL_PATTERN}$", re.MULTILINE).match

# The same with an ident, a virtual host, or forwarded addresses with or without a connecting host, and with fields
# behind the agent, the first of them perhaps forwarded addresses.
_VHOST = r"(?!unknown )[A-Za-z][^ :,\n]{0,253}(?::[0-9]{1,5})?"
_IDENT = rf'(?:-|((?!{MAYBE_ADDRESS}|[(])[^ ,"]{{1,255}}))'
_ADDRESS = "(?:[0-9A-Fa-f.:]{2,45}|unknown)"
_ADDRESSES = rf"{_ADDRESS}(?:, ?{_ADDRESS}){{0,30}}"
_LIST = rf"{_ADDRESS}(?:, {_ADDRESS}){{1,30}}"
_EXTENDED = UsualForm(
    rf'(?:({_VHOST}) ({_HOST}) -|"(-|{_ADDRESSES})" ({IPV4}) -|({_LIST}) (?:({IPV4}) )?-|({_HOST}) {_IDENT}) '
    rf"{_USER} {_REQUEST}"
    rf'(?:{_REFERER_AGENT}(?: "(-|{_ADDRESSES})"(?= |$))?(?: ([^"\n]*(?:"[^"\n]*"[^"\n]*)*))?)?'
)

# The whole grammar, step by step; each step is linear, and none gives back what an earlier one took. A user name may
# hold blanks. Inside of quotes a backslash escapes the next character.
_FIELDS = r'[^"]*+(?:"' + QUOTED + r'"[^"]*+)*+'
_STEPS = [
    re.compile(r"([^ ]++) "),
    re.compile(r"([^ ]++(?= \[)|[^\[]*[^\[ ]) \[([^\]]*+)\] "),
    re.compile(rf'"({QUOTED})" ', re.DOTALL),
    re.compile(r"([0-9]{3}|-) "),
    re.compile(r"([0-9]++|-)(?= |\Z)"),
    re.compile(rf'(?: "({QUOTED})" "({QUOTED})"(?: ({_FIELDS}))?+)?+\Z', re.DOTALL),
]
_FORWARDED = re.compile(r'"([^"\\]*+)"(?: |\Z)')


def _expected(*parts: tuple[str, str]) -> list[Expected]:
    return [(words, re.compile(pattern, re.DOTALL)) for words, pattern in parts]


# What each step consists of, and what stands before the first one, to tell where a line goes wrong.
_HOST_PARTS = _expected(("a host", r'(?:[^ "][^ ]*, )*+[^ "][^ ]*+'), ("a blank after the host", " "))
_QUOTED_HOST_PARTS = _expected(
    ("", '"'),
    ("", QUOTED),
    ("the quote that closes the host (opened at column {})", '"'),
    ("a blank after the host", " "),
)
_PARTS = [
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
        ("", QUOTED),
        ("the quote that closes the request (opened at column {})", '"'),
        ("a blank after the quote that closes the request", " "),
    ),
    _expected(("a status of three digits", "[0-9]{3}|-"), ("a blank after the status", " ")),
    _expected(("a size in bytes, or -,", "[0-9]++|-"), ("a blank or the end of the line after the size", "(?!)")),
    _expected(
        ("the end of the line, or a blank and a referer in quotes,", ' "'),
        ("", QUOTED),
        ("the quote that closes the referer (opened at column {})", '"'),
        ("a blank and an agent in quotes after the referer", ' "'),
        ("", QUOTED),
        ("the quote that closes the agent (opened at column {})", '"'),
        ("the end of the line, or a blank, after the agent", r" |\Z"),
        ("", _FIELDS),
        ("", '"'),
        ("", QUOTED),
        ("the quote that closes the field behind the agent (opened at column {})", '"'),
    ),
]
_HTTP = re.compile(r"([A-Za-z_-]+) (.*) (HTTP/[^ ]+)", re.DOTALL)
_STATUSES: dict[str, int | None] = {f"{status:03}": status for status in range(1000)} | {"": None, "-": None}


@dataclass
class Combined(Typed):
    """Fields ``host ident user time method path proto status size referer agent``, the same for each line.

    ``time`` is RFC 3339 in UTC, ``status`` and ``size`` (bytes of the body) are integers. ``-`` is null, and so are
    ``referer`` and ``agent`` of a common line or where they are empty. Text is kept as it stands in the log, escapes
    (``\\"``, ``\\x16``) included. A request other than ``METHOD PATH HTTP/...`` (empty, binary, without a protocol)
    leaves ``method``, ``path`` and ``proto`` null and is kept whole in the field ``request``, which no other line has.
    A path may hold blanks. Some lines have more fields:

    - ``vhost``: the virtual host, with its port if the log has it, of a line with one before the host (Debian's
      ``other_vhosts_access.log``, ``%v:%p %h ...``) or behind it.
    - ``host`` may be a list of forwarded addresses, without the quotes or brackets around it. Where the connecting host
      stands behind such a list (``"%{X-Forwarded-For}i" %h ...``), the list is ``forwarded_for``, too, and the
      connecting host is ``peer``; an absent list is null, and ``host`` is the connecting host. Where the list stands
      behind the host, it is ``forwarded_for``.
    - ``forwarded_for``: also addresses without ports in quotes directly behind the agent, as in nginx's ``main`` format
      ``"$http_x_forwarded_for"``; ``"-"`` there is null.
    - ``extra``: what else stands behind the agent, as one text. ``extra = "error"`` makes such a line a dead letter.

    Of two single addresses before the ident (``192.0.2.1 192.0.2.2 - -``) nothing tells which is the client's.
    ``first_of_two`` says what the first one is: ``"vhost"``, ``"forwarded_for"`` (then the second is the connecting
    host) or ``"host"`` (then the second is a forwarded one). By default such a line is a dead letter, and an address
    with a port in front is a virtual host.

    Fails: ``no_match`` (also an address for an ident or a user), ``bad_timestamp``, ``bad_type`` (a size beyond 64
    bits).

    Example::

        [[stages]]
        use = "parse.combined"

    Lines::

        192.0.2.7 - ann [02/Feb/2026:11:30:45 +0100] "GET /cart?id=7 HTTP/1.1" 200 2750 "-" "curl/8.5.0"
        shop.example.com:443 192.0.2.9 - - [02/Feb/2026:11:30:46 +0100] "GET / HTTP/1.1" 304 - "-" "Mozilla/5.0"
        192.0.2.20 - - [02/Feb/2026:11:30:47 +0100] "POST /pay HTTP/1.1" 502 154 "-" "-" "198.51.100.4, 192.0.2.1" 0.5
        192.0.2.9 - - [02/Feb/2026:11:30:48 +0100] "\\x16\\x03\\x01" 400 157 "-" "-"
        192.0.2.7 192.0.2.20 - - [02/Feb/2026:11:30:49 +0100] "GET / HTTP/1.1" 200 512
    """

    plain: ClassVar[bool] = True

    extra: Literal["keep", "error"] = "keep"  # what else stands behind the agent becomes a field, or fails
    first_of_two: FirstOfTwo = "error"  # what the first of two addresses before the ident is

    def __post_init__(self) -> None:
        super().__post_init__()
        self._times = Column(Times([CLF]), BAD_TIMESTAMP)
        self._sizes = Column(lambda text: to_int(text) if text else None)
        self._forwarded = Column(forwarded_list)

    def events(self, lines: Lines) -> list[Event | Fail]:
        if lines.several_lines:
            return [self._unusual(line) for line in lines]
        text = lines.text
        if '\\"' in text:  # the usual forms know no escaped quotes: keep such lines from them
            text = "\n".join([" " if '\\"' in line else line for line in lines])
        if not _IS_USUAL(text):  # then most others are not, either
            return self._extended(text, lines.texts)
        times, statuses = self._times, _STATUSES
        rows = _USUAL.rows(text, len(lines))
        events: list[Any] = [
            {
                "host": host,
                "ident": None,
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
            for host, user, time, method, path, proto, status, size, referer, agent in rows
        ]
        if times.take_failed():  # also at the empty time of a line that has not the usual form
            missed = [i for i, event in enumerate(events) if type(event["time"]) is Fail]
            texts = [lines[i] for i in missed]
            hidden = [" " if '\\"' in line else line for line in texts]
            for i, event in zip(missed, self._extended("\n".join(hidden), texts), strict=True):
                events[i] = event
        return events

    def _extended(self, text: str, lines: list[str]) -> list[Event | Fail]:
        """By the second form. ``text`` are the lines joined, with blanks for those that no form may take."""
        times, statuses, forwarded = self._times, _STATUSES, self._forwarded
        rows = _EXTENDED.rows(text, len(lines))
        events: list[Any] = [
            {
                "host": host or listed or alone,
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
            for _, host, _, _, listed, _, alone, ident, user,
                time, method, path, proto, status, size, referer, agent, _, _ in rows
        ]  # fmt: skip
        unsure: list[int] = []
        for i, (vhost, _, quoted, behind_quoted, listed, behind_listed, *_, addresses, extra) in enumerate(rows):
            event = events[i]
            if vhost:
                event["vhost"] = vhost
            elif quoted:
                event["forwarded_for"], event["peer"] = forwarded[quoted], behind_quoted
                event["host"] = event["forwarded_for"] or behind_quoted
            elif behind_listed:
                event["forwarded_for"], event["peer"] = listed, behind_listed
            if addresses:
                event["forwarded_for"] = forwarded[addresses]
            if extra and not extra.isspace():
                event["extra"] = extra
            if forwarded.take_failed() or (extra and self.extra == "error"):
                unsure.append(i)
        if times.take_failed():
            unsure += [i for i, event in enumerate(events) if type(event["time"]) is Fail]
        for i in unsure:
            events[i] = self._unusual(lines[i])
        return events

    def _unusual(self, line: str) -> Event | Fail:
        items = leading(line)
        if not items:
            return Fail("no_match", unmet(line, 0, _QUOTED_HOST_PARTS if line[:1] == '"' else _HOST_PARTS))
        found: list[str | None] = []
        starts: list[int] = []
        position = items[-1].end
        for step, expected in zip(_STEPS, _PARTS, strict=True):
            match = step.match(line, position)
            if match is None:
                return Fail("no_match", unmet(line, position, expected))
            found += match.groups()
            starts += [match.start(number) for number in range(1, step.groups + 1)]
            position = match.end()
        for text, start, words in zip(found, starts, ("an ident", "a user"), strict=False):
            if is_address(text or "") or (text or "").startswith("- "):
                return Fail("no_match", f"expected {words}, or -, and not an address or more {place(line, start)}")
        try:
            who = client(items, line, self.first_of_two)
        except Ambiguous as error:
            return Fail("no_match", str(error))
        rest = found.pop() or ""
        ident, user, time, request, status, size, referer, agent = (None if x == "-" else x for x in found)
        event: Event = {
            "host": who.pop("host"),
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
            **who,
        }
        for name, column in (("time", self._times), ("size", self._sizes)):
            if column.take_failed():
                return Fail(event[name].code, f"{name}: {event[name].why}")
        if request is not None and (parts := _HTTP.fullmatch(request)) is not None:
            event["method"], event["path"], event["proto"] = parts.groups()
        else:
            event["request"] = request
        return self._with_rest(event, rest, line)

    def _with_rest(self, event: Event, rest: str, line: str) -> Event | Fail:
        """The event with what stands behind the agent."""
        if match := _FORWARDED.match(rest):
            addresses = self._forwarded[match[1]]
            if not self._forwarded.take_failed():
                event["forwarded_for"] = addresses
                rest = rest[match.end() :]
        if not rest or rest.isspace():
            return event
        if self.extra == "error":
            return Fail("no_match", f"expected nothing more, as extra = 'error', {place(line, len(line) - len(rest))}")
        event["extra"] = rest
        return event
