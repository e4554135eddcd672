"""parse.logfmt."""

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
from tailrace.stages.parse.logfmt import Logfmt

from .hostile_lines import lines_like


def one(line: str, **options: Any) -> Any:
    (entry,) = Logfmt(**options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=1 b=two", {"a": "1", "b": "two"}),
        ('a="x y" b=""', {"a": "x y", "b": ""}),
        ("debug a=1", {"debug": True, "a": "1"}),
        ("a= b=", {"a": "", "b": ""}),
        ("a=b=c url=http://h/?q=1", {"a": "b=c", "url": "http://h/?q=1"}),
        ('a="say \\"hi\\"" b="c\\\\"', {"a": 'say "hi"', "b": "c\\"}),
        ('a="l1\\nl2\\tx"', {"a": "l1\nl2\tx"}),
        ('a="\\u00e9\\ud83d\\ude00\\xe9"', {"a": "é😀é"}),
        ('a="\\ud83d" b="\\udc00\\ud83d\\u0041" c="\\q"', {"a": "\ufffd", "b": "\ufffd\ufffdA", "c": "\\q"}),
        (r'a="\a\b\f\v\'\U0001F600\U0000d800"', {"a": "\a\b\f\v'😀\ufffd"}),
        (r'a="\xc3\xa9 \xe9 \x00 \xg0 \U00110000 \U1"', {"a": r"é é" + " \0 " + r"\xg0 \U00110000 \U1"}),
        ("a=\\n", {"a": "\\n"}),
        (
            '<189>date=2024-01-05 time=10:05:03 devname="fw 1" eventtime=1704449103 tz="+0100" msg="a \\"b\\""',
            {
                "facility": 23,
                "severity": 5,
                "date": "2024-01-05",
                "time": "10:05:03",
                "devname": "fw 1",
                "eventtime": "1704449103",
                "tz": "+0100",
                "msg": 'a "b"',
            },
        ),
        ("<13> severity=high", {"facility": 1, "severity": "high"}),
        ("<a>b=1 <c=2", {"<a>b": "1", "<c": "2"}),
        ("  a=1 \t b=2  ", {"a": "1", "b": "2"}),
        ('a=x"y', {"a": 'x"y'}),
        ("a=1\u2028b=2", {"a": "1\u2028b=2"}),
    ],
)
def test_pairs_become_fields(line: str, expected: dict[str, Any]) -> None:
    assert one(line) == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("just words", "no key=value pair"),
        ("   ", "no key=value pair"),
        ('a=1 b="unclosed', "the value of 'b' has no closing quote; it begins at column 7: '\"unclosed'"),
        ('a="x"y', "expected a blank after the closing quote of 'a' at column 6: 'y'"),
        ("a=1 =x", "expected a key at column 5: '=x'"),
        ('a=1 "x"', "expected a key at column 5: '\"x\"'"),
        ("<192>a=1", "PRI 192 is above 191, at column 2: '192>a=1'"),
        ("<13>a=1 =x", "expected a key at column 9: '=x'"),
        ("<13>", "no key=value pair"),
        ('a=1  b"=2', "expected a blank or = after the key 'b' at column 7: '\"=2'"),
    ],
)
def test_line_that_is_no_logfmt_tells_where(line: str, why: str) -> None:
    code, told = one(line)
    assert code == "no_match"
    assert why in told


def test_values_of_a_repeated_key() -> None:
    line = 'a=1 b=x a="2"  a'
    assert one(line) == {"a": ["1", "2", True], "b": "x"}
    assert one(line, duplicates="last") == {"a": True, "b": "x"}
    assert one(line, duplicates="first") == {"a": "1", "b": "x"}


def test_number_of_keys_is_bounded() -> None:
    assert len(one(" ".join(f"k{i}=1" for i in range(256)))) == 256
    assert one(" ".join(f"k{i}=1" for i in range(257))) == ("too_large", "257 keys, max_keys is 256")


def test_types_convert_fields() -> None:
    good, bad = Logfmt(types={"n": "int", "t": "timestamp"}).parse(of("n=5 t=2015-05-17T10:05:03+01:00\nn=x"))
    assert good == {"n": 5, "t": "2015-05-17T09:05:03Z"}
    assert isinstance(bad, Fail)
    assert bad.code == "bad_type"


def like_the_slow_way(line: str) -> Any:
    stage = Logfmt()
    entry = stage._unusual(line)
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


SAMPLES = ('a=1 b="x y" c', 'k= k="" a=b=c', 'x="a\\"b" y=\\', "a=1 a=2", 'a="', '<13>a=1 x="\\xc3\\xa9"')


@settings(max_examples=400)
@given(lines_like(*SAMPLES), st.text(alphabet='a= "\\\tb', min_size=1))
def test_shortcut_for_usual_lines_gives_what_the_whole_grammar_gives(lines: list[str], short: str) -> None:
    for line in [*lines, short]:
        assert one(line) == like_the_slow_way(line)


@settings(max_examples=200)
@given(lines_like(*SAMPLES))
def test_batch_equals_line_by_line(same_line_by_line: Callable[[Parse, list[str]], None], lines: list[str]) -> None:
    same_line_by_line(Logfmt(types={"a": "int"}), lines)


@given(
    st.dictionaries(st.text("abcé_.-", min_size=1), st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1)
)
def test_what_was_quoted_comes_back(fields: dict[str, str]) -> None:
    quoted = {key: value.replace("\\", "\\\\").replace('"', '\\"') for key, value in fields.items()}
    assert one(" ".join(f'{key}="{value}"' for key, value in quoted.items())) == fields


@pytest.mark.parametrize(
    "line",
    [
        " " * 100_000 + "x",
        "a=1" + " " * 100_000,
        '"' * 100_000,
        'a="' * 33_000,
        'a="' + "\\" * 100_001,
        'a="\\"' * 25_000,
        'b="\\"' + 'b=\\"' * 25_000,
        "a" * 100_000,
        "a=" * 50_000,
        "a=" * 50_000 + '"',
        "a=" * 50_000 + '" b=1',
        'a="x" ' * 16_000 + '"',
        'a="' + "\\ud83d" * 16_000 + '"',
        'a="' + "\\xc3" * 25_000 + '"',
    ],
)
def test_hostile_line_takes_linear_time(line: str) -> None:
    started = time.process_time()
    Logfmt().parse(of(line))
    assert time.process_time() - started < 1.0
