"""The user's own modules are imported anew for a reload, come back as they were, and workers get them as they were."""

from __future__ import annotations

import importlib
import json
import os
import py_compile
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.chain import own
from tailrace.pipeline.chain.loader import resolve
from tailrace.pipeline.chain.own import Anew
from tailrace.pipeline.errors import ConfigError

VERSION = "VERSION = {}\ndef mark(event):\n    return VERSION\n"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    sys.path[:] = [path for path in sys.path if not path.startswith(str(tmp_path))]
    for place in [name for name in own._places if name.startswith(str(tmp_path))]:
        for name, _ in list(own._places.pop(place).modules()):
            del sys.modules[name]
    importlib.invalidate_caches()


def called(use: str, home: Path) -> Any:
    stage: Any = resolve(use, home)
    return stage({})


def write(path: Path, version: int) -> None:
    """As long as the one before, and within the same second."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(VERSION.format(version))
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("file", "use"),
    [
        ("shop_a.py", "shop_a:mark"),
        ("shop_b/__init__.py", "shop_b:mark"),
        ("shop_c/marks.py", "shop_c.marks:mark"),
        ("traceback.py", "traceback:mark"),  # a name that is taken
        ("json/decoder.py", "json.decoder:mark"),
    ],
)
def test_an_edited_module_is_read_anew_and_comes_back(home: Path, file: str, use: str) -> None:
    taken = {name: sys.modules.get(name) for name in ("traceback", "json", "json.decoder")}
    write(home / file, 1)
    assert called(use, home) == 1
    write(home / file, 2)
    assert called(use, home) == 1, "not by itself"
    anew = Anew(str(home))
    assert called(use, home) == 2
    assert anew.changed() == [file]
    assert anew.take_back() == {str(home / file): VERSION.format(2).encode()}
    assert called(use, home) == 1
    assert own.texts_of(str(home)) == {str(home / file): VERSION.format(1).encode()}
    Anew(str(home))
    assert called(use, home) == 2, "and again"
    assert {name: sys.modules.get(name) for name in taken} == taken, "Python's own are nobody else's"


def test_bytecode_of_others_is_not_read(home: Path) -> None:
    """Of a file with this time and size, it would be taken for what the file holds."""
    write(home / "stale.py", 1)
    py_compile.compile(str(home / "stale.py"), doraise=True)
    write(home / "stale.py", 2)
    assert called("stale:mark", home) == 2


def test_modules_that_import_each_other_come_and_go_together(home: Path) -> None:
    write(home / "inner_part.py", 1)
    (home / "outer_part.py").write_text("from inner_part import mark\nSEEN = []\n")
    assert called("outer_part:mark", home) == 1
    sys.modules["outer_part"].SEEN.append("state")
    write(home / "inner_part.py", 2)
    anew = Anew(str(home))
    assert called("outer_part:mark", home) == 2
    assert sys.modules["outer_part"].SEEN == []
    assert anew.changed() == ["inner_part.py"]
    anew.take_back()
    assert sys.modules["outer_part"].SEEN == ["state"]
    assert called("outer_part:mark", home) == 1


def test_a_module_that_puts_something_else_in_its_place(home: Path) -> None:
    text = "import sys\n\n\nclass Other:\n    @staticmethod\n    def mark(event):\n        return {}\n"
    (home / "odd_one.py").write_text(text.format(1) + "\n\nsys.modules[__name__] = Other\n")
    assert called("odd_one:mark", home) == 1
    (home / "odd_one.py").write_text(text.format(2) + "\n\nsys.modules[__name__] = Other\n")
    Anew(str(home))
    assert called("odd_one:mark", home) == 2


def test_a_folder_with_the_name_of_a_module_without_a_file(home: Path) -> None:
    """Such as `time`, which stays what it is."""
    time = sys.modules["time"]
    write(home / "time/part.py", 1)
    assert called("time.part:mark", home) == 1
    write(home / "time/part.py", 2)
    Anew(str(home))
    assert sys.modules["time"] is time
    assert called("time.part:mark", home) == 2


def test_relative_imports_in_a_package(home: Path) -> None:
    write(home / "pack/inner.py", 1)
    (home / "pack/__init__.py").write_text("from . import inner\n")
    (home / "pack/outer.py").write_text("from .inner import mark\nfrom . import inner\nassert mark is inner.mark\n")
    assert called("pack.outer:mark", home) == 1
    write(home / "pack/inner.py", 2)
    anew = Anew(str(home))
    assert called("pack.outer:mark", home) == 2
    anew.take_back()
    assert sys.modules["pack"].inner.VERSION == 1


def test_what_is_wrong_with_a_new_one_leaves_the_old_ones(home: Path) -> None:
    write(home / "fine.py", 1)
    assert called("fine:mark", home) == 1
    anew = Anew(str(home))
    (home / "fine.py").write_text("def mark(event:\n")
    with pytest.raises(ConfigError, match=r"fine\.py, line 1"):
        resolve("fine:mark", home)
    with pytest.raises(ConfigError, match='no module "absent"'):
        resolve("absent:mark", home)
    tried = anew.take_back()
    assert tried[str(home / "fine.py")] == b"def mark(event:\n"
    assert tried[str(home / "absent.py")] is None, "it was looked for in vain"
    assert called("fine:mark", home) == 1


def test_what_is_installed_below_the_directory_is_left_alone(home: Path) -> None:
    """A virtual environment, and tailrace itself from a checkout."""
    packages = home / "venv" / "lib" / "python3" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "installed_thing.py").write_text("")
    write(home / "mine.py", 1)
    sys.path.append(str(packages))
    assert called("mine:mark", home) == 1
    installed, ours = importlib.import_module("installed_thing"), sys.modules["tailrace.pipeline.chain.own"]
    Anew(str(home))
    assert "mine" not in sys.modules
    assert sys.modules["installed_thing"] is installed
    place = own.Place(str(Path(own.__file__).parents[2]))
    place.names["tailrace.pipeline.chain.own"] = own.__file__
    finder = own._Finder(str(Path(own.__file__).parent), str(Path(own.__file__).parent), place)
    assert finder.find_spec("tailrace.pipeline.chain.steps") is not None
    assert list(place.names) == ["tailrace.pipeline.chain.own"], "it was not found as one of the user's own"
    assert sys.modules["tailrace.pipeline.chain.own"] is ours


@pytest.mark.parametrize("prefix", [True, False])
def test_a_directory_below_that_of_python_itself_has_own_modules(
    home: Path, monkeypatch: pytest.MonkeyPatch, *, prefix: bool
) -> None:
    """Such as /usr/local/etc, where Python is in /usr."""
    if prefix:
        monkeypatch.setattr(sys, "prefix", str(home))
        monkeypatch.setattr(sys, "base_prefix", str(home))
    write(home / "etc/placed.py", 1)
    assert called("placed:mark", home / "etc") == 1
    write(home / "etc/placed.py", 2)
    Anew(str(home / "etc"))
    assert called("placed:mark", home / "etc") == 2


def test_a_directory_that_is_a_link_that_is_switched(home: Path) -> None:
    """As Kubernetes does it with a ConfigMap."""
    for version in (1, 2):
        write(home / f"..{version}" / "linked.py", version)
    (home / "conf").mkdir()
    (home / "conf" / "..data").symlink_to("../..1")
    (home / "conf" / "linked.py").symlink_to("..data/linked.py")
    assert called("linked:mark", home / "conf") == 1
    (home / "new").symlink_to("../..2")
    os.replace(home / "new", home / "conf" / "..data")
    anew = Anew(str(home / "conf"))
    assert called("linked:mark", home / "conf") == 2
    assert anew.changed() == ["linked.py"]


IN_A_WORKER = """
import json, sys
from tailrace.pipeline.chain import own
from tailrace.pipeline.chain.loader import resolve
directory, texts, *uses = json.load(sys.stdin)
own.give(directory, texts)
print(json.dumps([resolve(use, directory)({}) for use in uses]))
"""


def in_a_worker(home: Path, *uses: str) -> Any:
    """What they say in a process that gets the texts of this one."""
    given = json.dumps([str(home), own.to_json(str(home)), *uses])
    done = subprocess.run(
        [sys.executable, "-P", "-c", IN_A_WORKER], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("gone", [False, True])
def test_a_worker_has_them_as_they_were_imported(home: Path, *, gone: bool) -> None:
    files = {
        "plain_one.py": "plain_one:mark", "pack_two/__init__.py": "pack_two:mark",
        "pack_two/sub.py": "pack_two.sub:mark", "loose/part.py": "loose.part:mark", "traceback.py": "traceback:mark",
    }  # fmt: skip
    for file in files:
        write(home / file, 1)
    (home / "latin.py").write_bytes(b"# coding: latin-1\ndef mark(event): return '\xe9'\n")
    uses = [*files.values(), "latin:mark"]
    expected = [1, 1, 1, 1, 1, "\xe9"]
    assert [called(use, home) for use in uses] == expected
    for file in [*files, "latin.py"]:
        if gone:
            (home / file).unlink()
        else:
            write(home / file, 2)
    if gone:
        for directory in ("pack_two", "loose"):
            (home / directory).rmdir()
    assert in_a_worker(home, *uses) == expected


def test_a_worker_finds_what_an_archive_holds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One below the directory that is on the path."""
    with zipfile.ZipFile(home / "more.zip", "w") as archive:
        archive.writestr("zipped_one.py", VERSION.format(1))
    monkeypatch.syspath_prepend(str(home / "more.zip"))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(home / "more.zip"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    )
    (home / "user_one.py").write_text("from zipped_one import mark\n")
    assert called("user_one:mark", home) == 1
    assert in_a_worker(home, "user_one:mark") == [1]
    del sys.modules["zipped_one"]


def test_a_worker_reads_what_was_not_imported_here(home: Path) -> None:
    write(home / "first_one.py", 1)
    write(home / "later_one.py", 2)
    assert called("first_one:mark", home) == 1
    assert in_a_worker(home, "first_one:mark", "later_one:mark") == [1, 2]
