"""Text from logs, made safe to print: nothing in it can move a cursor, forge a line or turn the reading direction."""

from __future__ import annotations

import json
import re
from typing import Any

# C0, DEL and C1 controls (ESC and CSI begin terminal sequences); marks that reorder or break lines on a screen, and a
# byte order mark, which shows as nothing; lone surrogates, which no encoder takes (a byte that was not UTF-8 arrives as
# U+DC80..U+DCFF, by `surrogateescape`).
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str) -> str:
    r"""``text`` on one line, with everything unsafe spelled out.

    ``\n``, ``\r``, ``\t`` as such; ``\x1b`` is a byte (an ASCII control, or a byte that was not UTF-8), ``\u202e`` a
    character. A backslash stays one backslash: this is for eyes, ``dlq export`` gives the exact bytes.
    """
    return _UNSAFE.sub(_spell, text)


def json_line(value: Any) -> str:
    """``value`` as one line of strict JSON that is safe on a terminal; what JSON does not know becomes a string.

    Controls are JSON escapes, so a parser gets them back; lone surrogates, which strict parsers refuse, are spelled as
    in ``escape``. NaN and infinities become ``null``.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # a NaN or an infinity
        text = json.dumps(_finite(value), ensure_ascii=False, default=str)
    return _UNSAFE.sub(_spell_json, text)  # json.dumps leaves unsafe characters only inside strings


def _spell(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code < 0x80:
        return _SHORT.get(character) or f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}"


def _spell_json(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "\\" + _spell(match) if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
