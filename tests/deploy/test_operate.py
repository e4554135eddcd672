"""docs/operate.md: its commands run, and its table of log events is that of the code."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from tailrace.pipeline.cli.main import COMMANDS

from ..documents import Shell, broken_links, tailrace, write_files
from .log_events import logged
from .texts import ROOT

OPERATE = ROOT / "docs/operate.md"
TEXT = OPERATE.read_text(encoding="utf-8")
_BLOCK = re.compile(r"^( *)(?:<!-- ([^\n]*?) -->\n *)?```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHOWN = {"console", "ini"}  # for root, or no command: not run

# Of the sqlite3 of SQLite what the document uses; not every machine has it.
SQLITE3 = """import sqlite3, sys
db = sqlite3.connect(sys.argv[-2])
if sys.argv[-1].startswith(".backup "):
    db.backup(sqlite3.connect(sys.argv[-1].split()[1]))
else:
    for row in db.execute(sys.argv[-1]):
        print(*row, sep="|")"""


def blocks() -> Iterator[tuple[str, str, str]]:
    """(comment, language, text) of each."""
    for _, comment, language, text in _BLOCK.findall(TEXT):
        yield comment, language, textwrap.dedent(text)


def rows() -> dict[str, str]:
    """By event, the level that a table gives; the empty one where it is one of two."""
    found = re.findall(r"^\| `([a-z_.]+)` \| (\w*) ?\| ", TEXT, re.MULTILINE)
    names = [name for name, _ in found]
    assert len(names) == len(set(names))
    debug = re.search(r"^\*\*Debug\*\*.*?\n\n", TEXT, re.MULTILINE | re.DOTALL)
    assert debug is not None
    return dict(found) | dict.fromkeys(re.findall(r"`([a-z_]+\.[a-z_]+)`", debug[0]), "debug")


def test_each_block_is_run_or_marked_as_one_that_is_only_shown() -> None:
    assert TEXT.count("```") == 2 * len(list(blocks()))
    for comment, language, text in blocks():
        assert comment in ("sh", "before each") or comment.startswith("file: ") or language in SHOWN, text
    assert sum(comment == "sh" for comment, _, _ in blocks()) >= 7


def test_its_commands_run_one_block_after_the_other(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    write_files(TEXT, tmp_path)
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace('listen = "127.0.0.1:9600"\n', ""))  # a port that others may have
    programs = tmp_path_factory.mktemp("programs")
    shell = Shell(tmp_path, programs)
    sqlite3 = programs / "sqlite3"
    start = sqlite3.read_text().partition(" -c ")[0]
    sqlite3.write_text(f"{start} -c '{SQLITE3}' \"$@\"\n")
    (before,) = (text for comment, _, text in blocks() if comment == "before each")
    for comment, _, text in blocks():
        if comment == "sh":
            ran = shell.run(f"set -e\n{before}{text}")
            assert ran.returncode == 0, f"{text}\n{ran.stdout}{ran.stderr}"
    assert (tmp_path / "out/shop.log.ndjson").read_text().count("\n") == 2
    assert (tmp_path / "bad.log").read_text() == "not JSON at all\n"
    assert (tmp_path / "backup.sqlite").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "kept.ndjson").read_text().count("\n") == 1


def test_commands_that_it_names_exist(tmp_path: Path) -> None:
    code = " ".join([*re.findall(r"`(tailrace [^`]*)`", TEXT), *(text for _, _, text in blocks())])
    named = {
        " ".join(filter(None, match))
        for match in re.findall(r"\btailrace ((?:dlq|state)\b|[a-z]+)(?:(?<=dlq|ate) ([a-z]+))?", code)
    }
    commands = {name for name in named if name.split()[0] in {*COMMANDS, "status", "top", "state"}}
    assert {"check", "run", "dlq stats"} <= commands
    for command in sorted(commands):
        shown = tailrace(tmp_path, *command.split(), "--help")
        assert shown.returncode == 0, shown.stderr


def test_the_table_of_events_is_that_of_the_code() -> None:
    told, said = rows(), logged()
    assert set(said) - set(told) == set(), "not in the table"
    assert set(told) - set(said) == set(), "not in the code"
    for name, levels in said.items():
        assert levels in (set(), {told[name]}) or not told[name], f"{name} is logged as {levels}"


def test_its_links_lead_somewhere() -> None:
    assert broken_links(OPERATE) == []
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings()}
    inside = re.findall(r"\]\(#([^)]+)\)", TEXT)
    assert set(inside) - anchors == set()


def headings() -> list[str]:
    return re.findall(r"^#+ (.*)$", re.sub(_BLOCK, "", TEXT), re.MULTILINE)
