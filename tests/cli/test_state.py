"""``state show``, ``state forget``, ``state move``: with nobody running, and in a daemon that goes on meanwhile."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ..configuration import configuration
from ..scenarios.conftest import MakeDaemon
from ..scenarios.daemon import Daemon, numbered
from .conftest import Run

LINE = len(numbered(0, 1))


@pytest.fixture
def read(config: Path, tailrace: Run) -> Path:
    """``a.log``, with three lines, which a run has read; and ``b.log``."""
    config.write_text(configuration())
    (config.parent / "logs").mkdir()
    (config.parent / "logs/a.log").write_bytes(numbered(0, 3))
    (config.parent / "logs/b.log").write_bytes(numbered(10, 11))
    assert tailrace("run", "--until-eof", "-q")[0] == 0
    return config.parent / "logs/a.log"


def run(tailrace: Run) -> list[int]:
    """What the output holds after another run."""
    assert tailrace("run", "--until-eof", "-q")[0] == 0
    return [json.loads(line)["n"] for line in Path("out/all.ndjson").read_text().splitlines()]


def shown(tailrace: Run, *arguments: str) -> list[list[str]]:
    code, out, _ = tailrace("state", "show", *arguments)
    assert code == 0
    return [row.split() for row in out.splitlines()[1:]]


# Without a daemon.


def test_show_lists_every_file_and_all_about_one(tailrace: Run, read: Path) -> None:
    rows = shown(tailrace)
    assert [(row[1], row[2], row[3]) for row in rows] == [
        (str(read), str(3 * LINE), str(3 * LINE)), (str(read.with_name("b.log")), str(LINE + 1), str(LINE + 1)),
    ]  # fmt: skip
    code, out, _ = tailrace("state", "show", "logs/a.log")
    about = json.loads(out)
    assert (code, about["path"], about["offset"], about["inode"]) == (0, str(read), 3 * LINE, read.stat().st_ino)


def test_show_tells_ended_ones_when_it_is_asked_to(tailrace: Run, read: Path) -> None:
    read.write_bytes(numbered(5, 6))  # truncated, and written anew
    run(tailrace)
    assert len(shown(tailrace)) == 2
    rows = shown(tailrace, "--ended")
    assert [row[1] for row in rows].count(str(read)) == 2
    _, out, _ = tailrace("state", "show", "--ended", "logs/a.log")
    assert out.count('"stream"') == 2


def test_show_prints_names_that_no_terminal_obeys(tailrace: Run, config: Path) -> None:
    config.write_text(configuration())
    logs = os.fsencode(config.parent / "logs")
    os.mkdir(logs)
    with open(logs + b"/\x1b[31m\xff.log", "wb") as file:
        file.write(numbered(0, 1))
    assert tailrace("run", "--until-eof", "-q")[0] == 0
    _, out, _ = tailrace("state", "show")
    assert all(line.isprintable() for line in out.splitlines())
    assert "[31m" in out


@pytest.mark.parametrize("verb", [("show",), ("forget", "a.log"), ("move", "a.log", "b.log")])
def test_without_a_state_none_is_made(tailrace: Run, config: Path, verb: tuple[str, ...]) -> None:
    code, _, err = tailrace("state", *verb)
    assert code == 1
    assert "there is no state file" in err
    assert not (config.parent / "state").exists()


def test_a_file_that_is_forgotten_is_read_again_from_its_beginning(tailrace: Run, read: Path) -> None:
    code, out, err = tailrace("state", "forget", "logs/a.log")
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == f"{read}: forgotten; it was read up to byte {3 * LINE}"
    assert [row[1] for row in shown(tailrace)] == [str(read.with_name("b.log"))]
    assert run(tailrace) == [0, 1, 2, 10, 0, 1, 2]
    assert run(tailrace) == [0, 1, 2, 10, 0, 1, 2]


def test_a_file_that_was_moved_to_another_disk_is_read_on(tailrace: Run, read: Path) -> None:
    moved = read.with_name("moved.log")
    moved.write_bytes(read.read_bytes() + numbered(3, 5))  # another inode
    read.unlink()
    code, out, err = tailrace("state", "move", "logs/a.log", "logs/moved.log")
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == f"{read}: goes on at byte {3 * LINE} of {moved}"
    assert run(tailrace) == [0, 1, 2, 10, 3, 4]
    assert [row[1] for row in shown(tailrace)] == [str(moved), str(read.with_name("b.log"))]


def test_what_is_not_the_same_content_is_refused_and_nothing_changed(tailrace: Run, read: Path) -> None:
    before = shown(tailrace)
    code, _, err = tailrace("state", "move", "logs/a.log", "logs/b.log")
    assert code == 1
    assert "does not hold what was read" in err
    for verb in (("forget", "logs/c.log"), ("move", "logs/c.log", "logs/b.log")):
        code, _, err = tailrace("state", *verb)
        assert code == 1
        assert "knows no such file" in err
    assert shown(tailrace) == before
    assert read.exists()


def test_a_file_that_was_found_at_its_new_place_already_is_not_known_twice(tailrace: Run, read: Path) -> None:
    """A run has come first and has read it from its beginning."""
    moved = read.with_name("moved.log")
    moved.write_bytes(read.read_bytes() + numbered(3, 5))
    assert run(tailrace) == [0, 1, 2, 10, 0, 1, 2, 3, 4]
    code, _, err = tailrace("state", "move", "logs/a.log", "logs/moved.log")
    assert (code, f"{read}: it is still there, and would be read again" in err) == (1, True)
    read.unlink()
    assert tailrace("state", "move", "logs/a.log", "logs/moved.log")[0] == 0
    rows = shown(tailrace)
    assert [row[1] for row in rows].count(str(moved)) == 1
    assert [row[2] for row in rows if row[1] == str(moved)] == [str(3 * LINE)]


def test_a_place_that_nobody_asks_for_is_said_to_be_none_that_is_read(tailrace: Run, read: Path) -> None:
    moved = read.with_name("moved.txt")
    read.rename(moved)
    code, _, err = tailrace("state", "move", "logs/a.log", "logs/moved.txt")
    assert (code, f"{moved}: source.paths does not ask for it" in err) == (0, True)


def test_of_another_source_there_are_no_files(tailrace: Run, config: Path, read: Path) -> None:  # noqa: ARG001
    config.write_text(configuration().replace('paths = ["logs/*.log"]', 'use = "stdin"'))
    for verb in (("show",), ("forget", "logs/a.log"), ("move", "logs/a.log", "logs/b.log")):
        code, _, err = tailrace("state", *verb)
        assert code == 78
        assert 'use = "stdin"' in err


# In a running daemon.


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    made = make_daemon(configuration(commit_interval="20ms"))
    (made.logs / "a.log").write_bytes(numbered(0, 3))
    made.start()
    made.until(made.has("all.ndjson", 3), "it is read")
    made.until(lambda: made.committed() == 3 * LINE, "and committed")
    return made


def changed(daemon: Daemon, *arguments: str) -> str:
    done = daemon.command("state", *arguments)
    assert (done.code, done.out) == (0, b""), done.err
    return done.err


def test_a_daemon_forgets_a_file_between_two_runs_and_goes_on(daemon: Daemon) -> None:
    assert f"it was read up to byte {3 * LINE}" in changed(daemon, "forget", "logs/a.log")
    daemon.until(daemon.has("all.ndjson", 6), "it is read again")
    with (daemon.logs / "a.log").open("ab") as log:
        log.write(numbered(3, 4))
    daemon.until(daemon.has("all.ndjson", 7), "and goes on")
    assert daemon.numbers("all.ndjson") == [0, 1, 2, 0, 1, 2, 3]
    refused = daemon.command("state", "forget", "logs/b.log")
    assert (refused.code, "knows no such file" in refused.err) == (1, True)
    (why,) = daemon.said("pipeline.changing")
    assert "the state is to be changed by hand" in why, "once: what is refused ends no run"
    assert daemon.stop() == 0


def test_a_daemon_reads_on_in_a_file_that_was_moved(daemon: Daemon) -> None:
    moved = daemon.home / "other"
    moved.mkdir()
    daemon.config.write_text(configuration(commit_interval="20ms", source={"paths": ["logs/*.log", "other/*.log"]}))
    content = (daemon.logs / "a.log").read_bytes()
    (daemon.logs / "a.log").unlink()
    (moved / "a.log").write_bytes(content + numbered(3, 5))
    assert f"goes on at byte {3 * LINE}" in changed(daemon, "move", "logs/a.log", "other/a.log")
    assert daemon.stop() == 0, daemon.stderr()
    assert daemon.run_to_end() == 0
    assert daemon.numbers("all.ndjson") == [0, 1, 2, 3, 4]
