"""Signals: the first ends the daemon in order, the second at once; nothing is lost or repeated by either."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from ..configuration import configuration
from ..crash.remains import gone, memory_of
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import Daemon, numbered

LINES = 60_000
configured = partial(
    configuration,
    commit_interval="20ms",
    chunk_bytes="64KiB",
    shutdown_timeout="30s",
    source={"max_line_bytes": "4KiB"},
)


def under_load(make_daemon: MakeDaemon, workers: int = 2, name: str = "a") -> Daemon:
    """One that has written some of what there is."""
    daemon = make_daemon(configured(workers=workers), name=name)
    (daemon.logs / "app.log").write_bytes(numbered(0, LINES, pad=50))
    daemon.start()
    daemon.until(daemon.has("all.ndjson", 100), "some output")
    return daemon


def stdout_config(timeout: str = "30s") -> str:
    return configured("parse.json", "write.stdout", shutdown_timeout=timeout)


@contextmanager
def unread_pipe() -> Iterator[tuple[int, int]]:
    """(reading end, writing end) of a pipe."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def drain(descriptor: int) -> bytes:
    """What is in the pipe now."""
    os.set_blocking(descriptor, False)
    data = b""
    while True:
        try:
            portion = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return data
        if not portion:
            return data
        data += portion


@pytest.mark.parametrize(("signum", "workers"), [(signal.SIGTERM, 0), (signal.SIGINT, 2)], ids=["term", "int"])
def test_case_070_the_first_signal_under_load_ends_in_order_and_the_next_start_goes_on(
    make_daemon: MakeDaemon, signum: int, workers: int
) -> None:
    first: list[int] = []
    for attempt in range(5):  # on a busy machine it may be through before the signal is sent
        daemon = under_load(make_daemon, workers, name=str(attempt))
        assert daemon.stop(signum) == 0, daemon.stderr()
        until(daemon.group_is_gone, "no process is left")
        first = daemon.numbers("all.ndjson")
        if len(first) < LINES:
            break
    assert 100 <= len(first) < LINES, "it was stopped in the middle, or this shows nothing"
    assert daemon.committed() == len(numbered(0, len(first), pad=50)), "all that is written is committed"
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(LINES))


def test_case_071_a_stuck_sink_is_left_at_shutdown_timeout_and_goes_on_with_the_next_start(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon(stdout_config(timeout="300ms"))
    (daemon.logs / "app.log").write_bytes(numbered(0, LINES))
    with unread_pipe() as (end, out):
        daemon.start(stdout=out)
        daemon.until(lambda: daemon.said("sink.retry"), "the daemon says that nobody reads")
        assert daemon.stop() == 1, daemon.stderr()
        first = drain(end)
    until(daemon.group_is_gone, "no process is left")
    words = daemon.stderr().splitlines()[-1]
    assert words.startswith("tailrace: ")
    assert "shutdown_timeout" in words
    assert "write.stdout" in words, "it names what is stuck"
    assert "pending" in daemon.stderr()
    assert "Traceback" not in daemon.stderr()

    committed = daemon.committed()
    assert 0 < committed < len(numbered(0, LINES))
    next_number = numbered(0, LINES)[:committed].count(b"\n")
    seen = first[: first.rfind(b"\n") + 1]
    assert numbered(0, LINES).startswith(seen), "what came out before is in order"
    assert seen.count(b"\n") >= next_number, "nothing is committed that was not written"
    done = daemon.command("run", "--until-eof")
    assert done.code == 0, done.err
    assert [event["n"] for event in done.events] == list(range(next_number, LINES))


def test_case_072_a_second_signal_leaves_at_once_and_commits_nothing_more(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(stdout_config())
    (daemon.logs / "app.log").write_bytes(numbered(0, LINES))
    with unread_pipe() as (end, out):
        daemon.start(stdout=out)
        daemon.until(lambda: daemon.said("sink.retry"), "the daemon says that nobody reads")
        daemon.send(signal.SIGTERM)
        daemon.until(lambda: daemon.said("pipeline.stopping"), "it has heard the first signal")
        committed = daemon.committed()
        daemon.send(signal.SIGINT)
        assert daemon.wait(timeout=20) == 1  # far less than shutdown_timeout
        assert daemon.committed() == committed
        assert b"Traceback" not in daemon.stderr().encode()
        drain(end)


def test_case_072_two_signals_in_a_row_under_load_and_the_next_start_is_exact(make_daemon: MakeDaemon) -> None:
    daemon = under_load(make_daemon)
    daemon.send(signal.SIGTERM)
    daemon.send(signal.SIGINT)
    assert daemon.wait() in (0, 1)  # 0: the end in order was faster than the second signal
    until(daemon.group_is_gone, "workers end with their parent")
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(LINES))


def test_case_072_ctrl_c_reaches_the_whole_group_and_workers_leave_it_to_the_parent(make_daemon: MakeDaemon) -> None:
    daemon = under_load(make_daemon)
    daemon.send_group(signal.SIGINT)
    assert daemon.wait() == 0, daemon.stderr()
    assert "Traceback" not in daemon.stderr()
    assert not daemon.said("worker.died"), daemon.stderr()
    first = daemon.numbers("all.ndjson")
    assert daemon.committed() == len(numbered(0, len(first), pad=50))
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(LINES))


@pytest.mark.parametrize("step", range(8))
def test_case_072_a_signal_during_the_start_is_obeyed(make_daemon: MakeDaemon, step: int) -> None:
    daemon = make_daemon(configured(workers=2))
    (daemon.logs / "app.log").write_bytes(numbered(0, 5_000))
    daemon.start()
    signs = [
        lambda: True,
        lambda: Path(f"/proc/{daemon.pid}/fd/2").exists(),
        (daemon.home / "state").exists,
        daemon.database.exists,
        lambda: len(daemon.children()) >= 1,
        lambda: len(daemon.children()) == 2,
        daemon.out.exists,
        lambda: daemon.said("file.found"),
    ]
    daemon.until(signs[step], "the start came so far")
    daemon.send_group(signal.SIGINT if step % 2 else signal.SIGTERM)
    code = daemon.wait()
    assert code in ((0, 1, -signal.SIGTERM, -signal.SIGINT) if step < 4 else (0,)), daemon.stderr()
    until(daemon.group_is_gone, "no process is left")
    assert step < 2 or "Traceback" not in daemon.stderr(), daemon.stderr()  # before: the interpreter itself starts
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(5_000))


def test_case_057_a_killed_parent_leaves_nothing_behind_and_the_next_start_works_at_once(
    make_daemon: MakeDaemon,
) -> None:
    daemon = under_load(make_daemon)
    workers = daemon.children()
    assert len(workers) == 2
    ring = memory_of(daemon.pid)
    assert len(ring) == 1
    daemon.kill_parent()
    until(lambda: gone(daemon.pid, ring), "the workers are gone, and with them the ring")
    daemon.start("--until-eof")  # at once: no lock is left
    assert daemon.wait() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(LINES))


def test_case_070_four_stops_in_a_row_with_a_backlog_lose_and_repeat_nothing(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured())
    (daemon.logs / "app.log").write_bytes(numbered(0, LINES * 2, pad=50))
    for _ in range(4):
        before = daemon.text("all.ndjson").count(b"\n")
        daemon.start()
        daemon.until(daemon.has("all.ndjson", before + 100), "more output")
        assert daemon.stop() == 0, daemon.stderr()
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(LINES * 2))
