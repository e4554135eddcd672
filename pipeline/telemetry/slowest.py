"""The batches of the last ten minutes that took longest."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from tailrace.pipeline.telemetry.snapshot import BatchState

KEPT = 20
MINUTES = 10


class Slowest:
    """Some for each minute, so that one that was slow long ago makes room."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, list[tuple[float, int, BatchState]]]] = deque(maxlen=MINUTES)
        self._number = 0

    def add(self, batch: BatchState) -> None:
        minute = int(batch.end // 60)
        if not self._minutes or self._minutes[-1][0] != minute:  # a clock may also be set back
            self._minutes.append((minute, []))
        heap = self._minutes[-1][1]
        self._number += 1  # batches are not compared
        entry = (batch.end - batch.start, self._number, batch)
        if len(heap) < KEPT:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            heapq.heapreplace(heap, entry)

    def of(self, now: float) -> tuple[BatchState, ...]:
        """The slowest first. ``now``: seconds since the epoch."""
        return slowest_of((batch for _, heap in self._minutes for _, _, batch in heap), now)


def slowest_of(batches: Iterable[BatchState], now: float) -> tuple[BatchState, ...]:
    """Of these, those that ended in the last ten minutes."""
    recent = [one for one in batches if now - 60 * MINUTES < one.end < now + 60]
    return tuple(heapq.nlargest(KEPT, recent, key=lambda one: one.end - one.start))
