"""docs/stages/ and docs/formats.md say what is so: each page is what the code makes it, its examples run as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tailrace.pipeline.chain.loader import built_in
from tailrace.pipeline.config.load import load

from .documents import ROOT, broken_links
from .stage_pages import FORMATS, PAGES, describe, paths, right, write_beside

REFRESH = "run: make documents"
PAGES_AND_FORMATS = [*paths(), FORMATS]


@pytest.mark.parametrize("path", PAGES_AND_FORMATS, ids=lambda path: path.name)
def test_a_page_says_what_the_code_says_and_what_its_commands_print(path: Path) -> None:
    assert path.exists(), REFRESH
    assert path.read_text(encoding="utf-8") == right(path), REFRESH


def test_no_page_is_of_a_stage_that_is_gone() -> None:
    assert set(PAGES.iterdir()) <= set(paths()), REFRESH


@pytest.mark.parametrize("use", built_in())
def test_a_stage_has_an_example_that_check_accepts(use: str, tmp_path: Path) -> None:
    it = describe(use)
    assert it.example, f"{use}: its class's docstring has no section `Example::`, with a configuration in TOML"
    assert it.lines or it.role == "write", f"{use}: its class's docstring has no section `Lines::`, for the example"
    write_beside(use, tmp_path)
    for name, text in it.files:
        (tmp_path / name).write_text(text)
    config = tmp_path / "config.toml"
    config.write_text(f'[source]\npaths = ["example.log"]\n{it.example}')
    assert use in {spec.use for spec in load(config).stages}


@pytest.mark.parametrize("use", built_in())
def test_every_key_and_code_of_a_stage_is_explained(use: str) -> None:
    it = describe(use)
    text = " ".join([*it.paragraphs, it.fails, *(f"{option.text} {option.kind}" for option in it.options)])
    for option in it.options:
        name = option.name.rpartition(".")[2]
        told = option.text or "(" in option.kind or re.search(rf"\b{name}\b", text)
        assert told, f"{use}: nothing says what {option.name} is; a comment behind the field would"
    module = (ROOT / "stages" / use.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    for code in set(re.findall(r'\b(?:Fail|Reject)\("(\w+)"', module)):
        assert f"`{code}`" in text, f"{use}: its docstring does not say when a line fails with {code}"


@pytest.mark.parametrize("path", PAGES_AND_FORMATS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path) == []
