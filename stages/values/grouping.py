"""Which window of time and which group an event is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.values.moments import Moments
from tailrace.stages.values.windows import OVERFLOW, Windows

LONGEST_GROUP = 1024  # bytes of a group's text


class Grouping:
    """Of the fields ``by``. ``required``: an event must have all of them."""

    def __init__(self, by: Sequence[str], time: str, windows: Windows, *, required: bool = False) -> None:
        self._by, self._required = by, required
        self._moments, self._windows = Moments(time), windows

    def of(self, event: Event, clock: float) -> tuple[int, str] | Fail:
        """Its moment, and the key of its window and group."""
        by = self._by
        if self._required and (missing := [name for name in by if event.get(name) is None]):
            return Fail("missing_field", f"the event has no field {missing[0]!r}", event)
        try:
            moment = self._moments.of(event, clock)
            window = self._windows.key(moment, "")
        except ValueError as error:
            return Fail("bad_timestamp", str(error), event)
        try:
            group = orjson.dumps([event.get(name) for name in by], option=orjson.OPT_SORT_KEYS).decode()
        except TypeError as error:
            return Fail("bad_type", f"JSON cannot hold {', '.join(by)}: {error}", event)
        if len(group) > LONGEST_GROUP:
            return Fail("too_large", f"the values of {', '.join(by)} take more than {LONGEST_GROUP} bytes", event)
        return moment, window + group

    def values(self, group: str) -> dict[str, Any]:
        """The fields that all events of the group have in common; of OVERFLOW they are null."""
        values = [None] * len(self._by) if group == OVERFLOW else orjson.loads(group)
        return dict(zip(self._by, values, strict=True))
