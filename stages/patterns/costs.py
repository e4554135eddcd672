"""What each of several patterns costs: measured a whole piece at a time."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter


class Costs:
    """Seconds and matches by pattern since they were last taken."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._costs = dict.fromkeys(patterns, (0.0, 0))
        self._since = 0.0

    def begin(self) -> None:
        """From now on a pattern is at work."""
        self._since = perf_counter()

    def end(self, pattern: str, matches: int) -> None:
        """It was this one."""
        seconds, count = self._costs[pattern]
        self._costs[pattern] = seconds + perf_counter() - self._since, count + matches

    def take(self) -> dict[str, tuple[float, int]]:
        """Of those that were at work."""
        taken = {pattern: cost for pattern, cost in self._costs.items() if cost[0]}
        self._costs.update(dict.fromkeys(taken, (0.0, 0)))
        return taken
