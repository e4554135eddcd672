"""The escapes of JSON and Go in quoted texts."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\\(?:u([0-9A-Fa-f]{4})(?:\\u([Dd][C-Fc-f][0-9A-Fa-f]{2}))?"
    r"|U(00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4})|(x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*+)|(.))",
    re.DOTALL,
)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f"}
_ESCAPED |= {"a": "\a", "v": "\v", "'": "'"}


def unescape(text: str) -> str:
    """Text with the escapes of JSON and of Go's ``%q``; others stay as they are."""
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    code, low, long, run, other = match.groups()
    if other is not None:
        return _ESCAPED.get(other, match[0])
    if run is not None:
        data = bytes.fromhex(run.replace("\\", "").replace("x", ""))
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")
    first = int(long or code, 16)
    if 0xD800 <= first < 0xDC00 and low:
        return chr(0x10000 + ((first - 0xD800) << 10) + int(low, 16) - 0xDC00)
    return "\ufffd" if 0xD800 <= first < 0xE000 else chr(first) + (unescape(rf"\u{low}") if low else "")
