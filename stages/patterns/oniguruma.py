"""Regular expressions as Ruby's engine (Oniguruma) reads them, which grok patterns are written for, as Python does.

Each is made twice: ``exact`` says just the same, and ``piece`` the same of lines within a piece: nothing in it matches
a newline, so it can be applied to all lines at once, atomic groups and look-around included.

``\\h``, ``[[:alpha:]]``, sets in sets and ``(?<name>...)`` are understood, ``(?m)`` lets the dot match newlines, and
``^`` and ``$`` are those of any line in a record. A group without a name captures nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tailrace.stages.patterns.dialect import POSIX, members_of

Text = tuple[str, str]
"""Exact, and for a piece."""

# POSIX classes that are not those of ASCII, and their opposites: what stands in a set.
_CLASSES = {
    "digit": r"\d", "^digit": r"\D", "space": r"\s", "^space": r"\S", "word": r"\w", "^word": r"\W",
    "^alpha": r"\W\d_", "^alnum": r"\W_", "graph": "!-~\xa1-\U0010ffff", "^graph": r"\x00- \x7f-\xa0",
    "print": " -~\xa0-\U0010ffff", "^print": r"\x00-\x1f\x7f-\x9f",
}  # fmt: skip
_LETTERS = {"alpha": r"[^\W\d_]", "alnum": r"[^\W_]"}  # have no such form
_BLANKS = r"\t\x0b\x0c\r\x1c-\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # \s but for the newline
_ESCAPES: dict[str, Text] = {
    "h": ("[0-9A-Fa-f]", "[0-9A-Fa-f]"),
    "H": ("[^0-9A-Fa-f]", r"[^0-9A-Fa-f\n]"),
    "s": (r"\s", r"[^\S\n]"),
    "W": (r"\W", r"[^\w\n]"),
    "D": (r"\D", r"[^\d\n]"),
    "A": (r"\A", "^"),
    "z": (r"\Z", "$"),
    "Z": (r"(?=\n?\Z)", "$"),
    "e": (r"\x1b", r"\x1b"),
}
_ESCAPE = r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|0[0-7]{0,2}|.)"
_TOKEN = re.compile(
    rf"""
    (?P<reference>%\{{[^}}]*\}}?)
    | (?P<escape>{_ESCAPE})
    | (?P<set>\[)
    | \(\?P?<(?P<name>[^<>=!][^<>]*)>
    | (?P<comment>\(\?\#[^)]*\))
    | \(\?(?P<flags>[a-zA-Z-]*)(?P<scope>[:)])
    | (?P<special>\(\?(?:[=!>]|<[=!]))
    | (?P<open>\((?!\?))
    | (?P<close>\))
    | (?P<doubled>\{{\d*,?\d*\}}\+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_MEMBER = re.compile(rf"{_ESCAPE}|.", re.DOTALL)
_NEVER = "(?:(?!))"
_LAZY = re.compile(r"\((?:\?:)?\.\*\?\)")
_QUANTIFIERS = ("*", "+", "?", "{")

Refer = Callable[[str], Text]


@dataclass(slots=True)
class _Out:
    exact: list[str] = field(default_factory=list)
    piece: list[str] = field(default_factory=list)

    def add(self, exact: str, piece: str | None = None) -> None:
        self.exact.append(exact)
        self.piece.append(exact if piece is None else piece)


def translate(source: str, refer: Refer, capture: Refer) -> Text:
    """``refer`` gives what stands for a ``%{...}``, ``capture`` what opens a group of that name. ValueError for what
    has no counterpart; whether the result is well-formed is for ``re.compile`` to say."""
    out = _Out()
    closers = [")"]  # of the open groups; a flag in the middle of one opens another, which ends where it does
    plain = [True]  # whether they only hold something together
    lazy = -1  # the part of ``out`` that is a lazy ``.*?``, while nothing but the ends of plain groups came behind it
    at = 0
    while token := _TOKEN.match(source, at):
        at = token.end()
        text = token[0]
        before, lazy = lazy, -1
        match token.lastgroup:
            case "reference":
                out.add(*refer(text))
                lazy = len(out.piece) - 1 if _LAZY.fullmatch(out.piece[-1]) else -1
            case "escape":
                out.add(*_escape(text))
                if before >= 0 and not text[1].isalnum() and source[at : at + 1] not in _QUANTIFIERS:
                    out.piece[before] = _up_to(text[1], out.piece[before])
            case "set":
                exact, piece, at = _set(source, token.start())
                out.add(exact, piece)
            case "name":
                out.add(*capture(token["name"]))
                closers.append(")")
                plain.append(True)
            case "scope":
                out.add(*_flags(token["flags"]))
                if token["scope"] == ":":
                    closers.append(")")
                    plain.append(True)
                else:
                    closers[-1] += ")"
            case "special" | "open":
                out.add(text if token["special"] else "(?:")
                closers.append(")")
                plain.append(not token["special"])
            case "close" if len(closers) > 1:
                out.add(closers.pop())
                lazy = before if plain.pop() and source[at : at + 1] not in _QUANTIFIERS else -1
            case "doubled":
                raise ValueError(
                    f"{text} repeats a repeat: write (?:x{text[:-1]})+, or (?>x{text[:-1]}) to give nothing back"
                )
            case "comment":
                pass
            case _ if text == "\n":
                out.add(text, _NEVER)
            case _:
                out.add(text)
                if before >= 0 and text not in ".^$*+?{|" and source[at : at + 1] not in _QUANTIFIERS:
                    out.piece[before] = _up_to(text, out.piece[before])
    out.add(closers[0][1:])
    return "".join(out.exact), "".join(out.piece)


def _up_to(character: str, lazy: str) -> str:
    """A lazy ``.*?`` that a certain character follows. The first end it finds is that before the first such character,
    which a set finds several times sooner; only if what follows does not match there, it goes on as it was."""
    opening, lazy = lazy[:-4], lazy[-4:-1]
    return rf"{opening}(?:[^{_member(character)[0]}\n]*+|{lazy}))"


def _escape(text: str) -> Text:
    letter = text[1]
    if letter in "123456789kg":
        raise ValueError(f"{text} refers to another group, which grok patterns here cannot do")
    if letter == "p" or letter == "P":
        raise ValueError(f"{text}{{...}} is not known here: write a set such as [[:alpha:]]")
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return text, _NEVER if _takes_newline(text) else text


def _flags(flags: str) -> Text:
    """What opens a group with Ruby's flags."""
    on, _, off = flags.partition("-")
    if unknown := set(on + off) - set("ims"):
        raise ValueError(f"(?{flags}) has a flag {min(unknown)!r}; i and m are known")
    on, off = on.replace("m", "s"), off.replace("m", "s")
    both = [letters.replace("s", "") for letters in (on, off)]
    return tuple(f"(?{x}{f'-{y}' if y else ''}:" for x, y in ((on, off), both))  # type: ignore[return-value]


def _set(source: str, start: int) -> tuple[str, str, int]:
    """The set that begins there, and the place behind it."""
    members, at = _members(source, start)
    exact, piece = "".join(members.exact), "".join(members.piece)
    letters = members.letters
    if members.negated:
        none = f"(?!{'|'.join(letters)})" if letters else ""
        whole = f"[^{exact}]" if exact else r"(?s:.)"
        return f"(?:{none}{whole})" if none else whole, f"(?:{none}[^{piece}\\n])" if none else f"[^{piece}\\n]", at
    found = [f"[{exact}]"] if exact else []
    within = [f"[{piece}]"] if piece else [_NEVER]
    if _takes_newline(within[0]):  # as a range over it, or \W
        within = [rf"(?:(?!\n){within[0]})"]
    if not letters:
        return found[0], within[0], at
    return f"(?:{'|'.join([*letters, *found])})", f"(?:{'|'.join([*letters, *within])})", at


@dataclass(slots=True)
class _Members(_Out):
    negated: bool = False
    letters: list[str] = field(default_factory=list)


def _members(source: str, start: int) -> tuple[_Members, int]:
    found = _Members(negated=source.startswith("[^", start))
    first = at = start + 1 + found.negated
    before = ""  # the member that a range may begin with
    while token := _MEMBER.match(source, at):
        at = token.end()
        text = token[0]
        if (posix := POSIX.match(source, token.start())) and posix[1] == ":":
            _add_class(found, source, posix)
            at = posix.end()
        elif text == "]" and token.start() > first:
            return found, at
        elif text == "[":
            inner, at = _members(source, token.start())
            if inner.negated:
                raise ValueError("a negated set in a set is not supported")
            found.exact += inner.exact
            found.piece += inner.piece
            found.letters += inner.letters
        elif source.startswith("&&", token.start()):
            raise ValueError("&& in a set is not supported")
        elif text == "-" and before and source[at : at + 1] not in ("]", ""):
            found.add(text)
            last = _MEMBER.match(source, at)
            assert last is not None, "there is a character"
            found.add(_member(last[0])[0])
            at = last.end()
        else:
            found.add(*_member(text))
            before = text if _single(text) else ""
            continue
        before = ""
    raise ValueError(f"the set that begins with {source[start : start + 20]!r} has no end")


def _add_class(found: _Members, source: str, posix: re.Match[str]) -> None:
    name = posix[2] + posix[3]
    if name in _LETTERS:
        found.letters.append(_LETTERS[name])
    else:
        found.add(_CLASSES.get(name) or members_of(source, posix), _BLANKS if name == "space" else None)


def _member(text: str) -> Text:
    if text == r"\h":
        return "0-9A-Fa-f", "0-9A-Fa-f"
    if text == r"\s":
        return text, _BLANKS
    if text == r"\e":
        return _ESCAPES["e"]
    if text[0] == "\\":
        return text, "" if _single(text) and _takes_newline(text) else text
    if text == "\n":
        return text, ""
    if text in r"\]^[-&~|":
        text = f"\\{text}"
    return text, text


def _single(text: str) -> bool:
    """Whether it stands for one character."""
    return text[0] != "\\" or text[1:] not in tuple("hHsSwWdD")


def _takes_newline(text: str) -> bool:
    try:
        return re.match(text, "\n") is not None
    except re.error:  # which is told of the whole
        return False
