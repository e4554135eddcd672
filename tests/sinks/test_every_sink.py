"""Killed at random moments, a bad record, a target that is down: what every sink must make of it."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from math import ceil, log2

import pytest

from ..scenarios.daemon import Daemon, numbered
from ..scenarios.writer import BAD_EVERY, Writer
from ..waiting import until
from .targets import BAD, Target, ToHttp

MakeTarget = Callable[..., Target]
MakeDaemon = Callable[..., Daemon]

PAUSE = threading.Event()  # is never set: for moments that are chance, and for how long a target is down


def check(target: Target, expected: Iterable[int], found: Counter[int]) -> None:
    """What its guarantee says, counted in the target."""
    wanted = set(expected)
    assert not wanted - found.keys(), f"{len(wanted - found.keys())} lost"
    assert not found.keys() - wanted, "there is what was never written"
    if target.once:
        assert set(found.values()) <= {1}, "repeated"


def good_of(writer: Writer) -> Iterable[int]:
    return (n for n in range(writer.written) if n % BAD_EVERY != BAD_EVERY - 1)


@pytest.mark.parametrize("kills", [4, pytest.param(30, marks=pytest.mark.long)])
def test_case_052_092_killed_at_random_moments_it_keeps_its_guarantee(
    make_target: MakeTarget, make_daemon: MakeDaemon, kills: int
) -> None:
    rng = random.Random(kills)  # noqa: S311  (moments, no secret)
    target = make_target()
    target.disturb(rng)
    daemon = make_daemon(target.config(workers=2))
    writer = Writer(daemon.logs / "app.log", burst=20, pause=0.005)
    writer.start()
    try:
        for _ in range(kills):
            target.start(daemon)
            PAUSE.wait(rng.uniform(0.2, 0.8))
            daemon.kill_group()
    finally:
        writer.stop()
    until(daemon.group_is_gone, "the killed daemon's processes are gone")
    target.start(daemon, "--until-eof")
    assert daemon.wait() == 0, daemon.stderr()
    target.close()
    check(target, good_of(writer), target.counts())
    assert [raw for _, _, raw in daemon.dead_letters()] == sorted(writer.bad)


def test_case_093_one_bad_record_in_500_is_the_only_dead_letter(
    make_target: MakeTarget, make_daemon: MakeDaemon
) -> None:
    target = make_target(choosy=True)
    daemon = make_daemon(target.config())
    (daemon.logs / "app.log").write_bytes(numbered(0, 500))
    target.start(daemon, "--until-eof")
    assert daemon.wait() == 0, daemon.stderr()
    target.close()
    check(target, (n for n in range(500) if n != BAD), target.counts())
    ((error, why, raw),) = daemon.query("SELECT error, why, raw FROM dead_letters")
    assert error == target.letter
    assert target.words in why
    assert raw == numbered(BAD, BAD + 1).rstrip(b"\n")
    if isinstance(target, ToHttp):
        assert len(target.server.requests) <= 2 * ceil(log2(500)) + 1


@pytest.mark.parametrize("seconds", [0.3, pytest.param(30.0, marks=pytest.mark.long)])
@pytest.mark.parametrize("when", ["at the start", "under load"])
def test_case_090_a_target_that_is_down_for_a_while_costs_time_and_nothing_else(
    make_target: MakeTarget, make_daemon: MakeDaemon, when: str, seconds: float
) -> None:
    target = make_target()
    daemon = make_daemon(target.config())
    writer = Writer(daemon.logs / "app.log", burst=20, pause=0.01)
    writer.start()
    try:
        if when == "at the start":
            target.down()
            target.start(daemon)
        else:
            target.start(daemon)
            daemon.until(lambda: target.counts().total() > 1000, "events arrive")
            target.down()
        daemon.until(lambda: daemon.said("sink.retry"), "it says that the target is down")
        PAUSE.wait(seconds)
        target.up()
    finally:
        writer.stop()
    daemon.until(lambda: len(target.counts()) == writer.good, "every event arrives")
    assert daemon.stop() == 0, daemon.stderr()
    target.close()
    check(target, good_of(writer), target.counts())
    assert [raw for _, _, raw in daemon.dead_letters()] == sorted(writer.bad)
    assert not daemon.said("commit.failed")
    assert len(daemon.said("sink.stuck")) <= 1
