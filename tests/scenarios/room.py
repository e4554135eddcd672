"""A disk with room for so many bytes: ``python -m tests.scenarios.room`` tries many numbers; exits 1 at a difference.

In turn, only the outputs find so much room, or no file of all (state, its log, outputs) may grow beyond it. Then there
is room again, while the daemon waits for it or after it was stopped. What came out must be what comes out of a disk
with room for all.
"""

from __future__ import annotations

import argparse
import errno
import os
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from tailrace.pipeline import disk
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.settings import Config
from tailrace.pipeline.work.ring import Geometry, Ring

from ..crash.scenario import RUNS, configuration, result
from ..engine.engine_kit import Log
from ..inside import adjust
from ..life import fork, run_to_end

Limit = Literal["outputs", "every file"]
Then = Literal["freed", "stopped"]
PATIENCE = 3  # complaints of the daemon until there is room, or it is stopped
STORY = RUNS[:2]
ENOUGH = 1 << 30


class Room(Log):
    """Hears the daemon complain, and has pity with it: makes room, or stops it."""

    def __init__(self, out: Path, limit: Limit, size: int, then: Then) -> None:
        super().__init__()
        self._out, self._limit, self._size, self.then = out, limit, size, then
        self.engine: Engine | None = None
        self.complaints = 0

    def install(self) -> None:
        adjust(setattr, first_backoff=0.002, longest_backoff=0.005, first_rewind=0.002, longest_rewind=0.002)
        if self._limit == "every file":
            self._create_ring = Ring.create
            Ring.create = self.create_ring  # type: ignore[method-assign]  # memory, but a file for the limit
            limit_files(self._size)
            return
        self._size += self._used()
        self._write = disk.write
        disk.write, disk.before = self.write, self.before

    def create_ring(self, shape: Geometry) -> Ring:
        limit_files(ENOUGH)
        ring = self._create_ring(shape)
        limit_files(self._size)
        return ring

    def _used(self) -> int:
        return sum(path.stat().st_size for path in self._out.rglob("*") if path.is_file())

    def before(self, operation: str, path: str) -> None:
        if operation in ("create", "mkdir") and path.startswith(str(self._out)) and self._used() >= self._size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def write(self, descriptor: int, data: memoryview, offset: int, path: str) -> int:
        if path.startswith(str(self._out)):
            data = data[: max(0, self._size - self._used())]
            if not data:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return self._write(descriptor, data, offset, path)

    def warning(self, event: str, /, **fields: Any) -> None:
        super().warning(event, **fields)
        self._hear(event)

    def error(self, event: str, /, **fields: Any) -> None:
        super().error(event, **fields)
        self._hear(event)

    def _hear(self, event: str) -> None:
        if event not in ("sink.retry", "pipeline.rewind"):
            return
        self.complaints += 1
        if self.complaints == PATIENCE:
            if self.then == "stopped" and self.engine is not None:
                self.engine.stop()
            elif self._limit == "outputs":
                self._size = ENOUGH
            else:
                limit_files(ENOUGH)


def limit_files(size: int) -> None:
    """The interpreter ignores the signal that comes with it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def live(config: Config, room: Room | None) -> str:
    """One life of the daemon in a process of its own: "done" when nothing stood in its way, "waited" when it complained
    first, "stopped" when not all was done at its end, "refused" when it could not even start."""
    life = fork(lambda say: say(_live(config, room)))
    return life.said[0] if life.said else "failed"


def _live(config: Config, room: Room | None) -> str:
    if room is not None:
        room.install()

    def know(engine: Engine) -> None:
        if room is not None:
            room.engine = engine

    try:
        outcome = run_to_end(config, room or Log(), know)
    except StateError:
        return "refused"
    if room is None or not room.complaints:
        return "done" if outcome.complete else "failed"
    if not outcome.complete or room.then == "stopped":
        return "stopped"
    return "waited"


class Comparison:
    """The story on a disk with room for all, and on others."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.words: Counter[str] = Counter()
        self.differences: list[str] = []
        self.expected: list[dict[str, Any]] = []
        config = self._config("quiet")
        for run in STORY:
            run(config.directory / "logs")
            assert live(config, None) == "done"
            self.expected.append(result(config.directory))
        self.size = max(path.stat().st_size for path in config.directory.rglob("*") if path.is_file())

    def _config(self, name: str) -> Config:
        shutil.rmtree(self._directory / name, ignore_errors=True)
        config = configuration(self._directory / name, workers=0)
        return replace(config, pipeline=replace(config.pipeline, shutdown_timeout=0.05))

    def run(self, limit: Limit, size: int, then: Then) -> None:
        config = self._config("full")
        for run, expected in zip(STORY, self.expected, strict=True):
            run(config.directory / "logs")
            word = live(config, Room(config.directory / "out", limit, size, then))
            self.words[f"{limit}: {word}"] += 1
            if word in ("stopped", "refused"):
                word = live(config, None)
            where = f"{run.__name__}, {limit} with room for {size} bytes, then {then}"
            if word not in ("done", "waited"):
                self.differences.append(f"{where}: {word}")
                return
            found = result(config.directory)
            different = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
            if different:
                self.differences.append(f"{where}: {', '.join(sorted(different))}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.scenarios.room", description="Disks with little room.")
    parser.add_argument(
        "--every", type=int, default=37, metavar="N", help="only each N-th number of bytes (default 37)"
    )
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="BYTES", help="begin there (default 0)")
    asked = parser.parse_args(arguments)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  (only its parent)
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        comparison = Comparison(Path(directory))
        for number, size in enumerate(range(asked.first, comparison.size, asked.every)):
            for limit in ("outputs", "every file"):
                comparison.run(limit, size, "stopped" if number % 2 else "freed")
    for word, count in sorted(comparison.words.items()):
        print(f"{count:6} {word}")
    print(f"differences: {len(comparison.differences)}", *comparison.differences, sep="\n  ")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
