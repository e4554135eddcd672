"""Killed at any operation that changes something durable while the configuration changes: a restart brings the rest.

The change takes a sink away and adds files to the source. What the sink that goes away has is a beginning of what it
has where nothing was killed, and all of it once the change is made.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
from collections import defaultdict
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.run.daemon import Daemon
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.run.reload import Reload
from tailrace.pipeline.settings import Config
from tailrace.pipeline.telemetry.counters import Counters

from ..engine.engine_kit import Log
from ..life import Say, fork
from .power import MODES, Fault, Mode
from .scenario import CONFIG, append, configuration, lines, live

pytestmark = pytest.mark.timeout(300)  # some dozens of processes

BEFORE = CONFIG.replace("logs/*.log*", "logs/app.log")
NOW = CONFIG[: CONFIG.rindex("[[stages]]")]
FIRST, MORE = lines("g1", 1, 150), lines("o1", 1, 90)
ALL = FIRST.count(b"\n") + MORE.count(b"\n")
EVERY = 3


def changed(home: Path) -> tuple[Config, Config]:
    """The configuration before, which reads app.log, and the one now, which reads the others as well."""
    before = configuration(home, 0, BEFORE)
    (home / "logs").rename(home / "away")
    now = configuration(home, 0, NOW)
    (home / "logs").rmdir()
    (home / "away").rename(home / "logs")
    append(home / "logs" / "app.log", FIRST)
    append(home / "logs" / "other.log", MORE)
    return before, now


def live_and_change(before: Config, now: Config, at: int, mode: Mode = "kill", seed: int = 0) -> list[int] | None:
    """One life in which the configuration changes when the first file is read: the operations it did until then, until
    it ran, and in all; None when it was killed."""

    def run(say: Say) -> None:
        fault = Fault(before.directory, at, mode, seed)
        fault.install()
        log, counters = Log(), Counters()
        reload = Reload(lambda: now, log, counters)
        asked = began = False
        engines: list[Engine] = []

        def turn(_now: float) -> None:
            nonlocal asked, began
            read = counters.total("lines_read")
            if not asked and read == FIRST.count(b"\n"):
                asked = True
                say(fault.count)
                reload.ask()
            if log.fields("config.reloaded") and not began:
                began = True
                say(fault.count)
            if began and read == ALL:
                daemon.stop()

        def configure(engine: Engine) -> None:
            engines.append(engine)

        daemon = Daemon(before, log=log, counters=counters, configure=configure, on_turn=turn, reload=reload)
        assert daemon.run().complete
        assert len(engines) == 2
        fault.unsynced.save(before.directory)
        say(fault.count)

    life = fork(run)
    if life.code == -signal.SIGKILL:
        return None
    assert life.code == 0, "see above"
    return [int(line) for line in life.said]


def result(home: Path) -> dict[str, Any]:
    """What a crash must not change."""
    by_generation: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for line in (home / "out" / "all.ndjson").read_bytes().splitlines(keepends=True):
        generation = re.match(rb'{"gen":"(\w+)"', line)
        assert generation, line
        by_generation[generation[1]].append(_without_state(line))
    with closing(sqlite3.connect(f"file:{home}/var/state/tailrace.sqlite?mode=ro", uri=True)) as db:
        letters = db.execute("SELECT stage, error, file, offset, length, raw FROM dead_letters").fetchall()
        files = db.execute("SELECT file_id, name, offset, size FROM files ORDER BY file_id").fetchall()
        sinks = db.execute("SELECT sink FROM sinks UNION SELECT sink FROM marks").fetchall()
    return {"all": dict(by_generation), "letters": sorted(letters), "files": files, "sinks": sinks}


def of_removed(home: Path) -> Path:
    """The file of the sink that goes away."""
    return home / "out" / "by" / "g1" / "app.log.ndjson"


def _without_state(lines: bytes) -> bytes:
    """Each state has an id of its own."""
    return re.sub(rb'"event_id":"\w+-', b'"event_id":"', lines)


def held(home: Path) -> int | None:
    """Bytes that the sink that goes away has committed; None: it has gone, or was never there."""
    if not (home / "var" / "state" / "tailrace.sqlite").exists():
        return None
    shutil.copytree(home / "var" / "state", home / "copy")  # looking at it would change what is beside it
    with closing(sqlite3.connect(home / "copy" / "tailrace.sqlite")) as db:
        marks = db.execute("SELECT mark FROM marks WHERE sink LIKE '%/by/%'").fetchall()
    return json.loads(marks[0][0])["length"] if marks else None


def removed(home: Path) -> bytes:
    """What the sink that goes away has written."""
    return _without_state(of_removed(home).read_bytes()) if of_removed(home).exists() else b""


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.long)])
def test_case_050_and_098_killed_while_the_configuration_changes(tmp_path: Path, every: int) -> None:
    whole = changed(tmp_path / "whole")
    counts = live_and_change(*whole, at=0)
    assert counts is not None
    asked, runs, in_all = counts
    assert asked + 10 < runs, "it commits, removes and opens in between"
    expected, of_the_removed = result(tmp_path / "whole"), removed(tmp_path / "whole")
    assert len(of_the_removed.splitlines()) > 100
    assert len(expected["sinks"]) == 1
    modes = cycle(MODES)
    places = set()
    for at in range(max(1, asked - 2), in_all + 1, every):
        home = tmp_path / str(at)
        before, now = changed(home)
        if live_and_change(before, now, at, next(modes), seed=at) is not None:
            assert at > in_all - 4, "the last ones are those of the end, whose number is chance"
            continue
        places.add((home / "killed").read_text().split()[0])
        committed = held(home)
        assert live(now) is not None, at
        assert result(home) == expected, at
        left = removed(home)
        assert of_the_removed.startswith(left), at
        size = of_removed(home).stat().st_size if of_removed(home).exists() else 0
        assert committed in (None, size), at
        if at > runs:
            assert left == of_the_removed, at
    assert places >= {"commit", "sync"}, places
