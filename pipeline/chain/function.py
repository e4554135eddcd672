"""A function of one event as a stage: the least that a user can write."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.chain.explain import describe

_FRAMES = 20  # innermost frames of a traceback that are kept


class Lifted:
    """A function of one event, as a stage: ``(event) -> event | list of events | None``.

    An exception fails that event alone, with the user's part of the traceback. ``TimeBudget`` passes through.
    ``sources`` tells of the last call which event each entry was made of.
    """

    def __init__(self, function: Callable[[Event], Any]) -> None:
        self.function = function
        self.sources: list[int] = []

    def process(self, events: list[Event]) -> list[Event | Fail]:
        out: list[Event | Fail] = []
        self.sources = sources = []
        for index, event in enumerate(events):
            try:
                made = _events(self.function(event))
            except Exception as error:
                made = _raised(error, event)
            if isinstance(made, Fail):
                made.event = event
                out.append(made)
                sources.append(index)
            else:
                out += made
                sources += [index] * len(made)
        return out


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


def _raised(error: Exception, event: Event) -> Fail:
    theirs = error.__traceback__.tb_next if error.__traceback__ else None  # the first frame is ours
    trace = "".join(traceback.format_exception(type(error), error, theirs, limit=-_FRAMES))
    return Fail("raised", describe(error), event=event, trace=trace)
