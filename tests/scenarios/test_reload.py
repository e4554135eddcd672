"""A configuration that changes while it runs: each line once, each by one chain, and a wrong one changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from ..configuration import Table, configuration, to_file
from ..servers.http import Server, wants
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import COMMAND, Daemon, numbered
from .writer import BAD_EVERY, Writer

OWN = 'VERSION = {version}\n\n\ndef mark(event):\n    event["version"] = VERSION\n    return event\n'
configured = partial(
    configuration,
    "parse.json",
    commit_interval="50ms",
    chunk_bytes="64KiB",
    source={"paths": ["logs/app.log*"], "close_after": "200ms"},
)


def reload(daemon: Daemon, text: str) -> None:
    """Ask for it, and wait until it runs."""
    count = len(daemon.said("config.reloaded"))
    daemon.config.write_text(text)
    daemon.send(signal.SIGHUP)
    daemon.until(lambda: len(daemon.said("config.reloaded")) > count, "the new configuration runs")


@pytest.mark.parametrize("workers", [0, 2])
def test_case_074_098_four_reloads_and_a_wrong_one_under_load(make_daemon: MakeDaemon, workers: int) -> None:
    def text(version: int) -> str:
        values: Table = {"use": "enrich.set", "values": {"configured": version}}
        return configuration(
            "parse.json", "own:mark", values, to_file(), commit_interval="50ms", chunk_bytes="64KiB", workers=workers,
            source={"paths": ["logs/app.log*"], "close_after": "200ms"},
        )  # fmt: skip

    daemon = make_daemon(text(1))
    (daemon.home / "own.py").write_text(OWN.format(version=1))
    writer = Writer(daemon.logs / "app.log")
    writer.start()
    try:
        daemon.start()
        daemon.until(daemon.has("all.ndjson", 5000), "the first version, by all workers")
        for version in (2, 3, 4, 5):
            (daemon.home / "own.py").write_text(OWN.format(version=version))  # as long as the one before
            reload(daemon, text(version))
            before = len(daemon.text("all.ndjson").splitlines())
            daemon.until(daemon.has("all.ndjson", before + 200), "it goes on")
            if version == 3:
                (daemon.home / "own.py").write_text("def mark(event:\n")
                daemon.config.write_text(text(9).replace("enrich.set", "enrich.sett"))
                daemon.send(signal.SIGHUP)
                daemon.until(lambda: daemon.said("config.rejected"), "it is refused")
                assert "own.py" in daemon.stderr()
                assert "enrich.sett" in daemon.stderr(), "all that is wrong with it"
    finally:
        writer.stop()
    daemon.until(
        lambda: daemon.committed() == sum(one.stat().st_size for one in daemon.logs.iterdir()), "everything is read"
    )
    assert daemon.stop() == 0, daemon.stderr()
    events = daemon.events("all.ndjson")
    assert sorted(event["n"] for event in events) == [
        n for n in range(writer.written) if n % BAD_EVERY != BAD_EVERY - 1
    ]
    versions = [event["version"] for event in events]
    assert versions == sorted(versions)
    assert set(versions) == {1, 2, 3, 4, 5}
    assert versions == [event["configured"] for event in events], "each by one chain"


def test_case_098_five_in_a_second(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured(to_file()))
    (daemon.logs / "app.log").write_bytes(numbered(0, 50_000))
    daemon.start()
    daemon.until(daemon.has("all.ndjson", 1), "it has begun")
    for _ in range(5):
        daemon.send(signal.SIGHUP)
    daemon.until(lambda: daemon.said("config.reloaded"), "it has changed")
    daemon.until(lambda: daemon.committed() == len(numbered(0, 50_000)), "all of it")
    assert daemon.stop() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(50_000))


def test_case_074_098_one_that_removes_the_sink_that_is_stuck(make_daemon: MakeDaemon) -> None:
    stuck: Table = {
        "use": "write.http",
        "endpoint": "http://127.0.0.1:9/",
        "id": "web",
        "retry": {"initial_backoff": "1s"},
    }
    patient = partial(configured, shutdown_timeout="1s", commit_bytes="64KiB")
    daemon = make_daemon(patient(to_file(), stuck))
    (daemon.logs / "app.log").write_bytes(numbered(0, 20_000))
    daemon.start()
    daemon.until(lambda: daemon.said("sink.retry"), "it is stuck")
    assert daemon.committed() == 0
    reload(daemon, patient(to_file()))
    daemon.until(lambda: daemon.committed() == len(numbered(0, 20_000)), "it goes on without it")
    assert daemon.stop() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(20_000))
    (removed,) = daemon.said("sink.removed")
    assert "sink=web" in removed
    assert "bytes=" in removed, "what it still held"


def test_what_a_removed_sink_still_held_is_written(make_daemon: MakeDaemon) -> None:
    both = configured(to_file(), to_file("out/other.ndjson"), commit_interval="1h")
    daemon = make_daemon(both)
    (daemon.logs / "app.log").write_bytes(numbered(0, 1000))
    daemon.start()
    daemon.until(daemon.has("other.ndjson", 1000), "written, and not committed")
    reload(daemon, configured(to_file()))
    assert daemon.stop() == 0, daemon.stderr()
    assert daemon.numbers("other.ndjson") == daemon.numbers("all.ndjson") == list(range(1000))


def test_a_source_that_changes_goes_on_with_files_that_have_no_name_any_more(make_daemon: MakeDaemon) -> None:
    """Its sink is stuck, so what was deleted is read only after the change."""
    blocked = "out/blocked/all.ndjson"
    daemon = make_daemon(configured(to_file(blocked), shutdown_timeout="500ms", commit_bytes="64KiB"))
    daemon.out.mkdir()
    (daemon.out / "blocked").write_text("a file where a directory should be")
    (daemon.logs / "app.log").write_bytes(numbered(0, 50_000))
    daemon.start()
    daemon.until(lambda: daemon.said("sink.retry"), "it is stuck")
    (daemon.logs / "app.log").unlink()
    daemon.until(lambda: daemon.said("file.gone"), "that was noticed")
    (daemon.logs / "new.txt").write_bytes(numbered(0, 10))
    other = {"paths": ["logs/app.log*", "logs/*.txt"], "close_after": "200ms"}
    count = len(daemon.said("config.reloaded"))
    daemon.config.write_text(
        configuration("parse.json", to_file(blocked), commit_interval="50ms", chunk_bytes="64KiB", source=other)
    )
    daemon.send(signal.SIGHUP)
    daemon.until(lambda: len(daemon.said("config.reloaded")) > count, "the new configuration runs")
    (daemon.out / "blocked").unlink()
    daemon.until(daemon.has("blocked/all.ndjson", 50_010), "both files are read")
    assert daemon.stop() == 0, daemon.stderr()
    assert sorted(daemon.numbers("blocked/all.ndjson")) == sorted([*range(50_000), *range(10)])


def test_case_073_another_state_is_refused_and_told_how(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured(to_file()))
    daemon.start()
    daemon.until((daemon.home / "state" / "tailrace.sqlite").exists, "it runs")
    daemon.until(lambda: daemon.said("pipeline.started"), "it hears signals")
    daemon.config.write_text(configured(to_file(), state_dir="elsewhere"))
    daemon.send(signal.SIGHUP)
    daemon.until(lambda: daemon.said("config.rejected"), "it is refused")
    assert "stop tailrace, move the" in " ".join(daemon.stderr().split())
    assert not (daemon.home / "elsewhere").exists()
    assert daemon.stop() == 0, daemon.stderr()


def test_it_watches_its_configuration_and_the_modules_beside_it(make_daemon: MakeDaemon) -> None:
    text = configured("own:mark", to_file())
    daemon = make_daemon(text)
    own = daemon.home / "own.py"
    own.write_text(OWN.format(version=1))
    daemon.start("--watch-config")
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, 1))
    daemon.until(daemon.has("all.ndjson", 1), "the first version")
    replace(own, OWN.format(version=2))
    daemon.until(lambda: daemon.said("config.reloaded"), "the module was read anew")
    append(log, numbered(1, 2))
    daemon.until(daemon.has("all.ndjson", 2), "the second version")
    replace(daemon.config, text + '[log]\nlevel = "debug"\n')
    daemon.until(lambda: len(daemon.said("config.reloaded")) == 2, "the configuration was read anew")
    assert daemon.stop() == 0, daemon.stderr()
    assert [event["version"] for event in daemon.events("all.ndjson")] == [1, 2]
    assert daemon.said("worker.ended") or daemon.said("batch.done") or "debug" in daemon.stderr()


def replace(path: Path, text: str) -> None:
    """As editors do."""
    other = path.with_name(path.name + ".new")
    other.write_text(text)
    os.replace(other, path)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_stopped_while_it_changes(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured(to_file()))
    (daemon.logs / "app.log").write_bytes(numbered(0, 20_000))
    daemon.start()
    daemon.until(daemon.has("all.ndjson", 1), "it has begun")
    daemon.send(signal.SIGHUP)
    assert daemon.stop() == 0, daemon.stderr()
    assert daemon.run_to_end() == 0
    until(daemon.has("all.ndjson", 20_000), "all of it")
    assert daemon.numbers("all.ndjson") == list(range(20_000))


def test_case_072_a_second_signal_during_a_change_leaves_at_once(make_daemon: MakeDaemon) -> None:
    """The sink is stuck, so the change takes its time."""
    daemon = make_daemon(configured(to_file("out/blocked/all.ndjson"), shutdown_timeout="1h"))
    daemon.out.mkdir()
    (daemon.out / "blocked").write_text("a file where a directory should be")
    (daemon.logs / "app.log").write_bytes(numbered(0, 100))
    daemon.start()
    daemon.until(lambda: daemon.said("sink.retry"), "it is stuck")
    daemon.send(signal.SIGHUP)
    daemon.until(lambda: daemon.said("pipeline.changing"), "it is about to change")
    daemon.send(signal.SIGTERM)
    daemon.send(signal.SIGINT)  # (another one, for two of a kind may arrive as one)
    assert daemon.wait() == 1
    assert daemon.committed() == 0
    (daemon.out / "blocked").unlink()
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("blocked/all.ndjson") == list(range(100))


def test_case_098_a_sink_that_stays_and_is_stuck_goes_on_with_its_new_options(make_daemon: MakeDaemon) -> None:
    """With another password, from a file that was read again; the other sink has each line once all the same."""
    daemon = make_daemon("")
    with Server() as server:
        server.rules.append(wants("Bearer right-one"))
        http: Table = {
            "use": "write.http", "id": "web", "endpoint": server.url, "auth": {"token": "SECRET[file.token]"},
            "retry": {"initial_backoff": "50ms", "max_backoff": "50ms"},
        }  # fmt: skip
        daemon.config.write_text(
            configured(to_file(), http, shutdown_timeout="500ms", tables={"secrets": {"file": "secrets.toml"}})
        )
        secrets = daemon.home / "secrets.toml"
        secrets.write_text('token = "wrong-one"\n')
        (daemon.logs / "app.log").write_bytes(numbered(0, 3000))
        daemon.start()
        daemon.until(lambda: daemon.said("sink.stuck"), "the server does not take it")
        secrets.write_text('token = "right-one"\n')
        reload(daemon, daemon.config.read_text())
        daemon.until(lambda: daemon.committed() == len(numbered(0, 3000)), "all of it")
        assert daemon.stop() == 0, daemon.stderr()
        assert server.stored.keys() == set(range(3000))
    assert daemon.numbers("all.ndjson") == list(range(3000))
    assert "one" not in daemon.stderr().replace("none", "")


def test_case_098_standard_input_goes_on(make_daemon: MakeDaemon) -> None:
    """Nobody else can read it again: what was read stays with the source, half a line and all."""

    def text(version: int, source: Table) -> str:
        values: Table = {"use": "enrich.set", "values": {"configured": version}}
        text = configuration("parse.json", values, to_file(), commit_interval="10ms", source=source)
        return text.replace('paths = ["logs/*.log"]\n', "")

    daemon = make_daemon(text(1, {"use": "stdin"}))
    command = [*COMMAND, "run", str(daemon.config)]
    errors = daemon.home / "stderr.1"
    daemon.starts = 1
    with errors.open("wb") as stderr, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr) as process:
        assert process.stdin is not None
        daemon.process = process
        os.write(process.stdin.fileno(), numbered(0, 500) + b'{"n":')
        daemon.until(daemon.has("all.ndjson", 500), "the first lines")
        daemon.config.write_text(text(2, {"use": "stdin", "encoding": "latin-1"}))
        daemon.send(signal.SIGHUP)
        daemon.until(lambda: daemon.said("config.rejected"), "another one cannot take its place")
        reload(daemon, text(3, {"use": "stdin"}))
        os.write(process.stdin.fileno(), b"500}\n" + numbered(501, 1000))
        daemon.until(daemon.has("all.ndjson", 1000), "the others")
        process.stdin.close()
        assert daemon.wait() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(1000))
    assert [event["configured"] for event in daemon.events("all.ndjson")] == [1] * 500 + [3] * 500


def test_a_run_that_is_to_end_keeps_its_configuration(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured(to_file("out/blocked/all.ndjson")))
    daemon.out.mkdir()
    (daemon.out / "blocked").write_text("a file where a directory should be")
    (daemon.logs / "app.log").write_bytes(numbered(0, 100))
    daemon.start("--until-eof")
    daemon.until(lambda: daemon.said("sink.retry"), "it is stuck")
    daemon.config.write_text("not even TOML [")
    daemon.send(signal.SIGHUP)
    daemon.until(lambda: daemon.said("signal.ignored"), "it says so")
    assert "uses the configuration that it began with" in " ".join(daemon.stderr().split())
    (daemon.out / "blocked").unlink()
    assert daemon.wait() == 0, daemon.stderr()
    assert daemon.numbers("blocked/all.ndjson") == list(range(100))


def test_case_098_workers_that_die_as_they_begin_leave_the_old_configuration(make_daemon: MakeDaemon) -> None:
    """The module can be imported, but not in a worker."""
    daemon = make_daemon(configured("own:mark", to_file(), workers=2))
    own = daemon.home / "own.py"
    own.write_text(OWN.format(version=1))
    writer = Writer(daemon.logs / "app.log")
    writer.start()
    try:
        daemon.start()
        daemon.until(daemon.has("all.ndjson", 2000), "it runs")
        own.write_text(
            "import sys\nif sys.argv[0].endswith('worker.py'):\n    raise OSError('not here')\n" + own.read_text()
        )
        daemon.send(signal.SIGHUP)
        daemon.until(lambda: daemon.said("config.rejected"), "it is refused")
        before = len(daemon.text("all.ndjson").splitlines())
        daemon.until(daemon.has("all.ndjson", before + 2000), "the old one goes on")
    finally:
        writer.stop()
    daemon.until(
        lambda: daemon.committed() == sum(one.stat().st_size for one in daemon.logs.iterdir()), "everything is read"
    )
    assert daemon.stop() == 0, daemon.stderr()
    assert len(daemon.said("config.rejected")) == 2
    events = daemon.events("all.ndjson")
    assert sorted(event["n"] for event in events) == [
        n for n in range(writer.written) if n % BAD_EVERY != BAD_EVERY - 1
    ]
    assert {event["version"] for event in events} == {1}
