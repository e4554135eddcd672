"""A configuration and its state file with dead letters, as the daemon leaves them."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.cli.main import main
from tailrace.pipeline.state.schema import SCHEMA, SCHEMA_VERSION

from ..configuration import configuration, to_file
from ..scenarios.conftest import make_daemon

__all__ = ["make_daemon"]

COMMAND = [sys.executable, "-c", "import sys; from tailrace.pipeline.cli.main import main; sys.exit(main())"]
Run = Callable[..., tuple[int, str, str]]  # see the fixture `tailrace`
CONFIG = """
[pipeline]
state_dir = "state"
[source]
paths = ["*.log"]
[[stages]]
use = "parse.raw"
[[stages]]
use = "write.file"
path = "out/{source}.ndjson"
"""
JSON_LINES = configuration(
    "parse.json",
    to_file("out/{source}.ndjson"),
    chunk_bytes="64KiB",
    source={"paths": ["*.log"], "max_line_bytes": "4KiB"},
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file in an empty directory, which is the current one."""
    for name in ("TAILRACE_CONFIG", "TAILRACE_LOG_LEVEL", "TAILRACE_LOG_FORMAT", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def state(config: Path) -> Iterator[sqlite3.Connection]:
    """The state's database, open as the daemon has it: with a write-ahead log."""
    (config.parent / "state").mkdir()
    database = sqlite3.connect(config.parent / "state" / "tailrace.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.executescript(SCHEMA)
    database.execute("INSERT INTO meta VALUES ('schema_version', ?), ('state', 'abcd1234')", (str(SCHEMA_VERSION),))
    with closing(database):
        yield database


Put = Callable[..., None]


@pytest.fixture
def put(state: sqlite3.Connection) -> Put:
    """Adds a dead letter; any column may be given."""

    def put(**columns: Any) -> None:
        letter: dict[str, Any] = {
            "time": 1_600_000_000.5, "stage": "parse.combined", "error": "no_match", "why": "does not fit",
            "attempts": 1, "stream": 3, "file": "access.log", "path": "/var/log/access.log", "offset": 1234,
            "length": 9, "event_id": "3:1234", "raw": b"some line",
            "event": None, "trace": None, "sink": None, "config": "abc",
            "size": 300, **columns,
        }  # fmt: skip
        names = ", ".join(letter)
        marks = ", ".join("?" * len(letter))
        state.execute(f"INSERT INTO dead_letters ({names}) VALUES ({marks})", list(letter.values()))  # noqa: S608 - ours

    return put


@pytest.fixture
def tailrace(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process: (exit code, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run
