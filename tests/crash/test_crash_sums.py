"""Killed at any operation that changes something durable, sums come out as if nothing had happened, each once."""

from __future__ import annotations

import json
from collections import Counter
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
use = "enrich.aggregate"
by = ["user"]
window = "100s"
values = { count = "count", sum = "sum(size)", p90 = "p90(size)" }
[[stages]]
use = "write.file"
path = "out/{source}.ndjson"
"""


def lines(start: int, stop: int) -> bytes:
    return b"".join(
        b'{"timestamp":%d,"user":"user %d","size":%d.1,"pad":"%s"}\n'
        % (1_767_225_600 + n, n % 7, n % 50, b"x" * (n % 50))
        if n % 17
        else b"broken %d\n" % n
        for n in range(start, stop)
    )


RUNS = ((lines(1, 500), lines(1, 300)), (lines(500, 900), lines(300, 900)))


def run(data: tuple[bytes, bytes]) -> Run:
    def appended(config: Config) -> Config:
        for name, some in zip(("a.log", "b.log"), data, strict=True):
            append(Path(config.directory, "logs", name), some)
        return config

    return appended


def results(config: Config) -> Counter[str]:
    text = Path(config.directory, "out", "enrich.aggregate.ndjson").read_text()
    return Counter(text.splitlines())


@pytest.mark.parametrize(("workers", "every"), [(0, 13), (2, 20)])
def test_sums_are_the_same_whenever_it_is_killed(tmp_path: Path, workers: int, every: int) -> None:
    make = partial(configuration, workers=workers, text=CONFIG)
    expected, killed = swept(tmp_path, make, [*map(run, RUNS)], results, every)
    events: list[dict[str, Any]] = [json.loads(line) for line in expected]
    assert sum(event["count"] for event in events) == 2 * (899 - 899 // 17)
    assert set(expected.values()) == {1}
    assert killed > 3
