"""``check``: files without a parser, places that cannot be written to, and how it looks."""

from __future__ import annotations

import fcntl
import gzip
import os
import socket
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from tailrace.pipeline.cli.writable import fault, fixed_part

from .conftest import COMMAND, Run

CONFIG = """
[source]
paths = ["*.log"]
[[stages]]
use = "parse.json"
only = "app*"
[[stages]]
use = "write.file"
path = "out/a/{source}.ndjson"
when = "level == 'error' or (duration_ms or 0) >= 5000 or status >= 500 or method == 'POST'"
"""


@pytest.fixture
def home(config: Path) -> Path:
    config.write_text(CONFIG)
    return config.parent


def test_files_that_no_parse_stage_is_for_are_named(home: Path, tailrace: Run) -> None:
    for name in ("app.log", "other.log"):
        (home / name).touch()
    code, out, _ = tailrace("check")
    hints = [line for line in out.splitlines() if line.startswith("! ")]
    assert code == 0
    assert hints == [f"! {home}/other.log: no parse stage applies to it; its lines are taken unparsed, as by parse.raw"]
    (home / "config.toml").write_text(CONFIG.replace('only = "app*"', ""))
    assert "no parse stage" not in tailrace("check")[1]


def test_a_directory_in_place_of_a_pattern_is_told_with_the_pattern(home: Path, tailrace: Run) -> None:
    (home / "config.toml").write_text(CONFIG.replace("*.log", "logs"))
    (home / "logs").mkdir()
    hints = [line for line in tailrace("check")[1].splitlines() if line.startswith("! ")]
    assert hints == [
        f"! no file matches now: {home}/logs",
        f"! {home}/logs is a directory; to read the files in it, write {home}/logs/*",
    ]


def test_packed_files_are_named(home: Path, tailrace: Run) -> None:
    (home / "app.log").write_text('{"n":1}\n')
    (home / "app-1.log").write_bytes(gzip.compress(b'{"n":1}\n'))
    os.mkfifo(home / "app-fifo.log")
    code, out, _ = tailrace("check")
    hints = [line for line in out.splitlines() if line.startswith("! ")]
    assert code == 0
    assert hints == [
        f"! {home}/app-1.log: is compressed and not read: list it in source.exclude, or set source.compressed"
    ]


def test_many_files_without_a_parse_stage_are_counted(home: Path, tailrace: Run) -> None:
    for number in range(15):
        (home / f"{number}.log").touch()
    out = tailrace("check")[1]
    assert out.count("no parse stage applies to it") == 10
    assert "! ... and 5 more that no parse stage applies to" in out


def test_places_that_can_be_written_to_are_shown_and_nothing_is_made(home: Path, tailrace: Run) -> None:
    out = tailrace("check")[1].splitlines()
    assert f"✓ state: {home}/state can be created" in out
    assert f"✓ write.file:out/a/{{source}}.ndjson: {home}/out/a can be created" in out
    assert sorted(path.name for path in home.iterdir()) == ["config.toml"]
    (home / "state").mkdir()
    assert f"✓ state: {home}/state can be written to" in tailrace("check")[1].splitlines()


def test_a_place_that_cannot_be_written_to_fails_the_check(home: Path, tailrace: Run) -> None:
    (home / "out").touch()
    code, out, _ = tailrace("check")
    assert code == 1
    why = f"{home}/out/a cannot be created: {home}/out is not a directory"
    assert f"✗ write.file:out/a/{{source}}.ndjson: {why}" in out.splitlines()


def test_why_a_place_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    assert fault(f"{tmp_path}/") == fault(f"{tmp_path}/new/er/") == fault(f"{tmp_path}/new.log") == ""
    assert fault(f"{tmp_path}/file") == ""
    assert fault(f"{tmp_path}/file/x") == f"{tmp_path}/file is not a directory"
    assert fault(str(tmp_path)) == f"{tmp_path} is a directory"
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # root may write everywhere
    denied = f"permission denied: uid {os.geteuid()} cannot write to it"
    assert fault(f"{tmp_path}/file") == f"{tmp_path}/file: {denied}"
    assert fault(f"{tmp_path}/new") == f"{tmp_path}: {denied}"
    assert fault(f"{tmp_path}/a/b") == f"{tmp_path}/a cannot be created: {tmp_path}: {denied}"


@pytest.mark.parametrize(
    ("template", "fixed"),
    [
        ("/a/b/{x}.log", "/a/b/"),
        ("/a/b/c-{x}/d.log", "/a/b/"),
        ("/a/b.log", "/a/b.log"),
        ("/a/{{b}}/c.log", "/a/{b}/c.log"),
        ("/{x}", "/"),
    ],
)
def test_the_fixed_part_of_a_template_ends_before_the_first_placeholder(template: str, fixed: str) -> None:
    assert fixed_part(template) == fixed


@pytest.mark.parametrize("no_color", ["", "1"])
def test_on_a_terminal_lines_fit_and_colours_can_be_turned_off(home: Path, no_color: str) -> None:
    (home / "app.log").touch()
    screen, ours = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm"}
    done = subprocess.run([*COMMAND, "check"], cwd=home, stdout=ours, env=environment, check=False)
    os.close(ours)
    out = b""
    try:
        while data := os.read(screen, 1 << 16):
            out += data
    except OSError:  # Linux: the other side is closed
        pass
    os.close(screen)
    lines = out.decode().replace("\x1b[32m", "").replace("\x1b[33m", "").replace("\x1b[0m", "").split("\r\n")
    assert done.returncode == 0
    assert (b"\x1b[32m" in out) == (not no_color)
    assert "\x1b" not in "".join(lines)
    directories = len(str(home))  # a path is not broken
    assert max(map(len, lines)) <= max(80, directories + 50)
    assert any(line.startswith("    ") and line.endswith("'POST'") for line in lines), "the condition is broken"


def test_stages_that_remember_are_said_to_run_in_one_worker_and_the_ceiling_counts_one(
    home: Path, tailrace: Run
) -> None:
    (home / "own.py").write_text(
        "from dataclasses import dataclass\nfrom typing import ClassVar\nfrom tailrace import Memory\n"
        "@dataclass\nclass Counts:\n    memory: ClassVar[Memory] = Memory()\n"
        "    def process(self, events): return events\n"
    )
    (home / "config.toml").write_text(CONFIG + '[[stages]]\nuse = "own:Counts"\n')
    code, out, _ = tailrace("check")
    assert code == 0
    assert "own:Counts: remembers, so the chain runs in one worker, not in 2, and all lines go out in the order" in out
    assert "1 worker: own data (pipeline.worker_memory)" in out


@pytest.mark.parametrize("address", ["256.0.0.1:9600", "192.0.2.1:9600", "TAKEN"])
def test_an_address_that_cannot_be_had_fails_the_check(home: Path, tailrace: Run, address: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        address = address.replace("TAKEN", taken)
        (home / "config.toml").write_text(CONFIG + f'[status]\nlisten = "{address}"\n')
        code, out, _ = tailrace("check")
    said = [line for line in out.splitlines() if address in line]
    assert [line[0] for line in said] == ["✗"]
    assert code == 1


def test_a_reader_that_has_seen_enough_changes_no_exit_code(home: Path) -> None:
    (home / "config.toml").write_text(CONFIG + '[status]\nlisten = "192.0.2.1:9600"\n')
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, "check"], cwd=home, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
