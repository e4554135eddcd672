"""Killed anywhere, any way, under load and rotation: the output is what an uninterrupted run writes."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from ..configuration import configuration, to_file
from ..waiting import until
from .daemon import Daemon
from .writer import BAD_EVERY, Writer

configured = partial(
    configuration,
    "parse.json",
    {"use": "enrich.set", "values": {"env": "test"}},
    to_file(),
    commit_interval="50ms",
    chunk_bytes="64KiB",
    source={"paths": ["logs/app.log*"], "close_after": "200ms"},
)


def kill(daemon: Daemon, how: str, rng: random.Random) -> None:
    if how == "group":
        daemon.kill_group()
    elif how == "parent":
        daemon.kill_parent()
    else:
        workers = daemon.children()
        if workers:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(workers), signal.SIGKILL)


@pytest.mark.parametrize("seed", range(3))
def test_case_052_kills_at_random_moments_lose_and_repeat_nothing(
    make_daemon: Callable[..., Daemon], seed: int, kills: int
) -> None:
    rng = random.Random(seed)  # noqa: S311  (moments, no secret)
    daemon = make_daemon(configured(workers=2))
    writer = Writer(daemon.logs / "app.log")
    writer.start()
    pause = threading.Event()
    try:
        for _ in range(kills):
            if daemon.process is None or daemon.process.poll() is not None:
                daemon.start()
            pause.wait(rng.uniform(0.05, 0.9))
            kill(daemon, rng.choice(["group", "parent", "worker"]), rng)
    finally:
        writer.stop()
    daemon.kill_group()
    until(daemon.group_is_gone, "the killed daemon's processes are gone")
    assert daemon.run_to_end() == 0, daemon.stderr()
    until(daemon.group_is_gone, "no process is left behind")

    numbers = [event["n"] for event in daemon.events("all.ndjson")]
    assert writer.good > 1000
    assert len(numbers) == len(set(numbers)), "repeated lines"
    assert sorted(numbers) == [n for n in range(writer.written) if n % BAD_EVERY != BAD_EVERY - 1], "lost lines"
    assert [raw for _, _, raw in daemon.dead_letters()] == sorted(writer.bad)


def test_case_050_a_single_file_comes_out_byte_for_byte(make_daemon: Callable[..., Daemon]) -> None:
    rng = random.Random(7)  # noqa: S311  (moments, no secret)
    lines = b"".join(
        b'{"n": %d, "v": "%s"}\n' % (n, b"y" * rng.randrange(200)) if n % 83 else b"broken %d\n" % n
        for n in range(60_000)
    )
    quiet, killed = make_daemon(configured(workers=0), "quiet"), make_daemon(configured(workers=2), "killed")
    for daemon in (quiet, killed):
        (daemon.logs / "app.log").write_bytes(lines)
    assert quiet.run_to_end() == 0, quiet.stderr()
    pause = threading.Event()
    for _ in range(6):
        killed.start("--until-eof")
        pause.wait(rng.uniform(0.3, 0.7))
        killed.kill_group()
    assert killed.run_to_end() == 0, killed.stderr()
    assert (killed.out / "all.ndjson").read_bytes() == (quiet.out / "all.ndjson").read_bytes()
    assert killed.dead_letters() == quiet.dead_letters()
    assert len(quiet.dead_letters()) == 723
