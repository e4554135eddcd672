"""A newcomer finds each idea in one file named for it, and no file is too long to be read at once."""

from __future__ import annotations

import re
from pathlib import Path

TREE = Path(__file__).parents[1]
MOST_LINES = 350
IDEAS = 5


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    files = [
        path
        for part in ("pipeline", "stages", "tailrace", "tests", "benchmarks")
        for path in (TREE / part).rglob("*.py")
    ]
    lines = {str(path.relative_to(TREE)): path.read_text(encoding="utf-8").count("\n") for path in files}
    assert lines
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}, "split these by noun"


def test_each_idea_is_in_the_file_that_the_architecture_names() -> None:
    text = (TREE / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## The five ideas")[2].partition("\n## ")[0]
    files = re.findall(r"^\| .* \| `(\S+)` \|$", table, re.MULTILINE)
    assert len(set(files)) == IDEAS, files
    assert [name for name in files if not (TREE / name).is_file()] == []
