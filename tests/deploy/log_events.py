"""The names of the log's events, as the code has them."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from .texts import ROOT

LEVELS = ("debug", "info", "warning", "error")
SAYING = {*LEVELS, "say", "_say"}  # the others are names for one of two levels
_NAME = re.compile(r"[a-z_]+\.[a-z_]+|summary")


def logged() -> dict[str, set[str]]:
    """By name, the levels it is logged with, as far as the call says them."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for part in ("pipeline", "stages", "tailrace"):
        for path in sorted((ROOT / part).rglob("*.py")):
            for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(function, ast.FunctionDef):
                    for name, level in _in(function):
                        found[name].update({level} & set(LEVELS))
    return dict(found)


def _in(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """(name, what was called) of each call that logs."""
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and call.args:
            called = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if called in SAYING:
                for text in _texts(call.args[0], function):
                    if _NAME.fullmatch(text):
                        yield text, called


def _texts(value: ast.expr, function: ast.FunctionDef) -> Iterator[str]:
    """What it may be: a text, one of two, or a name that was given one of them."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body, function)
        yield from _texts(value.orelse, function)
    elif isinstance(value, ast.Name):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == value.id for target in node.targets
            ):
                yield from _texts(node.value, function)
