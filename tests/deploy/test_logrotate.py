"""The rules for rotating what tailrace writes, with the real logrotate and a running daemon."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..configuration import configuration, to_file
from ..scenarios.conftest import MakeDaemon
from ..scenarios.daemon import Daemon, numbered
from .texts import DEPLOY

RULES = (DEPLOY / "logrotate/tailrace-outputs").read_text(encoding="utf-8")
DIRECTORY = "/var/log/tailrace"
CONFIG = configuration(
    "parse.json", to_file("out/all.ndjson"), to_file("out/by/{source}.ndjson", id="by"), commit_interval="50ms"
)


def lines_of(path: Path) -> Iterator[int]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in data.splitlines():
        yield json.loads(line)["n"]


def rotate(daemon: Daemon, text: str) -> None:
    """Once, though no day has passed."""
    rules = daemon.home / "rules"
    rules.write_text(text)
    rules.chmod(0o644)
    command = ["logrotate", "--state", str(daemon.home / "rotations"), "--force", str(rules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def commit(daemon: Daemon, total: int) -> None:
    """So many lines are committed; the log holds them all."""
    size = len(numbered(0, total))
    daemon.until(lambda: daemon.committed() == size, f"{total} lines are committed")


@pytest.mark.needs("logrotate")
def test_outputs_are_rotated_and_packed_beside_a_running_daemon_and_each_line_is_there_once(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon(CONFIG)
    rules = RULES.replace(DIRECTORY, str(daemon.out)).replace("    su tailrace tailrace\n", "")
    assert f"{daemon.out}/*.ndjson {daemon.out}/*/*.ndjson {{" in rules
    log = daemon.logs / "app.log"
    log.touch()
    daemon.start()
    total = 0
    for _ in range(4):
        for _ in range(2):  # what comes first goes to the renamed file, up to the commit that sees that
            with log.open("ab") as file:
                file.write(numbered(total, total + 500))
            total += 500
            commit(daemon, total)
        rotate(daemon, rules)
    with log.open("ab") as file:
        file.write(numbered(total, total + 500))
    total += 500
    commit(daemon, total)
    assert daemon.stop() == 0, daemon.stderr()
    for directory, name in ((daemon.out, "all.ndjson"), (daemon.out / "by", "app.log.ndjson")):
        files = {path.name: path for path in directory.glob(f"{name}*")}
        assert {f"{name}.1", f"{name}.2.gz", f"{name}.3.gz", f"{name}.4.gz"} <= set(files) <= {name, *files}
        assert sorted(n for path in files.values() for n in lines_of(path)) == list(range(total))
    assert not daemon.said("pipeline.rewind")
    assert daemon.run_to_end() == 0, "the next start knows the files as they are now"


@pytest.mark.needs("logrotate")
def test_copytruncate_which_the_rules_forbid_ends_in_a_start_that_refuses(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(CONFIG)
    assert "nocopytruncate" in RULES
    (daemon.logs / "app.log").write_bytes(numbered(0, 100))
    assert daemon.run_to_end() == 0
    rotate(daemon, f'"{daemon.out}/*.ndjson" {{\n    rotate 3\n    copytruncate\n}}\n')
    assert daemon.run_to_end() == 1
    assert "holds 0 bytes" in daemon.stderr()


def test_the_rules_are_for_the_directory_and_the_user_of_the_service() -> None:
    unit = (DEPLOY / "systemd/tailrace.service").read_text()
    assert "LogsDirectory=tailrace\n" in unit
    assert "User=tailrace\n" in unit
    assert "su tailrace tailrace" in RULES
    assert f"{DIRECTORY}/*.ndjson" in RULES
