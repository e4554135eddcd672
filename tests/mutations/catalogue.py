"""The list of mutations: small lies planted in the code, each with the tests that must not let it pass."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .structure import OutdatedError, changed, find

TREE = Path(__file__).parents[2]
MODELS = ("tests/source/tail/test_tail_model.py", "tests/model/test_engine_model.py")  # their examples are random
LIST = Path(__file__).with_name("catalogue.toml")


@dataclass(slots=True, frozen=True)
class Mutation:
    """``old`` stands once in the definition ``where``; with ``new`` in its place one of ``tests`` must fail."""

    name: str
    where: str
    old: str
    new: str
    why: str  # what it would do to somebody's lines
    tests: tuple[str, ...]  # pytest's node ids

    def planted(self) -> tuple[Path, str]:
        """The file that changes, relative to the tree, and its new text. OutdatedError: the code has changed."""
        path = find(TREE, self.where)
        return path, changed((TREE / path).read_text(encoding="utf-8"), path, self.where, self.old, self.new)


def mutations() -> list[Mutation]:
    """All of them, in the order of the list."""
    entries = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutation"]
    return [Mutation(**entry | {"tests": tuple(entry["tests"])}) for entry in entries]


def outdated(some: Sequence[Mutation]) -> Iterator[str]:
    """What is wrong with the list, a sentence each: code or tests that it names and that do not exist."""
    for name, count in Counter(one.name for one in some).items():
        if count > 1:
            yield f"{name}: {count} mutations have this name"
    for one in some:
        try:
            one.planted()
        except (OutdatedError, SyntaxError) as error:
            yield f"{one.name}: {error}"
        if not one.tests:
            yield f"{one.name}: no test is named that must catch it"
        yield from (f"{one.name}: there is no test {test}" for test in one.tests if not _exists(test))


def _exists(test: str) -> bool:
    path, *names = re.sub(r"\[.*", "", test).split("::")
    text = (TREE / path).read_text(encoding="utf-8") if (TREE / path).exists() else ""
    return bool(text) and all(re.search(rf"^\s*(?:def|class) {n}\b|^{n} = ", text, re.MULTILINE) for n in names)


def table() -> str:
    """The list as Markdown."""
    rows = ["| mutation | what it would do | caught by |", "|---|---|---|"]
    for one in mutations():
        tests = " ".join(f"`{test.removeprefix('tests/')}`" for test in one.tests)
        rows.append(f"| {one.name} | {one.why} | {tests} |")
    return "\n".join(rows) + "\n"
