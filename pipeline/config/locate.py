"""The line of each key of a TOML text: tomllib gives values without lines, this gives lines without values.

Works on text that tomllib has accepted, so it looks for no errors of its own. Grammar: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left

KeyPath = tuple[str | int, ...]
"""From the root: keys of tables, indexes of arrays. ``("stages", 1, "values", "env")``"""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+ | "(?:\\.|[^"\\])*" | '[^']*'""", re.VERBOSE)
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_HEADER_END = re.compile(r"[ \t]*\]\]?")
_PLAIN_VALUE = re.compile(
    r'''
      """ (?:\\.|[^\\])*? """ "{0,2}    # up to two quotes may stand directly before the closing three
    | \'\'\' .*? \'\'\' '{0,2}
    | " (?:\\.|[^"\\])* "
    | ' [^']* '
    | [^,\]}\#\n]+                      # numbers, booleans, dates (with a space inside)
    ''',
    re.VERBOSE | re.DOTALL,
)


def locate(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, on which each table, key and array element begins."""
    return _Scan(text).lines


class _Scan:
    """One pass over the text; ``at`` is the offset of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self._newlines = [found.start() for found in re.finditer("\n", text)]
        self._tables: dict[KeyPath, int] = {}  # arrays of tables: how many tables so far
        table: KeyPath = ()
        while self._peek():
            if text.startswith("[[", self.at):
                table = self._array_header()
            elif text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _peek(self) -> str:
        """The next character that is neither space nor comment; empty at the end."""
        self._take(_BLANK)
        return self.text[self.at : self.at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        assert found, f"tomllib accepted what {pattern.pattern!r} does not"
        self.at = found.end()
        return found[0]

    def _note(self, path: KeyPath, start: int) -> None:
        self.lines.setdefault(path, bisect_left(self._newlines, start) + 1)

    def _keys(self) -> list[str]:
        """A key with its dots, ``a . "b c"``."""
        keys = []
        while True:
            key = self._take(_KEY)
            keys.append(tomllib.loads(f"x = {key}")["x"] if key[0] in "\"'" else key)
            if not _DOT.match(self.text, self.at):
                return keys
            self._take(_DOT)

    def _enter(self, keys: list[str], start: int) -> KeyPath:
        """The table that a header means: a name of an array of tables stands for its last table."""
        path: KeyPath = ()
        for key in keys:
            path += (key,)
            self._note(path, start)
            if path in self._tables:
                path += (self._tables[path] - 1,)
        return path

    def _header(self) -> KeyPath:
        start = self.at
        self.at += 1
        self._peek()
        table = self._enter(self._keys(), start)
        self._take(_HEADER_END)
        return table

    def _array_header(self) -> KeyPath:
        start = self.at
        self.at += 2
        self._peek()
        keys = self._keys()
        self._take(_HEADER_END)
        array = (*self._enter(keys[:-1], start), keys[-1])
        index = self._tables.get(array, 0)
        self._tables[array] = index + 1
        self._note(array, start)
        self._note((*array, index), start)
        return (*array, index)

    def _pair(self, table: KeyPath) -> None:
        start = self.at
        path = table
        for key in self._keys():
            path += (key,)
            self._note(path, start)
        self._peek()
        self.at += 1  # the equals sign
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        opening = self._peek()
        if opening not in ("[", "{"):
            self._take(_PLAIN_VALUE)
            return
        self.at += 1
        index = 0
        while (following := self._peek()) not in ("]", "}"):
            if following == ",":
                self.at += 1
            elif opening == "{":
                self._pair(path)
            else:
                self._note((*path, index), self.at)
                self._value((*path, index))
                index += 1
        self.at += 1
