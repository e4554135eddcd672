"""The list of mutations: small lies planted in the code, each with the tests that must not let it pass."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).parents[2]
MODELS = ("tests/source/tail/test_tail_model.py", "tests/model/test_engine_model.py")  # their examples are random
LIST = Path(__file__).with_name("catalogue.toml")


@dataclass(slots=True, frozen=True)
class Mutation:
    """``old`` stands once in ``file``; with ``new`` in its place one of ``tests`` (pytest's node ids) must fail."""

    name: str
    file: str
    old: str
    new: str
    why: str  # what it would do to somebody's lines
    tests: tuple[str, ...]

    def apply(self, tree: Path) -> bool:
        """Plant it in a copy of the tree; False: the code it is about has changed."""
        path = tree / self.file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text.count(self.old) != 1:
            return False
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return True


def mutations() -> list[Mutation]:
    """All of them, in the order of the list."""
    entries = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutation"]
    return [Mutation(**entry | {"tests": tuple(entry["tests"])}) for entry in entries]


def table() -> str:
    """The list as Markdown, as it stands in docs/mutations.md."""
    rows = ["| mutation | what it would do | caught by |", "|---|---|---|"]
    for one in mutations():
        tests = " ".join(f"`{test.removeprefix('tests/')}`" for test in one.tests)
        rows.append(f"| {one.name} | {one.why} | {tests} |")
    return "\n".join(rows) + "\n"
