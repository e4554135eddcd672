"""What each of several patterns costs: measured a whole piece at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter


class Costs:
    """Seconds and matches by pattern since they were last taken."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._costs = dict.fromkeys(patterns, (0.0, 0))

    @contextmanager
    def of(self, pattern: str) -> Iterator[None]:
        """While the pattern is at work, however that ends: one that is stopped has cost most of all."""
        began = perf_counter()
        try:
            yield
        finally:
            seconds, matches = self._costs[pattern]
            self._costs[pattern] = seconds + perf_counter() - began, matches

    def matched(self, pattern: str, matches: int) -> None:
        seconds, before = self._costs[pattern]
        self._costs[pattern] = seconds, before + matches

    def take(self) -> dict[str, tuple[float, int]]:
        """Of those that were at work."""
        taken = {pattern: cost for pattern, cost in self._costs.items() if cost[0]}
        self._costs.update(dict.fromkeys(taken, (0.0, 0)))
        return taken
