"""Whether files can be written where a configuration wants them, and its state used; nothing is made to find out."""

from __future__ import annotations

import errno
import os
import re
from contextlib import closing
from pathlib import Path

from tailrace.pipeline.errors import StateError
from tailrace.pipeline.state.file import (
    FILE_NAME,
    check_absence,
    check_contents,
    check_version,
    connect,
    inspect,
    refusing,
    unwritable,
)
from tailrace.pipeline.state.lock import LOCK_NAME
from tailrace.pipeline.state.schema import SCHEMA_VERSION

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


def state_fault(directory: str) -> str:
    """Why `run` would refuse this state directory, in its words; empty: it would not, if nobody else has it."""
    real = Path(os.path.realpath(directory))
    path = real / FILE_NAME
    try:
        if why := _unwritable(real):
            raise unwritable(real, why)
        with refusing(path):
            if not os.path.lexists(path):
                check_absence(path)
                return ""
            version = inspect(path)
            with closing(connect(path)) as db:
                check_contents(db, version)
            if not os.access(real, os.W_OK) or not os.access(path, os.W_OK):
                raise OSError("attempt to write a readonly database")  # as SQLite would say
    except StateError as error:
        return str(error)
    return ""


def state_upgrade(directory: str) -> str:
    """What `run` would do first to a state that it can use; empty: nothing."""
    path = Path(os.path.realpath(directory)) / FILE_NAME
    if not path.exists():
        return ""
    with refusing(path), closing(connect(path)) as db:
        version = check_version(path, db)
    if version == SCHEMA_VERSION:
        return ""
    return (
        f"the state file is of schema {version}, of an older tailrace; the next `tailrace run` upgrades it to schema "
        f"{SCHEMA_VERSION}, which the older one cannot read any more"
    )


def _unwritable(directory: Path) -> str:
    lock = directory / LOCK_NAME
    if not os.path.isdir(directory):
        return fault(os.path.join(directory, ""))
    free = os.access(lock, os.R_OK | os.W_OK) if os.path.lexists(lock) else os.access(directory, os.W_OK | os.X_OK)
    return "" if free else os.strerror(errno.EACCES)
