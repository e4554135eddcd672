"""``replay --speed``: the same events in the same order, later; and an end at once when asked for."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from ..configuration import configuration, to_file
from .conftest import COMMAND, Run

CONFIG = configuration("parse.json", to_file("out/{source}.ndjson"), workers=1, source={"paths": ["*.log"]})


@pytest.fixture
def home(config: Path) -> Path:
    """A directory with a configuration and a log of one event an hour."""
    config.write_text(CONFIG)
    events = [{"time": f"2020-01-01T{hour:02}:00:00Z", "hour": hour} for hour in (0, 1, 2, 2, 9, 5, 23)]
    (config.parent / "app.log").write_text("".join(json.dumps(event) + "\n" for event in events))
    return config.parent


def test_a_paced_replay_gives_what_full_speed_gives(home: Path, tailrace: Run) -> None:
    code, paced, err = tailrace("replay", "--speed", "1000000x", "app.log")
    assert code == 0
    assert paced == tailrace("replay", "--speed", "max", "app.log")[1]
    assert "standard output: 7 read + 0 made = 7 written" in err
    assert "retry" not in err, "waiting is no trouble"
    assert not (home / "out").exists()


def test_an_interrupted_paced_replay_ends_at_once_and_cleanly(home: Path) -> None:
    command = [*COMMAND, "replay", "--speed", "1x", "app.log"]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["hour"] == 0
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)  # the next event is an hour away
    assert (process.returncode, out) == (0, "")
    assert [line for line in err.splitlines() if "pipeline.stopping" not in line] == []


@pytest.mark.parametrize("speed", ["0x", "-1x", "10", "x", "fast", "1e3x", "infx", "nanx", "٣x"])
def test_what_is_no_speed_is_wrong_use(home: Path, tailrace: Run, speed: str) -> None:  # noqa: ARG001 - is the current one
    code, out, err = tailrace("replay", f"--speed={speed}", "app.log")
    assert (code, out) == (2, "")
    assert "expected max, or a factor such as 1x or 0.5x" in err


def test_a_pace_and_the_real_sinks_exclude_each_other(home: Path, tailrace: Run) -> None:
    code, out, err = tailrace("replay", "--speed", "1x", "--keep-sinks", "app.log")
    assert (code, out) == (2, "")
    assert "with --keep-sinks leave it out" in err
    assert tailrace("replay", "--speed", "max", "--keep-sinks", "app.log")[0] == 0
    assert (home / "out" / "app.log.ndjson").exists()
