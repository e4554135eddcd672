"""Counters with labels. Written by the engine's one thread; read by commits, summaries and, later, the status page."""

from __future__ import annotations

from collections import defaultdict

Key = tuple[str, tuple[tuple[str, str], ...]]
"""(name, sorted label pairs)"""

PROCESS = frozenset(
    {
        "output_retries", "worker_restarts", "rewinds", "config_reloads", "dead_letters_dropped",
        "dead_letters_expired", "http_responses",
    }
)  # fmt: skip
"""Counters of what this process meets. What it met after its last commit is in no state: /metrics counts them from its
start, else they would go back by a little with the next one, which Prometheus takes for a beginning at nought."""

HAPPENED = PROCESS | {"bytes_unread", "bytes_found"}
"""Counters of what is so whether a commit covers it or not, and whatever is taken back: a rewind leaves them alone."""


class Counters:
    """Sums by name and labels. Values are ints (lines, bytes, events) or floats (seconds)."""

    def __init__(self) -> None:
        self.values: defaultdict[Key, float] = defaultdict(int)

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        self.values[name, tuple(sorted(labels.items()))] += amount

    def total(self, name: str, **labels: str) -> float:
        """The sum over all label sets of ``name`` that contain ``labels``."""
        wanted = set(labels.items())
        return sum(value for (key, pairs), value in self.values.items() if key == name and wanted <= set(pairs))

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The sums of ``name`` by the values of these labels."""
        sums: defaultdict[tuple[str, ...], float] = defaultdict(int)
        for (key, pairs), value in self.values.items():
            if key == name:
                known = dict(pairs)
                sums[tuple(known.get(label, "") for label in labels)] += value
        return dict(sums)


def bytes_unread(counters: Counters) -> dict[str, float]:
    """By reason, bytes that will never be read: those that were given up, less those that were found again."""
    found = counters.by("bytes_found", "reason")
    given_up = counters.by("bytes_unread", "reason")
    return {reason: size - found.get((reason,), 0) for (reason,), size in given_up.items()}
