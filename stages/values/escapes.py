"""The escapes of JSON and Go in quoted texts."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})(?:\\u([Dd][C-Fc-f][0-9A-Fa-f]{2}))?|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f"}


def unescape(text: str) -> str:
    """What the text between two quotes means; unknown escapes stay as they are."""
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    code, low, byte, other = match.groups()
    if other is not None:
        return _ESCAPED.get(other, match[0])
    if byte is not None:
        return chr(int(byte, 16))
    first = int(code, 16)
    if 0xD800 <= first < 0xDC00 and low:
        return chr(0x10000 + ((first - 0xD800) << 10) + int(low, 16) - 0xDC00)
    return "\ufffd" if 0xD800 <= first < 0xE000 else chr(first) + (unescape(rf"\u{low}") if low else "")
