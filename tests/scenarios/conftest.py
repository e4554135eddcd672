"""Daemons for scenarios: each gets a directory of its own and is gone when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .daemon import Daemon

MakeDaemon = Callable[..., Daemon]


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[MakeDaemon]:
    made: list[Daemon] = []

    def make(config: str, name: str = "a") -> Daemon:
        home = tmp_path / name
        home.mkdir()
        made.append(Daemon(home, config))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.process is not None:
            daemon.kill_group()
