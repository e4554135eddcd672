"""Killed at any operation that changes something durable, a stage that remembers goes on with what was committed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.settings import Config

from .scenario import append, configuration
from .sweep import Run, swept

pytestmark = pytest.mark.timeout(300)  # some dozens of processes

CONFIG = """
[pipeline]
state_dir = "var/state"
workers = {workers}
[source]
paths = ["logs/*.log"]
[[stages]]
use = "parse.json"
[[stages]]
use = "enrich.dedupe"
fields = ["key"]
window = "300s"
max_keys = 40
[[stages]]
use = "write.file"
path = "out/all.ndjson"
"""


def lines(start: int, stop: int) -> bytes:
    """Of many keys, most come again within the window; some are forgotten before; every 17th line is broken."""
    return b"".join(
        b'{"timestamp":%d,"n":%d,"key":"key %d","pad":"%s"}\n' % (1_767_225_600 + n, n, n * n % 97, b"x" * (n % 50))
        if n % 17
        else b"broken %d\n" % n
        for n in range(start, stop)
    )


RUNS = (lines(1, 500), lines(500, 900))


def result(config: Config) -> tuple[bytes, list[Any]]:
    """What was written, and what is remembered."""
    home = Path(config.directory)
    with closing(sqlite3.connect(f"file:{home}/var/state/tailrace.sqlite?mode=ro", uri=True)) as db:
        remembered = db.execute("SELECT stage, key, value FROM memory ORDER BY stage, key").fetchall()
    return (home / "out" / "all.ndjson").read_bytes(), remembered


def run(data: bytes) -> Run:
    def appended(config: Config) -> Config:
        append(Path(config.directory, "logs", "a.log"), data)
        return config

    return appended


@pytest.mark.parametrize(("workers", "every"), [(0, 16), (1, 24)])
def test_dedupe_drops_the_same_lines_whenever_it_is_killed(tmp_path: Path, workers: int, every: int) -> None:
    make = partial(configuration, workers=workers, text=CONFIG)
    (written, remembered), killed = swept(tmp_path, make, [*map(run, RUNS)], result, every)
    assert 100 < written.count(b"\n") < 500, "some are repeats, and not all"
    assert 10 < len(remembered) < 50, "some were forgotten"
    assert killed > 3
