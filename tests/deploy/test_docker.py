"""The image's recipe, as far as that can be tried without a daemon of Docker."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from .texts import DEPLOY, ROOT

DOCKER = DEPLOY / "docker"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "tailrace", "pipeline", "stages")
USER = "10001:10001"


def instructions() -> list[tuple[str, str]]:
    """(name, arguments) each, lines joined."""
    text = (DOCKER / "Dockerfile").read_text()
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def of(name: str) -> list[str]:
    return [rest for other, rest in instructions() if other == name]


def test_it_is_built_in_two_stages_and_runs_as_nobody_in_particular() -> None:
    assert len(of("FROM")) == 2
    assert len({image.removesuffix(" AS build") for image in of("FROM")}) == 1, "the same interpreter in both"
    last = instructions()[max(index for index, (name, _) in enumerate(instructions()) if name == "FROM") :]
    assert ("USER", USER) in last
    assert not any(name == "RUN" for name, _ in last[last.index(("USER", USER)) :])


def test_no_command_needs_a_shell() -> None:
    commands = [*of("RUN"), *of("ENTRYPOINT"), *of("CMD")]
    commands += [healthcheck.partition(" CMD ")[2] for healthcheck in of("HEALTHCHECK")]
    assert len(commands) == 6
    for command in commands:
        words = json.loads(command)
        assert isinstance(words, list), command


def test_what_is_copied_is_there_and_not_ignored() -> None:
    copied = [word.rstrip("/") for line in of("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert set(copied) == set(SOURCES)
    assert all((ROOT / name).exists() for name in copied)
    text = (DOCKER / "Dockerfile.dockerignore").read_text()
    ignore = [line for line in text.splitlines() if not line.startswith("#")]
    assert ignore[0] == "*"
    assert {line.removeprefix("!") for line in ignore if line.startswith("!")} == set(SOURCES)


def test_what_is_copied_is_enough_to_build_the_package(tmp_path: Path) -> None:
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path)
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "wheels"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "wheels").glob("tailrace-*.whl"))


def test_it_installs_extras_that_there_are() -> None:
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', " ".join(of("RUN")))
    for extra in extras.split(","):
        assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


class Health(BaseHTTPRequestHandler):
    status = 200
    asked = ""

    def do_GET(self) -> None:
        type(self).asked = self.path
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_the_health_check_tells_a_daemon_that_is_well(status: int | None, code: int) -> None:
    (healthcheck,) = of("HEALTHCHECK")
    python, *arguments = json.loads(healthcheck.partition(" CMD ")[2])
    assert python == "python"
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        assert "127.0.0.1:9600" in arguments[1]
        arguments[1] = arguments[1].replace("9600", str(server.server_port))
        if status is None:
            server.server_close()
        else:
            Health.status = status
            threading.Thread(target=server.handle_request).start()
        proxy = {"http_proxy": "http://127.0.0.1:1", "PATH": ""}
        done = subprocess.run([sys.executable, *arguments], env=proxy, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    assert status is None or Health.asked == "/health"
