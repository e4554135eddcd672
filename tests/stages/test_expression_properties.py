"""Whatever text is given, and whatever events: expressions hold their promises."""

from __future__ import annotations

import builtins
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.stages.expressions import operations
from tailrace.stages.expressions.expression import ExpressionError, compile_expression

# Properties.

names = st.sampled_from(["a", "b", "missing", "event", "len", "_x", "__import__", "open", "true"])


literals = st.sampled_from(
    ["0", "1", "-1", "2.5", "1e308", "''", "'a'", "'%s'", "None", "True", "[]", "{}", "()", "99**9"]
)


OPERATORS = "+ - * / // % ** << >> & | ^ @ < <= > >= == != in and or is := , ."


METHODS = "lower replace join zfill ljust split format format_map __class__ mro get count __init__ index"


operators = st.sampled_from([*OPERATORS.split(), "not in"])


methods = st.sampled_from(METHODS.split())


def combine(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({} < {} <= {})".format, inner, inner, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}[{}:{}]".format, inner, inner, inner),
        st.builds("{}.{}({})".format, inner, methods, inner),
        st.builds("{}.{}({}, {})".format, inner, methods, inner, inner),
        st.builds("{}({})".format, names, inner),
        st.builds("[{}, *{}]".format, inner, inner),
        st.builds("[{}]".format, inner),
        st.builds("{{{}: {}}}".format, inner, inner),
        st.builds("f'{{{}:{}}}'".format, names, st.sampled_from([">5", ".3f", "{a}", "999999", "x"])),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("not {}".format, inner),
        st.builds("(lambda: {})()".format, inner),
        st.builds("[{} for a in {}]".format, inner, inner),
    )


programs = st.recursive(names | literals, combine, max_leaves=12)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3), max_leaves=5
)


events = st.lists(st.dictionaries(st.sampled_from(["a", "b", "len", "event"]), values), max_size=4)


@given(programs, events)
def test_batch_equals_one_by_one_and_nothing_but_exceptions_comes_out(text: str, batch: list[dict[str, Any]]) -> None:
    try:
        expression = compile_expression(text)
    except ExpressionError:
        return
    before = repr(batch)
    one_by_one: list[Any] = []
    failed = False
    for event in batch:
        try:
            one_by_one.append(expression.evaluate(event))
        except Exception:
            failed = True
    if failed:
        with pytest.raises(Exception):  # noqa: B017  any: it is the kind of the first event that fails
            expression.map(batch)
    else:
        assert repr(expression.map(batch)) == repr(one_by_one)
    assert repr(batch) == before


@given(st.text(max_size=40) | st.text("abe_()[]{}.:,'\"\\+-*/<>=! \n", max_size=30))
def test_any_text_is_an_expression_or_an_expression_error(text: str) -> None:
    try:
        expression = compile_expression(text)
    except ExpressionError as error:
        assert 1 <= error.column <= len(error.text) + 1
        return
    try:
        expression.evaluate({"a": "x", "b": {"a": 1}})
    except Exception as error:
        assert not isinstance(error, ExpressionError | NameError | SystemError)


@given(programs)
def test_compiled_code_names_only_what_is_on_the_list(text: str) -> None:
    try:
        expression = compile_expression(text)
    except ExpressionError:
        return
    code = expression.evaluate.__code__
    allowed = set(expression.evaluate.__globals__) | set(operations.METHODS)
    assert set(code.co_names) <= allowed
    assert not set(code.co_names) & (set(dir(builtins)) - {"slice"})


def test_not_a_number_compares_as_in_python() -> None:
    expression = compile_expression("a == a")
    assert expression.map([{"a": math.nan}]) == [False]
    assert expression.evaluate({"a": math.nan}) is False
