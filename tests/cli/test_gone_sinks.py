"""Sinks that the configuration no longer has: what they left uncommitted is taken back; they keep nobody from work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ..configuration import configuration, to_file
from .conftest import COMMAND

OWN = """
import os
from dataclasses import dataclass
from typing import ClassVar
from tailrace import Guarantee
from tailrace.pipeline.outgoing import Payload

@dataclass
class Sink:
    guarantee: ClassVar[Guarantee] = Guarantee.EXACTLY_ONCE
    def encode(self, events): return [Payload("-", b"x" * len(events))]
    def deliver(self, batch): pass
    def sync(self, cut): return {"-": 1}
    def discard(self, marks, may_cut):
        TROUBLE
    def paths(self, marks):
        PATHS
"""
RUN = configuration("parse.json", to_file("out.ndjson"), source={"paths": ["*.log"]})


@pytest.fixture
def home(config: Path) -> Path:
    (config.parent / "a.log").write_text('{"n":1}\n')
    return config.parent


def run(home: Path, more: str = "") -> str:
    """In a process of its own, which imports the user's module anew."""
    (home / "config.toml").write_text(RUN + more)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*COMMAND, "run", "--until-eof"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (home / "out.ndjson").read_text() == '{"n":1}\n'
    return done.stderr


def own(home: Path, trouble: str = "pass", paths: str = "return []") -> None:
    (home / "own.py").write_text(OWN.replace("TROUBLE", trouble).replace("PATHS", paths))


@pytest.mark.parametrize("path", ["o{{x}}.ndjson", "o.d/{source}.ndjson"])
def test_what_a_gone_file_has_behind_its_mark_is_taken_back(home: Path, path: str) -> None:
    run(home, f'[[stages]]\nuse = "write.file"\npath = "{path}"\n')
    output = home / path.replace("{{x}}", "{x}").replace("{source}", "a.log")
    with output.open("a") as file:
        file.write('{"n":2}\n')
    run(home)
    assert output.read_text() == '{"n":1}\n'
    assert "sink.gone" not in run(home)


@pytest.mark.parametrize(
    ("trouble", "paths"),
    [
        ("raise OSError(5, 'the disk')", "return []"),
        ("raise SystemExit(3)", "return []"),
        ("raise KeyError(marks['-'])", "return None"),
    ],
)
def test_a_gone_sink_that_fails_to_let_go_is_said_and_keeps_its_marks(home: Path, trouble: str, paths: str) -> None:
    own(home)
    run(home, '[[stages]]\nuse = "own:Sink"\n')
    own(home, trouble, paths)
    for _ in range(2):
        assert "sink.gone" in run(home), "at each start"
    own(home)
    assert "sink.gone" not in run(home)


def test_a_gone_sink_that_cannot_be_built_any_more_is_said(home: Path) -> None:
    own(home)
    run(home, '[[stages]]\nuse = "own:Sink"\n')
    (home / "own.py").unlink()
    assert 'there is no module \\"own\\"' in run(home)
