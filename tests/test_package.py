"""What is built from the repository: one import name, all of it, and a command that works wherever it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from .configuration import configuration, to_file

ROOT = Path(__file__).parent.parent
PARTS = ("tailrace", "pipeline", "stages")
CONFIG = configuration("parse.json", to_file("out/{source}.ndjson"), workers=2, source={"paths": ["*.log"]})


def built_name(path: Path) -> str:
    """Where a file of the repository stands in the wheel."""
    relative = path.relative_to(ROOT).as_posix()
    return relative if relative.startswith("tailrace/") else f"tailrace/{relative}"


MODULES = {built_name(path) for part in PARTS for path in (ROOT / part).rglob("*.py")}


DATA = {built_name(path) for path in (ROOT / "stages/patterns/library").glob("*.txt")}
DATA |= {built_name(path) for path in (ROOT / "pipeline/status/assets").iterdir() if path.suffix not in (".py", "")}


def call(command: list[object], cwd: Path) -> str:
    """Standard output of a command that succeeds."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the package is made of: a build leaves its own files beside them, and takes up older ones."""
    copy = tmp_path_factory.mktemp("tree")
    for name in PARTS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    call([sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", out, "."], tree)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment. What tailrace depends on comes from the one that runs the tests."""
    made = tmp_path_factory.mktemp("environment")
    venv.create(made, symlinks=True)
    base = {"base": str(made), "platbase": str(made)}
    for kind in ("purelib", "platlib"):
        packages = Path(sysconfig.get_path(kind, "venv", vars=base))
        for entry in Path(sysconfig.get_path(kind)).iterdir():
            if not entry.name.startswith(("tailrace", "__editable__")) and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    return made


def install(environment: Path, *what: object) -> None:
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--force-reinstall"]
    command = [sys.executable, "-m", "pip", "--python", environment / "bin/python", "install", *options, *what]
    call(command, environment)


def test_every_package_is_listed_in_pyproject() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted({str(Path(name).parent).replace("/", ".") for name in MODULES})
    assert {f"{name.replace('.', '/')}/__init__.py" for name in listed} <= MODULES


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    metadata = {name for name in names if name.startswith("tailrace-") and ".dist-info/" in name}
    assert set(names) - metadata == MODULES | DATA | {"tailrace/py.typed"}
    assert any(name.endswith("/entry_points.txt") for name in metadata)


def test_the_installed_command_works_from_a_directory_that_held_nothing(
    wheel: Path, environment: Path, tmp_path: Path
) -> None:
    install(environment, wheel)
    tailrace = environment / "bin/tailrace"
    assert call([tailrace, "--version"], tmp_path).startswith("tailrace ")
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "app.log").write_text('{"n": 1}\n{"n": 2}\n')
    call([tailrace, "check"], tmp_path)
    replayed = call([tailrace, "replay", "app.log"], tmp_path)
    assert [json.loads(line) for line in replayed.splitlines()] == [{"n": 1}, {"n": 2}]
    call([tailrace, "run", "--until-eof"], tmp_path)
    assert (tmp_path / "out/app.log.ndjson").read_text() == replayed
    in_a_checkout = [environment / "bin/python", "-m", "tailrace", "replay", tmp_path / "app.log", "-c"]
    assert call([*in_a_checkout, tmp_path / "config.toml"], ROOT) == replayed
    for name in PARTS[1:]:
        found = f"import importlib.util; assert importlib.util.find_spec({name!r}) is None"
        call([environment / "bin/python", "-c", found], tmp_path)
    where = "import tailrace, tailrace.stages as it; print(it.__file__)"
    assert call([environment / "bin/python", "-c", where], tmp_path).startswith(str(environment))


def test_an_editable_install_finds_what_comes_later(tree: Path, environment: Path, tmp_path: Path) -> None:
    install(environment, "--editable", tree)
    (tree / "stages/enrich/later.py").write_text(
        "from tailrace.pipeline.later import mark\n\nclass Later:\n    def process(self, events): return mark(events)\n"
    )
    (tree / "pipeline/later.py").write_text("def mark(events):\n    return [{'later': True} for _ in events]\n")
    (tmp_path / "config.toml").write_text(
        CONFIG.replace('use = "parse.json"', 'use = "parse.json"\n[[stages]]\nuse = "enrich.later"')
    )
    (tmp_path / "app.log").write_text('{"n": 1}\n')
    replayed = call([environment / "bin/python", "-m", "tailrace", "replay", "app.log"], tmp_path)
    assert json.loads(replayed) == {"later": True}


@pytest.mark.parametrize("name", PARTS[1:])
def test_nothing_is_imported_under_the_bare_names(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"the package tailrace.{name}" in done.stderr


def test_a_checkout_that_is_not_installed_can_be_imported(tree: Path) -> None:
    code = "import tailrace.pipeline, tailrace.stages.enrich; print(tailrace.stages.__file__)"
    assert call([sys.executable, "-S", "-c", code], tree) == f"{tree}/stages/__init__.py\n"


def test_importing_the_public_face_is_cheap_and_its_names_are_there() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import tailrace\n"
        "assert set(sys.modules) - before == {'tailrace', 'tailrace.version'}, set(sys.modules) - before\n"
        "for name in tailrace.__all__: getattr(tailrace, name)\n"
        "import tailrace.testing\n"
    )
    call([sys.executable, "-c", code], ROOT)
