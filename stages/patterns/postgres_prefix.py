"""PostgreSQL's setting ``log_line_prefix`` as a pattern for the lines that it begins."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["text", "int", "time", "unix"]

_ZONE = r"(?: (?:[A-Za-z]{1,9}|[+-][0-9:]{2,9}))?"
_SECOND = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}{_ZONE}"
_MILLISECOND = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}\.[0-9]{{3}}{_ZONE}"
_NAME = "name"  # a text that ends before a blank, or before what the prefix has next
_WORDS = "words"  # a text that may hold blanks

# The field, what it holds, and how it is written. Where a process has no session, many are empty.
_ESCAPES: dict[str, tuple[str, Kind, str]] = {
    "a": ("application", "text", _WORDS),
    "u": ("user", "text", _NAME),
    "d": ("database", "text", _NAME),
    "r": ("client", "text", _NAME),
    "h": ("client", "text", _NAME),
    "L": ("server", "text", _NAME),
    "b": ("backend", "text", _WORDS),
    "p": ("pid", "int", "[0-9]{1,18}"),
    "P": ("leader_pid", "int", "[0-9]{0,18}"),
    "t": ("timestamp", "time", _SECOND),
    "m": ("timestamp", "time", _MILLISECOND),
    "n": ("timestamp", "unix", r"[0-9]{1,11}\.[0-9]{3}"),
    "i": ("command", "text", _WORDS),
    "e": ("sqlstate", "text", "[0-9A-Z]{5}|"),
    "c": ("session", "text", r"[0-9a-f]{1,16}\.[0-9a-f]{1,16}"),
    "l": ("session_line", "int", "[0-9]{1,18}"),
    "s": ("session_start", "time", _SECOND),
    "v": ("virtual_transaction", "text", "[0-9/-]{0,40}"),
    "x": ("transaction", "int", "[0-9]{1,18}"),
    "Q": ("query_id", "int", "-?[0-9]{1,19}"),
}
_UNKNOWN = r"\[unknown\]|\[local\]"
_PIECES = re.compile(r"%(-?[0-9]+)?(.?)|[^%]+", re.DOTALL)


class Prefix:
    """``pattern`` has a group for each of ``names``, whose kinds are ``kinds``. ValueError: an escape is not known."""

    def __init__(self, prefix: str) -> None:
        self.names: list[str] = []
        self.kinds: list[Kind] = []
        pieces = list(_PIECES.finditer(prefix))
        stops = sum(piece[2] == "q" for piece in pieces)
        if stops > 1:
            raise ValueError("%q stands twice")
        following = [*(piece[0] for piece in pieces[1:]), ""]
        self.pattern = "".join(map(self._piece, pieces, following)) + ")?" * stops

    def _piece(self, piece: re.Match[str], following: str) -> str:
        text, padded, letter = piece[0], piece[1], piece[2]
        if text[0] != "%" or letter == "%":
            return re.escape("%" if letter == "%" else text)
        if letter == "q":
            return "(?:"  # processes without a session stop here
        if letter not in _ESCAPES:
            raise ValueError(f"{text!r} is no escape of log_line_prefix; known: %{' %'.join([*_ESCAPES, 'q', '%'])}")
        name, kind, written = _ESCAPES[letter]
        if written == _WORDS:
            written = rf"{_UNKNOWN}|[^\n]{{0,64}}?"
        elif written == _NAME:
            end = following[:1].strip(" %") + "(" * (letter == "r")
            written = rf"{_UNKNOWN}|[^ \n{re.escape(end)}]{{0,255}}"
        pattern = self._group(name, kind, written)
        if letter == "r":
            pattern = rf"{pattern}(?:\({self._group('client_port', 'int', '[0-9]{1,5}')}\))?"
        return _padded(pattern, int(padded), following) if padded else pattern

    def _group(self, name: str, kind: Kind, written: str) -> str:
        if name in self.names:  # told twice, as by %t and %m
            return f"(?:{written})"
        self.names.append(name)
        self.kinds.append(kind)
        return f"({written})"


def _padded(pattern: str, width: int, following: str) -> str:
    """With blanks in front, or behind where ``width`` is negative; as many as the prefix has there itself are left."""
    if width > 0:
        return f" {{0,255}}+{pattern}"
    blanks = len(following) - len(following.lstrip(" "))
    return f"{pattern} {{0,255}}(?= {{{blanks}}}(?! ))" if blanks else f"{pattern} {{0,255}}+"
