"""High-water marks of a soak: what the daemon takes must not grow with the time that it runs."""

from __future__ import annotations

from collections.abc import Mapping

FEWEST = 8  # samples; fewer say nothing
MIB = 1 << 20
SLACK = {  # what a second half may need beyond the first, besides half as much again
    "PSS (MiB)": 16,
    "descriptors": 30,
    "threads": 8,
    "rows": 60,
    "write-ahead log (MiB)": 4,
    "shared memory segments": 0,
}


class HighWater:
    """Samples of a running daemon, in the order they were taken."""

    def __init__(self) -> None:
        self._samples: list[Mapping[str, int]] = []

    def add(self, sample: Mapping[str, int]) -> None:
        self._samples.append(sample)

    def __str__(self) -> str:
        return ", ".join(f"{name} {self._peak(name, self._samples)}" for name in SLACK)

    def growing(self) -> list[str]:
        """What took more in the second half of the time than in the first, and how much."""
        middle = len(self._samples) // 2
        if middle < FEWEST:
            return []
        found = []
        for name, slack in SLACK.items():
            first, second = (self._peak(name, half) for half in (self._samples[:middle], self._samples[middle:]))
            if second > first * 1.5 + slack:
                found.append(f"{name}: at most {first} in the first half, {second} in the second")
        return found

    @staticmethod
    def _peak(name: str, samples: list[Mapping[str, int]]) -> int:
        return max((sample[name] for sample in samples), default=0)
