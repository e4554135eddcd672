"""What is wrong with a text that is not TOML: the place, the line itself with a caret, and what was found there."""

from __future__ import annotations

import re
import tomllib

from tailrace.pipeline.escape import escape

_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_BARE = re.compile(r"(?:\$\{[^}\n]*\}|[^\s,\]}#=])+")  # something that should have stood in quotes
_OTHER_WORDS = {"True": "true", "False": "false", "yes": "true", "no": "false", "on": "true", "off": "false"}
_WINDOW = 100  # characters of the line that are shown

# tomllib's words, by how they begin, where others say it better; the caret says where.
_BETTER = {
    "Illegal character '\\n'": "this string has no closing quote on its line",
    "Unterminated string": "this string is never closed",
    "Unclosed array": 'this list is never closed, or lacks a comma: expected "," or "]"',
    "Unclosed inline table": 'this table is not closed on its line, or lacks a comma: expected "," or "}"',
    "Cannot overwrite a value": "this key already has a value",
    "Cannot mutate immutable namespace": "this table was given in full above and cannot be added to",
    "Unescaped '\\' in a string": r"a single backslash; write \\, or use 'single quotes', which take it as it is",
}


def describe_syntax_error(name: str, text: str, error: tomllib.TOMLDecodeError) -> str:
    """Three lines, like a compiler's: place and message, the line, a caret below it."""
    place = _PLACE.fullmatch(str(error))
    message = place[1] if place else str(error)
    lines = text.removesuffix("\n").split("\n")
    ended = not (place and place[2])
    line = len(lines) if ended or not place else int(place[2])
    source = lines[line - 1].rstrip("\r") if line <= len(lines) else ""
    at = len(source) if ended or not place else int(place[3]) - 1
    return (
        f"{escape(name)}:{line}:{at + 1}: not valid TOML: {_message(message, source, at, ended=ended)}\n"
        f"    {_excerpt(source, at)}"
    )


def _message(message: str, source: str, at: int, *, ended: bool) -> str:
    for beginning, better in _BETTER.items():
        if message.startswith(beginning):
            return better
    if twice := re.match(r"Cannot declare \((.*?),?\) twice", message):
        table = ".".join(part.strip("'\"") for part in twice[1].split(", "))
        return f"[{escape(table)}] is already in the file; put its keys there"
    if message == "Invalid initial character for a key part":
        if at >= len(source.rstrip()) and "{" in source:
            return "a table in braces must be on one line; write a longer one as [its.name] with its keys below"
        return f"expected a key, found {_found(source, at, ended=ended)}"
    bare = _BARE.match(source, at)
    if message == "Invalid value":
        if not bare:
            return f"expected a value, found {_found(source, at, ended=ended)}"
        word = escape(bare[0])
        return f'found {word}; write {_OTHER_WORDS.get(bare[0]) or f"""it in quotes, "{word}", if it is a string"""}'
    unit = re.search(r"=\s*([\d.]+ *[A-Za-z]+)", source)
    if message.startswith("Expected newline or end of document") and unit and unit.end() > at:
        return f'a value with a unit needs quotes: "{unit[1]}"'
    hint = '; TOML writes "key = value"' if message.startswith("Expected '=' after a key") else ""
    return f"{message[:1].lower()}{message[1:]}, found {_found(source, at, ended=ended)}{hint}"


def _found(source: str, at: int, *, ended: bool) -> str:
    if at < len(source):
        return f'"{escape(source[at])}"'
    return "the end of the file" if ended else "the end of the line"


def _excerpt(source: str, at: int) -> str:
    """The line, or the part of a long one around the place, and the caret; tabs keep their width."""
    start = max(0, at - _WINDOW // 2)
    before, after = source[start:at], source[at : start + _WINDOW]
    shown = "\t".join(map(escape, before.split("\t")))
    margin = "".join(character if character == "\t" else " " for character in shown)
    return f"{shown}{escape(after)}\n    {margin}^"
