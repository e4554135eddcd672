"""Kills at every durable operation, one after the other: ``python -m tests.crash``; exits 1 when it finds a difference.

Each round takes one directory through the whole story. In every run of it the daemon is killed at the round's
operation, then perhaps again soon after its restart, and then left alone; what came out must be what came out when
nothing was killed. With workers the operations have no fixed order, so the same round may kill elsewhere the next time;
what must come out is the same.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import monotonic
from typing import Any

from tailrace.pipeline.settings import Config

from .power import MODES, Mode
from .scenario import RUNS, FailedError, configuration, live, lose_what_is_not_synced, place_of_death, result

AGAIN = 0.6  # how often the restart is killed, too
SOON = 25  # operations after a restart
RECOVERY = 24  # operations of a restart: it cuts and removes outputs, and begins to write
STEP = 6  # each so manieth first kill is combined with a second at every operation of the recovery
WORKERS = {"inline": 0, "workers": 2, "recovery": 0}  # of each part


@dataclass(slots=True, frozen=True)
class Round:
    """Where to kill: every run at ``at``, its restart at ``again`` (0: perhaps, and where chance will have it)."""

    at: int
    mode: Mode
    seed: int
    again: int = 0

    def __str__(self) -> str:
        again = f" and {self.again} of the restart" if self.again else ""
        return f"{self.mode} at operation {self.at}{again}, seed {self.seed}"

    def restarts(self, chance: random.Random) -> Iterator[int]:
        """At which operation each restart is killed; 0: it is left alone."""
        if self.again:
            yield self.again
        else:
            while chance.random() < AGAIN:
                yield chance.randint(1, SOON)
        yield 0


class Rehearsal:
    """The story without a crash, and rounds that are compared with it."""

    def __init__(self, directory: Path, workers: int = 0) -> None:
        self._directory, self._workers = directory, workers
        self.kills: Counter[Mode] = Counter()
        self.places: Counter[str] = Counter()  # what was being done to what, when it was killed
        self.differences: list[str] = []
        self.expected: list[dict[str, Any]] = []
        self.operations = [0 for _ in RUNS]
        config = configuration(directory / "quiet", workers)
        for index, run in enumerate(RUNS):
            run(config.directory / "logs")
            self.operations[index] = live(config) or 0
            self.expected.append(result(config.directory))

    def round(self, one: Round) -> None:
        """Kill every run, where it has so many operations, and compare."""
        chance = random.Random(one.seed)  # noqa: S311  (no secret)
        home = self._directory / "killed"
        shutil.rmtree(home, ignore_errors=True)
        config = configuration(home, self._workers)
        for run, expected in zip(RUNS, self.expected, strict=True):
            run(home / "logs")
            where = f"{run.__name__}: {one}"
            try:
                mode = self._kill_until_done(config, one, chance)
                if mode == "power":
                    lose_what_is_not_synced(home, chance)
                found = result(home)
            except (
                FailedError,
                AssertionError,
                sqlite3.Error,
            ) as error:  # the last: a lost state
                self.differences.append(f"{where}: {error}")
                return
            self._compare(found, expected, where)

    def _kill_until_done(self, config: Config, one: Round, chance: random.Random) -> Mode:
        """Killed, perhaps killed again soon after each restart, and at last left alone; the mode of the first kill."""
        at, mode, restarts = one.at, one.mode, one.restarts(chance)
        while live(config, at, mode, chance.getrandbits(32)) is None:
            self.kills[mode] += 1
            self.places[place_of_death(config.directory)] += 1
            at, mode = next(restarts), chance.choice(MODES)
        return one.mode

    def _compare(self, found: dict[str, Any], expected: dict[str, Any], where: str) -> None:
        names = sorted(found.keys() | expected.keys())
        different = [name for name in names if found.get(name) != expected.get(name)]
        if different:
            self.differences.append(f"{where}: {', '.join(different)}")


def rounds(part: str, longest: int, every: int, seed: int) -> Iterator[Round]:
    """Every operation, in every mode or, with workers, in one; in recovery a grid of two kills. Of these each
    ``every``-th."""
    at_all = range(1, longest + 1)
    match part:
        case "recovery":
            grid = product(at_all[::STEP], range(1, RECOVERY + 1))
            all_of_them = [(at, MODES[(at // STEP + again) % len(MODES)], again) for at, again in grid]
        case "workers":  # these lives are long; and what the modes do to a disk does not depend on workers
            all_of_them = [(at, MODES[(at + seed) % len(MODES)], 0) for at in at_all]
        case _:
            all_of_them = [(at, mode, 0) for at, mode in product(at_all, MODES)]
    for number, (at, mode, again) in enumerate(all_of_them, seed + 1):
        if number % every == 0:
            yield Round(at, mode, number, again)


def rehearse(part: str, directory: Path, every: int, seed: int) -> bool:
    """Whether all came out as it must; prints what was done."""
    started = monotonic()
    rehearsal = Rehearsal(directory, WORKERS[part])
    for one in rounds(part, max(rehearsal.operations) + 5, every, seed):
        rehearsal.round(one)
    kills, places = rehearsal.kills, rehearsal.places
    print(f"{part}, {monotonic() - started:.0f} s")
    print(f"operations: {rehearsal.operations}")
    print(f"kills: {kills.total()} ({', '.join(f'{mode} {kills[mode]}' for mode in MODES)})")
    print(f"killed at: {', '.join(f'{place} {places[place]}' for place in sorted(places))}")
    print(f"differences: {len(rehearsal.differences)}", *rehearsal.differences, sep="\n  ", flush=True)
    return not rehearsal.differences


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.crash", description=__doc__)
    parser.add_argument("--part", choices=WORKERS, help="only this one (default: all)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th round (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="other halves, losses and second kills")
    parser.add_argument("--directory", help="where to work; default: memory, for what is lost is decided here")
    asked = parser.parse_args(arguments)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  (only its parent)
    well = True
    for part in [asked.part] if asked.part else WORKERS:
        with tempfile.TemporaryDirectory(dir=asked.directory or memory) as directory:
            well &= rehearse(part, Path(directory), asked.every, asked.seed)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
