"""What of Python's syntax an expression may use, and what each part of it becomes.

Nothing is run that is not on the lists here and in ``operations``: names become look-ups in the event, functions and
methods those of the list, and operators that could make something endless their bounded forms.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NoReturn

from tailrace.stages.expressions import operations

MAX_CHARACTERS = 4096  # of an expression
MAX_DEPTH = 100  # of its syntax tree; well inside what Python's compiler can take
MAX_CONSTANT_BITS = 64

EVENT = "_event"  # the one variable of a translated expression
_FOREIGN_SIGNS = {"&&": "; write `and` for &&", "||": "; write `or` for ||"}
_FOREIGN_NAMES = {"true": "True", "false": "False", "null": "None", "none": "None", "nil": "None"}
BOUNDED_OPERATORS: dict[type[ast.operator], str | None] = {
    # what stands for it; None: itself
    ast.Add: None,
    ast.Sub: None,
    ast.Div: None,
    ast.FloorDiv: None,
    ast.RShift: None,
    ast.BitAnd: None,
    ast.BitOr: None,
    ast.BitXor: None,
    ast.Mult: "multiply",
    ast.Pow: "power",
    ast.Mod: "modulo",
    ast.LShift: "shift_left",
}
SAFE_COMPARISONS: dict[type[ast.cmpop], str] = {
    # those that can raise, and what stands for them
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.In: "contained",
    ast.NotIn: "not_contained",
}
_FORBIDDEN: dict[type[ast.AST], str] = {
    ast.Lambda: "a lambda",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.NamedExpr: "an assignment (:=)",
    ast.Starred: "unpacking with *",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
}
# [[fill]align][sign][#][0][width][grouping][.precision][type], as in format(); three digits of width, two of precision
_FORMAT = re.compile(r"(.?[<>=^])?[-+ ]?z?#?0?\d{0,3}[,_]?(\.\d{1,2})?[a-zA-Z%]?", re.DOTALL)


class ExpressionError(ValueError):
    """The text is no allowed expression. Says what is wrong and points at the place."""

    def __init__(self, text: str, column: int, problem: str) -> None:
        drawn = "".join(character if character.isprintable() else " " for character in text)
        super().__init__(f"{problem} (column {column})\n    {drawn}\n    {' ' * (column - 1)}^")
        self.text = text
        self.column = column  # characters, from 1
        self.problem = problem


def parse(text: str) -> ast.expr:
    """The expression as Python reads it; ExpressionError where it does not."""
    if not text:
        raise ExpressionError(text, 1, "the expression is empty")
    if len(text) > MAX_CHARACTERS:
        problem = f"the expression has {len(text)} characters, more than {MAX_CHARACTERS}: write a stage of your own"
        raise ExpressionError(text[:80], 1, problem)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as an invalid escape in a text: Python makes it a SyntaxError
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        lines = text.split("\n")
        line = min(error.lineno or 1, len(lines))
        before = sum(len(earlier) + 1 for earlier in lines[: line - 1])
        offset = error.offset or len(lines[line - 1]) + 1  # 0: it ends too early
        column = min(max(before + offset, 1), len(text) + 1)
        hint = next((hint for sign, hint in _FOREIGN_SIGNS.items() if sign in text), "")
        raise ExpressionError(text, column, f"not a Python expression: {error.msg}{hint}") from error
    except (RecursionError, MemoryError) as error:
        raise ExpressionError(text, 1, "the expression is nested too deeply") from error
    except ValueError as error:  # NUL, lone surrogates
        raise ExpressionError(text, 1, f"not a Python expression: {error}") from error


class Translator:
    """Makes of the tree as it was written one that looks fields up; refuses what is not on the list.

    ``exact``: comparisons and items are ours. Otherwise they are Python's, which is faster and agrees with ours as long
    as it does not raise.
    """

    def __init__(self, text: str, *, exact: bool) -> None:
        self.fields: set[str] = set()
        self._text = text
        self._exact = exact
        self._depth = 0
        self._temporaries = 0
        self._outermost_fstring: ast.AST | None = None

    def translate(self, node: ast.expr) -> ast.expr:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(node, "the expression is nested too deeply")
        try:
            return self._translate(node)
        finally:
            self._depth -= 1

    def _translate(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.BoolOp():
                return ast.BoolOp(node.op, self._all(node.values))
            case ast.UnaryOp():
                return ast.UnaryOp(node.op, self.translate(node.operand))
            case ast.BinOp():
                return self._binary(node)
            case ast.Compare():
                return self._compare(node)
            case ast.IfExp():
                return ast.IfExp(*self._all([node.test, node.body, node.orelse]))
            case ast.Subscript():
                return self._subscript(node)
            case ast.List():
                return ast.List(self._all(node.elts), ast.Load())
            case ast.Tuple():
                return ast.Tuple(self._all(node.elts), ast.Load())
            case ast.Set():
                return ast.Set(self._all(node.elts))
            case ast.Dict():
                keys = [
                    key if key is not None else self._refuse(node, "unpacking with ** is not allowed")
                    for key in node.keys
                ]
                return ast.Dict(list(self._all(keys)), self._all(node.values))
            case ast.JoinedStr():
                return self._fstring(node)
            case ast.FormattedValue():
                return self._formatted(node)
            case ast.Call():
                return self._call(node)
            case ast.Attribute():
                self._refuse(node, f"an attribute is not allowed: for an item write [{node.attr!r}]")
            case _:
                what = _FORBIDDEN.get(type(node), f"{type(node).__name__} syntax")
                self._refuse(node, f"{what} is not allowed: use operators, items, f-strings, functions and methods")

    def _all(self, nodes: Iterable[ast.expr]) -> list[ast.expr]:
        return [self.translate(node) for node in nodes]

    def _constant(self, node: ast.Constant) -> ast.expr:
        value = node.value
        if not isinstance(value, str | int | float | None):
            self._refuse(
                node, f"a constant of type {type(value).__name__} is not allowed: use texts, numbers, True, False, None"
            )
        if isinstance(value, int) and value.bit_length() > MAX_CONSTANT_BITS:
            self._refuse(node, f"the number has more than {MAX_CONSTANT_BITS} bits")
        return ast.Constant(value)

    def _name(self, node: ast.Name) -> ast.expr:
        name = node.id
        if name == "event":
            self._refuse(
                node, "`event` alone is not allowed: write event['field'], event.get('field') or 'field' in event"
            )
        if name.startswith("_"):
            self._refuse(node, f"a name must not begin with _: for the field of that name write event[{name!r}]")
        if name in _FOREIGN_NAMES:
            problem = f"Python says {_FOREIGN_NAMES[name]}: for a field of that name write event[{name!r}]"
            self._refuse(node, problem)
        return self._field(ast.Constant(name))

    def _field(self, key: ast.expr, *default: ast.expr) -> ast.expr:
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            self.fields.add(key.value)
        return ast.Call(ast.Attribute(_load(EVENT), "get", ast.Load()), [key, *default], [])

    def _binary(self, node: ast.BinOp) -> ast.expr:
        left, right = self._all([node.left, node.right])
        if type(node.op) not in BOUNDED_OPERATORS:
            self._refuse(node, "the operator @ is not allowed")
        bounded = BOUNDED_OPERATORS[type(node.op)]
        return ast.BinOp(left, node.op, right) if bounded is None else _call(bounded, left, right)

    def _compare(self, node: ast.Compare) -> ast.expr:
        operands = [self.translate(node.left)]
        for operator, operand, before in zip(node.ops, node.comparators, [node.left, *node.comparators], strict=False):
            if isinstance(operator, ast.In | ast.NotIn) and _is_event(operand):
                if isinstance(before, ast.Constant) and isinstance(before.value, str):
                    self.fields.add(before.value)
                operands.append(_load(EVENT))
                continue
            if isinstance(operator, ast.Is | ast.IsNot) and not (
                isinstance(operand, ast.Constant) and (operand.value is None or isinstance(operand.value, bool))
            ):
                self._refuse(operand, "`is` compares with None, True or False only: write == or !=")
            operands.append(self.translate(operand))
        if not self._exact:
            return ast.Compare(operands[0], node.ops, operands[1:])
        pairs: list[ast.expr] = []
        left = operands[0]
        for operator, right in zip(node.ops[:-1], operands[1:-1], strict=True):  # `a < b < c` evaluates b once
            name = f"_between{self._temporaries}"
            self._temporaries += 1
            pairs.append(_comparison(left, operator, ast.NamedExpr(_store(name), right)))
            left = _load(name)
        pairs.append(_comparison(left, node.ops[-1], operands[-1]))
        return pairs[0] if len(pairs) == 1 else ast.BoolOp(ast.And(), pairs)

    def _subscript(self, node: ast.Subscript) -> ast.expr:
        if _is_event(node.value):
            if isinstance(node.slice, ast.Slice):
                self._refuse(node, "an event has no slices: write event['field']")
            return self._field(self.translate(node.slice))
        value = self.translate(node.value)
        if isinstance(node.slice, ast.Slice):
            bounds = [node.slice.lower, node.slice.upper, node.slice.step]
            key: ast.expr = _call("slice", *self._all(bound or ast.Constant(None) for bound in bounds))
        else:
            key = self.translate(node.slice)
        return _call("item", value, key) if self._exact else ast.Subscript(value, key, ast.Load())

    def _fstring(self, node: ast.JoinedStr) -> ast.expr:
        outer, self._outermost_fstring = self._outermost_fstring, self._outermost_fstring or node
        values = self._all(node.values)
        self._outermost_fstring = outer
        return ast.JoinedStr(values)

    def _formatted(self, node: ast.FormattedValue) -> ast.expr:
        spec = node.format_spec
        if isinstance(spec, ast.JoinedStr):
            parts = [str(part.value) for part in spec.values if isinstance(part, ast.Constant)]
            if len(parts) < len(spec.values) or not _FORMAT.fullmatch("".join(parts)):
                self._refuse(node, "the format after : is not allowed: write a short one such as :.2f, :>10 or :,")
            spec = ast.JoinedStr([ast.Constant(part) for part in parts])
        return ast.FormattedValue(self.translate(node.value), node.conversion, spec)

    def _call(self, node: ast.Call) -> ast.expr:
        for keyword in node.keywords:
            if keyword.arg not in operations.KEYWORDS:
                what = "unpacking with **" if keyword.arg is None else f"the argument {keyword.arg}="
                self._refuse(keyword.value, f"{what} is not allowed: by name can be given {_list(operations.KEYWORDS)}")
        match node.func:
            case ast.Name(id=name):
                if name not in operations.FUNCTIONS:
                    self._refuse_name(node, f"no function {name}()", name, operations.FUNCTIONS, "functions")
                _, fewest, most = operations.FUNCTIONS[name]
                given = len(node.args) + len(node.keywords)
                if not (fewest <= given <= most):
                    wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
                    self._refuse(node, f"{name}() takes {wanted} argument{'s' * (most > 1)}, not {given}")
                function: ast.expr = _load(f"function_{name}")
                arguments = self._all(node.args)
            case ast.Attribute(value=receiver, attr=name):
                if _is_event(receiver):
                    if name != "get" or node.keywords or not 1 <= len(node.args) <= 2:
                        self._refuse(node, "of the whole event only event.get('field', default) can be called")
                    key, *default = self._all(node.args)
                    return self._field(key, *default)
                if name not in operations.METHODS:
                    self._refuse_name(node, f"no method .{name}()", name, operations.METHODS, "methods")
                value = self.translate(receiver)
                arguments = self._all(node.args)
                if name in operations.BOUNDED_METHODS:
                    function = _load(f"method_{name}")
                    arguments.insert(0, value)
                else:
                    function = ast.Attribute(value, name, ast.Load())
            case _:
                self._refuse(node, "only functions and methods can be called")
        return ast.Call(
            function, arguments, [ast.keyword(word.arg, self.translate(word.value)) for word in node.keywords]
        )

    def _refuse_name(self, node: ast.AST, problem: str, name: str, known: Iterable[str], what: str) -> NoReturn:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"{what} are {_list(known)}"
        self._refuse(node, f"{problem}: {hint}")

    def _refuse(self, node: ast.AST, problem: str) -> NoReturn:
        if self._outermost_fstring is not None and sys.version_info < (3, 12):
            node = self._outermost_fstring  # older Pythons do not know places inside an f-string
        lines = self._text.split("\n")
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        column = sum(len(earlier) + 1 for earlier in lines[: line - 1])
        column += len(lines[line - 1].encode()[:offset].decode(errors="replace"))
        raise ExpressionError(self._text, column + 1, problem)


def _is_event(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "event"


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(_load(name), list(arguments), [])


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
    safe = SAFE_COMPARISONS.get(type(operator))
    return ast.Compare(left, [operator], [right]) if safe is None else _call(safe, left, right)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
