"""Examples in documents: code blocks under a comment that says what they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = "import sys; from tailrace.pipeline.cli.main import main; sys.exit(main())"
SQLITE3 = """import sqlite3, sys
for row in sqlite3.connect(sys.argv[-2]).execute(sys.argv[-1]):
    print(*("" if value is None else value for value in row), sep="|")"""  # not every machine has its own
LAST_WRITE = 1_772_323_200  # of the files of a document that is filled in: 1 March 2026 decides about missing years
_BLOCK = re.compile(r"<!-- (run|dead letters) -->\n```\w*\n(.*?)```\n", re.DOTALL)


def examples(text: str) -> list[tuple[str, str]]:
    """(comment, block) of each code block that a comment names, in the order of the document."""
    return re.findall(r"<!-- ([^\n]*?) -->\n```\w*\n(.*?)```\n", text, re.DOTALL)


def write_files(text: str, directory: Path) -> None:
    """The blocks under ``<!-- file: NAME -->``."""
    for comment, block in examples(text):
        if comment.startswith("file: "):
            (directory / comment.removeprefix("file: ")).write_text(block)


class Shell:
    """Runs the commands of documents in a directory; `tailrace` is the one under test."""

    def __init__(self, directory: Path, programs: Path) -> None:
        self._directory = directory
        for name, code in (("tailrace", COMMAND), ("sqlite3", SQLITE3)):
            (programs / name).write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' \"$@\"\n")
            (programs / name).chmod(0o755)
        self._environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "TAILRACE_LOG_FORMAT": "json"}

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )


def filled(text: str, directory: Path, programs: Path) -> str:
    """The document as it is right: with what its commands print in the blocks under ``<!-- run -->``, and behind them
    the reasons of dead letters under ``<!-- dead letters -->``. AssertionError: a command fails."""
    write_files(text, directory)
    for file in directory.iterdir():
        os.utime(file, (LAST_WRITE, LAST_WRITE))
    shell = Shell(directory, programs)
    dead: list[str] = []

    def fill(match: re.Match[str]) -> str:
        kind, block = match.groups()
        if kind == "dead letters":
            lines, dead[:] = dead.copy(), []
            return match[0].replace(f"\n{block}```", f"\n{''.join(lines)}```")
        assert not dead, f"dead letters that the document does not show: {dead}"
        printed = ""
        for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            ran = shell.run(command)
            assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
            printed += f"$ {command}\n{ran.stdout}"
            dead.extend(_reasons(ran.stderr))
        return f"<!-- run -->\n```console\n{printed}```\n"

    right = _BLOCK.sub(fill, text)
    assert not dead, f"dead letters that the document does not show: {dead}"
    return right


def _reasons(log: str) -> list[str]:
    said = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [f"{one['error']}: {one['why']}\n" for one in said if one["event"] == "line.dead"]


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
