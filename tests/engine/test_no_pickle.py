"""Nothing that comes from a file or another process is unpickled: that would let it run what it likes."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for folder in ("pipeline", "stages") for path in (ROOT / folder).rglob("*.py"))
EVIL = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "multiprocessing"}  # the last one pickles by itself


def test_case_087_no_module_can_pickle() -> None:
    assert len(MODULES) > 50
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found = EVIL & {name.partition(".")[0] for name in names}
            assert not found, f"{path.relative_to(ROOT)} imports {found}"
