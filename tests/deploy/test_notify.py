"""What the daemon tells the service manager, which the units rely on (sd_notify(3))."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ..configuration import configuration
from ..scenarios.conftest import MakeDaemon

WATCHDOG = 2.0  # seconds


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        path = Path(directory) / "notify"  # a longer path than that of a test's own directory has no room
        listener.bind(str(path))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG * 1e6)))
        yield listener


def hear(manager: socket.socket, wanted: str) -> str:
    """The next message that has it; others are passed over."""
    while wanted not in (message := manager.recv(4096).decode()):
        pass
    return message


def test_it_says_that_it_is_ready_lives_reloads_and_stops(manager: socket.socket, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configuration())
    daemon.start()
    hear(manager, "READY=1")
    for _ in range(3):
        hear(manager, "WATCHDOG=1")

    daemon.send(signal.SIGHUP)
    assert re.search(r"^MONOTONIC_USEC=\d+$", hear(manager, "RELOADING=1"), re.MULTILINE)
    hear(manager, "READY=1")

    daemon.config.write_text("nonsense = 1\n")  # refused: the reload is over all the same
    daemon.send(signal.SIGHUP)
    hear(manager, "RELOADING=1")
    hear(manager, "READY=1")

    daemon.send(signal.SIGTERM)
    hear(manager, "STOPPING=1")
    assert daemon.wait() == 0, daemon.stderr()
