"""Events of a running pipeline: data on standard output, notes beside it, and an end of many kinds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tailrace.pipeline.cli.tap import logfmt

from ..configuration import configuration, to_file
from ..waiting import until
from .conftest import COMMAND, Run
from .control_stub import Control, Json

EVIL = '\x1b[2J\u202e\n="x'


def event(number: int, **fields: object) -> Json:
    return {"stage": "parse.json", "event": {"n": number, **fields}, "id": f"abcd1234-1:{number}"}


@pytest.fixture
def control(config: Path) -> Iterator[Control]:
    with Control(config.parent / "state", {}) as control:
        yield control


def test_events_go_to_standard_output_and_notes_beside_them(control: Control, tailrace: Run) -> None:
    control.tap = lambda _: [event(1), {"dropped": 1234}, None, event(2, text=EVIL)]
    code, out, err = tailrace("tap", "--stage", "parse.json", "--when", "n > 0", "--interval", "250ms", "--limit", "2")
    assert (code, err) == (0, "left out: 1,234\n")
    assert [json.loads(line) for line in out.splitlines()] == [event(1), event(2, text=EVIL)]
    assert not set(out) & set("\x1b\u202e")
    wanted = {"stage": "parse.json", "when": "n > 0", "limit": "2", "interval": "0.25"}
    assert control.asked == [("/api/tap", wanted)]


def test_an_expression_that_fails_is_said_to_and_a_wrong_time_is_refused(control: Control, tailrace: Run) -> None:
    control.tap = lambda _: [{"failed": "TypeError: \x1bno"}, event(1)]
    code, _, err = tailrace("tap", "--when", "int(n) > 0", "--limit", "1")
    assert (code, err) == (0, "--when is not true for an event for which it fails: TypeError: \\x1bno\n")
    for option in ("--duration", "--interval"):
        code, _, err = tailrace("tap", option, "0s")
        assert (code, f"argument {option}: found '0s', expected from 10ms to a year" in err) == (2, True)


def test_the_daemon_is_asked_for_the_end_and_one_that_ends_it_sooner_has_gone(control: Control, tailrace: Run) -> None:
    def in_time(query: dict[str, str]) -> Iterable[Json]:
        end = time.monotonic() + float(query["duration"])
        until(lambda: time.monotonic() >= end, "the duration is over")
        return ()

    control.tap = in_time
    assert tailrace("tap", "--duration", "10ms")[0] == 0
    assert control.asked == [("/api/tap", {"limit": "1000000", "duration": "0.01"})]
    control.tap = lambda _: [event(1), event(2)]
    for arguments in (["--limit", "3"], ["--duration", "1h"], []):
        code, out, err = tailrace("tap", *arguments)
        assert (code, len(out.splitlines())) == (1, 2)
        assert err == "tailrace: the daemon has gone: it was stopped, or what it ran was changed\n"


def test_logfmt_has_the_fields_and_behind_them_stage_and_id(control: Control, tailrace: Run) -> None:
    control.tap = lambda _: [event(1, **{"a b": "x y", "plain": "word", "list": [1, "z"], "none": None, "evil": EVIL})]
    code, out, _ = tailrace("tap", "--format", "logfmt", "--limit", "1")
    assert code == 0
    assert out == (
        'n=1 a_b="x y" plain=word list="[1, \\"z\\"]" evil="\\u001b[2J\\u202e\\n=\\"x" '
        "@stage=parse.json @id=abcd1234-1:1\n"
    )
    assert logfmt({"event": {"": True}, "stage": "", "id": None}) == "_=true"


def test_an_expression_is_checked_before_anybody_is_asked(control: Control, tailrace: Run) -> None:
    code, out, err = tailrace("tap", "--when", "status ==")
    assert (code, out, control.asked) == (2, "", [])
    assert err.splitlines() == [
        "tailrace: --when: not a Python expression: invalid syntax (column 10)",
        "tailrace:     status ==",
        "tailrace:              ^",
    ]


def test_the_daemon_says_which_stages_there_are(control: Control, tailrace: Run) -> None:
    control.refused = "there is no stage 'prase' in the chain (there are: parse.json, write.file)"
    assert tailrace("tap", "--stage", "prase") == (1, "", f"tailrace: {control.refused}\n")


@pytest.mark.parametrize("wrong", [["--limit", "0"], ["--limit", "x"], ["--interval", "5"], ["--format", "yaml"]])
def test_wrong_use_is_exit_code_2(control: Control, tailrace: Run, wrong: list[str]) -> None:
    assert tailrace("tap", *wrong)[0] == 2
    assert not control.asked


def test_without_a_daemon_it_says_what_else_there_is(config: Path, tailrace: Run) -> None:
    code, out, err = tailrace("tap")
    assert (code, out) == (1, "")
    assert err.endswith(
        "/state: no tailrace is running with this state; `tailrace replay` shows what the chain makes of a file\n"
    )
    assert config.exists()


class Endless:
    """Gives events, then nothing but signs of life, until it is over."""

    def __init__(self, *events: Json) -> None:
        self.events, self.over = events, threading.Event()

    def __call__(self, _: dict[str, str]) -> Iterable[Json | None]:
        yield from self.events
        while not self.over.wait(0.01):
            yield None


@pytest.fixture
def endless(control: Control) -> Iterator[Endless]:
    control.tap = endless = Endless(event(1))
    yield endless
    endless.over.set()


@pytest.fixture
def process(endless: Endless) -> Iterator[subprocess.Popen[bytes]]:
    """A tap in a process of its own, whose output is buffered as it is for anybody."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen([*COMMAND, "tap"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=usual) as process:
        try:
            yield process
        finally:
            process.kill()
    assert not endless.over.is_set(), "the daemon would have gone on"


def test_ctrl_c_is_an_end_like_others(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout
    assert process.stderr
    assert json.loads(process.stdout.readline()) == event(1), "at once, not when a buffer is full"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == b""


def test_a_reader_that_has_seen_enough_ends_it_without_another_event(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == b""


def test_events_of_a_real_daemon(config: Path, tailrace: Run) -> None:
    config.write_text(configuration("parse.json", to_file(), source={"paths": ["*.log"]}, workers=1))
    with (
        (config.parent / "a.log").open("a") as log,
        subprocess.Popen([*COMMAND, "run", "-qq"]) as daemon,
    ):
        try:
            until((config.parent / "state" / "control").exists, "it answers")
            command = [*COMMAND, "tap", "--stage", "parse.json", "--when", "n % 2", "--limit", "2"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tap:

                def over() -> bool:
                    log.write('{"n": 1}\n{"n": 2}\n')
                    log.flush()
                    return tap.poll() is not None

                try:
                    until(over, "there were two events")
                    out, _ = tap.communicate()
                finally:
                    tap.kill()
            code, _, err = tailrace("tap", "--stage", "prase.json")
        finally:
            daemon.terminate()
            daemon.wait(timeout=60)
    assert tap.returncode == 0
    found = [json.loads(line) for line in out.splitlines()]
    assert [(one["stage"], one["event"]) for one in found] == [("parse.json", {"n": 1})] * 2
    assert (code, err) == (
        1,
        "tailrace: there is no stage 'prase.json' in the chain (there are: parse.json, write.file)\n",
    )
