"""Tracebacks in a file that rotates, and a daemon that is killed: each record once and whole."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from ..configuration import configuration, to_file
from ..waiting import until
from .daemon import Daemon
from .writer import Writer

TRACE = """Traceback (most recent call last):
  File "/srv/shop.py", line {n}, in buy
    raise ValueError("it is {n}")
ValueError: it is {n}

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/shop.py", line {n}, in pay
RuntimeError
"""
STAGE = {"use": "parse.regex", "pattern": r"(?s)^(?<n>\d+) ERROR (?<message>.*)$", "types": {"n": "int"}}
SOURCE = {"paths": ["logs/app.log*"], "close_after": "3s", "multiline": {"preset": "python", "timeout": "2s"}}


def record(number: int) -> str:
    return f"{number} ERROR it failed\n" + (TRACE.format(n=number) if number % 3 else "")


class Tracebacks(Writer):
    def _line(self, number: int) -> bytes:
        return record(number).encode()


@pytest.mark.parametrize("workers", [0, 2])
def test_each_record_arrives_once_and_whole(make_daemon: Callable[..., Daemon], kills: int, workers: int) -> None:
    rng = random.Random(workers)  # noqa: S311  (moments, no secret)
    text = configuration(
        STAGE, "enrich.origin", to_file(), workers=workers, source=SOURCE, commit_interval="50ms", chunk_bytes="64KiB"
    )
    daemon = make_daemon(text)
    writer = Tracebacks(daemon.logs / "app.log", burst=20, rotate_every=2_000)
    writer.start()
    pause = threading.Event()
    try:
        for _ in range(max(4, kills // 2)):
            if daemon.process is None or daemon.process.poll() is not None:
                daemon.start()
            pause.wait(rng.uniform(0.2, 0.8))
            daemon.kill_group()
    finally:
        writer.stop()
    until(daemon.group_is_gone, "the killed daemon's processes are gone")
    assert daemon.run_to_end() == 0, daemon.stderr()
    events = daemon.events("all.ndjson")
    assert writer.written > 1000
    assert sorted(event["n"] for event in events) == list(range(writer.written))
    assert all(f"{event['n']} ERROR {event['message']}" == record(event["n"]).rstrip() for event in events)
    assert not daemon.dead_letters()
    assert len({event["event_id"] for event in events}) == len(events)
