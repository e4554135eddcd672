"""Environment variables in string values: ``${VAR}``, ``${VAR:-default}``, ``${VAR:?message}``, ``$$``; and secrets:
``SECRET[file.NAME]``, ``SECRET[directory.NAME]``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any

_DOLLAR = re.compile(r"\$\$|\$\{([^}]*)(\}?)|SECRET\[([a-z_]+)\.([\w.-]+)\]")
_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([-?])(.*))?", re.DOTALL)
_OTHER_FORM = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:?[-?:=+]?)(.*)", re.DOTALL)


class Expanded(str):
    """A string in which references were replaced. Messages show ``raw``: the value may be a secret."""

    __slots__ = ("raw", "sole")
    raw: str  # as written in the file
    sole: bool  # the whole string is one reference, so it may feed a number or a boolean


class Undefined(ValueError):
    """A variable that is not set, and no default is given for it."""


Secret = Callable[[str, str], str]
"""By backend and name. ValueError: it cannot be had."""


def no_secret(backend: str, name: str) -> str:
    raise ValueError(f"SECRET[{backend}.{name}] has no place in [secrets]")


def expand(text: str, environ: Mapping[str, str], secret: Secret = no_secret) -> str:
    """Replaces references once; what a variable holds is never expanded again. ``text`` itself if it has none.

    Undefined: every variable of this text that is missing. ValueError: a malformed reference.
    """
    if not refers(text):
        return text
    missing: list[str] = []

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        if found[3]:
            return secret(found[3], found[4])
        if not found[2]:
            raise ValueError('has "${" without "}"; a literal "${" is written "$${"')
        try:
            return _value(found[1], environ)
        except Undefined as undefined:
            missing.append(str(undefined))
            return ""

    expanded = Expanded(_DOLLAR.sub(replace, text))
    if missing:
        raise Undefined("; ".join(dict.fromkeys(missing)))
    expanded.raw = text
    whole = _DOLLAR.fullmatch(text)
    expanded.sole = whole is not None and text != "$$"
    return expanded


def refers(text: str) -> bool:
    """Whether it has a reference."""
    return ("$" in text or "SECRET[" in text) and _DOLLAR.search(text) is not None


def values(text: str, environ: Mapping[str, str], secret: Secret = no_secret) -> dict[str, str]:
    """What was put in for the references of ``text``, and by which reference: the values may be secrets."""
    found = {}
    for reference in _DOLLAR.finditer(text):
        if reference[3]:
            with contextlib.suppress(ValueError):  # which is told where it is expanded
                found[secret(reference[3], reference[4])] = reference[0]
        name = _REFERENCE.fullmatch(reference[1] or "")
        if name and environ.get(name[1]):
            found[environ[name[1]]] = f"${{{name[1]}}}"
    return found


def _value(reference: str, environ: Mapping[str, str]) -> str:
    found = _REFERENCE.fullmatch(reference)
    if not found:
        raise ValueError(_misspelled(reference))
    name, mark, rest = found.groups()
    value = environ.get(name)
    if rest and "${" in rest:
        raise ValueError(f'"${{{reference}}}" has a reference inside a reference; a default is taken as written')
    if mark == "-":
        value = value or rest
    elif value is None or (mark and not value):
        state = "not set" if value is None else "empty"
        raise Undefined(
            f"environment variable {name} is {state}: {rest}"
            if mark and rest
            else f"environment variable {name} is {state}; set it, or give a default: ${{{name}:-default}}"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"environment variable {name} is not valid UTF-8") from None
    return value


def _misspelled(reference: str) -> str:
    """``${VAR:x}``, ``${VAR-x}`` and ``${VAR?x}`` are other tools' spellings."""
    other = _OTHER_FORM.fullmatch(reference)
    if not other:
        return f'"${{{reference}}}" is not a reference to a variable; a literal "${{" is written "$${{"'
    name, mark, rest = other.groups()
    ours = f"${{{name}:?{rest}}}" if mark == "?" else f"${{{name}:-{rest}}}"
    return f'"${{{reference}}}" is not a supported form; did you mean "{ours}"?' + (
        " (forms: ${VAR}, ${VAR:-default}, ${VAR:?message}, $$ for a literal $)"
    )


def as_written(value: Any) -> Any:
    """A value of the file with its references in place: what they stand for may be a secret."""
    if isinstance(value, Expanded):
        return value.raw
    if isinstance(value, dict):
        return {key: as_written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_written(item) for item in value]
    return value
