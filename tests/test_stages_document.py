"""The examples of docs/stages.md run as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .documents import ROOT, Shell, broken_links, examples, pytest_passes, write_files

DOCUMENT = ROOT / "docs/stages.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_files(TEXT, tmp_path)
    return tmp_path


def test_every_command_prints_what_the_document_says(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shell = Shell(directory, tmp_path_factory.mktemp("bin"))
    blocks = [block for comment, block in examples(TEXT) if comment == "run"]
    assert blocks
    for block in blocks:
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            ran = shell.run(command)
            pattern = re.escape(expected).replace(re.escape("..."), ".*?")  # "..." stands for whatever else it prints
            assert re.fullmatch(pattern, ran.stdout, re.DOTALL), f"{command}\n{ran.stdout}{ran.stderr}"


def test_every_test_passes(directory: Path) -> None:
    pytest_passes(directory)


def test_links_lead_somewhere() -> None:
    assert broken_links(DOCUMENT) == []
