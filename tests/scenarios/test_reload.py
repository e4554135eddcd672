"""A configuration that changes while it runs: each line once, each by one chain, and a wrong one changes nothing."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from ..configuration import Table, configuration, to_file
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import Daemon, numbered
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
def test_case_098_four_reloads_and_a_wrong_one_under_load(make_daemon: MakeDaemon, workers: int) -> None:
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


def test_case_098_one_that_removes_the_sink_that_is_stuck(make_daemon: MakeDaemon) -> None:
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


def test_another_state_is_refused_and_told_how(make_daemon: MakeDaemon) -> None:
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
