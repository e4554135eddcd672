"""A daemon that reads standard input, or the journal of systemd: real pipes, a real `journalctl`, kills."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ..configuration import configuration, to_file
from .conftest import MakeDaemon
from .daemon import COMMAND, Daemon, numbered

REMOTE = "/lib/systemd/systemd-journal-remote"  # makes journal files of a text; it is on nobody's path
JOURNAL = {"use": "journal", "directory": "journal"}


def other(source: Mapping[str, object], **options: Any) -> str:
    """A configuration without paths."""
    text = configuration("parse.json", "enrich.origin", to_file(), source=source, **options)
    return text.replace('paths = ["logs/*.log"]\n', "")


def pipe_into(daemon: Daemon, data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, "run", *arguments, str(daemon.config)]
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("workers", [0, 2])
def test_standard_input_is_read_to_its_end(make_daemon: MakeDaemon, workers: int) -> None:
    daemon = make_daemon(other({"use": "stdin", "name": "app.log"}, workers=workers, commit_interval="20ms"))
    for start in (0, 5000):
        done = pipe_into(daemon, numbered(start, start + 5000).removesuffix(b"\n"))
        assert done.returncode == 0, done.stderr.decode()
    events = daemon.events("all.ndjson")
    assert [event["n"] for event in events] == list(range(10_000))
    assert {event["file"] for event in events} == {"app.log"}
    assert len({event["event_id"] for event in events}) == 10_000
    daemon.check_books()


def test_a_program_that_is_slow_does_not_make_the_daemon_busy(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(other({"use": "stdin"}, commit_interval="20ms"))
    command = [*COMMAND, "run", str(daemon.config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        daemon.process = process
        process.stdin.write(b'{"n":0}\n{"n":')
        daemon.until(lambda: len(daemon.events("all.ndjson")) == 1, "the line is there though more may come")
        before = daemon.cpu()
        threading.Event().wait(1.0)
        assert daemon.cpu() - before < 0.3
        process.stdin.write(b"1}\n")
        daemon.until(lambda: len(daemon.events("all.ndjson")) == 2, "the rest of the line is there")
        process.stdin.close()
        assert process.wait(30) == 0


class Journal:
    """Entries in real journal files, which `journalctl` reads with --directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.entries = 0
        self._files = 0

    def add(self, count: int) -> None:
        entries = []
        for number in range(self.entries, self.entries + count):
            at = 1_700_000_000_000_000 + number * 1000
            entries.append(
                f"__REALTIME_TIMESTAMP={at}\n__MONOTONIC_TIMESTAMP={number + 1}\n_BOOT_ID={1:032x}\n"
                f"MESSAGE=entry {number}\nNUMBER={number}\nPRIORITY={number % 8}\n_SYSTEMD_UNIT=a.service\n\n"
            )
        self._files += 1
        text = self.directory.parent / f"entries-{self._files}"
        text.write_text("".join(entries))
        # Made elsewhere and moved: what grows in place is journald's business, which needs a system of its own.
        made = self.directory.parent / f"{self._files:032x}.journal"
        subprocess.run([REMOTE, f"--output={made}", str(text)], check=True, capture_output=True)
        made.rename(self.directory / made.name)
        self.entries += count


def numbers(daemon: Daemon) -> list[int]:
    return [int(event["NUMBER"]) for event in daemon.events("all.ndjson")]


@pytest.mark.needs("journalctl")
@pytest.mark.needs(REMOTE)
def test_the_journal_is_read_once_through_kills_and_restarts(make_daemon: MakeDaemon, kills: int) -> None:
    daemon = make_daemon(other(JOURNAL, workers=1, commit_interval="20ms", commit_bytes="64KiB", chunk_bytes="64KiB"))
    journal = Journal(daemon.home / "journal")
    rng = random.Random(kills)  # noqa: S311  (moments, no secret)
    pause = threading.Event()
    for _ in range(max(3, kills // 2)):
        journal.add(2000)
        daemon.start()
        pause.wait(rng.uniform(0.3, 0.6))
        daemon.kill_group()
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert numbers(daemon) == list(range(journal.entries))
    events = daemon.events("all.ndjson")
    assert len({event["event_id"] for event in events}) == len(events)
    assert daemon.run_to_end() == 0
    assert len(numbers(daemon)) == journal.entries, "nothing again"


def follows(pid: int) -> bool:
    try:
        return b"--follow" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


@pytest.mark.needs("journalctl")
@pytest.mark.needs(REMOTE)
def test_the_journal_is_followed_and_what_is_asked_for_is_read(make_daemon: MakeDaemon) -> None:
    source = {**JOURNAL, "units": ["a.service"], "matches": ["PRIORITY=3"], "read_from": "end", "name": "host"}
    daemon = make_daemon(other(source, commit_interval="20ms"))
    journal = Journal(daemon.home / "journal")
    journal.add(16)
    daemon.start()
    daemon.until(lambda: any(map(follows, daemon.children())), "the journal is followed")
    journal.add(16)
    daemon.until(lambda: numbers(daemon) == [19, 27], "the new ones of that priority are there")
    assert daemon.stop() == 0
    assert {event["file"] for event in daemon.events("all.ndjson")} == {"host"}


def test_a_journal_that_cannot_be_read_fails_a_run_to_the_end_and_is_tried_again_otherwise(
    make_daemon: MakeDaemon,
) -> None:
    broken = f'#!{sys.executable}\nimport sys\nprint("no journal here", file=sys.stderr)\nsys.exit(1)\n'
    daemon = make_daemon(other({**JOURNAL, "command": "./broken"}))
    (daemon.home / "broken").write_text(broken)
    (daemon.home / "broken").chmod(0o755)
    text = daemon.config.read_text().replace("./broken", str(daemon.home / "broken"))
    daemon.config.write_text(text)
    daemon.start("--until-eof")
    assert daemon.wait() == 1
    assert "could not be read" in daemon.stderr()
    assert "ended with 1: no journal here" in daemon.stderr()
    daemon.start()
    daemon.until(lambda: "source.ended" in daemon.stderr(daemon.starts), "it is said")
    assert daemon.stop() == 0
    daemon.config.write_text(text.replace(str(daemon.home / "broken"), str(daemon.home / "missing")))
    checked = daemon.command("check")
    assert checked.code == 1
    assert "there is no program" in checked.out.decode()
