"""The books: what the daemon says that it did adds up, is said once, and carries nothing dangerous to a terminal."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest

from ..configuration import configuration, to_file
from .conftest import MakeDaemon
from .daemon import Daemon, numbered

configured = partial(
    configuration,
    "parse.json",
    "split:halves",
    {"use": "enrich.filter", "drop": "n % 10 == 3"},
    to_file(),
    to_file("out/even.ndjson", when="n % 2 == 0"),
    commit_interval="50ms",
    chunk_bytes="64KiB",
    source={"paths": ["logs/*"], "max_line_bytes": "4KiB"},
)
SPLIT = '''
def halves(event):
    """Two events of each hundredth line; the 50th raises."""
    if event["n"] % 100 == 50:
        raise RuntimeError("fifty \\x1b[31m\\u202e\\nforged line")
    if event["n"] % 100 == 0:
        return [{**event, "half": 1}, {**event, "half": 2}]
    return event
'''
LAW = re.compile(
    r"(?P<sink>.*): (?P<read>[\d,]+) read \+ (?P<made>[\d,]+) made = (?P<written>[\d,]+) written \+ "
    r"(?P<filtered>[\d,]+) filtered \+ (?P<dead>[\d,]+) dead-lettered \+ (?P<pending>[\d,]+) pending"
    r"(?: \+ (?P<not_for>[\d,]+) not for this sink)?"
)
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
HOSTILE = b"\x1b]0;owned\x07\x1b[2J \xe2\x80\xae nosj \xe2\x80\xa8 \x9b31m\r \xff\x00 no json"


def made(make_daemon: MakeDaemon, workers: int = 0, log_format: str = "console") -> Daemon:
    daemon = make_daemon(configured(workers=workers, tables={"log": {"format": log_format}}))
    (daemon.home / "split.py").write_text(SPLIT)
    return daemon


def laws(text: str) -> dict[str, dict[str, int]]:
    """By sink, the sums as they were printed; each must hold."""
    found = {}
    for match in filter(None, map(LAW.fullmatch, text.splitlines())):
        sums = {key: int((value or "0").replace(",", "")) for key, value in match.groupdict().items() if key != "sink"}
        assert sums["read"] + sums["made"] == sum(
            sums[key] for key in ("written", "filtered", "dead", "pending", "not_for")
        )
        found[match["sink"]] = sums
    assert "DOES NOT ADD UP" not in text
    return found


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_every_line_is_accounted_for_whatever_became_of_it(
    make_daemon: MakeDaemon, workers: int, log_format: str
) -> None:
    daemon = made(make_daemon, workers, log_format)
    long = b'{"n":1,"pad":"' + b"x" * 5000 + b'"}\n'
    (daemon.logs / "app.log").write_bytes(
        numbered(0, 2000) + b"\n\n" + long + HOSTILE + b"\nno json\n" + numbered(2000, 3000)
    )
    assert daemon.run_to_end() == 0, daemon.stderr()
    written = daemon.numbers("all.ndjson")
    expected = [n for n in range(3000) if n % 100 != 50 and n % 10 != 3]
    assert sorted(set(written)) == expected
    assert len(written) == len(expected) + 30
    found = laws(daemon.stderr())
    assert found["write.file:out/all.ndjson"] == {
        "read": 3005,
        "made": 30,
        "written": len(written),
        "filtered": 300 + 2,  # and the empty lines
        "dead": 30 + 3,
        "pending": 0,
        "not_for": 0,
    }
    assert found["write.file:out/even.ndjson"]["written"] == len(daemon.numbers("even.ndjson"))
    assert found["write.file:out/even.ndjson"]["dead"] == 33
    dead = daemon.dead_letters()
    assert [(stage, error) for stage, error, _ in dead].count(("split:halves", "raised")) == 30
    assert HOSTILE in [raw for stage, _, raw in dead if stage == "parse.json"], "its bytes are kept as they were"
    assert [error for stage, error, _ in dead if stage == "source"] == ["too_long"]
    assert len(dead) == 33
    counted = daemon.counters("lines_read")
    assert sum(counted.values()) == 3005

    # A second run has nothing to do and counts nothing twice.
    assert daemon.run_to_end() == 0, daemon.stderr()
    again = laws(daemon.stderr(2))
    assert all(not any(sums.values()) for sums in again.values())
    assert daemon.counters("lines_read") == counted
    assert len(daemon.dead_letters()) == 33
    assert len(daemon.numbers("all.ndjson")) == len(written)

    # And a third, for what was added, counts only that.
    with (daemon.logs / "app.log").open("ab") as file:
        file.write(numbered(3001, 3002))
    assert daemon.run_to_end() == 0
    assert laws(daemon.stderr(3))["write.file:out/all.ndjson"]["written"] == 1
    assert sum(daemon.counters("lines_read").values()) == 3006


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_case_083_nothing_of_a_log_reaches_a_terminal_raw(make_daemon: MakeDaemon, log_format: str) -> None:
    daemon = made(make_daemon, 0, log_format)
    names = [b"app\x1b[31m.log", b"two\nlines.log", "bidi\u202egol.exe".encode(), b"latin\xe9.log"]
    for name in names:
        with open(bytes(daemon.logs) + b"/" + name, "wb") as file:
            file.write(HOSTILE + b"\n" + numbered(48, 52))
    assert daemon.run_to_end() == 0, daemon.stderr()
    said = daemon.stderr()
    assert not UNSAFE.search(said), said
    assert not [line for line in said.splitlines() if line.startswith("forged")], "a traceback's lines are indented"
    assert said.count("file.found") == len(names)
    if log_format == "json":
        lines = [line for line in said.splitlines() if line.startswith("{")]
        assert len([json.loads(line) for line in lines]) >= len(names)
    outputs = [daemon.command("dlq", verb) for verb in ("list", "stats", "export")]
    outputs += [daemon.command("dlq", "show", str(n)) for n in range(1, 9)]
    outputs.append(daemon.command("check"))
    for done in outputs:
        assert done.code == 0, done.err
        text = done.out.decode() + done.err
        assert text
        assert not UNSAFE.search(text), text
        assert not [line for line in text.splitlines() if line.startswith("forged")]
    exported = [json.loads(line) for line in outputs[2].out.splitlines()]
    assert len(exported) == 8, "one line each that is no JSON, one each whose stage raised"
    assert {letter["error"] for letter in exported} >= {"raised"}


def test_a_replay_tells_the_same_sums_as_the_run(make_daemon: MakeDaemon) -> None:
    daemon = made(make_daemon)
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, 500) + b"no json\n")
    done = daemon.command("replay", str(log))
    assert done.code == 0
    assert daemon.run_to_end() == 0
    (replayed,) = laws(done.err).values()
    assert replayed == laws(daemon.stderr())["write.file:out/all.ndjson"]
    assert replayed["written"] == len(done.events)
