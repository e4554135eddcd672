"""Whose event is it? Follows the events of a piece through the stages back to the line each was made of.

An event belongs to the line of the same dict before the stage; else of the one with the same event id; else, where
the stage gave as many as it got, all of them new dicts, of the one at the same place. Where none of that helps, the
stage is called event by event. Further events of one line are numbered: ``.1``, ``.2`` ... stand behind its event id.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from operator import is_
from typing import Any

from tailrace.pipeline.batch import Event, Fail, Skip


class LostTrackError(Exception):
    """Nobody can tell which line an entry of the step's result belongs to, unless the step runs event by event (or,
    where it did already, the chain line by line)."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


class Lineage:
    """``parsed`` are the entries of the parser, one a line; each line's event id is ``key`` and its place."""

    def __init__(self, parsed: Sequence[Event | Fail | Skip], id_field: str, key: str, places: Sequence[int]) -> None:
        self._parsed = parsed
        self._id_field, self._key, self._places = id_field, key, places
        self._lines: dict[int, int] | None = None  # identity of an event: index of its line
        self._numbers: dict[int, int] = {}  # identity of an event: its number, where that is not 0
        self._several: set[int] = set()  # lines that have, or had, several events
        self._held: list[Any] = []  # events known by identity: none may be freed and give it to another
        self._lost = -1  # the step after which some events are of unknown lines

    def _known(self) -> dict[int, int]:
        if self._lines is None:
            self._lines = {id(entry): index for index, entry in enumerate(self._parsed)}
        return self._lines

    def line(self, event: Any, step: int) -> int:
        """The index of an event's line; LostTrackError."""
        index = 0 if len(self._parsed) == 1 else self._known().get(id(event))
        if index is None:
            raise LostTrackError(self._lost if self._lost >= 0 else step)
        return index

    def lines(self, events: Sequence[Event], step: int) -> list[int]:
        """The same for several."""
        if self._lost >= 0:
            raise LostTrackError(self._lost)
        if len(self._parsed) == 1:
            return [0] * len(events)
        if self._lines is None and len(events) == len(self._parsed) and all(map(is_, events, self._parsed)):
            return list(range(len(events)))  # as the parser gave them
        known = self._known()
        found = [known.get(id(event)) for event in events]
        if None in found:
            raise LostTrackError(step)
        return found  # type: ignore[return-value]  # None was looked for

    def numbers(self, events: Sequence[Event]) -> list[int]:
        """The number of each among the events of its line."""
        if not self._numbers:
            return [0] * len(events)
        return [self._numbers.get(id(event), 0) for event in events]

    def number(self, event: Any, line: int) -> int | None:
        """That of an event of this line; None: the line never had another. LostTrackError."""
        if self._lost >= 0:
            raise LostTrackError(self._lost)
        return self._numbers.get(id(event), 0) if line in self._several else None

    def knows(self, event: Any) -> bool:
        return id(event) in self._known()

    def name(self, line: int) -> str:
        """The event id of a line."""
        return f"{self._key}:{self._places[line]}"

    def adopt(self, event: Event, line: int) -> None:
        """An event that the chain itself made of this line."""
        self._known()[id(event)] = line
        self._held.append(event)

    def follow(
        self, before: Sequence[Event], after: list[Event | Fail | Skip], sources: Sequence[int | None], step: int
    ) -> None:
        """A stage made ``after`` of ``before``; ``sources`` are indexes in it, by the order in which entries came. A
        dict that stands twice in ``after`` is copied: later stages change events in place."""
        after[:] = unshared(after)
        self._held += [before, after.copy()]
        if self._lost >= 0:
            return
        known = self._known()
        was = {id(event) for event in before}
        names = {event.get(self._id_field): event for event in before} if self._id_field else {}
        taken: defaultdict[int, set[int]] = defaultdict(set)  # line: numbers in use
        new: list[tuple[int, Event]] = []
        for entry, source in zip(after, sources, strict=True):
            if not isinstance(entry, dict):
                continue
            if id(entry) in was:
                taken[known[id(entry)]].add(self._numbers.get(id(entry), 0))
                continue
            if len(self._parsed) == 1:
                line = 0
            elif (name := entry.get(self._id_field)) is not None and name in names:
                line = known[id(names[name])]
            elif source is not None:
                line = known[id(before[source])]
            else:
                self._lost = step
                return
            known[id(entry)] = line
            new.append((line, entry))
        for line, event in new:
            number = 0
            while number in taken[line]:
                number += 1
            taken[line].add(number)
            self._name(event, line, number)

    def _name(self, event: Event, line: int, number: int) -> None:
        self._numbers.pop(id(event), None)
        if number:
            self._numbers[id(event)] = number
            self._several.add(line)
        name = event.get(self._id_field) if self._id_field else None
        if isinstance(name, str):
            own = self.name(line)
            if name == own or name.startswith(f"{own}."):
                event[self._id_field] = f"{own}.{number}" if number else own


def unshared(entries: list[Any]) -> list[Any]:
    """The entries, with a copy in place of a dict that stands among them already."""
    if len(set(map(id, entries))) == len(entries):
        return entries
    seen: set[int] = set()
    own = []
    for entry in entries:
        own.append(copy.deepcopy(entry) if isinstance(entry, dict) and id(entry) in seen else entry)
        seen.add(id(own[-1]))
    return own
