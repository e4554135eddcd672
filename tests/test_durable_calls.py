"""What changes something durable goes through pipeline/disk.py: else the crash tests would not know of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYER = "pipeline/disk.py"

FUNCTIONS = {  # of os
    "write", "writev", "pwrite", "pwritev", "sendfile", "copy_file_range", "splice", "posix_fallocate", "truncate",
    "ftruncate", "fsync", "fdatasync", "sync", "rename", "renames", "replace", "unlink", "remove", "rmdir",
    "removedirs", "mkdir", "makedirs", "mkfifo", "mknod", "link", "symlink", "O_CREAT", "O_TRUNC",
}  # fmt: skip
METHODS = {  # of paths; the two that others have, too, are looked at by their arguments
    "write_text", "write_bytes", "touch", "unlink", "rmdir", "mkdir", "symlink_to", "hardlink_to",
}  # fmt: skip
MODULES = {"shutil", "tempfile"}
SQL = re.compile(r"\s*(commit|vacuum|pragma\s+wal_checkpoint)\s*(;|\(|$)", re.I)

ALLOWED = {
    ("pipeline/work/ring.py", "os.unlink"): "the ring's memory has no name, or loses it at once",
    ("pipeline/work/ring.py", "os.ftruncate"): "the ring's memory ends with the process",
    ("pipeline/work/ring.py", "os.posix_fallocate"): "the ring's memory ends with the process",
    ("pipeline/work/ring.py", "tempfile"): "where there is no memfd",
    ("pipeline/run/waker.py", "os.write"): "a pipe to itself",
    ("pipeline/work/process.py", "open('w+b')"): "a file without a name, which ends with its readers",
    (
        "stages/write/sqlite.py",
        "sqlite3.connect",
    ): "a user's own database, which SQLite recovers; durable at each batch",
    ("stages/tables.py", "sqlite3.connect"): "reads only (mode=ro)",
    ("pipeline/source/tail/done.py", "os.unlink"): "a source file that is done: if it is still there, it goes later",
    ("pipeline/cli/check.py", "shutil"): "looks for a program",
    ("stages/write/stdout.py", "os.write"): "standard output: what is out cannot be taken back, and has no mark",
    ("pipeline/state/file.py", "sqlite3.connect"): "reads only (mode=ro), and a schema in memory to compare with",
    ("pipeline/state/store.py", "sqlite3.connect"): "its transactions end in disk.commit, its life in disk.close",
}


def changes(tree: ast.AST) -> Iterator[str]:
    """Each thing in a module that may change a file."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in FUNCTIONS:
                yield f"os.{name}"
            case ast.Attribute(value=ast.Name(id="sqlite3"), attr="connect"):
                yield "sqlite3.connect"
            case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in METHODS and not (
                isinstance(value, ast.Name) and value.id in ("os", "disk")
            ):
                yield f".{name}()"
            case ast.Call(func=ast.Attribute(attr="replace" | "rename" as name), args=[_], keywords=[]):
                yield f".{name}()"
            case (
                ast.Call(func=ast.Name(id="open"), args=[_, ast.Constant(value=str(mode)), *_])
                | ast.Call(func=ast.Attribute(attr="open"), args=[ast.Constant(value=str(mode)), *_])
            ) if set(mode) & set("wax+"):
                yield f"open({mode!r})"
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                if module in MODULES or (module == "os" and {name.name for name in names} & FUNCTIONS):
                    yield f"from {module}"
            case ast.Call(
                func=ast.Attribute(attr="execute" | "executescript"), args=[ast.Constant(value=str(text)), *_]
            ) if SQL.match(text):
                yield text


def found() -> Iterator[tuple[str, str]]:
    for top in ("pipeline", "stages"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name != LAYER:
                yield from ((name, change) for change in changes(ast.parse(path.read_text(encoding="utf-8"))))


def test_durable_changes_are_made_in_one_layer_only() -> None:
    seen = set(found())
    assert seen - ALLOWED.keys() == set(), "go through pipeline/disk.py, or say here why not"
    assert ALLOWED.keys() - seen == set(), "allowed, but nobody does it"


def test_the_layer_itself_is_full_of_them() -> None:
    assert len(set(changes(ast.parse((ROOT / LAYER).read_text(encoding="utf-8"))))) >= 7


@pytest.mark.parametrize(
    "code",
    [
        "os.pwrite(1, b'', 0)", "from os import rename", "path.unlink()", "Path('a').replace('b')", "open(p, 'wb')",
        "path.open('a')", "db.execute('commit')", "os.open(p, os.O_CREAT)", "import shutil", "sqlite3.connect(p)",
    ],
)  # fmt: skip
def test_changes_are_found(code: str) -> None:
    assert list(changes(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["'a'.replace('b', 'c')", "moment.replace(tzinfo=UTC)", "open(p, 'rb')", "disk.unlink(p)"]
)
def test_what_changes_no_file_is_let_be(code: str) -> None:
    assert not list(changes(ast.parse(code)))
