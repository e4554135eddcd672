"""A status server that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .server_kit import Stand, letter


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with Stand(tmp_path, letter()) as made:
        yield made
        assert made.log.fields("status.fault") == [], "a request has met a fault of ours"
