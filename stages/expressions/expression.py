"""Expressions over an event: Python's own syntax, checked against an allow-list and compiled once.

A name is a field of the event, None where it is missing; ``event["user-agent"]`` reaches fields that are no names.
A comparison that makes no sense (``None < 3``, ``"a" in 5``) is False, and so is its opposite. An item that is not
there (``headers["x"]``, ``parts[3]``) is None, of None too. Everything else behaves as in Python and may raise:
``None // 100``. An expression changes nothing; its functions, methods and operators are bounded, see
``tailrace.stages.expressions.operations``.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tailrace.pipeline.batch import Event
from tailrace.stages.expressions import operations
from tailrace.stages.expressions.syntax import (
    BOUNDED_OPERATORS,
    EVENT,
    SAFE_COMPARISONS,
    ExpressionError,
    Translator,
    parse,
)

__all__ = ["Expression", "ExpressionError", "compile_expression"]


@dataclass(slots=True, frozen=True)
class Expression:
    """A compiled expression. It keeps nothing between events and can be used by any thread."""

    text: str
    plain: bool  # it makes no lists, sets and dicts, only what it finds in the event or computes of that
    fields: frozenset[str]  # the event's fields it names; those whose name it computes are not known
    evaluate: Callable[[Event], Any]  # the value for one event
    _direct: Callable[[list[Event]], list[Any]]

    def map(self, events: list[Event]) -> list[Any]:
        """The value for each event, as ``evaluate`` gives it. Raises when it raises for one of them.

        The usual case is one comprehension in which comparisons and items are Python's own. Only if one of them
        raises does it matter that ours do not, and the list is done again with ours.
        """
        try:
            return self._direct(events)
        except (TypeError, LookupError):
            return list(map(self.evaluate, events))


def compile_expression(text: str) -> Expression:
    """Check and compile; ExpressionError (a ValueError) for whatever is not allowed."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    tree = parse(text)
    exact = Translator(text, exact=True)
    try:
        one = ast.Lambda(_arguments(EVENT), exact.translate(tree))
        loop = ast.comprehension(ast.Name(EVENT, ast.Store()), ast.Name("_events", ast.Load()), [], 0)
        direct = ast.ListComp(Translator(text, exact=False).translate(tree), [loop])
        many = _build(ast.Lambda(_arguments("_events"), direct))
        return Expression(text, _is_plain(tree), frozenset(exact.fields), _build(one), many)
    except (RecursionError, MemoryError) as error:
        raise ExpressionError(text, 1, "the expression is nested too deeply") from error


def _is_plain(tree: ast.expr) -> bool:
    return not any(isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict) for node in ast.walk(tree))


_OPERATIONS = [*filter(None, BOUNDED_OPERATORS.values()), *SAFE_COMPARISONS.values(), "item"]
_NAMESPACE: dict[str, Any] = {
    "__builtins__": {},
    **{name: getattr(operations, name) for name in _OPERATIONS},
    **{f"function_{name}": function for name, (function, _, _) in operations.FUNCTIONS.items()},
    **{f"method_{name}": function for name, function in operations.BOUNDED_METHODS.items()},
    "slice": slice,
}


def _arguments(name: str) -> ast.arguments:
    return ast.arguments([], [ast.arg(name)], None, [], [], None, [])


def _build(function: ast.Lambda) -> Callable[..., Any]:
    tree = ast.fix_missing_locations(ast.Expression(function))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `"a"["b"]` and its like: it raises when it runs, and then it is told
        code = compile(tree, "<expression>", "eval")
    built: Callable[..., Any] = eval(code, _NAMESPACE)  # noqa: S307  only what the translator made, without builtins
    return built
