"""``dlq drop``: what it removes, when it refuses, and that a blocked pipeline goes on afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tailrace.pipeline.state.store import State

from .conftest import JSON_LINES, Run

Put = Callable[..., None]


def ids(tailrace: Run) -> list[int]:
    return [int(row.split()[0]) for row in tailrace("dlq", "list")[1].splitlines()[1:]]


@pytest.fixture
def four(state: sqlite3.Connection, put: Put) -> None:
    """Dead letters 1 to 4, of a state that nobody has open."""
    put(time=1000.0, size=1 << 20)
    put(time=2000.0)
    put(time=3000.0, error="bad_type")
    put(time=4000.0, stage="enrich.set", raw=b"x" * 5000)
    state.close()


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (["--stage", "parse.combined"], [4]),
        (["--stage", "parse.combined", "--error", "no_match"], [4, 3]),
        (["--error", "bad_type"], [4, 2, 1]),
        (["--since", "1970-01-01T00:33:20"], [1]),
        (["--id", "2"], [4, 3, 1]),
        (["--id", "2", "--id", "4"], [3, 1]),
        (["--id", "2", "--stage", "enrich.set"], [4, 3, 2, 1]),
        (["--all"], []),
    ],
)
@pytest.mark.usefixtures("four")
def test_case_078_it_removes_what_the_filter_names_and_nothing_else(
    tailrace: Run, wanted: list[str], left: list[int]
) -> None:
    code, out, err = tailrace("dlq", "drop", *wanted, "--dry-run")
    assert code == 0
    assert ids(tailrace) == [4, 3, 2, 1], "a dry run changes nothing"
    code, dropped, _ = tailrace("dlq", "drop", *wanted)
    assert code == 0
    assert ids(tailrace) == left
    if len(left) < 4:
        assert f"{4 - len(left)} dead letter{'s' if len(left) < 3 else ''} would be dropped" in err
        assert dropped.partition("\n\n")[0] == out.partition("\n\n")[0], "the same table"


@pytest.mark.usefixtures("four")
def test_it_tells_what_was_dropped_and_the_room_there_is_now(tailrace: Run) -> None:
    code, out, err = tailrace("dlq", "drop", "--stage", "parse.combined")
    assert code == 0
    assert err == "3 dead letters dropped\n"
    table, _, room = out.partition("\n\n")
    assert [row.split() for row in table.splitlines()][1:] == [
        ["parse.combined", "no_match", "2", "18", "bytes", "1970-01-01T00:16:40Z", "1970-01-01T00:33:20Z"],
        ["parse.combined", "bad_type", "1", "9", "bytes", "1970-01-01T00:50:00Z", "1970-01-01T00:50:00Z"],
        ["all", "3", "27", "bytes"],
    ]
    assert room.startswith("room taken  300 bytes of 256.0 MiB (dead_letters.max_bytes), 0.0%\n")


@pytest.mark.usefixtures("four")
def test_without_a_filter_it_asks_for_one_and_drops_nothing(tailrace: Run) -> None:
    for arguments in ([], ["--dry-run"], ["--all", "--stage", "parse.combined"]):
        code, out, err = tailrace("dlq", "drop", *arguments)
        assert (code, out) == (2, "")
        assert "--stage, --error, --since or --id" in err
        assert "--all" in err
    assert ids(tailrace) == [4, 3, 2, 1]


@pytest.mark.usefixtures("four")
def test_none_that_fit_is_said(tailrace: Run) -> None:
    code, out, err = tailrace("dlq", "drop", "--stage", "parse.jsn")
    assert (code, out) == (0, "")
    assert err == "none of the 4 dead letters fits; `tailrace dlq stats` shows what there is\n"


def test_case_048_a_daemon_that_does_not_answer_keeps_its_state(config: Path, tailrace: Run, put: Put) -> None:
    put()
    daemon = State(str(config.parent / "state"), max_bytes=1 << 20, when_full="block", config="")
    daemon.open()
    try:
        code, out, err = tailrace("dlq", "drop", "--all")
        assert (code, out) == (1, "")
        assert "process " in err
        assert "stop it first" in err
        assert len(ids(tailrace)) == 1
        assert tailrace("dlq", "drop", "--all", "--dry-run")[0] == 0, "looking is allowed"
    finally:
        daemon.close()
    assert tailrace("dlq", "drop", "--all")[0] == 0
    assert ids(tailrace) == []


def test_where_nothing_was_run_yet_no_state_is_made(config: Path, tailrace: Run) -> None:
    code, _, err = tailrace("dlq", "drop", "--all")
    assert code == 1
    assert "there is no state file" in err
    assert not (config.parent / "state").exists()


BLOCKED = f"""{JSON_LINES}
[dead_letters]
max_bytes = "64KiB"
"""
BAD = "x" * 4000 + "\n"


def test_case_078_a_pipeline_that_full_dead_letters_block_goes_on_when_they_are_dropped(
    config: Path, tailrace: Run
) -> None:
    config.write_text(BLOCKED)
    log = config.parent / "app.log"
    log.write_text(BAD * 12)
    assert tailrace("run", "--until-eof", "-q")[0] == 0
    with log.open("a") as file:
        file.write((BAD + '{"n":1}\n') * 8)
    code, _, err = tailrace("run", "--until-eof")
    assert code == 1
    (line,) = [line for line in err.splitlines() if "] dead_letters.full" in line]
    assert " error " in line
    assert "tailrace dlq drop" in line
    assert "of 64.0 KiB" in line
    assert "tailrace dlq drop" in err.splitlines()[-1]
    assert tailrace("dlq", "drop", "--stage", "parse.json")[0] == 0
    assert tailrace("run", "--until-eof", "-q")[0] == 0
    assert (config.parent / "out" / "app.log.ndjson").read_text() == '{"n":1}\n' * 8
    assert len(ids(tailrace)) == 8
