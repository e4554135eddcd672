"""Makes stands (see ``tail_stand``) in a test's own directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .tail_stand import Begun, Stand, numbered


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Stand]]:
    """Makes stands; the files are in the test's own directory."""
    made: list[Stand] = []

    def make(*patterns: str, **options: Any) -> Stand:
        made.append(Stand(tmp_path, *patterns, **options))
        return made[-1]

    yield make
    for one in made:
        if one.tail is not None:
            one.tail.close()


@pytest.fixture
def begun(stand: Callable[..., Stand]) -> Begun:
    """``a.log`` with the lines 0 to 99, of which the first few are read and committed."""
    rig = stand(buffer=1002)
    log = rig.write("a.log", numbered(0, 100))
    chunk = rig.start().one_chunk()
    return Begun(rig, log, log.stat().st_size, chunk.end)
