"""The clock of the day jumps: timers do not care, nothing is lost, repeated or said in a storm."""

from __future__ import annotations

import os
from functools import partial

from ..configuration import configuration
from .clock import DAY, StepClock
from .conftest import MakeDaemon
from .daemon import Daemon, numbered

CONFIG = configuration(
    workers=2,
    commit_interval="50ms",
    chunk_bytes="64KiB",
    source={"paths": ["logs/*.log*"], "max_line_bytes": "4KiB", "close_after": "200ms"},
)
STEPS = (DAY, -DAY, 3600, -3600, 0)


def committed(daemon: Daemon, size: int) -> bool:
    return daemon.committed() == size


def test_case_079_the_clock_jumps_by_hours_and_days_while_files_are_rotated(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(CONFIG)
    clock = StepClock(daemon.home)
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, 100) + b"broken\n")
    size = log.stat().st_size
    daemon.start(before=clock.before)
    daemon.until(partial(committed, daemon, size), "the first lines are committed")
    for number, step in enumerate(STEPS, 1):
        clock.step(step)
        log.rename(f"{log}.{number}")
        portion = numbered(number * 100, number * 100 + 100) + b"broken\n"
        log.write_bytes(portion)
        size += len(portion)
        daemon.until(partial(committed, daemon, size), "the commit after the step comes as usual")
    said = daemon.stderr()
    assert daemon.stop() == 0, said
    assert daemon.numbers("all.ndjson") == list(range(100 * (len(STEPS) + 1)))
    assert len(daemon.dead_letters()) == len(STEPS) + 1
    times = [time for (time,) in daemon.query("SELECT time FROM dead_letters ORDER BY id")]
    assert times[1] - times[0] > DAY / 2 > times[3] - times[0], "the steps did reach it"
    assert len(said.splitlines()) < 30, "no storm of messages"
    assert "Traceback" not in said


def test_case_079_a_start_with_the_clock_a_day_back_goes_on_where_it_was(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(CONFIG)
    clock = StepClock(daemon.home)
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, 100))
    daemon.start("--until-eof", before=clock.before)
    assert daemon.wait() == 0, daemon.stderr()
    clock.step(-DAY)
    os.utime(log, (0, 0))
    with log.open("ab") as file:
        file.write(numbered(100, 200))
    daemon.start("--until-eof", before=clock.before)
    assert daemon.wait() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(200))
