"""How a pipeline stands without a daemon, or with one whose output is stuck: what is told agrees with the files."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.cli import status
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.state.file import known_streams

from ..configuration import configuration
from ..permissions import bound_by_permissions
from ..waiting import until
from .answers import healthy
from .conftest import COMMAND, Put, Run
from .control_stub import Control, Json


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(directory.iterdir())}


def test_it_says_that_it_does_not_run_and_what_is_therefore_not_known(put: Put, config: Path, tailrace: Run) -> None:
    put(time=1.0)
    (config.parent / "a.log").write_text("one\ntwo\n")
    killed = config.parent / "killed"  # its log is as it was in the middle of its life
    shutil.copytree(config.parent / "state", killed)
    config.write_text(config.read_text().replace('"state"', '"killed"'))
    before = contents(killed)
    code, out, err = tailrace("status", config)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "tailrace      not running: what follows is from the state and the files"
    assert lines[2].startswith("              the state was last written 20")
    assert lines[3].startswith("              not known this way: whether sinks are up, rates, latency,")
    assert lines[5] == "! no tailrace is running with this state: nothing is read until one is started"
    assert [
        line for line in lines if line.startswith("lag           8 bytes not committed, in 1 file; the oldest of it")
    ]
    assert [line for line in lines if re.fullmatch(r"write.file:out/.* +\? +0 +\? +0 +0 +\?", line)]
    assert f"{config.parent}/a.log  unread  8 bytes" in out
    assert "1 dead letter, 300 bytes of 256.0 MiB" in lines
    assert contents(killed) == before
    assert sorted(before) == ["tailrace.sqlite", "tailrace.sqlite-shm", "tailrace.sqlite-wal"]


def test_json_of_a_stopped_one_has_the_shape_of_a_running_one(
    state: sqlite3.Connection, config: Path, tailrace: Run
) -> None:
    assert state
    (config.parent / "a.log").touch()
    found = json.loads(tailrace("status", "--json")[1])
    assert set(healthy()) - set(found) == set()
    assert (found["state"], found["ready"], len(found["reasons"])) == ("stopped", False, 1)
    shapes: list[tuple[Any, Any]] = [
        (healthy()[name], found[name]) for name in ("totals", "pending", "lag", "files", "dead_letters")
    ]
    shapes += [(healthy()["sinks"][0], found["sinks"][0]), (healthy()["stages"][0], found["stages"][0])]
    shapes += [(healthy()["files"]["rows"][0], found["files"]["rows"][0])]
    assert [set(one) - set(other) for one, other in shapes] == [set()] * len(shapes)
    assert tailrace("status", "--check", "-q")[0] == 1
    code, _, err = tailrace("status", "--page")
    assert (code, err) == (1, "tailrace: there is no page: no daemon serves it now\n")


def test_a_process_that_has_the_state_and_does_not_answer_is_told(
    put: Put, config: Path, tailrace: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    put()
    with (config.parent / "state" / "lock").open("w+") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        out = tailrace("status")[1]
        assert "tailrace      process 4711 does not answer: what follows is from the state and the files\n" in out
        monkeypatch.setattr(status, "SOON", 0.05)
        with Control(config.parent / "state", {}) as control:
            control.hangs = True
            found = json.loads(tailrace("status", "--json")[1])
    assert (found["state"], found["pid"]) == ("silent", 4711)
    assert found["reasons"] == [f"{config.parent}/state: the daemon does not answer: timed out"]


@pytest.mark.parametrize("make", ["nothing", "empty", "garbage", "newer", "log"])
def test_case_044_a_state_that_cannot_be_read_is_named_and_left_alone(
    state: sqlite3.Connection, config: Path, tailrace: Run, make: str
) -> None:
    directory = config.parent / "state"
    path = directory / "tailrace.sqlite"
    if make == "newer":
        state.execute("UPDATE meta SET value = '3' WHERE key = 'schema_version'")
        state.close()
    elif make == "log":
        (directory / "tailrace.sqlite-shm").unlink()
    else:
        state.close()
        path.unlink()
        for data in {"empty": [b""], "garbage": [b"no database " * 999]}.get(make, []):
            path.write_bytes(data)
    before = contents(directory)
    code, out, err = tailrace("status")
    assert (code, out) == (1, "")
    words = {
        "nothing": "there is no state file; nothing was run with this configuration yet",
        "empty": "it is no state file: it is empty, or not a regular file",
        "garbage": "the state cannot be read: file is not a database. Nothing was changed.",
        "newer": "its schema version is 3, this tailrace knows 1 and 2",
        "log": "this log came without its index, tailrace.sqlite-shm, as from a backup",
    }
    assert f"tailrace: {path}" in err
    assert words[make] in err
    assert contents(directory) == before


def test_it_reads_where_it_may_not_write(put: Put, config: Path, tailrace: Run) -> None:
    put()
    directory = config.parent / "state"
    directory.chmod(0o500)
    try:
        assert bound_by_permissions(lambda: tailrace("status"))[0] == 0
    finally:
        directory.chmod(0o700)


@pytest.mark.parametrize(
    "command",
    ["status", "top", "tap", "dlq list", "dlq redrive", "dlq drop --all", "state show", "state forget a"],
)
def test_who_may_not_look_into_the_state_is_told_so(put: Put, config: Path, tailrace: Run, command: str) -> None:
    put()
    directory = config.parent / "state"
    directory.chmod(0)
    try:
        code, _, err = bound_by_permissions(lambda: tailrace(*command.split()))
    finally:
        directory.chmod(0o700)
    owner = pwd.getpwuid(directory.stat().st_uid).pw_name
    said = f"{directory}: uid {os.geteuid()} may not use this state: run this as its user, {owner}"
    assert (code, said in err) == (1, True)


def test_a_replay_is_told_so_too(put: Put, config: Path) -> None:
    put()
    directory = config.parent / "state"
    directory.chmod(0)
    try:
        with pytest.raises(StateError, match="may not use this state"):
            bound_by_permissions(lambda: known_streams(str(directory)))
    finally:
        directory.chmod(0o700)


STUCK = """
class Stuck:
    def write(self, events):
        raise OSError("no route to host")
"""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_with_a_stuck_output_and_a_growing_file_lag_and_pending_agree_with_the_file(
    config: Path, tailrace: Run, end: signal.Signals
) -> None:
    (config.parent / "stuck.py").write_text(STUCK)
    config.write_text(
        configuration(
            "parse.json", {"use": "stuck:Stuck", "id": "far"}, source={"paths": ["*.log"]}, shutdown_timeout="0s"
        )
    )
    log = config.parent / "a.log"
    log.write_text('{"n": 1}\n' * 1000)

    def look() -> Json:
        found: Json = json.loads(tailrace("status", "--json")[1] or '{"state": ""}')
        return found

    with subprocess.Popen([*COMMAND, "run", "-qq"], stderr=subprocess.PIPE, text=True) as process:
        try:
            until((config.parent / "state" / "control").exists, "it answers")
            until(lambda: "far" in "".join(look()["reasons"]), "the sink is down")
            with log.open("a") as grows:
                grows.write('{"n": 2}\n' * 500)
            size = log.stat().st_size
            until(lambda: look()["pending"]["lines"] == 1500, "all of it is read, and waits")
            running = look()
            code, picture = tailrace("status", "--check", "-q")[0], tailrace("top", "--once")[1]
            process.send_signal(end)
            process.communicate(timeout=60)
        finally:
            process.kill()
    stopped = look()
    assert (running["state"], stopped["state"], code) == ("running", "stopped", 1)
    assert [line for line in picture.splitlines() if line.startswith("far ") and line.endswith("◀ bottleneck")]
    assert running["sinks"][0]["up"] is False
    for found in (running, stopped):
        assert found["lag"]["bytes"] == found["files"]["lag_bytes"] == found["pending"]["bytes"] == size
        (row,) = found["files"]["rows"]
        assert (row["offset"], row["size"], row["lag_bytes"], row["balance"]["pending"]) == (0, size, size, size)
        assert (found["totals"]["lines_read"], found["totals"]["written"].get("far", 0)) == (0, 0)
    assert running["lag"]["seconds"] > 0.0 < stopped["lag"]["seconds_at_least"]
