"""``python -m tests.mutations [WORD...]``: plant each mutation (whose name has one of the words) and demand red tests.

All happens in private copies of the tree. Exit code 1: a mutation survived, or the list names code or tests that are
not there (any more).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

from .catalogue import MODELS, TREE, Mutation, mutations, outdated, table

LANES = 2  # mutations at a time, each lane in a copy of its own
TIME_LIMIT = 40.0  # seconds for the tests of one mutation; those that hang are as red as those that fail
TEST_LIMIT = 20  # seconds for one test
LEFT_OUT = (".*", "__pycache__", "*.egg-info", "build", "dist", "state", "out", "data")
FAILED = 1  # pytest's exit code; any other but 0 says that it could not run the tests
SEEDS = range(8)  # of hypothesis, one after the other until a test is red: random examples may pass a mutation by


def copy_tree(to: Path) -> None:
    """A private copy that is imported as the package: with its two directories linked into ``tailrace/``."""
    shutil.copytree(TREE, to, ignore=lambda folder, names: _left_out(Path(folder), names))
    for part in ("pipeline", "stages"):
        (to / "tailrace" / part).symlink_to(to / part)


def _left_out(folder: Path, names: list[str]) -> set[str]:
    ignored = shutil.ignore_patterns(*LEFT_OUT)(str(folder), names)
    return ignored if folder == TREE else ignored & {"__pycache__", "data"}


def run_tests(tree: Path, tests: Iterable[str], limit: float | None, seed: int = 0) -> tuple[int, str]:
    """pytest's exit code and the first test that failed. A run beyond ``limit`` is a failed one; without a limit, tests
    have the time that they have elsewhere."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["--hypothesis-profile=mutations", f"--hypothesis-seed={seed}", *tests]
    if limit is not None:
        command.append(f"--timeout={TEST_LIMIT}")
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    storage = tree / ".hypothesis"
    shutil.rmtree(storage, ignore_errors=True)  # each mutation is found anew
    environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(storage)
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return FAILED, f"(nothing within {limit:g} s)"
    lines = done.stdout.splitlines()
    failed = [line.split()[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return done.returncode, failed[0] if failed else (lines[-1] if lines else done.stderr[-200:])


def judge(one: Mutation, tree: Path) -> tuple[str, str]:
    """(verdict, the test that failed); the tree is as it was afterwards."""
    file, text = one.planted()
    before = (tree / file).read_bytes()
    (tree / file).write_text(text, encoding="utf-8")
    try:
        for seed in SEEDS if set(MODELS) & set(one.tests) else SEEDS[:1]:
            code, test = run_tests(tree, one.tests, TIME_LIMIT, seed)
            if code:
                break
    finally:
        (tree / file).write_bytes(before)
    if code == FAILED:
        return "caught", test
    return ("SURVIVED", "") if code == 0 else ("not run", test)


def run(chosen: Sequence[Mutation], minutes: float) -> int:
    """Those that there is time for."""
    end = monotonic() + 60 * minutes
    trees: SimpleQueue[Path] = SimpleQueue()

    def lane(one: Mutation) -> str:
        started = monotonic()
        if started >= end:
            return "no time left"
        tree = trees.get()
        try:
            verdict, test = judge(one, tree)
        finally:
            trees.put(tree)
        print(f"{verdict:9}  {one.name}  [{monotonic() - started:.1f} s]  {test}", flush=True)
        return verdict

    with tempfile.TemporaryDirectory(prefix="mutations-") as scratch:
        for number in range(LANES):
            copy_tree(Path(scratch) / str(number))
            trees.put(Path(scratch) / str(number))
        tests = sorted({test for one in chosen for test in one.tests})
        code, test = run_tests(Path(scratch) / "0", tests, None)
        if code:
            print(f"the tests fail without any mutation: {test}", file=sys.stderr)
            return 1
        with ThreadPoolExecutor(LANES) as lanes:
            verdicts = Counter(lanes.map(lane, chosen))
    tried = len(chosen) - verdicts["no time left"]
    print(f"{verdicts['caught']} of {tried} mutations caught, {len(chosen) - tried} not tried for want of time")
    return 0 if tried and verdicts["caught"] == tried else 1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.mutations", description="Plant small lies and demand red tests.")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only mutations whose name has one of these")
    parser.add_argument("--by", metavar="TEST", help="run this test in place of their own")
    parser.add_argument("--minutes", type=float, help="in an order by chance, as many as there is time for")
    parser.add_argument("--seed", type=int, default=0, help="another order for --minutes")
    parser.add_argument("--check", action="store_true", help="only see whether the list fits the code")
    parser.add_argument("--table", action="store_true", help="only print the list as Markdown")
    asked = parser.parse_args(arguments)
    if asked.table:
        print(table(), end="")
        return 0
    chosen = [one for one in mutations() if not asked.words or any(word in one.name for word in asked.words)]
    if not chosen:
        parser.error(f"no mutation's name has {' or '.join(asked.words)}")
    wrong = list(outdated(chosen))
    if wrong or asked.check:
        print(*wrong, f"{len(chosen)} mutations, {len(wrong)} things wrong with the list", sep="\n")
        return 1 if wrong else 0
    if asked.by:
        chosen = [replace(one, tests=(asked.by,)) for one in chosen]
    if asked.minutes is not None:
        random.Random(asked.seed).shuffle(chosen)  # noqa: S311  (no secret)
    return run(chosen, asked.minutes or float("inf"))


if __name__ == "__main__":
    sys.exit(main())
