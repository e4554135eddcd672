"""Expressions: what they give, what they refuse, and that nothing else ever runs."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from tailrace.stages.expressions import operations
from tailrace.stages.expressions.expression import ExpressionError, compile_expression

IN_TEXT = 3 if sys.version_info >= (3, 12) else 1  # Python 3.11 knows no places within an f-string


EVENT = {
    "status": 404,
    "method": "GET",
    "path": "/a/b.html",
    "seconds": 1.5,
    "ok": True,
    "empty": None,
    "user-agent": "curl/8",
    "headers": {"host": "h", "n": [1, 2]},
    "parts": ["a", "b"],
    "len": "a field",
    "big": 2**63 - 1,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("status // 100", 4),
        ("status / 8 + -1", 49.5),
        ("missing", None),
        ("missing is None", True),
        ("empty is not None", False),
        ("method == 'GET' and status >= 400", True),
        ("missing or 'default'", "default"),
        ("'slow' if seconds > 1 else 'fast'", "slow"),
        ("not ok", False),
        ("400 <= status < 500", True),
        ("400 <= status < 404", False),
        ("method in ('GET', 'HEAD')", True),
        ("'b' not in parts", False),
        ("{'a': status, method: [1]}", {"a": 404, "GET": [1]}),
        ("status in {404, 410}", True),
        ("path[1:4]", "a/b"),
        ("path[-1]", "l"),
        ("path.split('/')[-1].removesuffix('.html').upper()", "B"),
        ("path.rsplit('.', maxsplit=1)[0]", "/a/b"),
        ("path.replace('/', '--', 1)", "--a/b.html"),
        ("'-'.join(parts)", "a-b"),
        ("method.rjust(5, '.')", "..GET"),
        ("'7'.zfill(3)", "007"),
        ("parts.index('b') + parts.count('a')", 2),
        ("headers['host']", "h"),
        ("headers.get('x', 'y')", "y"),
        ("headers['n'][1]", 2),
        ("event['user-agent']", "curl/8"),
        ("event['meth' + 'od']", "GET"),
        ("event.get('user-agent')", "curl/8"),
        ("event.get('nothing', 3)", 3),
        ("'status' in event", True),
        ("'nothing' not in event", True),
        ("f'{method} {seconds:.2f} {status:>5} {path!r}'", "GET 1.50   404 '/a/b.html'"),
        ("len(path) + int('12') + int('ff', 16)", 9 + 12 + 255),
        ("int('z', base=36)", 35),
        ("max(1, status, 3) - min(parts and [2], default=0)", 402),
        ("round(seconds * 3, 1)", 4.5),
        ("round(2.5)", 2),
        ("str(status) + len", "404a field"),
        ("abs(-3) ** 2 % 5", 4),
        ("2 ** -1", 0.5),
        ("1 << 3 | 1", 9),
        ("'ab' * 3", "ababab"),
        ("3 * 'ab'", "ababab"),
        ("float('2') * status", 808.0),
        ("bool(parts)", True),
        ("(status\n   + 1)", 405),
        ("  status  ", 404),
    ],
)
def test_value_is_that_of_python(text: str, value: Any) -> None:
    expression = compile_expression(text)
    assert expression.evaluate(EVENT) == value
    assert expression.map([EVENT, EVENT]) == [value, value]
    assert type(expression.evaluate(EVENT)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "missing < 3",
        "missing >= 3",
        "3 < missing",
        "method > 1",
        "method <= 1",
        "1 in missing",
        "1 not in missing",
        "1 in status",
        "1 not in status",
        "[] in {1}",
        "parts < headers",
        "1 < missing < 3",
        "1 < 2 < method",
    ],
)
def test_comparison_that_makes_no_sense_is_false(text: str) -> None:
    expression = compile_expression(text)
    assert expression.evaluate(EVENT) is False
    assert expression.map([EVENT]) == [False]


def test_only_the_comparison_that_makes_no_sense_is_false_not_the_whole_expression() -> None:
    expression = compile_expression("missing < 3 or status == 404")
    assert expression.map([EVENT, {"missing": 5}]) == [True, False]
    assert compile_expression("not (missing < 3)").map([EVENT]) == [True]
    assert compile_expression("[missing < 3, status > 3]").map([EVENT]) == [[False, True]]


def test_middle_of_a_chain_is_evaluated_once() -> None:
    expression = compile_expression("1 < (2 < (3 < missing < 5) < 4) < 2")
    assert expression.evaluate({"missing": None}) is False
    assert expression.evaluate({"missing": 4}) is (1 < (2 < (3 < 4 < 5) < 4) < 2)


@pytest.mark.parametrize("text", ["headers['x']", "missing['x']", "missing[0]['y']", "parts[9]", "missing[:3]"])
def test_item_that_is_not_there_is_none(text: str) -> None:
    assert compile_expression(text).map([EVENT]) == [None]
    assert compile_expression(text).evaluate(EVENT) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("empty // 100", TypeError),
        ("(empty // 100) < 3", TypeError),
        ("status // 0", ZeroDivisionError),
        ("empty.lower()", AttributeError),
        ("status.lower()", AttributeError),
        ("status[0]", TypeError),
        ("int(path)", ValueError),
        ("method + 1", TypeError),
        ("f'{empty:>5}'", TypeError),
        ("len(empty)", TypeError),
        ("'%s' % status", TypeError),
        ("parts * 2", TypeError),
        ("empty * 2", TypeError),
        ("(-8.0) ** 0.5", ValueError),
        ("max(empty, 3)", TypeError),
        ("method.replace('a', empty)", TypeError),
    ],
)
def test_any_other_failure_raises(text: str, error: type[Exception]) -> None:
    expression = compile_expression(text)
    with pytest.raises(error):
        expression.evaluate(EVENT)
    with pytest.raises(error):
        expression.map([EVENT])


@pytest.mark.parametrize(
    "text",
    [
        "9 ** 9999999",
        "9 ** 9 ** 9 ** 9",
        "1 << 99999999999",
        "'a' * 99999999999",
        "99999999999 * 'a'",
        "'a'.ljust(99999999999)",
        "'a'.center(99999999999, '-')",
        "'1'.zfill(99999999999)",
        "('a' * 1000000).replace('a', 'b' * 1000000)",
        "('a' * 1000000).replace('', 'bb')",
        "('a' * 1000000).join('a' * 1000000)",
        "'-'.join('a' * 1000000)",
        "round(7, -99999999999)",
        "int('f' * 1000000, 16)",
        "big" + " * big" * 70,
    ],
)
def test_what_would_never_end_is_refused_when_it_runs(text: str) -> None:
    with pytest.raises(ValueError, match=r"more than|too long|at most"):
        compile_expression(text).evaluate(EVENT)


def test_replacing_with_something_shorter_is_not_bounded() -> None:
    long = "ab" * operations.MADE_CHARACTERS
    assert compile_expression("x.replace('ab', 'c')").evaluate({"x": long}) == "c" * operations.MADE_CHARACTERS


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("", 1, "is empty"),
        ("a +", 4, "invalid syntax"),
        ("a = 3", 3, "invalid syntax"),
        ("a && b", 4, "write `and`"),
        ("é + _x", 5, r"event\['_x'\]"),
        ("(a\n + _x)", 7, "begin with _"),
        ("a.b", 1, r"for an item write \['b'\]"),
        ("a.__class__", 1, "attribute"),
        ("a.__class__()", 1, r"no method \.__class__"),
        ("'{}'.format(a)", 1, r"no method \.format\(\)"),
        ("'{}'.format_map(a)", 1, r"no method \.format_map\(\)"),
        ("a.lowr()", 1, "did you mean lower"),
        ("lenn(a)", 1, "did you mean len"),
        ("a + open('x')", 5, "functions are abs, bool"),
        ("__import__('os')", 1, "no function __import__"),
        ("len()", 1, "takes 1 argument, not 0"),
        ("int(a, 2, 3)", 1, "takes 1 to 2 arguments, not 3"),
        ("(a or b)()", 1, "only functions and methods"),
        ("[][0]()", 1, "only functions and methods"),
        ("lambda: 1", 1, "a lambda"),
        ("[x for x in a]", 1, "a comprehension"),
        ("{x for x in a}", 1, "a comprehension"),
        ("{x: 1 for x in a}", 1, "a comprehension"),
        ("len(x for x in a)", 4, "a comprehension"),
        ("(a := 1)", 2, "an assignment"),
        ("[*a]", 2, r"unpacking with \*"),
        ("max(*a)", 5, r"unpacking with \*"),
        ("max(1, **a)", 10, r"unpacking with \*\*"),
        ("{**a}", 1, r"unpacking with \*\*"),
        ("max(a, key=b)", 12, "the argument key="),
        ("a @ b", 1, "operator @"),
        ("a is b", 6, "None, True or False only"),
        ("a is 3", 6, "None, True or False only"),
        ("event", 1, "`event` alone"),
        ("len(event)", 5, "`event` alone"),
        ("event.items()", 1, "of the whole event only"),
        ("event[1:2]", 1, "no slices"),
        ("true", 1, "Python says True"),
        ("a == null", 6, "Python says None"),
        ("f'{a:{b}}'", IN_TEXT, "the format after :"),
        ("f'{a:99999}'", IN_TEXT, "the format after :"),
        ("f'{a:.999}'", IN_TEXT, "the format after :"),
        ("b'x'", 1, "type bytes"),
        ("1j", 1, "type complex"),
        ("...", 1, "type ellipsis"),
        ("1" * 40, 1, "more than 64 bits"),
        ("'\\d'", 1, "invalid escape"),
        ("'\udcff'", 1, "surrogates"),
        ("(" * 3000, 1, "not a Python expression|nested too deeply"),
        ("-" * 3000 + "1", 1, "nested too deeply|not a Python"),
        ("not " * 1000 + "1", 1, "nested too deeply|not a Python"),
        ("a" + "+a" * 1000, 1, "nested too deeply"),
        ("a" * 5000, 1, "more than 4096"),
        ("a; b", 2, "invalid syntax"),
        ("import os", 1, "invalid syntax"),
        ("await a", 1, "await"),
        ("(yield)", 2, "yield"),
    ],
)
def test_refused_expression_names_place_and_reason(text: str, column: int, problem: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    error = caught.value
    assert re.search(problem, error.problem, re.IGNORECASE)
    if len(text) < 100:
        assert error.column == column
    first, drawn, caret = str(error).rsplit("\n", 2)
    assert f"(column {error.column})" in first
    assert caret.index("^") - 4 == error.column - 1
    assert drawn.isprintable()


def test_nul_is_refused() -> None:
    with pytest.raises(ExpressionError, match="null"):
        compile_expression("a\0b")


def test_fields_that_are_read_are_known() -> None:
    expression = compile_expression(
        "a + len(b[c]) + event['d-d'] + event.get('e', f) and 'g' in event and event[h + 'x']"
    )
    assert expression.fields == {"a", "b", "c", "d-d", "e", "f", "g", "h"}


def test_displays_are_made_anew_for_each_event() -> None:
    first, second = compile_expression("[1, {'a': 2}]").map([{}, {}])
    first.append(3)
    first[1]["b"] = 4
    assert second == [1, {"a": 2}]


def test_fields_named_like_our_own_helpers_are_just_fields() -> None:
    for name in ("less", "item", "slice", "function_len", "method_join", "len", "multiply"):
        assert compile_expression(name).map([{name: 1}]) == [1]
        assert compile_expression(name).map([{}]) == [None]


def test_compiled_code_has_no_builtins() -> None:
    evaluate = compile_expression("len(a)").evaluate
    assert not evaluate.__globals__["__builtins__"]
