"""What the source of a stage says: its docstring, and of each field the comment behind it and the string below it."""

from __future__ import annotations

import ast
import inspect
import io
import re
import textwrap
import tokenize
from typing import Any

_NOT_FOR_READERS = re.compile(r"\s*#?\s*\b(?:noqa|type: ignore|pragma)\b.*")


_Definition = ast.ClassDef | ast.FunctionDef


def docstring(thing: Any) -> str:
    """Of a class or function, without its indentation; '' for none. Tabs stay as they are in the source, while Python
    makes blanks of them (3.13 in ``__doc__``, others in ``inspect.getdoc``): what is quoted may have them."""
    definition, _ = _source_of(thing)
    text = ast.get_docstring(definition, clean=False) if definition is not None else _made_docstring(thing)
    first, _, rest = (text or "").partition("\n")
    return f"{first.strip()}\n{textwrap.dedent(rest)}".strip()


def field_comments(cls: type) -> dict[str, str]:
    """By the field's name, in one line; those of base classes included. Empty where there is no source to read."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        definition, source = _source_of(one)
        if definition is not None:
            found |= _comments(definition.body, _by_line(source))
    return found


def _made_docstring(thing: Any) -> str:
    """Of what has no source, unless it was made by ``@dataclass``."""
    text = vars(thing).get("__doc__") or "" if isinstance(thing, type) else getattr(thing, "__doc__", None) or ""
    return "" if text.startswith(f"{getattr(thing, '__name__', '')}(") else text


def _source_of(thing: Any) -> tuple[_Definition | None, str]:
    """The definition, and the text of its file; None where there is none to read."""
    try:
        source = "".join(inspect.findsource(thing)[0])
        tree: ast.AST = ast.parse(source)
    except (OSError, TypeError, SyntaxError):  # built in, made in a shell, changed since
        return None, ""
    for name in thing.__qualname__.split("."):  # it may stand in a class or function
        inside = (node for node in ast.walk(tree) if isinstance(node, _Definition))
        tree = next((node for node in inside if node.name == name), tree)
    return (tree, source) if isinstance(tree, _Definition) and tree.name == thing.__name__ else (None, "")


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
