"""What each sink was given and has not taken yet, and since when none of them has taken anything."""

from __future__ import annotations


class Owed:
    """Kept by the engine's thread; times are monotonic seconds."""

    def __init__(self, sinks: int) -> None:
        self._counts = [0] * sinks
        self._since: float | None = None  # the last time something was taken, or given where nothing was owed

    def give(self, sink: int, now: float) -> None:
        """A delivery, a barrier or a recovery."""
        if self._since is None:
            self._since = now
        self._counts[sink] += 1

    def take(self, sink: int, now: float) -> None:
        self._counts[sink] = max(0, self._counts[sink] - 1)  # (an answer may be from before a rewind)
        self._since = now if any(self._counts) else None

    def forget(self) -> None:
        """A rewind: what they were given is given up."""
        self._counts = [0] * len(self._counts)
        self._since = None

    def by(self, sink: int) -> int:
        """How much."""
        return self._counts[sink]

    def standing_still(self, now: float) -> float:
        """Seconds for which something was owed and nothing taken."""
        return 0.0 if self._since is None else now - self._since
