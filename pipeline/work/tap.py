"""Events on their way, for those who want to see some: sampled in the workers, a word in shared memory says whether.

Nothing waits for it: what there is no time or no room for is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import orjson
from tailrace.pipeline.batch import Event
from tailrace.pipeline.chain.attempt import Attempt
from tailrace.pipeline.chain.lineage import LostTrackError
from tailrace.pipeline.chain.step import Condition, Step
from tailrace.pipeline.chain.steps import condition
from tailrace.pipeline.work.asked import Area, Request

SHARE = 0.03  # of a worker's time
MOST_EVENTS, MOST_BYTES = 20, 32 << 10  # of one tap in one piece
LONGEST_EVENT = 16 << 10  # bytes of JSON


class Tapper:
    """In a worker: looked at once a piece, and told of the events behind each step while somebody asks."""

    def __init__(self, area: Area) -> None:
        self._area = area
        self._version = 0
        self._requests: list[tuple[Request, Condition | None]] = []
        self._since = self._spent = 0.0

    def look(self) -> Tapper | None:
        """Itself if somebody asks, and there is time for it."""
        version = self._area.version
        if not version:
            return None
        if version != self._version:
            try:
                requests = self._area.requests()
            except ValueError:
                return None  # they are being written
            if self._area.version != version:
                return None
            self._version = version
            self._requests = [(one, condition(one.when) if one.when else None) for one in requests]
            self._since, self._spent = perf_counter(), 0.0
        elif self._spent > SHARE * (perf_counter() - self._since):
            return None
        return self

    def after(self, index: int, step: Step, events: Sequence[Event], attempt: Attempt) -> None:
        """These are behind the step, or, of a write stage, given to it."""
        began = perf_counter()
        for request, wanted in self._requests:
            if request.stage == step.label or (not request.stage and index == attempt.last):
                sampled = _sample(request, wanted, events, attempt)
                if sampled["events"] or sampled["left"]:
                    attempt.made.tapped.append(sampled)
        self._spent += perf_counter() - began


def _sample(request: Request, wanted: Condition | None, events: Sequence[Event], attempt: Attempt) -> Mapping[str, Any]:
    chosen = list(events)
    if wanted is not None:
        chosen = [event for event in events if _wants(wanted, event)]
    texts: list[orjson.Fragment] = []
    size = 0
    every = max(1, len(chosen) // MOST_EVENTS)  # spread over the piece
    for event in chosen[::every][:MOST_EVENTS]:
        text = orjson.dumps(
            {"event": event, "id": _id(event, attempt)}, default=repr, option=orjson.OPT_NON_STR_KEYS
        )  # fmt: skip
        size += len(text)
        if len(text) > LONGEST_EVENT or size > MOST_BYTES:
            break
        texts.append(orjson.Fragment(text))
    return {"tap": request.number, "events": texts, "left": len(chosen) - len(texts)}


def _wants(wanted: Condition, event: Event) -> bool:
    try:
        return bool(wanted([event])[0])
    except Exception:
        return False  # an expression that fails for an event does not choose it


def _id(event: Event, attempt: Attempt) -> str | None:
    try:
        line = attempt.lineage.line(event, attempt.marker[0])
    except LostTrackError:
        return None
    return f"{attempt.key}:{attempt.places[line]}"
