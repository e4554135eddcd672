"""The list of mutations stays fit to be run: the run itself is ``make mutations``."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from .catalogue import MODELS, TREE, Mutation, mutations, table

ALL = mutations()


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_a_mutation_still_applies_and_makes_valid_code(one: Mutation, tmp_path: Path) -> None:
    text = (TREE / one.file).read_text(encoding="utf-8")
    assert text.count(one.old) == 1, f"{one.file} has changed: give {one.name!r} new texts"
    copy = tmp_path / one.file
    copy.parent.mkdir(parents=True)
    copy.write_text(text, encoding="utf-8")
    assert one.apply(tmp_path)
    mutated = copy.read_text(encoding="utf-8")
    assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(text))


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_the_tests_that_must_catch_it_exist(one: Mutation) -> None:
    assert one.tests
    for test in one.tests:
        path, *names = re.sub(r"\[.*", "", test).split("::")
        text = (TREE / path).read_text(encoding="utf-8")
        for name in names:
            assert re.search(rf"^\s*(?:def|class) {name}\b|^{name} = ", text, re.MULTILINE), test


def test_a_mutation_that_no_longer_applies_is_told(tmp_path: Path) -> None:
    gone = Mutation("gone", "a.py", "nowhere", "", "", ())
    assert not gone.apply(tmp_path)
    (tmp_path / "a.py").write_text("nowhere nowhere", encoding="utf-8")
    assert not gone.apply(tmp_path)


def test_names_are_unique_and_the_list_is_long_enough() -> None:
    assert Counter(one.name for one in ALL).most_common(1)[0][1] == 1
    assert len(ALL) >= 36
    assert sum(set(one.tests) <= set(MODELS) for one in ALL) >= 13, "the models alone must catch so many"


def test_the_document_shows_the_list() -> None:
    document = (TREE / "docs" / "mutations.md").read_text(encoding="utf-8")
    assert table() in document, "paste what `python -m tests.mutations --table` prints into docs/mutations.md"
