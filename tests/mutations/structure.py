"""A change named by what it changes: a definition, wherever it lives, and the code in it, however it is formatted.

A definition's name is the end of its dotted path: ``Head.fits``, ``identity.fits_at``, ``RETIRE_AFTER``, or a module's
own name for what stands outside of any definition. Code is compared as syntax trees.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PARTS = ("pipeline", "stages", "tailrace")
Block = list[ast.stmt]


class OutdatedError(Exception):
    """The code has changed; the message says which name or code is not there exactly once."""


def find(tree: Path, name: str) -> Path:
    """The file, relative to ``tree``, that holds the one definition of this name."""
    found = [path for path, names in _definitions(tree).items() for one in names if f".{one}".endswith(f".{name}")]
    if len(found) != 1:
        where = ", ".join(map(str, found)) or "nowhere"
        raise OutdatedError(f"{name} must be defined exactly once, and is in: {where}")
    return found[0]


def changed(text: str, path: Path, name: str, old: str, new: str) -> str:
    """The module's ``text``, with ``new`` in place of the one ``old`` in the definition ``name``.

    Both are one expression each, found wherever such an expression stands, or statements, found one behind the other.
    """
    module = ast.parse(text)
    (inside,) = (node for one, node in _named(module, path) if f".{one}".endswith(f".{name}"))
    before, after = ast.parse(old).body, ast.parse(new).body
    match before, after:
        case [ast.Expr(value=was)], [ast.Expr(value=becomes)]:
            done = _replace_expression(inside, was, becomes)
        case _:
            done = _replace_statements(inside, before, after or [ast.Pass()])
    if done != 1:
        raise OutdatedError(f"{name} in {path} must hold this exactly once, and does {done} times:\n{old}")
    return ast.unparse(ast.fix_missing_locations(module))


@cache
def _definitions(tree: Path) -> dict[Path, list[str]]:
    """Full names of all that is defined, by file."""
    return {
        path.relative_to(tree): [
            name for name, _ in _named(ast.parse(path.read_text(encoding="utf-8")), path.relative_to(tree))
        ]
        for part in PARTS
        for path in sorted((tree / part).rglob("*.py"))
    }


def _named(module: ast.Module, path: Path) -> Iterator[tuple[str, ast.AST]]:
    parts = [*path.parts[:-1], *([path.stem] if path.stem != "__init__" else [])]
    yield ".".join(parts), module
    yield from _within(module, parts)


def _within(outer: ast.AST, parts: list[str]) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.iter_child_nodes(outer):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield ".".join([*parts, name]), node
                yield from _within(node, [*parts, name])
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if not isinstance(outer, ast.FunctionDef):
                    yield ".".join([*parts, name]), node


def _replace_expression(inside: ast.AST, old: ast.expr, new: ast.expr) -> int:
    """How often it stood there."""
    wanted, done = ast.dump(old), 0
    for node in list(ast.walk(inside)):
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr) and ast.dump(value) == wanted:
                setattr(node, field, new)
                done += 1
            elif isinstance(value, list):
                hits = [n for n, one in enumerate(value) if isinstance(one, ast.expr) and ast.dump(one) == wanted]
                for n in hits:
                    value[n] = new
                done += len(hits)
    return done


def _replace_statements(inside: ast.AST, old: Block, new: Block) -> int:
    wanted, done = [ast.dump(one) for one in old], 0
    for node in list(ast.walk(inside)):
        for block in [value for _, value in ast.iter_fields(node) if isinstance(value, list)]:
            stand = [ast.dump(one) if isinstance(one, ast.AST) else "" for one in block]
            for start in range(len(stand) - len(wanted), -1, -1):
                if stand[start : start + len(wanted)] == wanted:
                    block[start : start + len(wanted)] = new
                    done += 1
    return done
