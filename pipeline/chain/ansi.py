"""Colours and other control sequences of terminals (ECMA-48), which programs write when they take a file for one."""

from __future__ import annotations

import re

# CSI ... final byte; OSC ... BEL or ST; other sequences of two or three bytes. None runs over the end of a line.
_SEQUENCE = r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b\n]*+(?:\x07|\x1b\\)|[ -/][0-~]|[0-Z\\^-~])"
_from_text = re.compile(_SEQUENCE).sub
_from_bytes = re.compile(_SEQUENCE.encode()).sub


def strip(data: bytes) -> bytes:
    """Without them."""
    return _from_bytes(b"", data) if b"\x1b" in data else data


def strip_text(text: str) -> str:
    """Without them."""
    return _from_text("", text) if "\x1b" in text else text
