"""What hostile lines, a careless environment and secrets can do to the real command: nothing."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from tailrace.pipeline.escape import escape

from ..configuration import Table, configuration, to_file
from .conftest import MakeDaemon
from .daemon import Daemon, Done

SECRET = "s3cr3t-value-of-nobody"  # noqa: S105  (made up)
HOSTILE = [
    b"\x1b]0;owned\x07\x1b[2J\x1b[31mred", b"\r2026-01-01T00:00:00Z error [tail] forged line",
    "a\u202eb\u2066c".encode(),
    b"\0" * 1000, b"a\0b", b"\xff\xfe\x80", b"\xed\xa0\x80", b"[" * 100_000, b"{" * 100_000, b'{"a":' * 100_000,
    b'{"n": ' + b"9" * 1_000_000 + b"}", b'{"n": 1e' + b"9" * 1000 + b"}", b'{"n": NaN, "m": -Infinity}',
    b'{"s": "\\ud800", "\\udfff": 1}', b'{"a": 1, "a": 2}', b'{"a": 1, "A": 2, "a\\u0000": 3}', b'{"a": "x',
    b'127.0.0.1 - - [' + b"1" * 100_000, b'"' * 10_000, b"a=" * 10_000, b'a="' + b'\\"' * 10_000,
    b"<99999999999999999999>1 - - - - - -", b"<34>1 - - - - - [" + b'a="b" ' * 10_000, b"<" * 10_000, b" " * 100_000,
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", b"%s%n{0.__class__}${HOME}`id`$(id)", b"x" * (10 << 20),
]  # fmt: skip
PARSERS: dict[str, str | Table] = {name: f"parse.{name}" for name in ("json", "combined", "logfmt", "syslog", "raw")}
PARSERS["redos"] = {"use": "parse.regex", "pattern": "(?P<a>(a+)+)$"}


def configured(parser: str = "json", workers: int = 0, path: str = "out/{source}.ndjson") -> str:
    """With a time for each line that is far more than a harmless one needs, also on a busy machine."""
    return configuration(
        PARSERS[parser],
        to_file(path),
        workers=workers,
        line_timeout="1500ms",
        commit_interval="50ms",
        tables={"log": {"level": "debug"}},
    )


def clean(text: str) -> None:
    """Nothing in it that a terminal obeys."""
    for line in text.splitlines():
        assert line == escape(line), line[:200]


@pytest.mark.parametrize("parser", sorted(PARSERS))
def test_case_081_082_hostile_lines_cost_themselves_in_bounded_time_with_the_same_verdict_anywhere(
    make_daemon: MakeDaemon, parser: str
) -> None:
    outcomes = []
    for workers in (0, 2):
        daemon = make_daemon(configured(parser, workers), name=f"{parser}-{workers}")
        (daemon.logs / "app.log").write_bytes(b"\n".join(HOSTILE) + b"\n")
        begun = time.monotonic()
        assert daemon.run_to_end() == 0, daemon.stderr()
        assert time.monotonic() - begun < 40
        assert "Traceback" not in daemon.stderr()
        assert "worker.died" not in daemon.stderr(), "no line kills"
        clean(daemon.stderr())
        written = daemon.text("app.log.ndjson")
        letters = daemon.query("SELECT stage, error, offset, length FROM dead_letters ORDER BY offset")
        assert written.count(b"\n") + len(letters) == len(HOSTILE), "each line is an event or a dead letter"
        outcomes.append((written, letters))
        if workers == 0:
            for arguments in (("dlq", "list"), ("dlq", "stats"), ("dlq", "show", "1")):
                done = daemon.command(*arguments)
                assert done.code in (0, 1)
                clean(done.out.decode())
                clean(done.err)
    assert outcomes[0] == outcomes[1]
    if parser == "redos":
        assert "time_budget" in {error for _, error, _, _ in outcomes[0][1]}


def test_case_083_a_file_name_cannot_forge_a_log_line_or_speak_to_a_terminal(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured())
    name = b"a\x1b[2J\n2026-01-01T00:00:00Z error   [tail] forged\xff\xe2\x80\xae.log"
    Path(os.fsdecode(os.path.join(os.fsencode(daemon.logs), name))).write_bytes(b'{"a": 1}\nbad\n')
    assert daemon.run_to_end() == 0, daemon.stderr()
    clean(daemon.stderr())
    assert not [line for line in daemon.stderr().splitlines() if line.startswith("2026-01-01T00:00:00Z error")]
    for arguments in (("check",), ("dlq", "list"), ("dlq", "show", "1"), ("dlq", "export")):
        done = daemon.command(*arguments)
        assert done.code == 0, done.err
        clean(done.out.decode())
        clean(done.err)
        assert b"\nforged" not in done.out


def with_umask(daemon: Daemon, mask: str) -> None:
    daemon.start("--until-eof", before=["sh", "-c", f'umask {mask} && exec "$@"', "sh"])
    assert daemon.wait() == 0, daemon.stderr()


@pytest.mark.parametrize("mask", ["000", "077", "022"])
def test_case_087_modes_do_not_depend_on_the_umask(make_daemon: MakeDaemon, mask: str) -> None:
    daemon = make_daemon(configured(path="out/deep/{source}.ndjson"))
    (daemon.logs / "app.log").write_bytes(b'{"a": 1}\nbad\n')
    with_umask(daemon, mask)
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in daemon.home.rglob("*")}
    state = daemon.home / "state"
    assert modes[state] == 0o700
    inside = {path.name: mode for path, mode in modes.items() if path.parent == state}
    assert inside
    assert set(inside.values()) == {0o600}, inside
    assert modes[daemon.out / "deep" / "app.log.ndjson"] == 0o640
    assert not modes[daemon.out] & 0o022


SECRETIVE = """
[pipeline]
state_dir = "state"
workers = {workers}
[source]
paths = ["logs/*.log"]
[log]
level = "debug"
[[stages]]
use = "parse.json"
[[stages]]
use = "enrich.set"
values = {{ token = "${{TOKEN}}" }}
[[stages]]
use = "enrich.set"
expr = {{ same = "key == '${{TOKEN}}'", bad = "1 // n" }}
[[stages]]
use = "enrich.filter"
drop = "key == '${{TOKEN}}'"
when = "other != '${{TOKEN}}'"
[[stages]]
use = "write.file"
path = "out/{{h}}.ndjson"
"""


def spoken(done: Done) -> str:
    return done.out.decode() + done.err


@pytest.mark.parametrize("workers", [0, 2])
def test_case_087_a_secret_from_the_environment_is_in_no_log_check_or_reason_of_a_dead_letter(
    make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    daemon = make_daemon(SECRETIVE.format(workers=workers))
    lines = [b'{"h": "a", "n": 1}', b'{"h": "x/y", "n": 1}', b'{"h": "a", "n": 0}', b'{"h": "a", "n": "x"}', b"bad"]
    (daemon.logs / "app.log").write_bytes(b"\n".join(lines) + b"\n")
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert SECRET in daemon.text("a.ndjson").decode(), "it is used"
    assert SECRET not in daemon.stderr()
    for arguments in (("check",), ("dlq", "list"), ("dlq", "stats")):
        done = daemon.command(*arguments)
        assert done.code == 0, done.err
        assert SECRET not in spoken(done), arguments
    reasons = daemon.query("SELECT why, trace, stage, error FROM dead_letters")
    assert len(reasons) == 4
    assert SECRET not in str(reasons)


@pytest.mark.parametrize(
    "mistake",
    [
        'use = "enrich.set"\nexpr = { a = "${TOKEN} +" }',
        'use = "enrich.filter"\nkeep = "${TOKEN}.x.y"',
        'use = "enrich.filter"\nkeep = "a"\nwhen = "\'${TOKEN}\' ="',
        'use = "parse.regex"\npattern = "(${TOKEN}"',
        'use = "write.file"\npath = "${TOKEN}/../{a}"',
        'use = "write.file"\npath = "out/x"\nmode = "${TOKEN}"',
        'use = "enrich.set"\nunknown = "${TOKEN}"',
        'use = "parse.syslog"\ntimezone = "${TOKEN}"',
        'use = "${TOKEN}"',
        'use = "parse.json"\nonly = ["${TOKEN}/"]',
        'use = "parse.json"\non_error = "${TOKEN}"',
    ],
)
def test_case_087_a_secret_in_a_wrong_place_is_not_repeated_by_the_message(
    make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    daemon = make_daemon(SECRETIVE.format(workers=0) + f"[[stages]]\n{mistake}\n")
    for arguments in (("check",), ("run", "--until-eof")):
        done = daemon.command(*arguments)
        assert done.code == 78, spoken(done)
        assert SECRET[:8] not in spoken(done)


def test_case_087_a_reference_is_expanded_after_parsing_and_cannot_bring_keys(
    make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", 'x"\n[log]\nlevel = "nonsense"\n#')
    daemon = make_daemon(SECRETIVE.format(workers=0).split('[[stages]]\nuse = "enrich.set"\nexpr')[0])
    (daemon.logs / "app.log").write_bytes(b'{"a": 1}\n')
    done = daemon.command("replay", "logs/app.log")
    assert done.code == 0, done.err
    assert done.events[0]["token"].startswith('x"\n[log]')


def test_case_086_the_lock_and_the_state_directory_are_not_written_through_a_link(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured())
    victim = daemon.home / "victim"
    victim.write_text("precious")
    (daemon.home / "state").mkdir(mode=0o700)
    for name in ("lock", "tailrace.sqlite", "tailrace.sqlite.new"):
        link = daemon.home / "state" / name
        link.symlink_to(victim)
        daemon.run_to_end()
        assert "Traceback" not in daemon.stderr()
        assert victim.read_text() == "precious", name
        assert stat.S_IMODE(victim.stat().st_mode) & 0o044 == 0o044, "its mode neither"
        link.unlink(missing_ok=True)
