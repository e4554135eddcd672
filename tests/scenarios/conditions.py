"""Conditions that meet: how a file is rotated, how the daemon is crashed, what its sink meets, how it is restarted and
where the reader stands; all their combinations, and few that hold every pair."""

from __future__ import annotations

import itertools
import random
from dataclasses import astuple, dataclass, fields
from typing import Literal

Rotation = Literal["none", "rename", "rename and gzip", "copytruncate", "delete and create", "switch a link"]
Crash = Literal["none", "SIGTERM", "kill daemon", "kill worker"]
Sink = Literal["ok", "blocked", "errors", "full"]
Restart = Literal["none", "at once", "after more rotation", "changed configuration"]
Reader = Literal["line end", "half line"]


@dataclass(frozen=True)
class Combination:
    rotation: Rotation
    crash: Crash
    sink: Sink
    restart: Restart
    reader: Reader

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {value}" for field, value in zip(fields(self), astuple(self), strict=True))


VALUES: tuple[tuple[str, ...], ...] = (
    ("none", "rename", "rename and gzip", "copytruncate", "delete and create", "switch a link"),
    ("none", "SIGTERM", "kill daemon", "kill worker"),
    ("ok", "blocked", "errors", "full"),
    ("none", "at once", "after more rotation", "changed configuration"),
    ("line end", "half line"),
)


def product() -> list[Combination]:
    return [Combination(*values) for values in itertools.product(*VALUES)]  # type: ignore[arg-type]  # checked there


def pairwise(seed: int = 0) -> list[Combination]:
    """Few combinations in which any two values of any two conditions meet: the one with most new pairs, and again."""
    everything = product()
    random.Random(seed).shuffle(everything)  # noqa: S311  (no secret)
    left = set().union(*map(pairs, everything))
    chosen = []
    while left:
        best = max(everything, key=lambda one: len(pairs(one) & left))
        left -= pairs(best)
        chosen.append(best)
    return chosen


def pairs(one: Combination) -> set[tuple[tuple[int, str], ...]]:
    return set(itertools.combinations(enumerate(astuple(one)), 2))
