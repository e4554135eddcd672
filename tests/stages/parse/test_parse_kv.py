"""parse.kv."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Fail
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.kv import Kv

from .hostile_lines import lines_like

COLONS: dict[str, Any] = {"key_value_delimiter": ":", "field_delimiter": ","}
STRICT: dict[str, Any] = {"whitespace": "strict"}
ARROWS: dict[str, Any] = {"key_value_delimiter": "=>", "field_delimiter": " | "}
WORDS: dict[str, Any] = {"key_value_delimiter": " ", "field_delimiter": ";"}


def one(line: str, **options: Any) -> Any:
    (entry,) = Kv(**options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


@pytest.mark.parametrize(
    ("options", "line", "expected"),
    [
        ({}, "a=1 b=two c", {"a": "1", "b": "two", "c": True}),
        ({}, "  a = 1 \t b= 2  c =3 d=", {"a": "1", "b": "2", "c": "3", "d": ""}),
        ({}, "a= b=c", {"a": "b=c"}),
        ({}, """a="x y" b='it is' c="" d=it's""", {"a": "x y", "b": "it is", "c": "", "d": "it's"}),
        ({}, r'a="say \"hi\" C:\temp\\" "b c"=1', {"a": r'say "hi" C:\temp' + "\\", "b c": "1"}),
        ({}, "a=1\u2028b=2", {"a": "1\u2028b=2"}),
        (STRICT, "a= b=1  c", {"a": "", "b": "1", "c": True}),
        (STRICT, "a=1\tb=2 ", {"a": "1\tb=2"}),
        (COLONS, "user name: ann lee , act: a:b,,at:12:00, ok ,", {
            "user name": "ann lee", "act": "a:b", "at": "12:00", "ok": True}),
        (COLONS | STRICT, "a: 1, b:2", {"a": " 1", " b": "2"}),
        (COLONS, 'a: "x, y" , b: 1', {"a": "x, y", "b": "1"}),
        (ARROWS, "a=>x|y  | b => p = q |r | c", {"a": "x|y", "b": "p = q |r", "c": True}),
        (ARROWS | STRICT, "a=>1 | b=> 2", {"a": "1", "b": " 2"}),
        (WORDS, "size  12 kB; name foo ;", {"size": "12 kB", "name": "foo"}),
        ({"key_value_delimiter": " ", "field_delimiter": "\t"}, "a  x y \tb z", {"a": "x y", "b": "z"}),
        ({"field_delimiter": "\t"}, "a = x y\tb=z", {"a": "x y", "b": "z"}),
        ({"field_delimiter": "&", "quotes": ""}, "q=\"a&r='b", {"q": '"a', "r": "'b"}),
        ({"field_delimiter": "^"}, "a=1^b=]", {"a": "1", "b": "]"}),
    ],
)  # fmt: skip
def test_pairs_become_fields(options: dict[str, Any], line: str, expected: dict[str, Any]) -> None:
    assert one(line, **options) == expected


@pytest.mark.parametrize(
    ("options", "line", "why"),
    [
        ({}, "just words", "no key=value pair in the line: 'just words'"),
        ({}, "  \t ", "no key=value pair"),
        (COLONS, ",,", "no key:value pair"),
        ({}, "a=1 =x", "expected a key at column 5: '=x'"),
        ({}, 'a=1 b="unclosed', "the value of 'b' has no closing quote; it begins at column 7: '\"unclosed'"),
        ({}, 'a="x"y', "expected ' ' after the closing quote of 'a' at column 6: 'y'"),
        ({}, "a=1 'b", 'a key has no closing quote; it begins at column 5: "\'b"'),
        ({}, '"a"b=1', "expected '=' or ' ' after the key 'a' at column 4: 'b=1'"),
        ({"standalone_keys": False}, "a=1 b c=2", "expected '=' after the key 'b' at column 6: ' c=2'"),
    ],
)
def test_line_that_does_not_consist_of_pairs_tells_where(options: dict[str, Any], line: str, why: str) -> None:
    code, told = one(line, **options)
    assert code == "no_match"
    assert told.startswith(why)


def test_values_of_a_repeated_key() -> None:
    line = 'a=1 b=x a="2"  a'
    assert one(line) == {"a": ["1", "2", True], "b": "x"}
    assert one(line, duplicates="last") == {"a": True, "b": "x"}
    assert one(line, duplicates="first") == {"a": "1", "b": "x"}


def test_number_of_keys_is_bounded() -> None:
    assert len(one(" ".join(f"k{i}=1" for i in range(256)))) == 256
    assert one(" ".join(f"k{i}=1" for i in range(257))) == ("too_large", "257 keys, max_keys is 256")


def test_types_convert_fields() -> None:
    good, bad = Kv(types={"n": "int"}).parse(of("n=5\nn=x"))
    assert good == {"n": 5}
    assert isinstance(bad, Fail)
    assert bad.code == "bad_type"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key_value_delimiter": ""}, "key_value_delimiter: is empty"),
        ({"field_delimiter": ""}, "field_delimiter: is empty"),
        ({"field_delimiter": "="}, "field_delimiter: '=' cannot be told from key_value_delimiter '='"),
        ({"key_value_delimiter": "="} | {"field_delimiter": "=;"}, "field_delimiter: '=;' cannot be told"),
        ({"key_value_delimiter": '"'}, "key_value_delimiter: begins with '\"', which is one of the `quotes`"),
        ({"quotes": "'q"}, "quotes: 'q' cannot be a quote"),
    ],
)
def test_options_that_cannot_work_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="(?m)^" + message.replace("(", r"\(")):
        Kv(**options)


SAMPLES = ('a=1 b="x y" c', "k= k='' a : b", 'x="a\\"b", y:\\', "a => 1 | a=2", 'a="', "a b; c  d")


@settings(max_examples=300)
@given(st.sampled_from([{}, STRICT, COLONS, COLONS | STRICT, ARROWS, WORDS]), lines_like(*SAMPLES))
def test_batch_equals_line_by_line_and_the_shortcut_the_whole_way(
    same_line_by_line: Callable[[Parse, list[str]], None], options: dict[str, Any], lines: list[str]
) -> None:
    stage = Kv(types={"a": "int"}, on_bad_type="string", **options)
    same_line_by_line(stage, lines)
    for line in lines:
        rows = Kv(**options)._pairs.findall(line)
        if not rows[-1][3]:
            entry = Kv(**options)._unusual(line, rows)
            assert one(line, **options) == ((entry.code, entry.why) if isinstance(entry, Fail) else entry)


@given(
    st.sampled_from([{}, STRICT, COLONS, ARROWS, WORDS]),
    st.dictionaries(st.text("abcé_.", min_size=1), st.text(st.characters(exclude_categories=["Cs"])), min_size=1),
)
def test_what_was_quoted_comes_back(options: dict[str, Any], fields: dict[str, str]) -> None:
    stage = Kv(max_keys=1000, **options)
    quoted = {key: value.replace("\\", "\\\\").replace('"', '\\"') for key, value in fields.items()}
    line = stage.field_delimiter.join(f'{key}{stage.key_value_delimiter}"{value}"' for key, value in quoted.items())
    assert stage._line(line) == fields


@pytest.mark.parametrize("options", [{}, STRICT, COLONS, ARROWS, WORDS])
@pytest.mark.parametrize(
    "line",
    [
        " " * 100_000 + "x",
        "a=1" + " " * 100_000 + "|",
        '"' * 100_000,
        'a="' * 33_000,
        'a="' + "\\" * 100_001,
        "a" * 100_000,
        "a " * 50_000,
        "a=" * 50_000 + '"',
        'a="x" ' * 16_000 + '"',
        "=> |" * 25_000,
    ],
)
def test_hostile_line_takes_linear_time(options: dict[str, Any], line: str) -> None:
    started = time.process_time()
    Kv(**options).parse(of(line))
    assert time.process_time() - started < 1.0


ODD = ["a", "b", "x1", " ", "\t", ",", ", ", "=", ": ", ":", "=>", ";", "|", "&&", '"', "'", "\\", "ä", " ,"]
DELIMITERS = [("=", " "), (":", " "), ("=", ","), (": ", ", "), ("=>", ";"), (":", "|"), ("=", ", "), ("==", "&&")]


@settings(max_examples=300)
@given(st.lists(st.lists(st.sampled_from(ODD), min_size=1, max_size=12).map("".join), min_size=1, max_size=3))
def test_lines_that_are_split_come_to_what_the_pattern_makes_of_them(lines: list[str]) -> None:
    for between, behind in DELIMITERS:
        for whitespace in ("lenient", "strict"):
            options: Any = {"key_value_delimiter": between, "field_delimiter": behind, "whitespace": whitespace}
            stage = Kv(**options)
            alone = [stage._line(line) for line in lines]
            both = zip(stage.parse(of("\n".join(lines))), alone, strict=True)
            assert all(repr(entry) == repr(other) for entry, other in both), options
