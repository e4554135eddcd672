"""Whether a source's glob can match a file that one of our own templates can make: two small automata, run together."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable

Accepts = Callable[[str | None], bool]
"""Does an edge accept this character? None stands for "any character but a slash" that a placeholder may hold."""

_GLOB = re.compile(r"\*\*(/|$)|\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_TEMPLATE = re.compile(r"\{\{|\}\}|\{time:([^{}]*)\}|\{[^{}]*\}|.", re.DOTALL)
_TIME = re.compile(r"%-?.|.", re.DOTALL)


def can_match(pattern: str, template: str) -> bool:
    """``pattern`` is an absolute glob (``**/`` means any depth), ``template`` an absolute path with placeholders."""
    glob = _Automaton(pattern)
    made = _template(template)
    pending = [(0, frozenset(glob.closure({0})))]  # how far in `made`, and the states the glob may be in
    seen: set[tuple[int, frozenset[int]]] = set()
    while pending:
        place, now = pending.pop()
        if not now or (place, now) in seen:
            continue
        seen.add((place, now))
        if place == len(made):
            if glob.end in now:
                return True
            continue
        character = made[place]
        after = frozenset(glob.step(now, character))
        pending.append((place + 1, after))
        if character is None:  # a placeholder holds one character or more
            pending.append((place, after))
    return False


def _template(template: str) -> list[str | None]:
    """Its characters; None for a placeholder."""
    made: list[str | None] = []
    for found in _TEMPLATE.finditer(template):
        if found[1] is not None:
            made += (None if part[0][0] == "%" and len(part[0]) > 1 else part[0] for part in _TIME.finditer(found[1]))
        elif found[0] in ("{{", "}}"):
            made.append(found[0][0])
        else:
            made.append(found[0] if len(found[0]) == 1 else None)
    return made


class _Automaton:
    """A glob as states from 0 to ``end``, with edges that accept characters and edges that are free."""

    def __init__(self, pattern: str) -> None:
        self.end = 0
        self._edges: dict[int, list[tuple[Accepts, int]]] = {}
        self._free: dict[int, int] = {}
        for found in _GLOB.finditer(pattern):
            self._add(found[0], deep=found[1] is not None)

    def _add(self, part: str, *, deep: bool) -> None:
        state = self.end
        if deep:
            self._deep(state, part)
        elif part[0] == "*":
            self._edge(state, _inside, state)
        else:
            self.end += 1
            self._edge(state, _one(part), self.end)

    def _deep(self, state: int, part: str) -> None:
        """``**/``: nothing, or directories; ``**`` at the end: any depth."""
        within, self.end = state + 1, state + 2
        self._free[state] = self.end
        self._edge(state, _anything, within)
        self._edge(within, _anything, within)
        if part == "**":
            self._free[within] = self.end
        else:
            self._edge(within, _one("/"), self.end)

    def _edge(self, state: int, accepts: Accepts, after: int) -> None:
        self._edges.setdefault(state, []).append((accepts, after))

    def closure(self, states: set[int]) -> set[int]:
        reached = set(states)
        while more := {self._free[state] for state in reached if state in self._free} - reached:
            reached |= more
        return reached

    def step(self, states: frozenset[int], character: str | None) -> set[int]:
        edges = (edge for state in states for edge in self._edges.get(state, ()))
        return self.closure({after for accepts, after in edges if accepts(character)})


def _anything(_: str | None) -> bool:
    return True


def _inside(character: str | None) -> bool:
    return character != "/"


def _one(part: str) -> Accepts:
    if part == "?":
        return _inside
    if len(part) > 1:
        in_class = re.compile(fnmatch.translate(part)).match
        return lambda character: character is None or (character != "/" and bool(in_class(character)))
    return lambda character: (character is None and part != "/") or character == part
