"""Killed at any operation that changes something durable while dead letters are sent again, it comes out as if nothing
had happened: each event once in each sink, and what still fails is there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.config.load import load
from tailrace.pipeline.settings import Config
from tailrace.pipeline.state.file import read_counters
from tailrace.pipeline.telemetry.summary import balances

from .scenario import append, configuration
from .sweep import swept

pytestmark = pytest.mark.timeout(300)  # some dozens of processes

CONFIG = """
[pipeline]
state_dir = "var/state"
workers = {workers}
[source]
paths = ["logs/*.log"]
[[stages]]
use = "parse.json"
name = "parse"
[[stages]]
use = "write.file"
path = "out/first.ndjson"
[[stages]]
use = "enrich.dedupe"
fields = ["n"]
window = "1h"
[[stages]]
use = "enrich.set"
name = "set"
expr = { x = "int(y)" }
[[stages]]
use = "write.file"
path = "out/second.ndjson"
"""
MENDED = CONFIG.replace("parse.json", "mend:Mend").replace("int(y)", "y if n % 30 else int(y)")


def lines(stop: int) -> bytes:
    """Some are no JSON, and of some a stage in the middle can make nothing; of a few it never can."""
    return b"".join(
        b'{"n":%d,"y":"%s","pad":"%s"}\n' % (n, b"no" if n % 5 == 0 else b"1", b"x" * (n % 90)) if n % 7 else
        b"broken %d\n" % n
        for n in range(1, stop)
    )  # fmt: skip


def read(config: Config) -> Config:
    append(Path(config.directory, "logs", "a.log"), lines(700))
    return config


def mended(config: Config) -> Config:
    path = Path(config.directory, "config.toml")
    Path(config.directory, "mend.py").write_text(MEND)
    path.write_text(MENDED.replace("{workers}", str(config.pipeline.workers)))
    return replace(load(path), pipeline=config.pipeline, source=config.source)


MEND = '''"""Takes any line."""

import json


class Mend:
    def parse(self, lines):
        return [{"n": int(line[7:])} if line.startswith("broken") else json.loads(line) for line in lines]
'''


def result(config: Config) -> tuple[Any, ...]:
    home = Path(config.directory)
    with closing(sqlite3.connect(f"file:{home}/var/state/tailrace.sqlite?mode=ro", uri=True)) as db:
        columns = "id, stage, error, why, file, offset, length, raw, config, attempts BETWEEN 2 AND 4"
        letters = db.execute(f"SELECT {columns} FROM dead_letters ORDER BY id").fetchall()  # noqa: S608  (our own)
        remembered = db.execute("SELECT key FROM memory WHERE key NOT LIKE '#%' ORDER BY key").fetchall()
        laws = balances(read_counters(db), config.stages)
    assert all(law.holds for law in laws), [str(law) for law in laws]
    return *((home / "out" / f"{name}.ndjson").read_bytes() for name in ("first", "second")), letters, remembered


@pytest.mark.parametrize(("workers", "every"), [(0, 5), (2, 11)])
def test_case_050_letters_are_sent_once_whenever_it_is_killed(tmp_path: Path, workers: int, every: int) -> None:
    make = partial(configuration, workers=workers, text=CONFIG)
    (first, second, letters, remembered), killed = swept(
        tmp_path, make, [read, mended], result, every, killed_in=[1], redriving=[1]
    )
    assert first.count(b"\n") == len(remembered) == 699
    assert second.count(b"\n") == 699 - len(letters)
    assert 15 < len(letters) < 25
    assert {(stage, attempts) for _, stage, *_, attempts in letters} == {("set", 1)}
    assert killed > 5
