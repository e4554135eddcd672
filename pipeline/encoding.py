"""What the bytes of a log mean as text: where its lines end, and how it becomes UTF-8, which stages are given."""

from __future__ import annotations

import codecs
import difflib
import re
from dataclasses import dataclass
from functools import cache

_MARKS = {  # the longer ones first: that of UTF-32 begins like one of UTF-16
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
LONGEST_MARK = max(map(len, _MARKS))
LONGEST_NEWLINE = 4  # bytes
_UNMARKED = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}  # what the name means without a mark
_COMMON = [
    "utf-8",
    "utf-16",
    "utf-32",
    "latin-1",
    "cp1252",
    "iso8859-15",
    "shift_jis",
    "euc_jp",
    "gbk",
    "gb18030",
    "big5",
]


@dataclass(frozen=True, slots=True)
class Encoding:
    """``width``: bytes of a code unit. A newline is looked for where one can begin: at a multiple of that."""

    name: str  # of Python's codec
    width: int
    newline: bytes

    @property
    def is_utf8(self) -> bool:
        return self.name == "utf-8"

    def find(self, data: bytes, start: int = 0) -> int:
        """Where the first newline begins from ``start`` on; -1: there is none. ``data`` begins with a whole unit."""
        at = data.find(self.newline, start)
        while at >= 0 and at % self.width:
            at = data.find(self.newline, at + 1)
        return at

    def rfind(self, data: bytes, start: int = 0, stop: int | None = None) -> int:
        """Where the last newline in ``data[start:stop]`` begins; -1: there is none."""
        at = data.rfind(self.newline, start, stop)
        while at >= 0 and at % self.width:
            at = data.rfind(self.newline, start, at + len(self.newline) - 1)
        return at

    def split(self, data: bytes) -> list[bytes]:
        """At each newline."""
        if self.width == 1:
            return data.split(b"\n")
        lines, begin = [], 0
        while (end := self.find(data, begin)) >= 0:
            lines.append(data[begin:end])
            begin = end + self.width
        return [*lines, data[begin:]]

    def to_utf8(self, data: bytes) -> bytes:
        """``data`` are whole lines; so is what comes out, line for line. What is no text becomes U+FFFD."""
        text = data.decode(self.name, "replace")
        if text.count("\n") != len(self.split(data)) - 1:  # a byte at fault has taken a newline with it
            text = "\n".join([line.decode(self.name, "replace").replace("\n", "\ufffd") for line in self.split(data)])
        return text.encode("utf-8", "surrogatepass")

    def is_text(self, data: bytes) -> bool:
        """Whether all of it is text in this encoding."""
        try:
            data.decode(self.name)
        except UnicodeDecodeError:
            return False
        return True


@cache
def encoding(name: str) -> Encoding:
    """By a name that Python knows; ValueError: it is not the name of an encoding in which lines can be found."""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        near = difflib.get_close_matches(name.lower(), _COMMON, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"for example {', '.join(map(repr, _COMMON[:5]))}"
        raise ValueError(f"expected the name of a text encoding; {hint}") from None
    known = _UNMARKED.get(info.name, info.name)
    stateful = re.match(r"utf-7|iso2022|hz|idna|punycode|unicode_escape|raw_unicode_escape|undefined", known)
    newline = b"" if stateful or not getattr(info, "_is_text_encoding", True) else "\n".encode(known)
    if newline.strip(b"\0") != b"\n":
        raise ValueError("expected an encoding in which a newline is a newline wherever it stands, for example 'utf-8'")
    return Encoding(known, len(newline), newline)


UTF8 = encoding("utf-8")


def may_be_marked(beginning: bytes) -> bool:
    """Whether a byte order mark has begun."""
    return any(mark.startswith(beginning[: len(mark)]) for mark in _MARKS)


def marked(beginning: bytes) -> Encoding | None:
    """By the byte order mark with which a file begins; None: it has none."""
    return next((encoding(name) for mark, name in _MARKS.items() if beginning.startswith(mark)), None)
