"""Whether files can be written where a configuration wants them; nothing is made to find out."""

from __future__ import annotations

import os
import re

_LITERAL = re.compile(r"(?:\{\{|\}\}|[^{}])*")


def fixed_part(template: str) -> str:
    """What every path of a template begins with: up to the first placeholder; the whole path where there is none. It
    ends with a slash, or names no directory but a file (or begins to)."""
    literal = _LITERAL.match(template)
    assert literal
    text = literal[0].replace("{{", "{").replace("}}", "}")
    return text if literal.end() == len(template) else text[: text.rfind("/") + 1]


def fault(path: str) -> str:
    """Why no file can be made or written at ``path`` (with a slash at its end: in that directory); empty: it can."""
    if not path.endswith("/") and os.path.lexists(path):
        if os.path.isdir(path):
            return f"{path} is a directory"
        return "" if os.access(path, os.W_OK) else f"{path} may not be written by this user"
    directory = os.path.dirname(path)
    there = directory
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    made = "" if there == directory else f"{directory} cannot be made: "
    if not os.path.isdir(there):
        return f"{made}{there} is no directory"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{made}{there} may not be written to by this user"
    return ""
