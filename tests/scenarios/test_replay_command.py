"""`tailrace replay`: the same events as `run` makes, from files, packed files and pipes, and no state is touched."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
from pathlib import Path

from ..configuration import configuration, to_file
from .conftest import MakeDaemon
from .daemon import Daemon, numbered

CONFIG = configuration(
    {"use": "parse.json", "only": "app*.log"},
    {"use": "enrich.set", "expr": {"square": "n * n"}},
    {"use": "enrich.filter", "drop": "n % 10 == 3"},
    to_file("out/{source}.ndjson"),
    to_file("out/odd/{source}.ndjson", when="n % 2 == 1"),
    workers=2,
    commit_interval="50ms",
)
EXPECTED = [{"n": n, "square": n * n} for n in range(100) if n % 10 != 3]


def made(make_daemon: MakeDaemon) -> tuple[Daemon, Path]:
    """A daemon that has not run, and a recorded file beside it."""
    daemon = make_daemon(CONFIG)
    recorded = daemon.home / "recorded.log"
    recorded.write_bytes(b"".join(b'{"n":%d}\n' % n for n in range(100)))
    return daemon, recorded


def contents(directory: Path) -> dict[str, str]:
    """Every file below it with a hash of its bytes."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_standard_input_as_another_file(make_daemon: MakeDaemon) -> None:
    daemon, _ = made(make_daemon)
    before = contents(daemon.home)
    done = daemon.command("replay", "-", "-c", "config.toml", "--as", "app.log", data=b'{"n":1}\n{"n":2}')
    assert (done.code, done.events) == (0, [{"n": 1, "square": 1}, {"n": 2, "square": 4}])
    done = daemon.command("replay", "-", "-c", "config.toml", "--as", "other.log", data=b'{"n":1}\n')
    assert (done.code, done.out) == (0, b""), "no parse stage is for that name: a plain line has no n to square"
    assert "1 read + 0 made = 0 written + 0 filtered + 1 dead-lettered + 0 pending" in done.err
    assert contents(daemon.home) == before


def test_a_packed_file_gives_the_same_as_the_plain_one(make_daemon: MakeDaemon) -> None:
    daemon, recorded = made(make_daemon)
    packed = daemon.home / "app.log.gz"
    half = len(recorded.read_bytes()) // 2
    data = recorded.read_bytes()
    packed.write_bytes(gzip.compress(data[:half]) + gzip.compress(data[half:]))  # two members, cut inside a line
    done = daemon.command("replay", str(packed))
    assert (done.code, done.events) == (0, EXPECTED), done.err
    again = daemon.command("replay", str(recorded), "--as", "app.log")
    assert again.out == done.out


def test_what_cannot_be_replayed_is_told_by_name(make_daemon: MakeDaemon) -> None:
    daemon, recorded = made(make_daemon)
    for path, word in (
        ("missing.log", "no such file"),
        ("logs", "directory"),
        ("recorded.log", ""),
    ):
        done = daemon.command("replay", path, "--as", "app.log")
        assert "Traceback" not in done.err
        if word:
            assert (done.code, done.out) == (1, b"")
            assert path in done.err
            assert word in done.err
        else:
            assert done.code == 0
    torn = daemon.home / "torn.gz"
    torn.write_bytes(gzip.compress(recorded.read_bytes())[:-20])
    done = daemon.command("replay", str(torn), "--as", "app.log")
    assert done.code == 1
    assert done.events == EXPECTED[: len(done.events)], "what could be read comes out"
    assert "torn.gz" in done.err
    alien = daemon.home / "app.log.bz2"
    alien.write_bytes(bz2.compress(recorded.read_bytes()))
    done = daemon.command("replay", str(alien), "--as", "app.log", "--strict")
    assert done.code in (1, 3)
    assert "Traceback" not in done.err


def test_strict_tells_dead_letters_by_its_exit_code(make_daemon: MakeDaemon) -> None:
    daemon, recorded = made(make_daemon)
    assert daemon.command("replay", str(recorded), "--as", "app.log", "--strict").code == 0
    with recorded.open("ab") as file:
        file.write(b"no json\n")
    done = daemon.command("replay", str(recorded), "--as", "app.log", "--strict")
    assert (done.code, done.events) == (3, EXPECTED)
    assert "101 read + 0 made = 90 written + 10 filtered + 1 dead-lettered + 0 pending" in done.err
    assert daemon.command("replay", str(recorded), "--as", "app.log").code == 0


def test_the_real_sinks_when_asked(make_daemon: MakeDaemon) -> None:
    daemon, recorded = made(make_daemon)
    done = daemon.command("replay", str(recorded), "--as", "app.log", "--keep-sinks")
    assert (done.code, done.out) == (0, b"")
    assert daemon.events("app.log.ndjson") == EXPECTED
    assert daemon.events("odd/app.log.ndjson") == [event for event in EXPECTED if event["n"] % 2]
    assert not (daemon.home / "state").exists()


def test_case_075_beside_a_running_daemon_nothing_of_its_own_is_touched(make_daemon: MakeDaemon) -> None:
    daemon, recorded = made(make_daemon)
    (daemon.logs / "app.log").write_bytes(recorded.read_bytes() + b"no json\n")
    daemon.start()
    daemon.until(lambda: daemon.committed() == (daemon.logs / "app.log").stat().st_size, "the daemon's commit")
    before = contents(daemon.home / "state"), contents(daemon.out)
    done = daemon.command("replay", "logs/app.log")
    assert done.code == 0
    assert (contents(daemon.home / "state"), contents(daemon.out)) == before
    assert done.out == daemon.text("app.log.ndjson"), "the same bytes as run makes"
    with (daemon.logs / "app.log").open("ab") as file:
        file.write(numbered(100, 101))
    daemon.until(daemon.has("app.log.ndjson", 91), "the daemon goes on")
    assert daemon.stop() == 0


def test_large_input_through_processes_gives_the_same_as_run(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(CONFIG)
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, 100_000, pad=80))  # more than is done inside the process
    assert log.stat().st_size > 8 << 20
    done = daemon.command("replay", str(log))
    assert done.code == 0, done.err
    assert daemon.run_to_end() == 0
    assert done.out == daemon.text("app.log.ndjson")
    assert json.loads(done.out.splitlines()[-1])["n"] == 99_999
