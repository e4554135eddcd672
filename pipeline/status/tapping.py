"""Those who look at events on their way: what the workers sample is shared out among them, and never waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import orjson
from tailrace.pipeline.chain.steps import condition
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status.requests import Requests
from tailrace.pipeline.work.asked import Area, Request

PER_INTERVAL = 100  # events
SHORTEST = 0.1  # seconds of an interval: workers are told of each one's beginning and end
MOST_TAPS = 8
MOST_WAITING = 1 << 20  # characters of events that a reader has not taken
LONGEST_WHEN = 4000  # characters
HEARTBEAT = 1.0  # seconds: to notice that a reader has gone
_NOTES = ('{"dropped":', '{"failed":')
_END = ""


class _Tap:
    """All but ``take`` and ``closed`` is the engine's."""

    def __init__(self, request: Request, interval: float) -> None:
        self.request, self.interval = request, interval
        self.closed = threading.Event()
        self._waiting: SimpleQueue[str] = SimpleQueue()
        self._given = self._read = 0  # characters, each counted by one thread
        self._noted = False  # a note of what is left out is waiting
        self._failed = False  # it was told that the expression fails
        self._left = 0  # out, since it was last told
        self._taken = 0  # events, in this interval
        self._until = 0.0  # when the interval ends

    def tick(self, now: float) -> None:
        if now < self._until:
            return
        self._taken, self._until = 0, now + self.interval
        if self._left and not self._noted:
            self._noted = True
            self._waiting.put(f'{{"dropped":{self._left}}}')
            self._left = 0

    @property
    def asked(self) -> Request:
        return replace(self.request, enough=self._taken >= PER_INTERVAL)

    def give(self, sampled: Mapping[str, Any]) -> None:
        self._left += sampled["left"]
        if (why := sampled.get("failed")) and not self._failed:
            self._failed = True
            self._waiting.put(orjson.dumps({"failed": why}).decode())
        for text in sampled["events"]:
            if self._taken >= PER_INTERVAL or self._given - self._read > MOST_WAITING:
                self._left += 1
                continue
            self._taken += 1
            self._given += len(text)
            self._waiting.put(text)

    def end(self) -> None:
        """There is nothing more."""
        self._waiting.put(_END)

    def take(self, timeout: float) -> tuple[str, bool]:
        """The next line, and whether it is an event. Empty; EOFError: there is nothing more."""
        text = self._waiting.get(timeout=timeout)
        if text == _END:
            raise EOFError
        if text.startswith(_NOTES):
            self._noted = self._noted and not text.startswith(_NOTES[0])
            return text, False
        self._read += len(text)
        return text, True


class Taps:
    """``open`` from any thread; all else is the engine's."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._area: Area | None = None
        self._labels: Sequence[str] = ()
        self._taps: dict[int, _Tap] = {}
        self._version = self._numbers = 0
        self._asked: list[Request] = []

    def attach(self, area: Area, labels: Sequence[str]) -> None:
        """Of the run that begins. Who looks at a stage that it does not have is told that this is the end."""
        self._area, self._labels, self._asked = area, labels, []
        for number, tap in list(self._taps.items()):
            if tap.request.stage and tap.request.stage not in labels:
                self._taps.pop(number).end()

    def tick(self, now: float) -> None:
        """Ask for events of those who have not had enough in their interval."""
        if not self._taps:
            return
        for number, tap in list(self._taps.items()):
            if tap.closed.is_set():
                del self._taps[number]
            else:
                tap.tick(now)
        asked = [tap.asked for tap in self._taps.values()]
        if asked != self._asked and self._area is not None:
            self._asked = asked
            self._version += 1
            self._area.ask(self._version if asked else 0, asked)

    def sampled(self, some: Sequence[Mapping[str, Any]]) -> None:
        for one in some:
            tap = self._taps.get(one["tap"])
            if tap is not None:
                tap.give(one)

    def _add(self, stage: str, when: str, interval: float) -> _Tap:
        if stage and stage not in self._labels:
            raise TailraceError(f"there is no stage {stage!r} in the chain (there are: {', '.join(self._labels)})")
        if len(self._taps) >= MOST_TAPS:
            raise TailraceError(f"{MOST_TAPS} are looking already")
        request = Request(self._numbers + 1, stage, when)
        if self._area is not None and not self._area.fits([*(tap.request for tap in self._taps.values()), request]):
            raise TailraceError("when: with those of all who look, the expressions are too long")
        self._numbers += 1
        tap = self._taps[self._numbers] = _Tap(request, interval)
        return tap

    def open(self, stage: str, when: str, limit: int, interval: float, duration: float | None) -> Tapped:
        """``limit``: so many events, 0: without an end. TailraceError: there is no such stage, or the expression is
        wrong."""
        if len(when) > LONGEST_WHEN:
            raise TailraceError(f"when: the expression is longer than {LONGEST_WHEN:,} characters")
        if when:
            try:
                condition(when)
            except ValueError as error:
                raise TailraceError(f"when: {error}") from error
        tap = self._requests.call(lambda: self._add(stage, when, max(interval, SHORTEST)))
        return Tapped(tap, limit, None if duration is None else monotonic() + duration)


def in_bounds(seconds: float) -> float:
    """What a tap may be asked for. ValueError: it is too short or too long."""
    if not 0.01 <= seconds <= 365 * 86400:
        raise ValueError("expected from 10ms to a year")
    return seconds


class Tapped:
    """Lines of JSON for one who looks: events with the stage behind which they were, and how many were left out;
    ``""`` now and then. Whoever has it must ``close`` it."""

    def __init__(self, tap: _Tap, limit: int, until: float | None) -> None:
        self._tap, self._limit, self._until = tap, limit, until
        self._count = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        left = inf if self._until is None else self._until - monotonic()
        if left <= 0 or (self._limit and self._count >= self._limit):
            raise StopIteration
        try:
            text, is_event = self._tap.take(min(HEARTBEAT, left))
        except Empty:
            return ""
        except EOFError:
            raise StopIteration from None
        self._count += is_event
        return text

    def close(self) -> None:
        self._tap.closed.set()
