"""Lives of a daemon that is killed at one operation after the other, each time in a directory of its own: what comes of
it must be what comes of one that is left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tailrace.pipeline.settings import Config

from .scenario import live

Run = Callable[[Config], Config]
"""What happens before a life; the configuration of that."""


def swept(
    home: Path,
    make: Callable[[Path], Config],
    runs: Sequence[Run],
    result: Callable[[Config], Any],
    every: int,
    *,
    killed_in: Sequence[int] = (),
    redriving: Sequence[int] = (),
) -> tuple[Any, int]:
    """What comes of it, which is always the same, and how often it was killed: at every so manieth operation, and at
    half of that as it recovers. ``killed_in``: only in these runs; ``redriving``: in these, dead letters are sent again
    and nothing is read."""
    config = make(home / "whole")
    counts = []
    for number, run in enumerate(runs):
        count = live(run(config), redrive=number in redriving)
        counts.append(count if count and (number in killed_in or not killed_in) else 0)
    expected = result(config)
    kills = 0
    for at in range(1, max(counts), every):
        config = make(home / f"killed-{at}")
        for number, run in enumerate(runs):
            its_own = run(config)
            for operation in (
                (at, at // 2, 0) if counts[number] else (0,)
            ):  # as it works, as it recovers, and not at all
                kills += live(its_own, operation, redrive=number in redriving) is None
        assert result(config) == expected, at
    return expected, kills
