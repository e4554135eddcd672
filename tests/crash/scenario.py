"""A story in four runs: lines are appended, files rotated by rename, by copy and truncate, and by delete and create.

Two sinks, one of them with a template; every line of a generation knows its name, so that an output of one generation
can be compared byte by byte. Every 13th line is broken: a dead letter.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from tailrace.pipeline.config.load import load
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.settings import Config

from ..engine.engine_kit import Log
from ..life import Say, fork, run_to_end
from ..waiting import until
from .power import Fault, Mode, Unsynced
from .remains import gone

CONFIG = """
[pipeline]
state_dir = "var/state"
workers = {workers}
[source]
use = "tail"
paths = ["logs/*.log*"]
[[stages]]
use = "parse.json"
[[stages]]
use = "enrich.origin"
host = ""
path = ""
[[stages]]
use = "enrich.filter"
drop = "n % 10 == 3"
[[stages]]
use = "write.file"
path = "out/all.ndjson"
[[stages]]
use = "write.file"
path = "out/by/{gen}/{source}.ndjson"
"""
CHUNK, COMMIT = 8 << 10, 7 << 10  # bytes: so small that each run makes several commits


def lines(generation: str, start: int, stop: int) -> bytes:
    return b"".join(
        b'{"gen":"%s","n":%d,"pad":"%s"}\n' % (generation.encode(), n, b"x" * (60 + n % 40))
        if n % 13
        else b"broken %d\n" % n
        for n in range(start, stop)
    )


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def first(logs: Path) -> None:
    append(logs / "app.log", lines("g1", 1, 150) + b'{"gen":"g1",')
    append(logs / "other.log", lines("o1", 1, 90))


def renamed(logs: Path) -> None:
    append(logs / "app.log", b'"n":150}\n' + lines("g1", 151, 200))
    (logs / "app.log").rename(logs / "app.log.1")
    append(logs / "app.log", lines("g2", 1, 120))


def copied_and_truncated(logs: Path) -> None:
    append(logs / "app.log", lines("g2", 120, 180))
    shutil.copyfile(logs / "app.log", logs / "app.log.2")
    os.truncate(logs / "app.log", 0)
    append(logs / "app.log", lines("g3", 1, 60))
    append(logs / "other.log", lines("o1", 90, 130))


def deleted_and_created(logs: Path) -> None:
    append(logs / "app.log", lines("g3", 60, 100))
    (logs / "app.log.1").unlink()
    (logs / "other.log").unlink()
    append(logs / "other.log", lines("o2", 1, 100))


RUNS: tuple[Callable[[Path], None], ...] = (first, renamed, copied_and_truncated, deleted_and_created)


class FailedError(Exception):
    """A life that ended by itself, and badly."""


def configuration(home: Path, workers: int, text: str = CONFIG) -> Config:
    """Written and loaded; with smaller chunks than a configuration may ask for."""
    (home / "logs").mkdir(parents=True)
    (home / "config.toml").write_text(text.replace("{workers}", str(workers)))
    config = load(home / "config.toml")
    return replace(
        config,
        pipeline=replace(config.pipeline, chunk_bytes=CHUNK, commit_bytes=COMMIT, commit_interval=3600.0),
        source=replace(config.source, max_line_bytes=1 << 10),
    )


def live(
    config: Config, at: int = 0, mode: Mode = "kill", seed: int = 0, only: str = "", *, redrive: bool = False
) -> int | None:
    """One life of the daemon in a process of its own: the operations it did, or None when it was killed at ``at``, see
    ``Fault``. ``redrive``: it sends all dead letters again, and reads nothing.

    Its workers and the ring are gone on return.
    """
    home = config.directory

    def run(say: Say) -> None:
        fault = Fault(home, at, mode, seed, only)
        fault.install()

        def tell(engine: Engine) -> None:
            say(os.fstat(engine._dispatch._ring.fd).st_ino)  # a test may look

        outcome = run_to_end(config, Log(), tell, redrive=redrive)
        fault.unsynced.save(home)
        say(fault.count)
        if not outcome.complete:
            raise FailedError(outcome.message)

    life = fork(run)
    said = [int(line) for line in life.said]
    if config.pipeline.workers:
        until(lambda: gone(life.process, said[:1]), "the workers and the ring are gone")
    if life.code == -signal.SIGKILL:
        return None
    if life.code:
        raise FailedError("the daemon failed: see above")
    return said[1]


def place_of_death(home: Path) -> str:
    """What the killed daemon was about to do: the operation, and to what; all outputs are one thing."""
    operation, path = (home / "killed").read_text().split(" ", 1)
    where = os.path.relpath(path, home)
    if where.startswith("var/state"):
        return f"{operation} {os.path.basename(where)}"
    return f"{operation} {'output' if where.startswith('out') else 'a directory above'}"


def result(home: Path) -> dict[str, Any]:
    """All that a crash must not change. Each state has an id of its own; it is left out."""
    found: dict[str, Any] = {}
    with closing(sqlite3.connect(f"file:{home}/var/state/tailrace.sqlite?mode=ro", uri=True)) as db:
        ((state,),) = db.execute("SELECT value FROM meta WHERE key = 'state'").fetchall()
    for path in sorted((home / "out").rglob("*.ndjson")):
        found[os.fspath(path.relative_to(home))] = path.read_bytes().replace(f'"{state}-'.encode(), b'"')
    by_generation: defaultdict[str, list[bytes]] = defaultdict(list)
    for line in found.pop("out/all.ndjson", b"").splitlines(keepends=True):  # files take turns, otherwise each time
        generation = re.match(rb'{"gen":"(\w+)"', line)
        by_generation[generation[1].decode() if generation else "torn"].append(line)
    found |= {f"all: {name}": b"".join(some) for name, some in by_generation.items()}
    with closing(sqlite3.connect(f"file:{home}/var/state/tailrace.sqlite?mode=ro", uri=True)) as db:
        here = f"replace(event_id, '{state}-', '')"
        columns = f"stage, error, why, attempts, file, offset, length, {here}, raw, event, config"
        found["dead letters"] = sorted(db.execute(f"SELECT {columns} FROM dead_letters").fetchall(), key=repr)  # noqa: S608
        found["files"] = db.execute("SELECT file_id, name, offset, size FROM files ORDER BY file_id").fetchall()
        counted = "SELECT * FROM counters WHERE name IN ('lines_read', 'bytes_read', 'events_written', 'dead_letters')"
        found["counters"] = sorted(db.execute(counted).fetchall())
    return found


def lose_what_is_not_synced(home: Path, chance: random.Random) -> None:
    """The power is cut after a run has ended."""
    unsynced = Unsynced.load(home)
    unsynced.lose(chance)
    unsynced.save(home)
