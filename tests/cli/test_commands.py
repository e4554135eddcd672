"""The commands over the whole: replay, check and run, as a user calls them."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tailrace.pipeline.cli.signals import ENDING

from tailrace.version import __version__

from ..configuration import configuration, to_file
from ..permissions import bound_by_permissions
from ..waiting import until
from .conftest import COMMAND, Run

CONFIG = configuration(
    "parse.json",
    {"use": "enrich.filter", "drop": "n == 3"},
    to_file("out/{source}.ndjson"),
    source={"paths": ["*.log"]},
)


@pytest.fixture
def home(config: Path) -> Path:
    """A directory with a configuration and a log of ten lines, of which one is no JSON."""
    config.write_text(CONFIG)
    lines = [json.dumps({"n": n}) for n in range(10)]
    lines[7] = "no json"
    (config.parent / "app.log").write_text("\n".join(lines))  # the last one lacks its newline
    return config.parent


EVENTS = [{"n": n} for n in (0, 1, 2, 4, 5, 6, 8, 9)]


def events(text: str) -> list[object]:
    return [json.loads(line) for line in text.splitlines()]


def test_replay_puts_events_on_standard_output_and_the_summary_beside_it(home: Path, tailrace: Run) -> None:
    code, out, err = tailrace("replay", "app.log")
    assert code == 0
    assert events(out) == EVENTS
    law = "standard output: 10 read + 0 made = 8 written + 1 filtered + 1 dead-lettered + 0 pending"
    assert law in err.splitlines()
    assert sorted(path.name for path in home.iterdir()) == ["app.log", "config.toml"], "no state, no outputs"


def test_replay_reads_packed_files_and_standard_input(home: Path) -> None:
    data = (home / "app.log").read_bytes()
    (home / "app.log.gz").write_bytes(gzip.compress(data + b"\n"))
    done = subprocess.run([*COMMAND, "replay", "-qq", "app.log.gz", "-"], input=data, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert events(done.stdout.decode()) == EVENTS * 2


def test_replay_is_strict_about_dead_letters_only_when_asked(home: Path, tailrace: Run) -> None:
    assert tailrace("replay", "--strict", "app.log")[0] == 3
    (home / "app.log").write_text('{"n": 1}\n')
    assert tailrace("replay", "--strict", "app.log")[0] == 0


def test_replay_of_a_damaged_file_gives_its_lines_and_fails(home: Path, tailrace: Run) -> None:
    packed = bytearray(gzip.compress((home / "app.log").read_bytes() + b"\n"))
    packed[-6] ^= 0xFF
    (home / "app.log.gz").write_bytes(packed)
    code, out, err = tailrace("replay", "app.log.gz")
    assert code == 1
    assert events(out) == EVENTS
    assert err.splitlines()[-1] == "tailrace: app.log.gz: the gzip data is damaged (incorrect data check)"


def test_replay_of_what_cannot_be_read_says_so_before_anything_starts(home: Path, tailrace: Run) -> None:
    code, out, err = tailrace("replay", "app.log", "missing.log", home)
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "tailrace: missing.log: there is no such file"
    assert len(err.splitlines()) == 2


def test_replay_keeps_the_sinks_when_asked(home: Path, tailrace: Run) -> None:
    code, out, err = tailrace("replay", "--keep-sinks", "--as", "other.log", "app.log")
    assert (code, out) == (0, "")
    assert events((home / "out" / "other.log.ndjson").read_text()) == EVENTS
    assert "10 read + 0 made = 8 written" in err


def test_replay_into_a_reader_that_has_seen_enough_ends_quietly(home: Path) -> None:
    (home / "big.log").write_text('{"n": 1, "text": "' + "x" * 1000 + '"}\n' * 1 + '{"n": 2}\n' * 200_000)
    with subprocess.Popen([*COMMAND, "replay", "big.log"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_run_until_eof_writes_commits_and_shows_its_proof(home: Path, tailrace: Run) -> None:
    code, out, err = tailrace("run", "--until-eof")
    assert (code, out) == (0, "")
    assert events((home / "out" / "app.log.ndjson").read_text()) == EVENTS[:-1], "the unterminated line waits"
    assert "9 read + 0 made = 7 written + 1 filtered + 1 dead-lettered + 0 pending" in err
    code, out, _ = tailrace("dlq", "export")
    (letter,) = events(out)
    assert isinstance(letter, dict)
    assert (letter["raw"], letter["offset"], letter["cut"]) == ("no json", 63, False)


def logged(text: str) -> dict[str, list[dict[str, object]]]:
    """The log's lines by event; the log is JSON."""
    by_event: dict[str, list[dict[str, object]]] = {}
    for line in text.splitlines():
        if line.startswith("{"):
            said = json.loads(line)
            by_event.setdefault(said["event"], []).append(said)
    return by_event


def test_run_without_a_write_stage_is_refused_before_anything_is_read(home: Path, tailrace: Run) -> None:
    (home / "config.toml").write_text(CONFIG[: CONFIG.rindex("[[stages]]")])
    code, _, err = tailrace("run", "--until-eof")
    assert code == 78
    assert f"{home / 'config.toml'}: [[stages]]: no write stage: every line would be read and written nowhere" in err
    assert not (home / "state").exists()
    assert tailrace("replay", "app.log")[0] == 0
    code, out, _ = tailrace("check")
    assert code == 0
    assert "no write stage: `tailrace run` refuses to start" in " ".join(out.split())


def test_run_says_first_what_it_does_and_last_what_was_done(
    home: Path, tailrace: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_LOG_FORMAT", "json")
    err = tailrace("run", "--until-eof")[2]
    log = logged(err)
    assert [*log][:1] + [*log][-1:] == ["pipeline.started", "pipeline.stopped"]
    (started,), (stopped,) = log["pipeline.started"], log["pipeline.stopped"]
    facts = {"name": "tailrace", "version": __version__, "workers": 0, "files": 1, "level": "info"}
    assert facts.items() <= started.items()
    assert (started["config"], started["state"]) == (f"{home}/config.toml", f"{home}/state")
    assert stopped["written"] == {"write.file:out/{source}.ndjson": 7}
    assert (stopped["lines"], stopped["dead_letters"], stopped["pending"]) == (9, 1, 0)


@pytest.mark.parametrize(("files", "named"), [(20, True), (21, False)])
def test_run_names_a_few_new_files_and_counts_many(home: Path, tailrace: Run, files: int, *, named: bool) -> None:
    for number in range(1, files):  # and app.log
        (home / f"{number}.log").write_text("{}\n")
    err = tailrace("run", "--until-eof")[2]
    assert err.count(" file.found ") == (files if named else 0)
    assert err.count(f" files.found files={files} bytes=") == (not named)
    if not named:
        (home / "state" / "tailrace.sqlite").unlink()
        assert tailrace("run", "--until-eof", "-v")[2].count(" file.found ") == files


def test_run_logs_each_warning_of_the_configuration_as_a_field(
    home: Path, tailrace: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config.toml").write_text(CONFIG.replace("parse.json", "enrich.origin"))
    monkeypatch.setenv("TAILRACE_LOG_FORMAT", "json")
    warnings = logged(tailrace("run", "--until-eof")[2])["config.warning"]
    assert [str(one["notice"]).partition("]]: ")[2][:14] for one in warnings] == ["no parse stage"]


def test_start_and_end_of_each_worker_are_logged_for_debugging(home: Path, tailrace: Run) -> None:
    (home / "config.toml").write_text(CONFIG.replace("workers = 0", "workers = 2"))
    assert "worker." not in tailrace("run", "--until-eof", "-q")[2]
    err = tailrace("run", "--until-eof", "-v")[2]
    assert err.count("worker.started pid=") == err.count("worker.ended pid=") == 2


def test_run_stops_in_order_at_a_signal(home: Path) -> None:
    process = subprocess.Popen([*COMMAND, "run"], stderr=subprocess.PIPE, text=True)
    output = home / "out" / "app.log.ndjson"
    try:
        until(lambda: process.poll() is not None or (output.exists() and output.stat().st_size), "lines come out")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert " pipeline.stopped " in err.splitlines()[-1]
    finally:
        process.kill()
        process.communicate()


def test_a_second_signal_leaves_at_once() -> None:
    code = (
        "import os, signal\nfrom tailrace.pipeline.cli.signals import Signals\n"
        "Signals().connect(lambda: print('stopping', flush=True))\n"
        "os.kill(os.getpid(), signal.SIGINT)\nos.kill(os.getpid(), signal.SIGTERM)\nsignal.pause()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (1, "stopping\n", "")
    assert ENDING == (signal.SIGTERM, signal.SIGINT)


def test_check_shows_the_chain_the_files_the_promises_and_the_ceiling(home: Path, tailrace: Run) -> None:
    (home / "odd\x1b\n.log").touch()
    code, out, _ = tailrace("check")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"✓ configuration: {home}/config.toml"
    assert "✓ 2 files match now:" in lines
    assert f"  {home}/odd\\x1b\\n.log" in lines
    assert "✓ the chain, 3 stages:" in lines
    assert [line for line in lines if "write.file" in line and line.endswith(": exactly once")]
    assert [line for line in lines if line.startswith("✓ memory ceiling: ")]
    assert [line for line in lines if line.startswith("! workers = 0")]


def test_check_of_a_bad_configuration_tells_it_all_and_shows_nothing(home: Path, tailrace: Run) -> None:
    (home / "config.toml").write_text(CONFIG.replace("drop", "dorp").replace("workers = 0", 'workers = "x"'))
    code, out, err = tailrace("check")
    assert (code, out) == (78, "")
    assert "dorp" in err
    assert "workers" in err


def test_check_fails_where_a_file_may_not_be_read(home: Path, tailrace: Run) -> None:
    (home / "app.log").chmod(0)
    code, out, _ = bound_by_permissions(lambda: tailrace("check"))
    assert code == 1
    assert f"✗ {home}/app.log: permission denied: uid {os.geteuid()} cannot read it" in out.splitlines()
