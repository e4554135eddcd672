"""Events that grow a thousandfold: memory stays below what was promised, and what fits nowhere is a dead letter."""

from __future__ import annotations

import pytest

from ..configuration import configuration, to_file
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import numbered
from .gauge import Gauge

pytestmark = pytest.mark.alone

CONFIG = configuration(
    "parse.json",
    "grow:grow",
    to_file(),
    workers=2,
    commit_interval="50ms",
    worker_memory="64MiB",
    source={"max_line_bytes": "64KiB"},
)
GROW = """
def grow(event):
    event["text"] = "x" * (100_000 if event["n"] % 100 else 5_000_000)
    return event
"""
LINES = 200


def test_case_067_events_that_grow_a_thousandfold_stay_below_the_ceiling(make_daemon: MakeDaemon) -> None:
    """With workers; nothing limits what a stage makes inside the process itself."""
    daemon = make_daemon(CONFIG)
    (daemon.home / "grow.py").write_text(GROW)
    (daemon.logs / "app.log").write_bytes(numbered(0, LINES, pad=80))
    gauge = Gauge(daemon)
    daemon.start("--until-eof")
    until(lambda: not gauge.look(), "it ends")
    assert daemon.wait() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == [n for n in range(LINES) if n % 100]
    assert [stage for stage, _, _ in daemon.dead_letters()] == ["write.file"] * 2  # too_large, or killed by its limit
    assert len(daemon.text("all.ndjson")) > 1000 * len(numbered(0, LINES))
    gauge.check(200)
