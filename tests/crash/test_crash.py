"""Killed at any operation that changes something durable, a restart brings what an uninterrupted run brings.

`make crash` tries every operation, without and with workers, and kills in the recovery; here a part of these, and proof
that a daemon that does not sync would be found out.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .__main__ import Rehearsal
from .power import MODES, SECTOR, Mode, Unsynced, mixed
from .remains import gone
from .scenario import RUNS, configuration, live, result

pytestmark = pytest.mark.timeout(300)  # hundreds of processes: a busy machine needs many times the usual seconds

FORGETFUL = """
import sys
from tests.crash import power
from tests.crash.__main__ import main
power.Fault.{function} = lambda *_: None
sys.exit(main(["--part", "inline", "--every", "13"]))
"""


@dataclass
class Told:
    """What a rehearsal ended with."""

    code: int
    kills: dict[str, int]  # by mode
    places: str
    differences: int
    said: str


def rehearse(*command: str) -> Told:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, timeout=280)
    said = done.stdout + done.stderr
    told = re.search(r"kills: \d+ \((.*)\)\nkilled at: (.*)\ndifferences: (\d+)", done.stdout)
    assert told, said
    kills = {mode: int(count) for mode, count in re.findall(r"(\w+) (\d+)", told[1])}
    return Told(done.returncode, kills, told[2], int(told[3]), said)


@pytest.fixture(scope="module")
def rehearsed() -> Told:
    return rehearse("-m", "tests.crash", "--part", "inline", "--every", "13", "--seed", "5")


def test_case_050_killed_at_durable_operations(rehearsed: Told) -> None:
    assert rehearsed.kills["kill"] > 10, rehearsed.said
    assert (rehearsed.code, rehearsed.differences) == (0, 0), rehearsed.said


def test_case_051_writes_torn_and_power_cut_at_durable_operations(rehearsed: Told) -> None:
    assert rehearsed.kills["torn"] > 10, rehearsed.said
    assert rehearsed.kills["power"] > 10, rehearsed.said
    assert (rehearsed.code, rehearsed.differences) == (0, 0), rehearsed.said


@pytest.mark.parametrize("place", ["tailrace.sqlite.new", "commit tailrace.sqlite ", "create output"])
def test_case_050_killed_while_the_state_and_outputs_are_made(rehearsed: Told, place: str) -> None:
    assert place in rehearsed.places


@pytest.mark.parametrize("mode", MODES)
def test_case_050_killed_while_an_output_without_a_commit_is_removed(tmp_path: Path, mode: Mode) -> None:
    expected = Rehearsal(tmp_path).expected[0]
    config = configuration(tmp_path / "killed", 0)
    RUNS[0](config.directory / "logs")
    assert live(config, 1, "kill", only="sync out/") is None, "killed before anything is committed"
    assert live(config, 1, mode, only="unlink out/") is None, "killed as it removes what was written"
    assert live(config) is not None
    assert result(config.directory) == expected


def test_case_057_the_parent_of_workers_killed_at_durable_operations_leaves_nothing_behind() -> None:
    told = rehearse("-m", "tests.crash", "--part", "workers", "--every", "29")
    assert sum(told.kills.values()) > 5, told.said
    assert (told.code, told.differences) == (0, 0), told.said


def test_case_050_killed_in_the_recovery_from_a_kill() -> None:
    told = rehearse("-m", "tests.crash", "--part", "recovery", "--every", "31")
    assert sum(told.kills.values()) > 30, told.said
    assert "truncate output" in told.places, told.said
    assert (told.code, told.differences) == (0, 0), told.said


def test_case_057_a_worker_or_a_ring_that_stays_is_found_out() -> None:
    memory = os.memfd_create("tailrace-ring", 0)
    inode = os.fstat(memory).st_ino
    left = subprocess.Popen(["sleep", "60"], pass_fds=[memory], start_new_session=True)
    os.close(memory)
    try:
        assert not gone(left.pid, [])
        assert not gone(1 << 22 | 1, [inode]), "a session that no process can have"
    finally:
        left.kill()
        left.wait()
    assert gone(left.pid, [inode])


@pytest.mark.parametrize("function", ["sync", "sync_directory"])
def test_case_051_a_daemon_that_does_not_sync_is_found_out(function: str) -> None:
    for _ in range(4):  # which sector or name a power cut takes is chance, and so is the order of the sinks
        told = rehearse("-c", FORGETFUL.format(function=function))
        if told.code == 1:
            break
    assert told.code == 1, told.said
    assert told.differences > 0, told.said


@pytest.mark.parametrize("workers", [0, 2])
def test_case_050_the_real_command_killed_in_each_run(tmp_path: Path, workers: int) -> None:
    expected = Rehearsal(tmp_path, workers).expected
    config = configuration(tmp_path / "command", workers)
    chance = random.Random(1)  # noqa: S311  (no secret)
    killed = 0
    for run, (at, mode), wanted in zip(
        RUNS, [(12, "kill"), (17, "torn"), (20, "power"), (15, "power")], expected, strict=True
    ):
        run(config.directory / "logs")
        for operation in (at, chance.randint(3, 10), 0):
            command = [sys.executable, "-m", "tests.crash.command", str(config.path), str(operation), mode, str(at)]
            done = subprocess.run(command, capture_output=True, check=False, timeout=60)
            killed += done.returncode == -signal.SIGKILL
        assert done.returncode == 0, done.stderr
        assert result(config.directory) == wanted, run.__name__
    assert killed == 8


def test_what_is_not_synced_may_be_lost_kept_or_zeroed_sector_by_sector() -> None:
    chance = random.Random(3)  # noqa: S311  (no secret)
    old, new = b"o" * SECTOR, b"o" * SECTOR + b"n" * 3 * SECTOR
    seen = [mixed(old, new, chance, 0.5) for _ in range(200)]
    assert {old, new} < set(seen)
    assert any(data[SECTOR:].strip(b"\0") == b"" and len(data) > SECTOR for data in seen), "zeroed"
    assert all(data[:SECTOR] == old for data in seen), "what was synced stays"


def test_a_name_that_was_not_synced_may_be_lost_and_a_removed_one_may_come_back(tmp_path: Path) -> None:
    lost = set()
    for seed in range(20):
        home = tmp_path / str(seed)
        home.mkdir()
        unsynced = Unsynced.load(home)
        (home / "old").write_bytes(b"old")
        unsynced.note("create", str(home / "new"))
        (home / "new").write_bytes(b"new")
        unsynced.note("unlink", str(home / "old"))
        (home / "old").unlink()
        unsynced.lose(random.Random(seed))  # noqa: S311  (no secret)
        lost.add(((home / "new").exists(), (home / "old").exists()))
    assert lost == {(True, False), (False, True), (True, True), (False, False)}
