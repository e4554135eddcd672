"""How often a value was not above each of a row of bounds: seconds, as Prometheus counts them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS = (
    0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0,
    30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 450.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0,
)  # fmt: skip
"""Each at most twice the one before (but for the first and the last), so that a quantile is told by no more than
about a half too much or too little."""


@dataclass(slots=True)
class Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))  # the last: above all bounds
    sum: float = 0.0
    count: int = 0
    largest: float = 0.0  # of all values that were ever added, also those of ``since`` before

    def add(self, value: float, weight: int = 1) -> None:
        self.counts[bisect_left(BOUNDS, value)] += weight
        self.sum += value * weight
        self.count += weight
        self.largest = max(self.largest, value)

    def copy(self) -> Histogram:
        return Histogram(self.counts.copy(), self.sum, self.count, self.largest)

    def __add__(self, other: Histogram) -> Histogram:
        counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        return Histogram(counts, self.sum + other.sum, self.count + other.count, max(self.largest, other.largest))

    def since(self, before: Histogram) -> Histogram:
        """What was added since then."""
        counts = [now - then for now, then in zip(self.counts, before.counts, strict=True)]
        return Histogram(counts, self.sum - before.sum, self.count - before.count, self.largest)

    def quantile(self, share: float) -> float | None:
        """About the value that this share of all is not above, as if those between two bounds were evenly spread; None:
        there are none."""
        if self.count <= 0:
            return None
        rank, below = share * self.count, 0
        for index, count in enumerate(self.counts):
            if count and below + count >= rank:
                if index == len(BOUNDS):
                    break
                low = BOUNDS[index - 1] if index else 0.0
                return min(low + (BOUNDS[index] - low) * (rank - below) / count, max(self.largest, low))
            below += count
        return BOUNDS[-1]
