"""What the source of a dataclass says of its fields: the comment behind a field, and the string below it."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize

_NOT_FOR_READERS = re.compile(r"\s*#?\s*\b(?:noqa|type: ignore|pragma)\b.*")


def field_comments(cls: type) -> dict[str, str]:
    """By the field's name, in one line; those of base classes included. Empty where there is no source to read."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        try:
            source = "".join(inspect.findsource(one)[0])
            found |= _comments(_class_in(ast.parse(source), one.__qualname__), _by_line(source))
        except (OSError, TypeError, SyntaxError, tokenize.TokenError):  # built in, made in a shell, changed since
            continue
    return found


def _class_in(tree: ast.AST, qualified: str) -> list[ast.stmt]:
    """The body of a class that may stand in a class or function."""
    for name in qualified.split("."):
        inside = (node for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef)))
        tree = next((node for node in inside if node.name == name), tree)
    return tree.body if isinstance(tree, ast.ClassDef) else []


def _by_line(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {one.start[0]: one.string.lstrip("#") for one in tokens if one.type == tokenize.COMMENT}
    return {line: _NOT_FOR_READERS.sub("", comment).strip() for line, comment in comments.items()}


def _comments(body: list[ast.stmt], by_line: dict[int, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node, below in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        parts = [by_line.get(line, "") for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)]
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            parts.append(below.value.value)
        if text := " ".join(" ".join(parts).split()):
            found[node.target.id] = text
    return found
