"""How far event time is: no stream that is at work has anything left from before it."""

from __future__ import annotations

from collections.abc import Collection
from math import inf

IDLE = 10.0  # seconds after which a stream of which nothing more is there holds up nobody


class Watermark:
    """Of one stage. Times of events are seconds since the epoch, ``now`` are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._heard: dict[int, float] = {}  # stream: when something of it was released last
        self._newest: dict[int, float] = {}  # stream: the time of its latest event; only those that have events here

    def hear(self, stream: int, newest: float | None, now: float) -> None:
        """Something of the stream was released; None: no event of it came to the stage."""
        self._heard[stream] = now
        if newest is not None:
            self._newest[stream] = max(newest, self._newest.get(stream, newest))

    @property
    def by_time(self) -> bool:
        return bool(self._newest)

    def at(self, behind: Collection[int], now: float, wall: float) -> float:
        """``behind``: streams of which there is more. Minus infinity while nothing is known of one of them; the clock
        on the wall (seconds since the epoch) when all that there is was read a while ago."""
        for stream in [one for one, when in self._heard.items() if now - when >= IDLE and one not in behind]:
            del self._heard[stream]
            self._newest.pop(stream, None)
        if any(stream not in self._heard for stream in behind):
            return -inf
        return min(self._newest.values(), default=wall)

    def forget(self) -> None:
        self._heard.clear()
        self._newest.clear()
