"""Kills at every durable operation, one after the other: ``python -m tests.crash``; exits 1 when it finds a difference.

Each round takes one directory through the whole story. In every run of it the daemon is killed at the round's
operation, then perhaps again soon after its restart, and then left alone; what came out must be what came out when
nothing was killed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.config.model import Config

from .power import MODES, Mode
from .scenario import RUNS, FailedError, configuration, live, lose_what_is_not_synced, result

AGAIN = 0.6  # how often the restart is killed, too
SOON = 25  # operations after a restart


class Rehearsal:
    """The story without a crash, and rounds that are compared with it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.kills: Counter[str] = Counter()
        self.differences: list[str] = []
        self.expected: list[dict[str, Any]] = []
        self.operations = [0 for _ in RUNS]
        config = configuration(directory / "quiet")
        for index, run in enumerate(RUNS):
            run(config.directory / "logs")
            self.operations[index] = live(config) or 0
            self.expected.append(result(config.directory))

    def round(self, at: int, mode: Mode, seed: int) -> None:
        """Kill every run at operation ``at``, where it has so many, and compare."""
        chance = random.Random(seed)  # noqa: S311  (no secret)
        home = self._directory / "killed"
        shutil.rmtree(home, ignore_errors=True)
        config = configuration(home)
        for run, expected in zip(RUNS, self.expected, strict=True):
            run(home / "logs")
            where = f"{run.__name__}: {mode} at operation {at}, seed {seed}"
            try:
                self._kill_until_done(config, at, mode, chance)
            except FailedError as error:
                self.differences.append(f"{where}: {error}")
                return
            if mode == "power":
                lose_what_is_not_synced(home, chance)
            self._compare(result(home), expected, where)

    def _kill_until_done(self, config: Config, at: int, mode: Mode, chance: random.Random) -> None:
        """Killed, perhaps killed again soon after each restart, and at last left alone."""
        while live(config, at, mode, chance.getrandbits(32)) is None:
            self.kills[mode] += 1
            at = chance.randint(1, SOON) if chance.random() < AGAIN else 0
            mode = chance.choice(MODES)

    def _compare(self, found: dict[str, Any], expected: dict[str, Any], where: str) -> None:
        names = sorted(found.keys() | expected.keys())
        different = [name for name in names if found.get(name) != expected.get(name)]
        if different:
            self.differences.append(f"{where}: {', '.join(different)}")


def rounds(longest: int, every: int, seed: int) -> Iterator[tuple[int, Mode, int]]:
    """(operation, mode, seed) of each round: every operation in every mode, or each ``every``-th of these."""
    number = seed
    for at in range(1, longest + 1):
        for mode in MODES:
            number += 1
            if number % every == 0:
                yield at, mode, number


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.crash", description=__doc__)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th round (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="other halves, losses and second kills")
    parser.add_argument("--directory", help="where to work; default: memory, for what is lost is decided here")
    asked = parser.parse_args(arguments)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  (only its parent)
    with tempfile.TemporaryDirectory(dir=asked.directory or memory) as directory:
        rehearsal = Rehearsal(Path(directory))
        for at, mode, seed in rounds(max(rehearsal.operations) + 5, asked.every, asked.seed):
            rehearsal.round(at, mode, seed)
    kills = rehearsal.kills
    print(f"operations: {rehearsal.operations}")
    print(f"kills: {kills.total()} ({', '.join(f'{mode} {kills[mode]}' for mode in MODES)})")
    print(f"differences: {len(rehearsal.differences)}", *rehearsal.differences, sep="\n  ")
    return 1 if rehearsal.differences else 0


if __name__ == "__main__":
    sys.exit(main())
