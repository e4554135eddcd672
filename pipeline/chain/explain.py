"""What went wrong in somebody's module, in words for the one who wrote it."""

from __future__ import annotations

import importlib
import os
import re
import traceback

# Files whose frames say nothing of a user's mistake: the engine, and what carries out an import.
_NOT_THEIRS = (os.path.join(os.path.dirname(os.path.dirname(__file__)), ""), "<frozen", importlib.__file__)


def describe(error: BaseException) -> str:
    """``TypeError: message``, also for an exception whose message cannot be made."""
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be shown)"
    if isinstance(error, SyntaxError):
        message = error.msg  # without the file and line, which `origin_of` gives
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def origin_of(error: BaseException) -> str:
    """`` (file.py, line 3)``: where an exception was raised; for a SyntaxError, where it is."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_NOT_THEIRS)]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def missing_module(error: ModuleNotFoundError) -> str:
    """Which module is missing, and how to get it: by an extra of ours, if one brings it."""
    module = (error.name or "").partition(".")[0]
    import importlib.metadata  # slow to import, and workers never come here

    for requirement in importlib.metadata.requires("tailrace") or []:
        found = re.match(r"""([\w.-]+)[^;]*;.*extra\s*==\s*['"]([\w.-]+)['"]""", requirement)
        if found and found[1].lower().replace("-", "_") == module.lower():
            return f'needs the Python module "{module}": install it with  pip install "tailrace[{found[2]}]"'
    return f'needs the Python module "{module}", which is not installed'
