"""Escaping for terminals and files."""

import json
import unicodedata

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.escape import escape, json_line

ANY_TEXT = st.text(st.characters(codec=None))  # lone surrogates too


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with é and \\ and 日本", "plain, with é and \\ and 日本"),
        ("two\nlines\r\ttab", "two\\nlines\\r\\ttab"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x00\x7f", "\\x00\\x7f"),
        ("\x9b31m", "\\u009b31m"),
        ("a\u202eb\u2066c\u2028d", "a\\u202eb\\u2066c\\u2028d"),
        (b"caf\xe9".decode(errors="surrogateescape"), "caf\\xe9"),
        ("\ud800", "\\ud800"),
    ],
)
def test_case_083_unsafe_characters_are_spelled_out(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(ANY_TEXT)
def test_escaped_text_is_printable_on_one_line_and_stays_as_it_is(text: str) -> None:
    shown = escape(text)
    shown.encode()
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in shown)
    assert len(f"[{shown}]".splitlines()) == 1
    assert escape(shown) == shown


@given(st.recursive(st.none() | st.booleans() | st.integers() | ANY_TEXT, lambda inner: st.lists(inner, max_size=5)))
def test_json_line_is_strict_and_safe(value: object) -> None:
    line = json_line({"value": value})
    assert escape(line) == line
    json.loads(line.encode())


@given(st.text())
def test_json_line_gives_text_without_surrogates_back_unchanged(text: str) -> None:
    assert orjson.loads(json_line({text: text})) == {text: text}


def test_json_line_spells_bytes_that_were_not_utf8() -> None:
    assert orjson.loads(json_line({"path": "a\udcff"})) == {"path": "a\\xff"}


def test_json_line_makes_not_a_number_null_and_unknown_objects_text() -> None:
    line = json_line({"a": float("nan"), "b": [float("-inf"), 1.5], "c": {2: b"x"}})
    assert orjson.loads(line) == {"a": None, "b": [None, 1.5], "c": {"2": "b'x'"}}
