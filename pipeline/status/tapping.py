"""Those who look at events on their way: what the workers sample is shared out among them, and never waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from tailrace.pipeline.chain.steps import condition
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status.requests import Requests
from tailrace.pipeline.work.asked import Area, Request

PER_INTERVAL = 100  # events
MOST_TAPS = 8
MOST_WAITING = 1000  # events that a reader has not taken
HEARTBEAT = 1.0  # seconds: to notice that a reader has gone


class _Tap:
    def __init__(self, request: Request, interval: float) -> None:
        self.request, self.interval = request, interval
        self.waiting: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.left = 0  # out, since it was last told
        self.taken = 0  # in this interval
        self.until = 0.0  # when the interval ends
        self.closed = threading.Event()

    def give(self, sampled: dict[str, Any], stage: str) -> None:
        self.left += sampled["left"]
        for one in sampled["events"]:
            if self.taken >= PER_INTERVAL or self.waiting.qsize() >= MOST_WAITING:
                self.left += 1
                continue
            self.taken += 1
            self.waiting.put({"stage": stage, **one})


class Taps:
    """``open`` from any thread; all else is the engine's."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._area: Area | None = None
        self._labels: Sequence[str] = ()
        self._taps: dict[int, _Tap] = {}
        self._version = self._numbers = 0
        self._asked: list[int] = []

    def attach(self, area: Area, labels: Sequence[str]) -> None:
        """Of the run that begins."""
        self._area, self._labels, self._asked = area, labels, []

    def tick(self, now: float) -> None:
        """Ask for events of those who have not had enough in their interval."""
        if not self._taps:
            return
        for number, tap in list(self._taps.items()):
            if tap.closed.is_set():
                del self._taps[number]
            elif now >= tap.until:
                if tap.left:
                    tap.waiting.put({"dropped": tap.left})
                tap.taken, tap.left, tap.until = 0, 0, now + tap.interval
        asking = [number for number, tap in self._taps.items() if tap.taken < PER_INTERVAL]
        if asking != self._asked and self._area is not None:
            self._asked = asking
            self._version += 1
            self._area.ask(self._version if asking else 0, [self._taps[number].request for number in asking])

    def sampled(self, some: Sequence[dict[str, Any]]) -> None:
        for one in some:
            tap = self._taps.get(one["tap"])
            if tap is not None:
                tap.give(one, tap.request.stage)

    def _add(self, stage: str, when: str, interval: float) -> _Tap:
        if stage and stage not in self._labels:
            raise TailraceError(f"there is no stage {stage!r} in the chain (there are: {', '.join(self._labels)})")
        if len(self._taps) >= MOST_TAPS:
            raise TailraceError(f"{MOST_TAPS} are looking already")
        self._numbers += 1
        tap = self._taps[self._numbers] = _Tap(Request(self._numbers, stage, when), interval)
        return tap

    def open(self, stage: str, when: str, limit: int, interval: float, duration: float | None) -> Iterator[Any]:
        """Events with the stage behind which they were, and how many were left out; None now and then. ``limit``: so
        many events, 0: without an end. TailraceError: there is no such stage, or the expression is wrong."""
        if when:
            try:
                condition(when)
            except ValueError as error:
                raise TailraceError(f"when: {error}") from error
        if len(when) > 4000:
            raise TailraceError("when: the expression is longer than 4,000 characters")
        tap = self._requests.call(lambda: self._add(stage, when, interval))
        return _events(tap, limit, None if duration is None else monotonic() + duration)


def _events(tap: _Tap, limit: int, until: float | None) -> Iterator[Any]:
    count = 0
    try:
        while until is None or monotonic() < until:
            wait = HEARTBEAT if until is None else max(0.0, min(HEARTBEAT, until - monotonic()))
            try:
                one = tap.waiting.get(timeout=wait)
            except Empty:
                yield None
                continue
            yield one
            count += "event" in one
            if limit and count >= limit:
                return
    finally:
        tap.closed.set()
