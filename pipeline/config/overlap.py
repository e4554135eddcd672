"""Whether a source's glob can match a file that one of our own templates can make, whatever the placeholders hold.

The glob's rules are those of the source: ``*``, ``?`` and ``[...]`` stay inside one name and leave names with a
leading dot alone, ``**`` is any number of directories. An exclude hits a path and all below it; without a slash, a name
anywhere.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from functools import cache

Name = tuple[str | None, ...]
"""The characters of a file's or directory's name; None for a placeholder, which holds one character or more."""

_GLOB = re.compile(r"\*+|\[!?\]?[^\]]*\]|.", re.DOTALL)
_TEMPLATE = re.compile(r"\{\{|\}\}|\{time:([^{}]*)\}|\{[^{}]*\}|.", re.DOTALL)
_TIME = re.compile(r"%.|.", re.DOTALL)


def can_match(pattern: str, template: str) -> bool:
    """``pattern`` is an absolute glob, ``template`` an absolute path with placeholders."""
    return _paths_meet(_parts(pattern), _names(template), hidden=False)


def is_excluded(patterns: Iterable[str], template: str) -> bool:
    """Whether a typical path that the template makes is excluded: one where each placeholder holds an ``x``."""
    names = tuple(tuple(character or "x" for character in name) for name in _names(template))
    for pattern in patterns:
        if "/" not in pattern:
            if any(_names_meet(pattern, name, hidden=True) for name in names):
                return True
        elif any(_paths_meet(_parts(pattern), names[:depth], hidden=True) for depth in range(len(names) + 1)):
            return True
    return False


def _parts(pattern: str) -> tuple[str, ...]:
    parts = tuple(pattern.split("/"))
    return (*parts, "*") if parts[-1] == "**" else parts


def _names(template: str) -> tuple[Name, ...]:
    characters: list[str | None] = []
    for found in _TEMPLATE.finditer(template):
        if found[1] is not None:
            characters += (part if len(part) == 1 else None for part in _TIME.findall(found[1]))
        elif found[0] in ("{{", "}}"):
            characters.append(found[0][0])
        else:
            characters.append(found[0] if len(found[0]) == 1 else None)
    names: list[list[str | None]] = [[]]
    for character in characters:
        if character == "/":
            names.append([])
        else:
            names[-1].append(character)
    return tuple(map(tuple, names))


def _paths_meet(parts: tuple[str, ...], names: tuple[Name, ...], *, hidden: bool) -> bool:
    if not parts or not names:
        return not parts and not names
    if parts[0] == "**":
        enter = hidden or names[0][:1] != (".",)
        return _paths_meet(parts[1:], names, hidden=hidden) or (enter and _paths_meet(parts, names[1:], hidden=hidden))
    return _names_meet(parts[0], names[0], hidden=hidden) and _paths_meet(parts[1:], names[1:], hidden=hidden)


def _names_meet(pattern: str, name: Name, *, hidden: bool) -> bool:
    if not hidden and name[:1] == (".",) and pattern[:1] in ("*", "?", "["):
        return False
    parts = _GLOB.findall(pattern)

    @cache
    def meet(i: int, j: int) -> bool:
        if i == len(parts):
            return j == len(name)
        if parts[i][0] == "*":
            return meet(i + 1, j) or (j < len(name) and meet(i, j + 1))
        if j == len(name) or not _accepts(parts[i], name[j]):
            return False
        return meet(i + 1, j + 1) or (name[j] is None and meet(i + 1, j))

    return meet(0, 0)


@cache
def _accepts(part: str, character: str | None) -> bool:
    """One character of a glob and one of a name."""
    if character is None or part == "?":
        return True
    return bool(re.match(fnmatch.translate(part), character)) if len(part) > 1 else part == character
