"""References to variables are expanded once, in values only; other spellings are told apart from ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.config.environment import Expanded, Undefined, expand

ENVIRON = {"A": "1", "NESTED": "${A}$$", "EMPTY": "", "BYTES": "\udcff"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "1"),
        ("x${A}y${A}", "x1y1"),
        ("${NESTED}", "${A}$$"),
        ("${NO:-a b}", "a b"),
        ("${NO:-}", ""),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
        ("${A:?why}", "1"),
        ("$${A}", "${A}"),
        ("$$", "$"),
        ("$$$${A}", "$${A}"),
        ("^a$", "^a$"),
        ("$A", "$A"),
    ],
)
def test_references_are_replaced_once(text: str, value: str) -> None:
    assert expand(text, ENVIRON) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${NO}", "environment variable NO is not set; set it, or give a default: ${NO:-default}"),
        ("${NO:?it is the token}", "environment variable NO is not set: it is the token"),
        ("${EMPTY:?it is the token}", "environment variable EMPTY is empty: it is the token"),
        ("${NO}${OTHER}${NO}", "environment variable NO is not set; set it, or give a default: ${NO:-default}; "
         "environment variable OTHER is not set; set it, or give a default: ${OTHER:-default}"),
        ("${A:x}", '"${A:x}" is not a form known here; did you mean "${A:-x}"?'),
        ("${A-x}", '"${A-x}" is not a form known here; did you mean "${A:-x}"?'),
        ("${A?x}", '"${A?x}" is not a form known here; did you mean "${A:?x}"?'),
        ("${A:=x}", '"${A:=x}" is not a form known here; did you mean "${A:-x}"?'),
        ("a{2}${2}", '"${2}" is not a reference to a variable; a literal "${" is written "$${"'),
        ("${}", '"${}" is not a reference to a variable; a literal "${" is written "$${"'),
        ("${A", 'has "${" without "}"; a literal "${" is written "$${"'),
        ("${A:-${B}}", '"${A:-${B}" has a reference inside a reference; a default is taken as written'),
        ("${BYTES}", "environment variable BYTES is not valid UTF-8"),
    ],
)  # fmt: skip
def test_what_cannot_be_expanded_says_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        expand(text, ENVIRON)
    assert str(caught.value).startswith(problem)
    assert isinstance(caught.value, Undefined) == ("not set" in problem or "is empty" in problem)


def test_the_written_text_is_kept_and_one_reference_alone_is_known() -> None:
    alone, mixed = expand("${A}", ENVIRON), expand("${A}0", ENVIRON)
    assert isinstance(alone, Expanded)
    assert isinstance(mixed, Expanded)
    assert (alone.raw, alone.sole, mixed.raw, mixed.sole) == ("${A}", True, "${A}0", False)
    assert not isinstance(expand("plain", ENVIRON), Expanded)


@given(st.text())
def test_doubled_dollars_give_any_text_back(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == text
