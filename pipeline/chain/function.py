"""A function of one event as a stage: the least that a user can write."""

from __future__ import annotations

import copy
import re
import traceback
from collections.abc import Callable
from typing import Any

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.chain.explain import describe

_PLACE = re.compile(r"(\d+:\d+)(?:\.\d+)*")  # what enrich.origin gives: file id, offset, number within the line
_FRAMES = 20  # innermost frames of a traceback that are kept


class Lifted:
    """A function of one event, as a stage: ``(event) -> event | list of events | None``.

    An exception fails that event alone, with the user's part of the traceback. ``TimeBudget`` passes through. Several
    events of one line are told apart by ``.1``, ``.2`` ... after their ``event_id``.
    """

    def __init__(self, function: Callable[[Event], Any], event_id: str = "event_id") -> None:
        self.function = function
        self.event_id = event_id

    def process(self, events: list[Event]) -> list[Event | Fail]:
        out: list[Event | Fail] = []
        given: set[int] = set()  # identities of the dicts in `out`
        line: str | None = None  # the place of the line whose events come now ...
        taken: dict[str, int] = {}  # ... and the ids its events have, each with the next number to try
        for event in events:
            place = event.get(self.event_id)
            found = _PLACE.fullmatch(place) if isinstance(place, str) else None
            if found is None or found[1] != line:
                line = found[1] if found else None
                taken = {}
            try:
                made = _unshared(_events(self.function(event)), given)
            except Exception as error:
                out.append(_raised(error, event))
                continue
            if isinstance(made, Fail):
                made.event = event
                out.append(made)
                continue
            self._number(made, taken)
            out += made
        return out

    def _number(self, made: list[Event], taken: dict[str, int]) -> None:
        for event in made:
            name = event.get(self.event_id)
            if not isinstance(name, str):
                continue
            if name in taken:
                found = _PLACE.fullmatch(name)
                base = found[1] if found else name
                number = taken.get(base, 1)
                while (name := f"{base}.{number}") in taken:
                    number += 1
                taken[base] = number + 1
                event[self.event_id] = name
            taken.setdefault(name, 1)


def _events(result: Any) -> list[Event] | Fail:
    """What a function may return, as a list."""
    if isinstance(result, dict):
        return [result]
    if result is None:
        return []
    if not isinstance(result, list):
        found = type(result).__name__
    elif strange := [type(item).__name__ for item in result if not isinstance(item, dict)]:
        found = f"a list with {strange[0]} in it"
    else:
        return result
    return Fail("bad_result", f"the function returned {found}; expected an event (a dict), a list of events or None")


def _unshared(events: list[Event] | Fail, given: set[int]) -> list[Event] | Fail:
    """A dict that went out before goes out as a copy: later stages change events in place."""
    if isinstance(events, Fail):
        return events
    own = []
    for event in events:
        own.append(copy.deepcopy(event) if id(event) in given else event)
        given.add(id(own[-1]))
    return own


def _raised(error: Exception, event: Event) -> Fail:
    theirs = error.__traceback__.tb_next if error.__traceback__ else None  # the first frame is ours
    trace = "".join(traceback.format_exception(type(error), error, theirs, limit=-_FRAMES))
    return Fail("raised", describe(error), event=event, trace=trace)
