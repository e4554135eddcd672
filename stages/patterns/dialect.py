"""Regular expressions as people write them for other tools, in the syntax of Python's ``re``.

``(?<name>...)``, ``\\z`` and the POSIX classes inside of sets (``[[:alpha:]_]``, in ASCII as in PCRE and Go) are
translated. What Python would refuse with a riddle or, worse, understand as something else is refused with its place
and with what to write instead.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Iterator

_Piece = tuple[int, str]
"""A place in the source and what stands for what begins there."""

_NEAR = 20  # characters of the pattern that a message shows
_LAST = 0x10FFFF

# The POSIX classes as the ranges they consist of.
_CLASSES = {
    "alnum": ("09", "AZ", "az"),
    "alpha": ("AZ", "az"),
    "ascii": ("\0\x7f",),
    "blank": ("\t\t", "  "),
    "cntrl": ("\0\x1f", "\x7f\x7f"),
    "digit": ("09",),
    "graph": ("!~",),
    "lower": ("az",),
    "print": (" ~",),
    "punct": ("!/", ":@", "[`", "{~"),
    "space": ("\t\r", "  "),
    "upper": ("AZ",),
    "word": ("09", "AZ", "__", "az"),
    "xdigit": ("09", "AF", "af"),
}

_PROPERTIES = {
    **dict.fromkeys(("L", "Letter", "Alpha", "IsAlpha", "Alphabetic", "IsAlphabetic", "IsL"), r"[^\W\d_]"),
    **dict.fromkeys(("Lu", "Upper", "IsUppercase"), "[A-Z]"),
    **dict.fromkeys(("Ll", "Lower", "IsLowercase"), "[a-z]"),
    **dict.fromkeys(("N", "Nd", "Digit", "IsDigit"), r"\d"),
    **dict.fromkeys(("Z", "Zs", "Space", "White_Space", "IsWhite_Space"), r"\s"),
    **dict.fromkeys(("P", "Punct", "IsPunctuation"), "[!-/:-@\\[-`{-~]"),
    **dict.fromkeys(("Alnum", "IsAlnum"), r"[^\W_]"),
    **dict.fromkeys(("XDigit", "IsHex_Digit"), "[0-9A-Fa-f]"),
    "Word": r"\w",
}

_Advice = str | Callable[[re.Match[str]], str]


def _property(found: re.Match[str]) -> str:
    written = _PROPERTIES.get(found[2].strip("{}^"))
    if written is None:
        return r"name the characters, as in [A-Za-z], or write \w, \d or \s"
    negated = (found[1] == "P") != found[2].startswith("{^")
    if not negated:
        return f"write {written}"
    if written.startswith("["):
        return f"write [{written[2:]}" if written.startswith("[^") else f"write [^{written[1:]}"
    return f"write {written.upper()}"


def _code_point(found: re.Match[str]) -> str:
    number = int(found[2], 8 if found[1] == "o" else 16)
    if number > _LAST:
        return "there is no such character"
    return f"write \\x{number:02x}" if number < 256 else f"write \\u{number:04x}" if number < 65536 else (
        f"write \\U{number:08x}"
    )  # fmt: skip


def _flags(found: re.Match[str]) -> str:
    if unknown := sorted(set(found[1]) - set("aimsux-")):
        return f"Python has no flag {unknown[0]} that is set like this"
    if "-" in found[1]:
        return f"write (?{found[1]}:...) around what it is for"
    return f"put it in front of the whole pattern, or write (?{found[1]}:...) around what it is for"


_RECURSION = "Python's re calls no groups and has no recursion: write the group's pattern out"

# In sets and outside.
_ESCAPES: list[tuple[re.Pattern[str], _Advice]] = [
    (re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL), lambda found: f"write {re.escape(found[1])}"),
    (re.compile(r"\\h"), r"write [ \t] for a blank (PCRE, Java), [0-9A-Fa-f] for a hexadecimal digit (Oniguruma)"),
    (re.compile(r"\\H"), r"write [^ \t] for no blank (PCRE, Java), [^0-9A-Fa-f] for no hexadecimal digit (Oniguruma)"),
    (re.compile(r"\\([pP])(\{[^}]*\}|.)"), _property),
    (re.compile(r"\\([xuo])\{([0-9A-Fa-f]{1,8})\}"), _code_point),
    (re.compile(r"\\c(.)"), lambda found: f"write \\x{ord(found[1].upper()) & 31:02x}"),
    (re.compile(r"\\e"), r"write \x1b"),
]
_OUTSIDE: list[tuple[re.Pattern[str], _Advice]] = [
    *_ESCAPES,
    (re.compile(r"\\G"), r"write \A for the beginning of the line, or leave it out"),
    (re.compile(r"\\K"), "leave it out: only the named groups become fields"),
    (re.compile(r"\\R"), r"write (?:\r\n|\n|\r)"),
    (re.compile(r"\\X"), "write . for one character"),
    (re.compile(r"\\N(?!\{)"), r"write [^\n]"),
    (re.compile(r"\\k(?:<(\w+)>|'(\w+)'|\{(\w+)\})"), lambda found: f"write (?P={found[1] or found[2] or found[3]})"),
    (re.compile(r"\\g\{?(\d+)\}?"), lambda found: f"write \\{found[1]}"),
    (re.compile(r"\\g\{([A-Za-z_]\w*)\}"), lambda found: f"write (?P={found[1]})"),
    (re.compile(r"\\g(?:<[^>]*>|'[^']*')"), _RECURSION),
    (re.compile(r"\(\?(?:R|[+-]?\d+|&\w+|P>\w+)\)"), _RECURSION),
    (re.compile(r"\(\?'(\w+)'"), lambda found: f"write (?P<{found[1]}>"),
    (re.compile(r"\(\?\(<(\w+)>\)"), lambda found: f"write (?({found[1]})"),
    (re.compile(r"\(\?\('(\w+)'\)"), lambda found: f"write (?({found[1]})"),
    (re.compile(r"\(\?\(DEFINE\)"), _RECURSION),
    (re.compile(r"\(\?\|"), "write (?: and give the groups of each alternative names of their own"),
    (re.compile(r"\(\?~"), "write a look-ahead in front of each character, (?:(?!...).)*"),
    (re.compile(r"\(\*[A-Za-z_]+[^)]*\)"), "Python's re has no such verbs: leave it out"),
    (re.compile(r"\(\?P?<(?![=!])(?![^\W\d]\w*>)[^>]*>"), "a group's name is of letters, digits and _, no digit first"),
    (re.compile(r"(?<!\A)\(\?([A-Za-z]*-?[A-Za-z]+)\)"), _flags),
    (re.compile(r"\(\?([A-Za-z]*[UJnd][A-Za-z]*|\^[a-z]*|[A-Za-z]*-[A-Za-z]*)\)"), _flags),
    (re.compile(rf"\[:\^?(?:{'|'.join(_CLASSES)}):\]"), lambda found: f"it stands in no set: write [{found[0]}]"),
]  # fmt: skip

_ORDINARY = re.compile(r"[^\\()\[\]#]+")
_VERBOSE = re.compile(r"\(\?[a-z]*x[a-z]*\)")
_COMMENT = re.compile(r"#[^\n]*|\(\?#[^)]*\)")
_PLAIN_COMMENT = re.compile(r"\(\?#[^)]*\)")
_NAMED = re.compile(r"\(\?<(?![=!])")
_SET = re.compile(r"\[\^?\]?")
POSIX = re.compile(r"\[([:.=])(\^?)([^\]\[:.=]*)\1\]")
_ESCAPED = re.compile(r"\\.", re.DOTALL)


def compile_pattern(source: str) -> re.Pattern[str]:
    """Of the user's pattern; its Python form is ``.pattern`` of the result. ValueError: what is wrong, where, and what
    to write instead. No warning of Python's gets out."""
    pieces = list(_pieces(source))
    written = "".join([text for _, text in pieces])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(written)
    except re.error as error:
        at = ""
        if error.pos is not None:
            at = _at(source, _place(pieces, error.pos))
        raise ValueError(f"pattern {source!r} is not a valid regular expression: {error.msg}{at}") from None
    except Warning as warning:
        why, _, position = str(warning).rpartition(" at position ")
        at = _at(source, _place(pieces, int(position))) if position.isdigit() else ""
        advice = r"Python has no sets in sets and no operations of sets; write \[, \-, \&, \|, \~ for the characters"
        raise ValueError(f"pattern {source!r}: {why or warning}{at}: {advice}") from None
    except (OverflowError, RecursionError) as error:
        raise ValueError(f"pattern {source!r} is not a valid regular expression: {error}") from None


def _pieces(source: str) -> Iterator[_Piece]:
    """The source in Python's syntax, piece by piece."""
    comment = _COMMENT if _VERBOSE.match(source) else _PLAIN_COMMENT
    at = 0
    in_set = False
    while at < len(source):
        if found := _ORDINARY.match(source, at):
            yield at, found[0]
            at = found.end()
            continue
        for form, advice in _ESCAPES if in_set else _OUTSIDE:
            if found := form.match(source, at):
                what = advice if isinstance(advice, str) else advice(found)
                raise ValueError(f"pattern {source!r}: {found[0]} at position {at} is not of Python's syntax; {what}")
        if found := _ESCAPED.match(source, at):
            text = r"\Z" if found[0] == r"\z" and not in_set else found[0]
        elif in_set:
            found = POSIX.match(source, at)
            text = members_of(source, found) if found else source[at]
            in_set = found is not None or source[at] != "]"
        elif found := comment.match(source, at) or _SET.match(source, at):
            text = found[0]
            in_set = text[0] == "["
        else:
            found = _NAMED.match(source, at)
            text = "(?P<" if found else source[at]
        yield at, text
        at = found.end() if found else at + 1


def members_of(source: str, found: re.Match[str]) -> str:
    """What stands in a set for the POSIX class that was found in the source."""
    kind, negated, name = found[1], found[2], found[3]
    if kind != ":" or name not in _CLASSES:
        near = difflib.get_close_matches(name, _CLASSES, 1)
        hint = f"did you mean [:{near[0]}:]?" if near else f"the classes are {', '.join(_CLASSES)}"
        if kind != ":":
            hint = "write the characters themselves"
        raise ValueError(
            f"pattern {source!r}: {found[0]} at position {found.start()} is no class of characters; {hint}"
        )
    ranges = [(ord(pair[0]), ord(pair[1])) for pair in _CLASSES[name]]
    if negated:
        edges = [-1, *(edge for pair in ranges for edge in pair), _LAST + 1]
        ranges = [(edges[i] + 1, edges[i + 1] - 1) for i in range(0, len(edges), 2) if edges[i] + 1 < edges[i + 1]]
    return "".join([_character(a) if a == b else f"{_character(a)}-{_character(b)}" for a, b in ranges])


def _character(number: int) -> str:
    """In a set."""
    if number > 0xFFFF:
        return f"\\U{number:08x}"
    character = chr(number)
    if character.isalnum() or character in " !~/:@`{_":
        return character
    return f"\\{character}" if 0x20 < number < 0x7F else f"\\x{number:02x}"


def _place(pieces: list[_Piece], position: int) -> int:
    """Where in the source is what stands at ``position`` in Python's form."""
    length = 0
    for start, text in pieces:
        if length + len(text) > position:
            return start + (position - length if _ORDINARY.fullmatch(text) else 0)
        length += len(text)
    return pieces[-1][0] + 1 if pieces else 0


def _at(source: str, position: int) -> str:
    return f" at position {position}, near {source[position : position + _NEAR]!r}"
