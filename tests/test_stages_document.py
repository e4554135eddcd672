"""The examples of docs/stages.md run as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .documents import COMMAND, ROOT, broken_links, examples, pytest_passes, write_files

DOCUMENT = ROOT / "docs/stages.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
SQLITE3 = """import sqlite3, sys
for row in sqlite3.connect(sys.argv[-2]).execute(sys.argv[-1]): print(*row, sep="|")"""  # not every machine has its own


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_files(TEXT, tmp_path)
    return tmp_path


def test_every_command_prints_what_the_document_says(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    programs = tmp_path_factory.mktemp("bin")
    for name, code in (("tailrace", COMMAND), ("sqlite3", SQLITE3)):
        (programs / name).write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' \"$@\"\n")
        (programs / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    blocks = [block for comment, block in examples(TEXT) if comment == "run"]
    assert blocks
    for block in blocks:
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            ran = subprocess.run(
                ["sh", "-c", command], cwd=directory, env=environment, capture_output=True, text=True, check=False
            )
            pattern = re.escape(expected).replace(re.escape("..."), ".*?")  # "..." stands for whatever else it prints
            assert re.fullmatch(pattern, ran.stdout, re.DOTALL), f"{command}\n{ran.stdout}{ran.stderr}"


def test_every_test_passes(directory: Path) -> None:
    pytest_passes(directory)


def test_links_lead_somewhere() -> None:
    assert broken_links(DOCUMENT) == []
