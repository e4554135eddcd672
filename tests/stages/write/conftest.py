"""A file sink at work, and faults of its disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tailrace.pipeline import disk

from .file_harness import Fault, Harness


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out" / "a.ndjson"


@pytest.fixture
def harness(out: Path) -> Iterator[Harness]:
    harness = Harness(str(out.parent / "{name}.ndjson"))
    yield harness
    harness.sink.close()


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fault], None]:
    return lambda before: monkeypatch.setattr(disk, "before", before)
