"""Signals that are no order to stop: logged and passed over; but a terminal that closes ends the daemon in order."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..configuration import configuration
from ..waiting import DEADLINE, until
from .conftest import MakeDaemon
from .daemon import COMMAND, Daemon, numbered

CONFIG = configuration(workers=2, commit_interval="20ms")
PASSED_OVER = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
EVENTS = {signal.SIGHUP: "config.reload_asked"}  # and the same configuration is no change; of others `signal.ignored`


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    daemon = make_daemon(CONFIG)
    (daemon.logs / "app.log").write_bytes(numbered(0, 10))
    return daemon


@pytest.mark.parametrize("signum", PASSED_OVER)
def test_case_072_each_is_logged_and_the_daemon_goes_on(daemon: Daemon, signum: signal.Signals) -> None:
    daemon.start()
    daemon.until(daemon.has("all.ndjson", 10), "the first lines")
    event = EVENTS.get(signum, "signal.ignored")
    for count in (1, 2):
        daemon.send_group(signum)  # as a terminal or a service manager does
        daemon.until(lambda count=count: len(daemon.said(event)) == count, "it says so, each time")  # type: ignore[misc]
    assert f"signal={signum.name}" in daemon.said(event)[0]
    with (daemon.logs / "app.log").open("ab") as log:
        log.write(numbered(10, 20))
    daemon.until(daemon.has("all.ndjson", 20), "it goes on")
    assert daemon.stop() == 0, daemon.stderr()
    assert not daemon.said("worker.died")
    assert daemon.numbers("all.ndjson") == list(range(20))


def test_it_tells_how_it_stands(daemon: Daemon) -> None:
    daemon.start()
    daemon.until(daemon.has("all.ndjson", 10), "the first lines")
    daemon.send(signal.SIGCONT)
    daemon.until(lambda: daemon.said("pipeline.state"), "it says so")
    assert "phase=" in daemon.said("pipeline.state")[0]
    assert daemon.stop() == 0, daemon.stderr()


def test_case_072_the_first_signal_of_a_stop_after_them_is_the_first(daemon: Daemon) -> None:
    daemon.start()
    daemon.until(daemon.has("all.ndjson", 10), "the first lines")
    for signum in PASSED_OVER:
        daemon.send(signum)
    assert daemon.stop() == 0, daemon.stderr()
    assert "pipeline.stopped" in daemon.stderr().splitlines()[-1]


@pytest.mark.parametrize("signum", PASSED_OVER)
def test_case_072_during_the_start_they_are_passed_over_and_told_later(daemon: Daemon, signum: signal.Signals) -> None:
    daemon.start()
    daemon.until((daemon.home / "state").exists, "the start came so far")
    daemon.send(signum)
    daemon.until(daemon.has("all.ndjson", 10), "it goes on")
    daemon.until(lambda: daemon.said(EVENTS.get(signum, "signal.ignored")), "it says so")
    assert daemon.stop() == 0, daemon.stderr()


def test_case_072_under_nohup_a_closed_terminal_is_nothing(daemon: Daemon) -> None:
    daemon.start(before=["nohup"])
    daemon.until(daemon.has("all.ndjson", 10), "the first lines")
    daemon.send(signal.SIGHUP)
    daemon.send(signal.SIGUSR1)
    daemon.until(lambda: daemon.said("signal.ignored"), "it has got both, in this order")
    assert "SIGUSR1" in daemon.said("signal.ignored")[0]
    daemon.until(lambda: daemon.said("config.reloaded"), "and takes the first for what others mean by it")
    assert not daemon.said("terminal.closed")
    assert daemon.stop() == 0, daemon.stderr()


@pytest.mark.parametrize("signum", PASSED_OVER)
def test_case_072_a_replay_goes_on(daemon: Daemon, signum: signal.Signals) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        [*COMMAND, "replay", "-c", str(daemon.config), "-"], stdin=reading, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        os.close(reading)
        assert process.stdout is not None
        os.write(writing, numbered(0, 1))
        assert process.stdout.readline() == b'{"n":0,"pad":""}\n'
        process.send_signal(signum)
        os.write(writing, numbered(1, 2))
        os.close(writing)
        out, err = process.communicate(timeout=DEADLINE)
        assert (process.returncode, out) == (0, b'{"n":1,"pad":""}\n'), err
        assert f"signal={signum.name}".encode() in err


class Terminal:
    """A terminal of a session of its own, in which one command runs."""

    def __init__(self, command: list[str], home: Path, *, redirect: bool) -> None:
        """``redirect``: standard streams lead elsewhere, the terminal only controls."""
        screen, ours = pty.openpty()
        self.screen = screen
        self.log = home / "terminal.err"

        def take() -> None:
            fcntl.ioctl(ours, termios.TIOCSCTTY, 0)

        with self.log.open("wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL if redirect else ours, stdout=ours,
                stderr=errors if redirect else ours, start_new_session=True, preexec_fn=take,  # noqa: PLW1509
            )  # fmt: skip
        os.close(ours)

    def close(self) -> None:
        os.close(self.screen)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.process.kill()
        terminal.process.wait()


@pytest.mark.parametrize("redirect", [True, False])
def test_case_072_a_terminal_that_closes_ends_it_in_order(
    daemon: Daemon, terminals: list[Terminal], *, redirect: bool
) -> None:
    terminal = Terminal([*COMMAND, "run", str(daemon.config)], daemon.home, redirect=redirect)
    terminals.append(terminal)
    until(daemon.has("all.ndjson", 10), "the first lines")
    terminal.process.send_signal(signal.SIGHUP)  # the terminal is still there
    with (daemon.logs / "app.log").open("ab") as log:
        log.write(numbered(10, 20))
    until(daemon.has("all.ndjson", 20), "it goes on")
    terminal.close()
    assert terminal.process.wait(DEADLINE) == 0
    assert daemon.committed() == len(numbered(0, 20))
    if redirect:
        log_lines = terminal.log.read_text().splitlines()
        assert "] terminal.closed" in terminal.log.read_text()
        assert "] pipeline.stopped" in log_lines[-1]


def test_case_072_a_terminal_that_closes_while_events_go_there_ends_it_in_order(
    make_daemon: MakeDaemon, terminals: list[Terminal]
) -> None:
    daemon = make_daemon(configuration("parse.json", "write.stdout", workers=2, commit_interval="20ms"))
    (daemon.logs / "app.log").write_bytes(numbered(0, 10))
    terminal = Terminal([*COMMAND, "run", str(daemon.config)], daemon.home, redirect=False)
    terminals.append(terminal)
    until(lambda: daemon.committed() > 0, "the first lines")
    (daemon.logs / "more.log").write_bytes(numbered(0, 50_000))
    terminal.close()
    assert terminal.process.wait(DEADLINE) == 0


def test_case_072_a_terminal_that_closes_in_the_middle_of_a_run_to_the_end_loses_nothing(
    daemon: Daemon, terminals: list[Terminal]
) -> None:
    count = 200_000
    (daemon.logs / "app.log").write_bytes(numbered(0, count, pad=50))
    terminal = Terminal([*COMMAND, "run", "--until-eof", str(daemon.config)], daemon.home, redirect=False)
    terminals.append(terminal)
    until(daemon.has("all.ndjson", 100), "some output")
    terminal.close()
    assert terminal.process.wait(DEADLINE) == 0
    done = len(daemon.numbers("all.ndjson"))
    assert daemon.committed() == len(numbered(0, done, pad=50))
    assert daemon.run_to_end() == 0
    assert daemon.numbers("all.ndjson") == list(range(count))
