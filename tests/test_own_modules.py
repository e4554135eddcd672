"""A user's own modules beside the configuration, whatever their names are: Python's own, the engine's, anybody's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ["stages", "pipeline", "traceback", "dataclasses", "json", "shop", "orjson", "tests"]
MODULE = """
from dataclasses import dataclass
import os, signal

@dataclass
class Mark:
    by: str

    def process(self, events):
        for event in events:
            event[self.by] = __file__
        return events


def mark(event):
    if event.get("message") == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if event.get("message") == "raise":
        raise ValueError("{name} was asked to")
    event.setdefault("marks", []).append("{name}")
    return event
"""
CONFIG = """
[pipeline]
state_dir = "state"
workers = {workers}
[source]
paths = ["*.log"]
[[stages]]
use = "parse.raw"
{stages}
[[stages]]
use = "write.file"
path = "out/all.ndjson"
"""
HERE = Path(__file__).parent.parent


def write(directory: Path, names: list[str], workers: int, *lines: str) -> None:
    stages = "".join(
        f'[[stages]]\nuse = "{name}:mark"\n[[stages]]\nuse = "{name}:Mark"\nby = "{name}"\n' for name in names
    )
    (directory / "config.toml").write_text(CONFIG.format(workers=workers, stages=stages))
    (directory / "app.log").write_text("".join(f"{line}\n" for line in lines))
    for name in names:
        (directory / f"{name}.py").write_text(MODULE.replace("{name}", name))


def tailrace(directory: Path, *arguments: str) -> str:
    """Standard output of ``python -m tailrace``, which begins with the working directory in front of the path."""
    command = [sys.executable, "-m", "tailrace", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("workers", [0, 2])
def test_modules_with_taken_names_are_used_and_hide_no_others(tmp_path: Path, workers: int) -> None:
    write(tmp_path, NAMES, workers, "one", "raise")
    expected = {"message": "one", "marks": NAMES, **{name: str(tmp_path / f"{name}.py") for name in NAMES}}
    assert "stages:mark" in tailrace(tmp_path, "check")
    assert json.loads(tailrace(tmp_path, "replay", "app.log")) == expected
    tailrace(tmp_path, "run", "--until-eof")
    assert json.loads((tmp_path / "out/all.ndjson").read_text()) == expected
    (letter,) = map(json.loads, tailrace(tmp_path, "dlq", "export").splitlines())
    assert letter["why"] == "ValueError: stages was asked to"
    assert f'File "{tmp_path}/stages.py", line 19, in mark' in letter["trace"]


def test_a_worker_that_is_replaced_finds_them_again(tmp_path: Path) -> None:
    names = ["traceback", "stages", "pipeline"]
    write(tmp_path, names, 2, "one", "kill", "two")
    tailrace(tmp_path, "run", "--until-eof")
    events = [json.loads(line) for line in (tmp_path / "out/all.ndjson").read_text().splitlines()]
    assert [(event["message"], event["marks"]) for event in events] == [("one", names), ("two", names)]
    (letter,) = map(json.loads, tailrace(tmp_path, "dlq", "export").splitlines())
    assert (letter["stage"], letter["error"]) == ("traceback:mark", "killed")


def test_own_modules_import_each_other(tmp_path: Path) -> None:
    write(tmp_path, ["shop", "traceback"], 0, "one")
    (tmp_path / "shop.py").write_text("import till\nfrom till import Mark\nmark = till.mark\n")
    (tmp_path / "till.py").write_text(MODULE.replace("{name}", "till"))
    assert json.loads(tailrace(tmp_path, "replay", "app.log"))["marks"] == ["till", "traceback"]


@pytest.mark.parametrize("module", ["http.marks", "mine.marks", "json.marks"])
def test_a_package_beside_the_configuration_is_used(tmp_path: Path, module: str) -> None:
    write(tmp_path, [], 0, "one")
    package, _, name = module.partition(".")
    (tmp_path / package).mkdir()
    (tmp_path / package / f"{name}.py").write_text("def mark(event):\n    return {'by': 'us'}\n")
    for init in (False, True):  # a folder of modules is a package, too
        if init:
            (tmp_path / package / "__init__.py").touch()
        (tmp_path / "config.toml").write_text(CONFIG.format(workers=0, stages=f'[[stages]]\nuse = "{module}:mark"\n'))
        assert json.loads(tailrace(tmp_path, "replay", "app.log")) == {"by": "us"}
