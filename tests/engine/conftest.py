"""The engine's tests run its parts in this process: what they set for a whole process is put back after each test."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..inside import adjust
from .daemon_kit import imports_of

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:  # the time budget needs SIGALRM, so the tests' own limit must do without
            item.add_marker(pytest.mark.timeout(60, method="thread"))


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    gc.unfreeze()
    gc.enable()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried again at once."""
    adjust(monkeypatch.setattr, first_rewind=0.01, first_backoff=0.002, full_retry=0.02)


@pytest.fixture
def lively(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Daemons in this process look around often, and leave none of the modules that they have imported."""
    adjust(monkeypatch.setattr, longest_wait=0.02, hangs_after=0.1)
    with imports_of(tmp_path):
        yield
