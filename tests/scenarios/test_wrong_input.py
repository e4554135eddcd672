"""Everything that can be wrong with what a user gives: a message that helps, the right exit code, never a traceback."""

from __future__ import annotations

import os
import shutil

import pytest

from .conftest import MakeDaemon
from .daemon import Daemon, Done, numbered

CONFIG = """
[pipeline]
state_dir = "state"
workers = 0
commit_interval = "50ms"
[source]
paths = ["logs/*.log"]
[[stages]]
use = "parse.json"
[[stages]]
use = "write.file"
path = "out/{source}.ndjson"
"""
COMMANDS = (("run",), ("check",), ("replay", "logs/app.log"), ("dlq", "list"))

needs_setpriv = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="permissions do not bind root, and setpriv is missing"
)


def made(make_daemon: MakeDaemon, config: str = CONFIG) -> Daemon:
    daemon = make_daemon(config)
    (daemon.logs / "app.log").write_bytes(numbered(0, 10))
    return daemon


def with_config(daemon: Daemon, *arguments: str, config: str = "config.toml") -> Done:
    """The command with the configuration as it takes it."""
    return daemon.command(*arguments, *([config] if arguments[0] in ("run", "check") else ["-c", config]))


def quiet(done: Done) -> str:
    """What it says, which is for people."""
    assert "Traceback" not in done.err, done.err
    assert done.out == b""
    assert all(line for line in done.err.splitlines())
    return done.err


def refused(daemon: Daemon, *words: str) -> str:
    """`run` and `check` refuse the configuration with code 78, say these words, and have touched nothing."""
    before = sorted(daemon.home.rglob("*"))
    for arguments in (("run",), ("check",)):
        done = with_config(daemon, *arguments)
        text = quiet(done)
        assert done.code == 78, (arguments, text)
        assert "config.toml" in text
        for word in words:
            assert word in text, (arguments, word, text)
    assert sorted(daemon.home.rglob("*")) == before
    return text


def test_a_configuration_that_is_not_there(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    for arguments in COMMANDS:
        done = with_config(daemon, *arguments, config="other.toml")
        assert done.code == 78
        assert "other.toml" in quiet(done)
    daemon.config.unlink()
    refused(daemon)


def test_a_configuration_that_is_a_directory_or_no_text(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    daemon.config.write_bytes(b"\xff\xfe\x00x = 1")
    refused(daemon)
    daemon.config.unlink()
    daemon.config.mkdir()
    refused(daemon)


@needs_setpriv
def test_a_configuration_that_may_not_be_read(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    daemon.config.chmod(0)
    start_bound(daemon)
    assert daemon.wait() == 78
    assert "config.toml" in daemon.stderr()
    assert "Traceback" not in daemon.stderr()


def test_a_syntax_error_is_shown_with_its_line(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon, CONFIG.replace('"parse.json"', '"parse.json'))
    refused(daemon, "config.toml:9")


def test_all_mistakes_are_told_at_once(make_daemon: MakeDaemon) -> None:
    daemon = made(
        make_daemon,
        CONFIG.replace("workers = 0", 'workers = "many"')
        .replace('"parse.json"', '"parse.jsn"')
        .replace('paths = ["logs/*.log"]', 'paths = ["logs/*.log"]\nexlude = ["x"]')
        .replace("commit_interval", "comit_interval")
        + '[[stages]]\nuse = "write.file"\npath = "out/../../{source}"\n',
    )
    text = refused(daemon, "workers", "many", "parse.jsn", "parse.json", "exlude", "exclude", "comit_interval")
    assert "commit_interval" in text
    assert ".." in text
    assert text.count("config.toml:") >= 5, text


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ('use = "parse.regex"\npattern = "(?P<a>[0-9"', ["pattern", "parse.regex"]),
        ('use = "enrich.filter"\nkeep = "status ==== 3"', ["keep", "enrich.filter"]),
        ('use = "enrich.filter"\nkeep = "__import__(\'os\').system(\'id\')"', ["keep", "enrich.filter"]),
        ('use = "enrich.set"\nexpr = { a = "x.y.z" }', ["expr", "enrich.set"]),
        ('use = "enrich.set"\nwhen = "("\nvalues = { a = 1 }', ["when"]),
        ('use = "write.file"\npath = "{source}/x"', ["path", "write.file"]),
        ('use = "write.file"\npath = "out/../{source}"', ["path", ".."]),
        ('use = "write.file"\npath = "out/{source}.ndjson"', ["out/{source}.ndjson"]),
        ('use = "my.module:Missing"', ["my"]),
        ('use = 7', ["use"]),
    ],
)  # fmt: skip
def test_one_mistake_in_a_stage_is_refused_with_its_place(
    make_daemon: MakeDaemon, stages: str, words: list[str]
) -> None:
    daemon = made(make_daemon, f"{CONFIG}[[stages]]\n{stages}\n")
    done = with_config(daemon, "check")
    text = quiet(done)
    assert done.code == 78, text
    assert "config.toml:1" in text, "the file and a line from 14 on"
    for word in words:
        assert word in text, (word, text)


def test_wrong_use_of_the_command(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    for arguments in (("walk",), ("run", "--untileof"), ("replay",), ("dlq", "show"), ("dlq", "list", "--since", "x")):
        done = daemon.command(*arguments)
        assert done.code == 2, (arguments, done.err)
        assert "Traceback" not in done.err


# The source.


def start_bound(daemon: Daemon, *arguments: str) -> None:
    """Start it where permissions bind, whoever runs the tests."""
    powers = "-dac_override,-dac_read_search"  # over files; without them root is its owner and no more
    before = ["setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}"] if os.geteuid() == 0 else []
    daemon.start(*arguments, before=before)


@needs_setpriv
def test_case_039_an_unreadable_file_is_told_once_and_the_others_go_on(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    closed = daemon.logs / "closed.log"
    closed.write_bytes(numbered(10, 20))
    closed.chmod(0)
    start_bound(daemon)
    daemon.until(daemon.has("app.log.ndjson", 10), "the readable file's events")
    daemon.until(lambda: daemon.said("file.unreadable"), "it tells the unreadable one")
    (line,) = daemon.said("file.unreadable")
    assert "closed.log" in line
    assert "Permission denied" in line
    with (daemon.logs / "app.log").open("ab") as file:
        file.write(numbered(20, 30))
    daemon.until(daemon.has("app.log.ndjson", 20), "it goes on")
    closed.chmod(0o644)
    daemon.until(daemon.has("closed.log.ndjson", 10), "it is read from its start when it may be")
    assert daemon.stop() == 0
    assert len(daemon.said("file.unreadable")) == 1


@needs_setpriv
def test_a_state_directory_that_may_not_be_written(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    (daemon.home / "state").mkdir(mode=0o555)
    start_bound(daemon, "--until-eof")
    assert daemon.wait() == 1
    (line,) = daemon.stderr().splitlines()
    assert f"{daemon.home}/state" in line
    assert "Permission denied" in line
    assert "pipeline.state_dir" in line


def test_case_048_a_state_that_a_running_daemon_holds_names_the_process(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    daemon.start()
    daemon.until(daemon.has("app.log.ndjson", 10), "the first one works")
    done = with_config(daemon, "run", "--until-eof")
    assert done.code == 1
    assert f"process {daemon.pid}" in quiet(done)
    assert f"{daemon.home}/state" in done.err
    with (daemon.logs / "app.log").open("ab") as file:
        file.write(numbered(10, 20))
    daemon.until(daemon.has("app.log.ndjson", 20), "the first one goes on")
    daemon.kill_parent()
    assert daemon.run_to_end() == 0, "the lock of a killed daemon does not block"


@pytest.mark.parametrize("damage", ["empty", "garbage", "torn", "other"])
def test_case_044_a_damaged_state_is_refused_each_time_and_stays_as_it_is(make_daemon: MakeDaemon, damage: str) -> None:
    daemon = made(make_daemon)
    assert daemon.run_to_end() == 0
    whole = daemon.database.read_bytes()
    data = {
        "empty": b"",
        "garbage": b"garbage " * 1000,
        "torn": whole[: len(whole) // 2],
        "other": whole[:4096] + b"\xff" * 8192 + whole[12288:],
    }[damage]
    for name in (daemon.home / "state").glob("tailrace.sqlite-*"):
        name.unlink()
    daemon.database.write_bytes(data)
    before = daemon.text("app.log.ndjson")
    for _ in range(2):
        done = with_config(daemon, "run", "--until-eof")
        assert done.code == 1
        text = quiet(done)
        assert str(daemon.database) in text
        assert "To recover: " in text
        assert daemon.database.read_bytes() == data
    assert daemon.text("app.log.ndjson") == before
    looked = with_config(daemon, "dlq", "list")
    assert "Traceback" not in looked.err
    assert daemon.database.read_bytes() == data


def test_an_output_directory_that_cannot_be_made_is_told_with_its_name_and_waited_for(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    daemon.out.write_text("a file stands where the directory should be")
    daemon.start()
    daemon.until(lambda: daemon.said("sink.retry"), "it tells")
    assert str(daemon.out) in daemon.said("sink.retry")[0]
    assert "no directory" in daemon.said("sink.retry")[0]
    daemon.until(lambda: daemon.said("sink.stuck"), "and, as that needs somebody's help, once as an error")
    assert daemon.running
    daemon.out.unlink()
    daemon.until(daemon.has("app.log.ndjson", 10), "it goes on when the way is free")
    assert daemon.stop() == 0
    assert len(daemon.said("sink.retry")) <= 2


def test_check_and_run_with_a_directory_and_nothing_to_read(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(CONFIG.replace("logs/*.log", "nowhere/*.log"))
    done = with_config(daemon, "check")
    assert done.code == 0
    assert b"no file matches" in done.out
    assert with_config(daemon, "run", "--until-eof").code == 0


def test_a_closed_standard_error_stops_nobody(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    daemon.start(before=["sh", "-c", 'exec "$@" 2>&- >&-', "sh"])
    daemon.until(daemon.has("app.log.ndjson", 10), "the events")
    assert daemon.stop() == 0
    assert daemon.numbers("app.log.ndjson") == list(range(10))
