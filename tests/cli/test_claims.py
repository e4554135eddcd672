"""`replay --keep-sinks` writes to nobody else's outputs: not beside a daemon, not to what a state knows."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

import pytest
from tailrace.pipeline.cli.outputs_in_use import unclaimed
from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.state.lock import holder
from tailrace.pipeline.state.store import State

from ..configuration import configuration, to_file
from .conftest import Run

CONFIG = configuration("parse.json", to_file("out/{source}.ndjson"))


@pytest.fixture
def home(config: Path) -> Path:
    """A configuration that has run once, so that its state knows out/app.log.ndjson."""
    config.write_text(CONFIG)
    (config.parent / "logs").mkdir()
    (config.parent / "logs" / "app.log").write_text('{"n":1}\n')
    (config.parent / "recorded.log").write_text('{"n":2}\n')
    return config.parent


@pytest.fixture
def ran(home: Path, tailrace: Run) -> Path:
    assert tailrace("run", "-q", "--until-eof")[0] == 0
    return home


def contents(home: Path) -> dict[str, str]:
    files = (path for path in home.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_case_075_outputs_that_the_state_knows_are_refused_and_nothing_is_written(ran: Path, tailrace: Run) -> None:
    before = contents(ran)
    code, out, err = tailrace("replay", "--keep-sinks", "recorded.log")
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert f"{ran}/out/app.log.ndjson" in line
    assert f"{ran}/state" in line
    assert "Leave out --keep-sinks" in line
    assert contents(ran) == before
    assert tailrace("replay", "-q", "recorded.log")[1] == '{"n":2}\n', "without the option nothing is in the way"


def test_other_outputs_beside_a_state_are_written(ran: Path, tailrace: Run) -> None:
    before = contents(ran)
    (ran / "other.toml").write_text(CONFIG.replace("out/{source}", "elsewhere/{source}"))
    assert tailrace("replay", "-q", "-c", "other.toml", "--keep-sinks", "recorded.log")[0] == 0
    assert (ran / "elsewhere" / "recorded.log.ndjson").read_text() == '{"n":2}\n'
    after = contents(ran)
    assert all(after[path] == before[path] for path in before if not path.endswith("lock"))
    assert tailrace("run", "-q", "--until-eof")[0] == 0, "its lock is free again"


def test_an_output_below_a_directory_that_is_a_link_is_known(home: Path, tailrace: Run) -> None:
    (home / "disk").mkdir()
    (home / "out").symlink_to("disk")
    assert tailrace("run", "-q", "--until-eof")[0] == 0
    assert tailrace("replay", "--keep-sinks", "recorded.log")[0] == 1


def test_case_075_beside_a_running_daemon_it_is_refused_with_the_process(home: Path, tailrace: Run) -> None:
    (home / "state").mkdir()
    lock = home / "state" / "lock"
    lock.write_text("4711\n")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, _, err = tailrace("replay", "--keep-sinks", "recorded.log")
        assert code == 1
        assert "process 4711" in err
        assert "Leave out --keep-sinks" in err
        assert not (home / "out").exists()
    assert tailrace("replay", "-q", "--keep-sinks", "recorded.log")[0] == 0


def test_case_075_no_daemon_starts_while_it_writes(ran: Path) -> None:
    (ran / "config.toml").write_text(CONFIG.replace("out/{source}", "elsewhere/{source}"))
    config = load(ran / "config.toml")
    state = State(config.pipeline.state_dir, max_bytes=1 << 20, when_full="block", config="")
    with unclaimed(config):
        assert holder(config.pipeline.state_dir) == str(os.getpid())
        with pytest.raises(StateError, match=f"process {os.getpid()}"):
            state.open()
    state.open()
    state.close()


def test_a_state_that_cannot_be_read_is_no_permission(ran: Path) -> None:
    (ran / "state" / "tailrace.sqlite").write_bytes(b"garbage")
    with pytest.raises(StateError, match="the state file cannot be used"), unclaimed(load(ran / "config.toml")):
        pass


def test_where_nothing_was_run_nothing_is_made(home: Path) -> None:
    with unclaimed(load(home / "config.toml")):
        assert not (home / "state").exists()
