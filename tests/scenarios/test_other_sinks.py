"""A stage that writes is removed, or becomes another under the same id: what it left uncommitted is taken back."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from ..configuration import configuration, to_file
from .conftest import MakeDaemon
from .daemon import Daemon, numbered

OWN = """
import pathlib
from typing import ClassVar
from tailrace import Guarantee
from tailrace.pipeline.outgoing import Payload

HOME = pathlib.Path(__file__).parent

class Own:
    guarantee: ClassVar = Guarantee.AT_LEAST_ONCE
    def encode(self, events):
        return [Payload("-", b"x")]
    def deliver(self, batch):
        pass
    def announce(self, destinations):
        return {"-": 0}
    def sync(self, cut):
        return {"-": 7}
    def discard(self, marks, may_cut):
        if (HOME / "broken").exists():
            raise KeyError("broken")
        (HOME / "discarded").write_text(str(marks))
"""
FILE = to_file(id="out")
SQLITE = {"use": "write.sqlite", "path": "out/all.db", "id": "out"}
MINE = {"use": "own:Own", "id": "out"}
OTHER = to_file("out/other.ndjson", id="other")


def then(daemon: Daemon, start: int, *sinks: object) -> int:
    """A run to the end with these sinks and ten more lines."""
    daemon.config.write_text(configuration("parse.json", *sinks))  # type: ignore[arg-type]
    with (daemon.logs / "app.log").open("ab") as log:
        log.write(numbered(start, start + 10))
    return daemon.run_to_end()


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    daemon = make_daemon(configuration())
    (daemon.home / "own.py").write_text(OWN)
    return daemon


def test_another_sink_under_an_id_does_not_get_the_marks_of_the_first(daemon: Daemon) -> None:
    assert then(daemon, 0, FILE) == 0, daemon.stderr()
    with (daemon.out / "all.ndjson").open("ab") as file:
        file.write(b"not committed\n")
    assert then(daemon, 10, SQLITE) == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(10)), "as at its last commit"
    assert daemon.query("SELECT use FROM sinks") == [("write.sqlite",)]
    assert daemon.query("SELECT * FROM marks") == []
    assert then(daemon, 20, MINE) == 0, daemon.stderr()
    assert then(daemon, 30, FILE) == 0, daemon.stderr()
    assert (daemon.home / "discarded").read_text() == "{'-': 7}"
    assert daemon.numbers("all.ndjson") == [*range(10), *range(30, 40)]
    with closing(sqlite3.connect(daemon.out / "all.db")) as database, database:
        assert database.execute("SELECT count(*) FROM events").fetchone() == (10,)


def test_an_id_whose_former_sink_cannot_be_built_is_refused_until_another_is_given(daemon: Daemon) -> None:
    assert then(daemon, 0, MINE) == 0, daemon.stderr()
    (daemon.home / "own.py").unlink()
    for _ in range(2):
        assert then(daemon, 10, FILE) == 78
        assert 'the id "out" is used by write.file now' in daemon.stderr()
        assert "give the new stage another id" in daemon.stderr()
    assert then(daemon, 30, OTHER) == 0, daemon.stderr()
    assert daemon.said("sink.gone")
    assert daemon.numbers("other.ndjson") == [*range(10, 20), *range(10, 20), *range(30, 40)]


def test_a_sink_that_is_gone_and_fails_to_discard_is_tried_again_at_each_start(daemon: Daemon) -> None:
    assert then(daemon, 0, MINE) == 0, daemon.stderr()
    (daemon.home / "broken").touch()
    assert then(daemon, 10, FILE) == 1
    assert "KeyError" in daemon.stderr()
    assert then(daemon, 20, OTHER) == 0, daemon.stderr()
    assert "KeyError" in daemon.said("sink.gone")[0]
    (daemon.home / "broken").unlink()
    assert then(daemon, 30, OTHER) == 0, daemon.stderr()
    assert daemon.query("SELECT sink FROM sinks") == [("other",)]


def test_a_sink_without_marks_is_forgotten_without_being_built(daemon: Daemon) -> None:
    (daemon.home / "own.py").write_text("class Own:\n    def write(self, events):\n        pass\n")
    assert then(daemon, 0, MINE) == 0, daemon.stderr()
    (daemon.home / "own.py").unlink()
    assert then(daemon, 10, OTHER) == 0, daemon.stderr()
    assert "sink.gone" not in daemon.stderr()
    assert daemon.query("SELECT sink FROM sinks") == [("other",)]


def test_a_replay_into_sinks_whose_marks_have_no_path_is_refused_in_words(daemon: Daemon) -> None:
    assert then(daemon, 0, MINE) == 0, daemon.stderr()
    done = daemon.command("replay", "--keep-sinks", "logs/app.log")
    assert done.code == 1
    assert "--keep-sinks would write to -, which `tailrace run` has written so far" in done.err
