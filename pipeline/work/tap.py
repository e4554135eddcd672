"""Events on their way, for those who want to see some: sampled in the workers, a word in shared memory says whether.

Nothing waits for it: what there is no time or no room for is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from time import perf_counter
from typing import Any

import orjson
from tailrace.pipeline.batch import Event
from tailrace.pipeline.chain.attempt import Attempt
from tailrace.pipeline.chain.lineage import LostTrackError
from tailrace.pipeline.chain.outcome import fields_text
from tailrace.pipeline.chain.step import Condition, Step
from tailrace.pipeline.chain.steps import condition
from tailrace.pipeline.work.asked import Area, Request

SHARE = 0.02  # of a worker's time
LOOK = 0.004  # seconds of one piece for an expression,
FEW = 16  # which is asked about so many events at once
_SINKS = ""  # the stage of those who want to see what the sinks are given
MOST_EVENTS, MOST_BYTES = 20, 32 << 10  # of one tap in one piece
LONGEST_WHY = 200  # characters
LONGEST_EVENT = 16 << 10  # bytes of JSON

Sampled = dict[str, Any]
"""``tap``: a request's number; ``events``: those that were taken, each as JSON; ``left``: how many others passed, but
for those of which the expression is known not to be true; ``failed``: why it failed for one, if it did."""


class Tapper:
    """In a worker: looked at once a piece, and told of the events behind each step while somebody asks."""

    def __init__(self, area: Area) -> None:
        self._area = area
        self._version = 0
        self._requests: dict[str, list[tuple[Request, Condition | None]]] = {}  # by stage
        self._conditions: dict[str, Condition] = {}
        self._rests_until = 0.0  # its share of the time is used up,
        self._rests = False  # also while this piece is worked on

    def look(self) -> Tapper | None:
        """Itself if somebody asks."""
        version = self._area.version
        if version and version != self._version:
            self._read(version)
        if not version or version != self._version:
            return None
        self._rests = perf_counter() < self._rests_until
        return self

    def _read(self, version: int) -> None:
        try:
            asked = self._area.requests()
            texts = {one.when for one in asked if one.when}
            conditions = {text: self._conditions.get(text) or condition(text) for text in texts}
        except (ValueError, TypeError):
            return  # they are being written
        if self._area.version != version:
            return
        self._version, self._conditions, self._requests = version, conditions, {}
        for one in asked:
            self._requests.setdefault(one.stage, []).append((one, conditions.get(one.when)))

    def after(self, index: int, step: Step, events: Sequence[Event], attempt: Attempt) -> None:
        """These are behind the step, or, of a write stage, given to it."""
        requests = self._requests
        if step.label in requests:
            self._look_at(requests[step.label], step, events, attempt)
        if _SINKS in requests and index == attempt.last:
            self._look_at(requests[_SINKS], step, events, attempt)

    def _look_at(
        self, requests: list[tuple[Request, Condition | None]], step: Step, events: Sequence[Event], attempt: Attempt
    ) -> None:
        for request, wanted in requests:
            if request.enough or self._rests:
                attempt.made.tapped.append({"tap": request.number, "events": [], "left": len(events)})
                continue
            began = perf_counter()
            sampled: Sampled = {"tap": request.number, "events": [], "left": len(events)}
            try:
                sampled = _sample(request, wanted, step, events, attempt)
            except Exception:  # noqa: S110  of a value's own making: it may not reach the chain
                pass
            finally:
                now = perf_counter()
                self._rests_until = max(now, self._rests_until) + (now - began) / SHARE
            attempt.made.tapped.append(sampled)


def _sample(
    request: Request, wanted: Condition | None, step: Step, events: Sequence[Event], attempt: Attempt
) -> Sampled:
    chosen, left, failed = events, 0, ""
    if wanted is not None:
        chosen, left, failed = _chosen(wanted, events)
    texts: list[str] = []
    size = 0
    for event in _spread(chosen):
        text = _text(step.label, event, _id(event, attempt))
        if len(text) > LONGEST_EVENT:
            continue
        size += len(text)
        if size > MOST_BYTES:
            break
        texts.append(text)
    return {"tap": request.number, "events": texts, "left": left + len(chosen) - len(texts), "failed": failed}


def _chosen(wanted: Condition, events: Sequence[Event]) -> tuple[list[Event], int, str]:
    """Those for which it is true, of how many there was no time to ask, and why it failed for one, if it did."""
    chosen: list[Event] = []
    failed = ""
    until = perf_counter() + LOOK
    for at in range(0, len(events), FEW):
        if perf_counter() > until:
            return chosen, len(events) - at, failed
        some = list(events[at : at + FEW])
        try:
            chosen += [event for event, yes in zip(some, wanted(some), strict=True) if yes]
        except Exception as error:  # it does not choose those for which it fails
            failed = f"{type(error).__name__}: {error}"[:LONGEST_WHY]
            chosen += [event for event in some if _wants(wanted, event)]
    return chosen, 0, failed


def _wants(wanted: Condition, event: Event) -> bool:
    try:
        return bool(wanted([event])[0])
    except Exception:
        return False


def _spread(events: Sequence[Event]) -> Iterable[Event]:
    """Some of all parts of the piece."""
    return islice(events, 0, MOST_EVENTS * (every := max(1, len(events) // MOST_EVENTS)), every)


def _text(stage: str, event: Event, name: str | None) -> str:
    try:
        return orjson.dumps({"stage": stage, "event": event, "id": name}, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError):  # for a value that JSON does not have
        about, fields = orjson.dumps({"stage": stage, "id": name}).decode(), fields_text(event)
        if fields[0] != "{":
            fields = f'{{"repr":{fields}}}'
        return f'{about[:-1]},"event":{fields}}}'


def _id(event: Event, attempt: Attempt) -> str | None:
    try:
        line = attempt.lineage.line(event, attempt.marker[0])
    except LostTrackError:
        return None
    (number,) = attempt.lineage.numbers([event])
    name = attempt.lineage.name(line)
    return f"{name}.{number}" if number else name
