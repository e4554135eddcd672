"""Whatever stands in an expression: what is accepted opens, imports and starts nothing, and cannot loop."""

from __future__ import annotations

import dis
import sys
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from tailrace.stages.expressions.expression import ExpressionError, compile_expression

TOKENS = [
    "a", "b", "missing", "_x", "__class__", "__globals__", "__builtins__", "__import__", "open", "eval", "exec",
    "len", "str", "int", "min", "sorted", ".lower()", ".split()", ".format(a)", ".format_map(b)", ".__class__",
    ".join(a)", "'{0.__class__}'", "'a'", "1", "9", "[", "]", "(", ")", "{", "}", ":", ",", "+", "*", "**", "%", "<",
    " and ", " or ", " if ", " else ", " in ", " not ", " is ", " for ", "lambda:", ":=", "f'{a}'", "f'{a!r:{b}}'",
    "yield ", "async ", "import os", ";", "\n", "=", "@", "...", "0x1", "1j", "b'x'", "os", "sys", "\\", "#",
]  # fmt: skip
WATCHED = ("import", "open", "exec", "compile", "os.", "subprocess", "socket", "ctypes", "code.", "object.__getattr__")
_running: list[bool] = [False]
_seen: list[str] = []


def _hook(event: str, arguments: Any) -> None:  # noqa: ARG001  (the interpreter's signature)
    if _running[0] and event.startswith(WATCHED):
        _seen.append(event)


sys.addaudithook(_hook)  # cannot be removed again; quiet unless an expression runs


def evaluate(text: str) -> None:
    try:
        expression = compile_expression(text)
    except ExpressionError:
        return
    for instruction in dis.get_instructions(expression.evaluate.__code__):
        assert "BACKWARD" not in instruction.opname, "a loop"
        assert instruction.opname not in ("IMPORT_NAME", "STORE_GLOBAL", "LOAD_BUILD_CLASS", "YIELD_VALUE")
        if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            assert not str(instruction.argval).startswith("_"), text
    _seen.clear()
    for event in ({}, {"a": "x {0.__class__}", "b": {"a": 1}}, {"a": [1, 2], "b": "a"}):
        _running[0] = True
        try:
            expression.evaluate(event)
        except Exception:  # noqa: S112  (about one event: a dead letter)
            continue
        finally:
            _running[0] = False
    assert not _seen, (text, _seen)


@given(text=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=9).map("".join))
@example(text="().__class__.__mro__")
@example(text="'{0.__class__.__init__.__globals__}'.format(a)")
@example(text="__import__('os').system('id')")
@example(text="[a for a in iter(int, 1)]")
@example(text="(lambda: 0)()")
def test_what_is_accepted_does_nothing_but_compute(text: str) -> None:
    evaluate(text)


def test_the_hook_sees_what_it_is_there_for() -> None:
    _seen.clear()
    _running[0] = True
    try:
        eval("__import__('this_module_is_not_there')")  # noqa: S307  (a text of ours)
    except ImportError:
        pass
    finally:
        _running[0] = False
    assert _seen
