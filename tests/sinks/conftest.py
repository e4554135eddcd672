"""Each target is gone when its test is over, after the daemons that write to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..scenarios.conftest import make_daemon as make_daemon
from .targets import TARGETS, Target


@pytest.fixture(params=TARGETS)
def kind(request: pytest.FixtureRequest) -> type[Target]:
    return TARGETS[request.param]


@pytest.fixture
def make_target(kind: type[Target], tmp_path: Path) -> Iterator[Callable[..., Target]]:
    made: list[Target] = []

    def make(**options: bool) -> Target:
        made.append(kind(tmp_path / "target", **options))
        return made[-1]

    yield make
    for target in made:
        target.close()
