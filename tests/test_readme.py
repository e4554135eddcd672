"""The examples of the README run as printed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from .documents import COMMAND, ROOT, Shell, broken_links, examples, pytest_passes, tailrace, write_files
from .waiting import until

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINE = '192.0.2.7 - - [14/Mar/2026:09:00:00 +0000] "GET {path} HTTP/1.1" {status} 512 "-" "{agent}"\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The README's files, and logs for them."""
    write_files(README, tmp_path)
    config = tmp_path / "config.toml"
    last = config.read_text().rindex("[[stages]]")
    more = dict(examples(README))["append: config.toml, before the write stage"]
    config.write_text(f"{config.read_text()[:last]}{more}\n{config.read_text()[last:]}")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/access.log").write_text(
        LINE.format(path="/a.html", status=200, agent="curl/8")
        + LINE.format(path="/a.html", status=304, agent="curl/8")
        + LINE.format(path="/" + "b" * 100, status=200, agent="curl/8")
        + "no access line\n"
    )
    (tmp_path / "logs/app.log").write_text('{"message": "hello"}\n')
    return tmp_path


def test_configuration_and_stages_of_the_readme_do_what_it_says(directory: Path) -> None:
    ran = tailrace(directory, "run", "--until-eof")
    assert ran.returncode == 0, ran.stderr
    access = [json.loads(line) for line in (directory / "out/access.log.ndjson").read_text().splitlines()]
    assert [(event["path"], event["kind"], event["slow"]) for event in access] == [
        ("/a.html", "page", False),
        ("/" + "b" * 79, "other", False),
    ]
    assert access[1]["path_clipped"] is True
    assert json.loads((directory / "out/app.log.ndjson").read_text())["message"] == "hello"
    letters = tailrace(directory, "dlq", "export")
    assert letters.stdout.count("\n") == 1, letters.stderr


def test_commands_beside_a_daemon_do_what_they_say(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shell = Shell(directory, tmp_path_factory.mktemp("programs"))
    block = dict(examples(README))["beside a daemon"]
    log = directory / "logs/app.log"
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.01):
            with log.open("a") as file:
                file.write('{"status": 503}\n' * 20 + "broken\n")

    writer = threading.Thread(target=write)
    with (directory / "log").open("wb") as errors:
        daemon = subprocess.Popen([sys.executable, "-c", COMMAND, "run"], cwd=directory, stderr=errors)
    try:
        until((directory / "state/control").exists, "the daemon listens")
        writer.start()
        outputs = {}
        for line in block.splitlines():
            command = line.partition("#")[0].strip()
            run = command.replace("tailrace top", "tailrace top --once")
            ran = shell.run(run)
            failing = command.startswith("tailrace dlq redrive")  # the lines are as broken as before
            assert ran.returncode == failing, (command, ran.stderr)
            outputs[command] = ran.stdout
        until(lambda: "config.reloaded" in (directory / "log").read_text(), "it uses the configuration anew")
        (tap,) = (out for command, out in outputs.items() if " tap " in command)
        assert [json.loads(line)["event"]["status"] for line in tap.splitlines()] == [503] * 5
        assert f"process {daemon.pid}" in outputs["tailrace status"]
        assert str(log) in outputs["tailrace state show"]
    finally:
        over.set()
        if writer.ident is not None:
            writer.join()
        daemon.terminate()
        assert daemon.wait(30) == 0


def test_check_accepts_the_configuration_of_the_readme(directory: Path) -> None:
    checked = tailrace(directory, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_stage_test_of_the_readme_passes(directory: Path) -> None:
    pytest_passes(directory, "test_shop.py")


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"`?make ([a-z]+)", README)) - {"same", "it"}
    assert {"demo", "help", "test", "lint", "bench"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_stages_of_the_readme_are_those_that_exist() -> None:
    for family in ("parse", "enrich", "write"):
        row = re.search(rf"^\| `{family}` \| (.*) \|$", README, re.MULTILINE)
        assert row is not None
        there = {path.stem for path in (ROOT / "stages" / family).glob("*.py")} - {"__init__"}
        assert set(re.findall(r"`(\w+)`", row[1])) == there


def test_links_of_the_readme_lead_somewhere() -> None:
    assert broken_links(ROOT / "README.md") == []
