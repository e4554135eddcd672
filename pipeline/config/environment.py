"""Environment variables in string values: ``${VAR}``, ``${VAR:-default}``, ``${VAR:?message}``, ``$$``."""

from __future__ import annotations

import re
from collections.abc import Mapping

_DOLLAR = re.compile(r"\$\$|\$\{([^}]*)(\}?)")
_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([-?])(.*))?", re.DOTALL)
_OTHER_FORM = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:?[-?:=+]?)(.*)", re.DOTALL)


class Expanded(str):
    """A string in which references were replaced. Messages show ``raw``: the value may be a secret."""

    __slots__ = ("raw", "sole")
    raw: str  # as written in the file
    sole: bool  # the whole string is one reference, so it may feed a number or a boolean


class Undefined(ValueError):
    """A variable that is not set, and no default is given for it."""


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replaces references once; what a variable holds is never expanded again. ``text`` itself if it has none.

    Undefined: every variable of this text that is missing. ValueError: a reference that is spelled wrongly.
    """
    if "$" not in text or not _DOLLAR.search(text):
        return text
    missing: list[str] = []

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
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


def values(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What was put in for the references of ``text``, and by which reference: the values may be secrets."""
    found = {}
    for reference in _DOLLAR.finditer(text):
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
    return f'"${{{reference}}}" is not a form known here; did you mean "{ours}"?' + (
        " (forms: ${VAR}, ${VAR:-default}, ${VAR:?message}, $$ for a literal $)"
    )
