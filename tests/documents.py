"""Examples in documents: code blocks under a comment that says what they are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = "import sys; from tailrace.pipeline.cli.main import main; sys.exit(main())"


def examples(text: str) -> list[tuple[str, str]]:
    """(comment, block) of each code block that a comment names, in the order of the document."""
    return re.findall(r"<!-- (.*?) -->\n```\w*\n(.*?)```\n", text, re.DOTALL)


def write_files(text: str, directory: Path) -> None:
    """The blocks under ``<!-- file: NAME -->``."""
    for comment, block in examples(text):
        if comment.startswith("file: "):
            (directory / comment.removeprefix("file: ")).write_text(block)


def broken_links(document: Path) -> list[str]:
    links = re.findall(r"\]\((?!http|#)([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))
    return [link for link in links if not (document.parent / link).exists()]


def tailrace(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND, *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def pytest_passes(directory: Path, *files: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
