"""Runs all combinations of conditions (``conditions.py``), or some: ``python -m tests.scenarios.product``; exits 1 when
one of them loses, repeats or mixes up a line."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conditions import Combination, product
from .story import Story


def run(combination: Combination) -> str:
    """What went wrong, or nothing."""
    with tempfile.TemporaryDirectory() as home:
        try:
            Story(Path(home), combination).run()
        except (AssertionError, pytest.fail.Exception) as error:
            return str(error) or repr(error)
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m tests.scenarios.product", description="Runs combinations of conditions."
    )
    parser.add_argument("--part", default="1/1", help="only the first, second ... of so many parts: 2/4 (default 1/1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at a time (default: one a processor)")
    parser.add_argument("--only", default="", metavar="TEXT", help='only those with this in them: "rotation rename,"')
    asked = parser.parse_args(arguments)
    part, parts = map(int, asked.part.split("/"))
    everything = product()
    random.Random(0).shuffle(everything)  # noqa: S311  (no secret: each part has some of everything)
    chosen = [one for one in everything if asked.only in str(one)][part - 1 :: parts]
    started = time.monotonic()
    failed = list(_failures(chosen, asked.jobs))
    print(f"{len(chosen)} combinations, {len(failed)} failed, {time.monotonic() - started:.0f} s")
    return 1 if failed or not chosen else 0


def _failures(chosen: Sequence[Combination], jobs: int) -> Iterator[Combination]:
    with ThreadPoolExecutor(jobs) as pool:
        for one, trouble in zip(chosen, pool.map(run, chosen), strict=True):
            if trouble:
                print(f"FAILED {one}\n{trouble}\n", flush=True)
                yield one


if __name__ == "__main__":
    sys.exit(main())
