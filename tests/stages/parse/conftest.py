"""What the tests of all parsers share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.batch import Fail, Lines, Origin
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin

DATA = Path(__file__).parents[4] / "shared" / "data"


def plain(entry: Any) -> Any:
    """An entry that can be compared: a ``Fail`` compares by identity."""
    return ("fail", entry.code, entry.why) if isinstance(entry, Fail) else entry


@pytest.fixture
def same_line_by_line() -> Callable[[Parse, list[str]], None]:
    """Holds a parser to "parsing by batch equals parsing line by line"."""

    def check(stage: Parse, lines: list[str]) -> None:
        batch = [plain(entry) for entry in stage.parse(of("\n".join(lines)))]
        alone = [[plain(entry) for entry in stage.parse(of(line))] for line in lines]
        assert [[entry] for entry in batch] == alone

    return check


@pytest.fixture
def same_beside_several_lines() -> Callable[[Parse, list[str]], None]:
    """That a line comes to the same, whether or not another record of the batch holds a newline."""

    def check(stage: Parse, lines: list[str]) -> None:
        records = [line.encode("utf-8", "surrogatepass") for line in lines]
        entries = [plain(entry) for entry in stage.parse(Lines.of(records, origin()))]
        beside = [plain(entry) for entry in stage.parse(Lines.of([*records, b"a\nb"], origin()))]
        assert beside[:-1] == entries

    return check


@pytest.fixture
def real_lines() -> Callable[[str], list[str]]:
    """The lines of a recorded log beside the project; the test is skipped where it is absent."""

    def read(name: str) -> list[str]:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"no {path}")
        return path.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")

    return read


@pytest.fixture
def at() -> Callable[[float], Origin]:
    """The origin of lines that are from about the given time."""
    return lambda now: origin(now=now)
