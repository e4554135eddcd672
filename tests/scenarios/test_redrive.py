"""Dead letters sent again by the real command, beside a daemon and without one: each line comes out once, whatever is
killed, asked for twice or changed meanwhile."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status.client import Client

from ..configuration import Table, configuration, to_file
from ..servers.http import Reply, Server, refuses
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import COMMAND, Daemon, numbered
from .writer import BAD_EVERY, Writer

LETTERS = 20_000
PICKY = '''"""Reads JSON lines; refuses some, until it is mended."""

import json
import pathlib

from tailrace import Fail

MENDED = pathlib.Path(__file__).parent / "mended"


class Picky:
    def parse(self, lines):
        self.mended = MENDED.exists()
        return [self.event(line) for line in lines]

    def event(self, line):
        try:
            event = json.loads(line)
        except ValueError:
            return Fail("no_match", "not JSON")
        return Fail("not_yet", "not mended") if event.get("bad") and not self.mended else event
'''


def lines(start: int, stop: int, *, every: int = 2) -> bytes:
    """One of so many is refused."""
    return b"".join(
        b'{"n":%d,"bad":%s,"pad":"%s"}\n' % (n, b"false" if n % every else b"true", b"x" * 150)
        for n in range(start, stop)
    )


def text(*stages: str | Table, **options: Any) -> str:
    some = stages or (to_file(),)
    return configuration("picky:Picky", *some, commit_interval="20ms", chunk_bytes="64KiB", **options)


def with_letters(
    make_daemon: MakeDaemon, count: int = LETTERS, config: str = "", *, more: bytes = b"", others: int = 0
) -> Daemon:
    """As many lines come through the parser, and as many are refused, which is mended then. ``others``: letters that
    there are, too, of ``more`` lines or of other stages."""
    daemon = make_daemon(config or text())
    (daemon.home / "picky.py").write_text(PICKY)
    (daemon.logs / "app.log").write_bytes(lines(0, 2 * count) + more)
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert left(daemon) == count + others
    (daemon.home / "mended").touch()
    return daemon


def left(daemon: Daemon) -> int:
    ((count,),) = daemon.query("SELECT count(*) FROM dead_letters")
    return int(count)


def ask(daemon: Daemon, **wanted: object) -> Any:
    return Client(str(daemon.home / "state")).post("/api/dead_letters/redrive", wanted or {"all": True})


def speaks(daemon: Daemon) -> bool:
    try:
        Client(str(daemon.home / "state")).get("/api/status")
    except TailraceError:
        return False
    return True


def listening(daemon: Daemon) -> Daemon:
    daemon.start()
    daemon.until(lambda: speaks(daemon), "it listens")
    return daemon


def over(daemon: Daemon) -> Callable[[], bool]:
    """A condition: what was asked for last is done."""
    return lambda: not Client(str(daemon.home / "state")).get("/api/status")["redrive"]["running"]


def check_all(daemon: Daemon, count: int, name: str = "all.ndjson") -> None:
    assert Counter(daemon.numbers(name)) == Counter(range(count)), "each line once"
    assert left(daemon) == 0


def moments(count: int, kills: int) -> list[int]:
    """How many letters are left when it is killed."""
    return [count - count * number // (kills + 1) for number in range(1, kills + 1)]


@pytest.mark.parametrize("count", [LETTERS, pytest.param(10 * LETTERS, marks=pytest.mark.long)])
def test_case_099_a_daemon_that_is_killed_sends_each_letter_once(
    make_daemon: MakeDaemon, kills: int, count: int
) -> None:
    daemon = with_letters(make_daemon, count)
    for many in moments(count, min(kills, 6)):
        listening(daemon)
        ask(daemon)
        daemon.until(lambda many=many: left(daemon) <= many, "some are through")  # type: ignore[misc]
        daemon.kill_group()
    assert 0 < left(daemon) < count
    listening(daemon)
    done = daemon.command("dlq", "redrive")
    assert done.code == 0, done.err
    assert "came through, 0 failed again" in done.err
    assert daemon.stop() == 0, daemon.stderr()
    check_all(daemon, 2 * count)
    assert sum(daemon.counters("lines_redriven").values()) == count


def test_case_099_a_command_that_is_killed_sends_each_letter_once(make_daemon: MakeDaemon, kills: int) -> None:
    daemon = with_letters(make_daemon)
    (daemon.logs / "app.log").write_bytes(lines(0, 2 * LETTERS) + lines(2 * LETTERS, 2 * LETTERS + 10))

    def begin() -> subprocess.Popen[bytes]:
        command = [*COMMAND, "dlq", "redrive", "-c", str(daemon.config)]
        return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, cwd=daemon.home)

    for many in moments(LETTERS, min(kills, 4)):
        process = begin()
        most = (LETTERS + many) // 2  # in the first half: else the last one may be at its end before it is killed
        until(lambda most=most: left(daemon) <= most, "some are through")  # type: ignore[misc]
        process.kill()
        process.communicate()
    assert 0 < left(daemon) < LETTERS
    both = [begin(), begin()]
    words = [process.communicate()[1].decode() for process in both]
    codes = [process.returncode for process in both]
    assert codes in ([0, 1], [1, 0], [0, 0]), words
    assert all(str(daemon.home / "state") in said for code, said in zip(codes, words, strict=True) if code), words
    check_all(daemon, 2 * LETTERS)  # and nothing was read
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert sorted(daemon.numbers("all.ndjson")) == list(range(2 * LETTERS + 10))


def test_case_099_asked_for_twice_while_it_reads_on_and_changes_its_configuration(make_daemon: MakeDaemon) -> None:
    source = {"paths": ["logs/*.log*"]}
    daemon = with_letters(make_daemon, config=text(workers=2, source=source))
    writer = Writer(daemon.logs / "live.log", pause=0.01)
    writer.start()
    try:
        listening(daemon)
        first, second = ask(daemon), ask(daemon)
        assert (first["number"], second["number"], first["total"]) == (1, 2, LETTERS)
        daemon.until(lambda: left(daemon) < LETTERS - 1000, "some are through")
        later = {"use": "enrich.set", "values": {"later": True}}
        daemon.config.write_text(text(later, to_file(), workers=1, source=source))
        daemon.send(signal.SIGHUP)
        daemon.until(lambda: daemon.said("config.reloaded"), "the new configuration runs")
        daemon.until(over(daemon), "both are done")
    finally:
        writer.stop()
    total = sum(path.stat().st_size for path in daemon.logs.iterdir())
    daemon.until(lambda: daemon.committed() == total, "everything is read")
    assert daemon.stop() == 0, daemon.stderr()
    came = Counter((event["n"], "bad" in event) for event in daemon.events("all.ndjson"))
    assert set(came.values()) == {1}, "each line once"
    assert sum(old for _, old in came) == 2 * LETTERS
    assert len(came) - 2 * LETTERS == writer.written - writer.written // BAD_EVERY
    assert len(daemon.said("dead_letters.redriven")) == 2
    assert {error for _, error, _ in daemon.dead_letters()} == {"no_match"}, "of lines that came later"


def test_case_076_what_a_server_refused_goes_to_it_alone(make_daemon: MakeDaemon) -> None:
    with Server() as server:
        server.rules = [refuses(lambda record: record["n"] % 10 == 3)]
        web: Table = {"use": "write.http", "endpoint": server.url, "id": "web", "batch": {"timeout": "10ms"}}
        once: Table = {"use": "enrich.dedupe", "fields": ["n"], "window": "1h"}
        daemon = make_daemon(configuration("parse.json", web, once, to_file(), commit_interval="20ms"))
        (daemon.logs / "app.log").write_bytes(numbered(0, 200))
        assert daemon.run_to_end() == 0, daemon.stderr()
        assert left(daemon) == 20
        again = daemon.command("dlq", "redrive")
        assert again.code == 1, "refused again"
        assert daemon.query("SELECT DISTINCT attempts FROM dead_letters") == [(2,)]
        server.rules = []
        rows = daemon.query("SELECT * FROM dead_letters")
        dry = daemon.command("dlq", "redrive", "--dry-run")
        assert dry.code == 0, dry.err
        assert [event["n"] for event in dry.events] == list(range(3, 200, 10))
        assert daemon.query("SELECT * FROM dead_letters") == rows
        assert len(server.stored) == 180, "that changed nothing"
        listening(daemon)
        done = daemon.command("dlq", "redrive", "--stage", "write.http")
        assert done.code == 0, done.err
        assert daemon.stop() == 0, daemon.stderr()
        assert server.stored == Counter(range(200))
        check_all(daemon, 200)


def test_a_dry_run_tells_what_would_come_of_them_and_changes_nothing(make_daemon: MakeDaemon) -> None:
    """A stage that remembers knows what it has seen, and a sink what it cannot encode."""
    once: Table = {"use": "enrich.dedupe", "fields": ["n"], "window": "1h"}
    seen = b'{"n":1,"bad":true}\n'
    daemon = with_letters(make_daemon, 30, text(once, to_file("out/{kind}.ndjson")), more=seen, others=31)
    before = daemon.database.read_bytes()
    dry = daemon.command("dlq", "redrive", "--dry-run")
    assert dry.code == 1
    assert dry.events == []
    assert "61 dead letters: 1 would come through, 60 would fail again" in dry.err
    assert daemon.database.read_bytes() == before
    daemon.config.write_text(text(once, to_file()))
    dry = daemon.command("dlq", "redrive", "--dry-run", "--stage", "picky:Picky")
    assert [event["n"] for event in dry.events] == list(range(0, 60, 2))
    done = daemon.command("dlq", "redrive")
    assert done.code == 0, done.err
    check_all(daemon, 60)


@pytest.mark.parametrize("name", ["utf-16", "utf-8"])
def test_letters_of_several_lines_and_of_other_encodings_are_what_they_were(make_daemon: MakeDaemon, name: str) -> None:
    """A byte order mark tells the encoding; a dry run sees it, too."""
    multiline = {"multiline": {"start": "^[{]"}}
    daemon = make_daemon(text(source={"paths": ["logs/*.log"], **multiline}))
    (daemon.home / "picky.py").write_text(PICKY)
    records = "".join(f'{{"n": {n},\n"bad": {"false" if n % 3 else "true"},\n"text": "é"}}\n' for n in range(90))
    (daemon.logs / "app.log").write_bytes(("\ufeff" + records).encode(name.replace("16", "16-le")))
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert left(daemon) == 30 or left(daemon) == 29, "the last record may go on"
    (daemon.home / "mended").touch()
    dry = daemon.command("dlq", "redrive", "--dry-run")
    assert {event["text"] for event in dry.events} == {"é"}
    done = daemon.command("dlq", "redrive")
    assert done.code == 0, done.err
    assert {event["text"] for event in daemon.events("all.ndjson")} == {"é"}
    check_all(daemon, max(daemon.numbers("all.ndjson")) + 1)


def test_case_078_full_dead_letters_are_sent_and_the_pipeline_goes_on(make_daemon: MakeDaemon) -> None:
    short = {"paths": ["logs/*.log"], "max_line_bytes": "1KiB"}
    daemon = make_daemon(text(source=short, tables={"dead_letters": {"max_bytes": "64KiB"}}, commit_bytes="64KiB"))
    (daemon.home / "picky.py").write_text(PICKY)
    (daemon.logs / "app.log").write_bytes(lines(0, 20_000))
    listening(daemon)
    daemon.until(lambda: daemon.said("dead_letters.full"), "it waits for room")
    assert daemon.committed() < 2_000_000
    (daemon.home / "mended").touch()
    done = daemon.command("dlq", "redrive")
    assert done.code == 0, done.err
    daemon.until(lambda: daemon.committed() == len(lines(0, 20_000)), "it goes on by itself")
    assert daemon.said("dead_letters.no_longer_full")
    daemon.command("dlq", "redrive")  # those that were on their way when it was full
    assert daemon.stop() == 0, daemon.stderr()
    check_all(daemon, 20_000)


def test_case_078_dropped_beside_a_running_daemon_and_gone_with_age(make_daemon: MakeDaemon) -> None:
    daemon = with_letters(make_daemon, 100, text(tables={"dead_letters": {"max_age": "1h"}}))
    listening(daemon)
    dropped = daemon.command("dlq", "drop", "--id", "1", "--id", "7")
    assert (dropped.code, left(daemon)) == (0, 98), dropped.err
    assert daemon.stop() == 0, daemon.stderr()
    change(daemon, "UPDATE dead_letters SET time = 1000 WHERE id <= 50")
    listening(daemon)
    daemon.until(lambda: daemon.said("dead_letters.expired"), "the first step")
    assert left(daemon) == 88, "as many as go in one step"
    done = daemon.command("dlq", "redrive")
    assert done.code == 0, done.err
    assert daemon.stop() == 0, daemon.stderr()
    assert left(daemon) == 0
    gone = {2 * number for number in (0, 6, *range(1, 6), *range(7, 12))}
    assert sorted(daemon.numbers("all.ndjson")) == [n for n in range(200) if n not in gone]


def change(daemon: Daemon, statement: str) -> None:
    """In the state of a daemon that does not run."""
    with closing(sqlite3.connect(daemon.database)) as db, db:
        db.execute(statement)


def test_without_a_write_stage_nothing_is_sent(make_daemon: MakeDaemon) -> None:
    """It would be gone, and nowhere."""
    daemon = with_letters(make_daemon, 5)
    daemon.config.write_text(configuration("picky:Picky"))
    assert daemon.command("dlq", "redrive").code == 78
    assert left(daemon) == 5
    assert len(daemon.command("dlq", "redrive", "--dry-run").events) == 5


def test_what_it_waits_for_is_said_and_ctrl_c_does_not_take_it_back(make_daemon: MakeDaemon) -> None:
    down: list[Reply | None] = [None]
    with Server() as server:
        server.rules = [lambda _: down[0]]
        web: Table = {"use": "write.http", "endpoint": server.url, "id": "web", "batch": {"timeout": "10ms"},
                      "retry": {"initial_backoff": "20ms", "max_backoff": "50ms"}}  # fmt: skip
        daemon = with_letters(make_daemon, 5, text(web))
        listening(daemon)
        daemon.config.write_text(daemon.config.read_text() + "# another one\n")
        dry = daemon.command("dlq", "redrive", "--dry-run")
        assert (
            "another configuration than the one on the disk, and this shows what the one on the disk would" in dry.err
        )
        (daemon.home / "mended").touch()
        down[0] = Reply(503, b"overloaded")
        command = [*COMMAND, "dlq", "redrive", "-c", str(daemon.config)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as asked:
            assert asked.stderr is not None
            said = [asked.stderr.readline(), asked.stderr.readline()]
            assert b"the daemon runs with another configuration" in said[0]
            assert said[1] == b"waiting for sink web: see `tailrace status`\n"
            asked.send_signal(signal.SIGINT)
            assert b"the daemon goes on with it: 0 of 5 letters are done" in asked.stderr.read()
        assert asked.returncode == 1
        down[0] = None
        daemon.until(lambda: left(daemon) == 0, "it goes on")
        assert daemon.stop() == 0, daemon.stderr()
        assert server.stored == Counter(range(10))
