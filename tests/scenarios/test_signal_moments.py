"""Signals at chance moments of a start, of its recovery and of the work after it: out at once, and nothing is lost."""

from __future__ import annotations

import random
import signal
import threading
from functools import partial

import pytest

from ..configuration import configuration
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import numbered

configured = partial(configuration, commit_interval="20ms", chunk_bytes="64KiB", source={"max_line_bytes": "4KiB"})
LINES = 60_000
TIMES = 5


@pytest.mark.parametrize("workers", [0, 2])
def test_case_072_signals_at_any_moment_of_a_start_that_recovers_lose_and_repeat_nothing(
    make_daemon: MakeDaemon, workers: int
) -> None:
    chance = random.Random(workers)  # noqa: S311  (moments, no secret)
    daemon = make_daemon(configured(workers=workers))
    data = numbered(0, LINES, pad=60)
    (daemon.logs / "app.log").write_bytes(data)
    daemon.start()
    daemon.until(daemon.has("all.ndjson", 100), "some output")
    daemon.kill_parent()  # there is something to recover
    pause = threading.Event()
    for _ in range(TIMES):
        daemon.start()
        pause.wait(chance.uniform(0.0, 0.6))
        signals = chance.choice([[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGINT], [signal.SIGKILL]])
        for signum in signals:
            if daemon.running:
                daemon.send(signum)
        code = daemon.wait(timeout=20)
        assert code in (0, 1, -signals[0]), daemon.stderr(daemon.starts)
        until(daemon.group_is_gone, "no process is left", 5)
        assert data.startswith(daemon.text("all.ndjson")), "nothing is there twice, or in another order"
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(LINES))
