"""parse.regex."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Fail, Origin
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.regex import Regex
from tailrace.stages.patterns.line import LinePattern, can_batch

from .hostile_lines import lines_like

APP = r'^(?P<level>\w+) (?P<status>\d+) "(?P<message>[^"]*)"(?: (?P<rest>.+))?$'


def plain(entries: list[Any]) -> list[Any]:
    return [(entry.code, entry.why) if isinstance(entry, Fail) else entry for entry in entries]


def test_named_groups_become_fields_and_others_do_not() -> None:
    stage = Regex(pattern=r"(?P<a>\w)(-)(?P<b>\w)")
    assert stage.parse(of("x-y\nz-z")) == [{"a": "x", "b": "y"}, {"a": "z", "b": "z"}]


def test_pattern_is_searched_for_anywhere_in_the_line() -> None:
    assert Regex(pattern=r"(?P<a>\d)").parse(of("x12\ny3")) == [{"a": "1"}, {"a": "3"}]


def test_group_that_is_empty_or_took_no_part_is_null() -> None:
    assert Regex(pattern=r"^(?P<a>x?)(?P<b>y)?").parse(of("x\ny\nz")) == [
        {"a": "x", "b": None},
        {"a": None, "b": "y"},
        {"a": None, "b": None},
    ]


def test_types_convert_groups() -> None:
    stage = Regex(pattern=APP, types={"status": "int", "rest": "float"})
    assert plain(stage.parse(of('info 200 "ok"\ninfo 99999999999999999999 "big"\nwarn 1 "x" 1.5\nwarn 1 "x" nan'))) == [
        {"level": "info", "status": 200, "message": "ok", "rest": None},
        ("bad_type", "status: '99999999999999999999' is not an int of 64 bits"),
        {"level": "warn", "status": 1, "message": "x", "rest": 1.5},
        ("bad_type", "rest: 'nan' is not a float"),
    ]


def test_bad_types_are_null_or_kept_on_demand() -> None:
    assert Regex(pattern="(?P<a>.+)", types={"a": "int"}, on_bad_type="null").parse(of("x")) == [{"a": None}]
    assert Regex(pattern="(?P<a>.+)", types={"a": "int"}, on_bad_type="string").parse(of("x\n5")) == [
        {"a": "x"},
        {"a": 5},
    ]


def test_timestamps_become_rfc3339_in_utc(at: Callable[[float], Origin]) -> None:
    stage = Regex(
        pattern="^(?P<t>.{15}) (?P<m>.*)",
        types={"t": "timestamp"},
        time_formats=["%b %d %H:%M:%S"],
        timezone="America/New_York",
    )
    assert plain(stage.parse(of("Mar  7 10:00:00 a\nMar 37 10:00:00 b", at(1_450_000_000.0)))) == [
        {"t": "2015-03-07T15:00:00Z", "m": "a"},
        ("bad_timestamp", "t: 'Mar 37 10:00:00' does not match any time format: %b %d %H:%M:%S"),
    ]


def test_first_pattern_that_matches_wins() -> None:
    stage = Regex(pattern=r"^a(?P<a>\d+)$", patterns=[r"^(?P<b>\w+)$", r"(?P<c>.)$"], types={"a": "int"})
    assert stage.parse(of("a1\nab\n! ?\na2")) == [{"a": 1}, {"b": "ab"}, {"c": "?"}, {"a": 2}]
    assert plain(Regex(patterns=["(?P<a>a)", "(?P<b>b)"]).parse(of("c"))) == [
        (
            "no_match",
            "none of the 2 patterns matches; patterns[0] gets farthest: expected 'a' in group \"a\", "
            "which is nowhere in the line: 'c'",
        )
    ]


def test_other_spelling_of_named_groups_is_understood() -> None:
    assert Regex(pattern=r"(?<a>\d)\(?<(?<=<)(?<b>\d)").parse(of("1<2")) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give a `pattern`"),
        ({"pattern": r"(\d+)"}, "no named group"),
        ({"pattern": r"(?P<a>\d+"}, r"missing \), unterminated subpattern at position 0, near '\(\?P<a>"),
        ({"pattern": r"x(?P<a>[)"}, "unterminated character set at position 7"),
        ({"patterns": [r"(?P<a>x)", r"(?P<a>x)(?P<a>y)"]}, "redefinition of group name 'a'"),
        ({"pattern": r"(?P<status>\d+)", "types": {"staus": "int"}}, "did you mean 'status'"),
        ({"pattern": r"(?P<status>\d+)", "types": {"zzz": "int"}}, "the groups are status"),
    ],
)
def test_settings_that_cannot_work_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Regex(**options)


@pytest.mark.parametrize(
    "pattern",
    [
        *[r"(?=a)", r"a(?!b)", r"(?<=a)b", r"(?<!a)b", r"[\]a](?=b)", r"[]](?=b)", r"[^]](?=b)"],
        *[r"\Aa", r"a\Z", r"\Ba", r"(?i)a", r"(?s:.)", r"(?>a)", r"a++", r"a*+", r"a?+", r"a{2}+"],
        *[r"(a)\1", r"(?P<a>x)(?P=a)", r"(a)?(?(1)b|c)", r"(?#x)a"],
    ],
)
def test_patterns_that_may_see_their_surroundings_are_taken_line_by_line(pattern: str) -> None:
    assert not can_batch(pattern)


@pytest.mark.parametrize("pattern", [APP, r"\[(?:a|b)\]", r"[(?=]+\+", r"a+?b*?", r"[a++]", r"\\a+", r"\bx\b"])
def test_ordinary_patterns_are_taken_by_the_piece(pattern: str) -> None:
    assert can_batch(pattern)


def test_set_that_matches_newlines_does_not_join_lines() -> None:
    stage = Regex(pattern=r'^(?P<a>[^"]*)"(?P<b>\s*)(?P<c>\w*)$')
    assert plain(stage.parse(of('x\ny"z\nq"\nw'))) == [
        ("no_match", "the pattern does not match: expected '\"' at column 2, where the line ends: 'x'"),
        {"a": "y", "b": None, "c": "z"},
        {"a": "q", "b": None, "c": None},
        ("no_match", "the pattern does not match: expected '\"' at column 2, where the line ends: 'w'"),
    ]


@pytest.mark.parametrize(
    ("patterns", "line", "why"),
    [
        ([APP], "2024-01-01 12:00:00 INFO", "the pattern does not match: "),
        ([r"^(?P<day>\d+-\d+) (?P<level>INFO|WARN) (?P<text>.*)"], "10-03 DEBUG x",
         "the pattern does not match: expected INFO|WARN in group \"level\" at column 7: 'DEBUG x'"),
        ([r"(?P<n>\d+) took (?P<ms>\d+)ms$"], "job 12 took 5s",
         "the pattern does not match: expected 'ms' at column 14: 's' (the match begins at column 5)"),
        ([r"(?P<n>\d+)"], "x" * 70, "the pattern does not match: expected \\d+ in group \"n\", which is nowhere in the "
         f"line: '{'x' * 60}…'"),
        ([r"^(?P<a>\d+) x$", r"^(?P<b>\d+-\d+) (?P<c>.)"], "12-3",
         "none of the 2 patterns matches; patterns[1] gets farthest: expected ' ' at column 5, where the line ends: "
         "'12-3'"),
        ([r"^(?P<a>a*)$"], "a" * 20_000 + "b", f"the pattern does not match: '{'a' * 60}…'"),
    ],
)  # fmt: skip
def test_no_match_names_how_far_the_pattern_gets(patterns: list[str], line: str, why: str) -> None:
    ((code, told),) = plain(Regex(patterns=patterns).parse(of(line)))
    assert code == "no_match"
    assert told.startswith(why)


def test_one_bad_line_in_a_hundred_costs_the_others_little() -> None:
    stage = Regex(pattern=r"^(?P<time>\S+) (?P<level>[A-Z]+) (?P<name>[a-z.]+): (?P<text>.*?)(?: in (?P<ms>\d+)ms)?$")
    good = ["2026-01-01T00:00:00Z INFO shop.cart: put 3 things in in 12ms"] * 1000
    bad = [line.replace("shop.", "shop+") if n % 100 == 50 else line for n, line in enumerate(good)]

    def seconds(text: str) -> float:
        started = time.process_time()
        stage.parse(of(text))
        return time.process_time() - started

    texts = ["\n".join(good), "\n".join(bad)]
    best = [min(took) for took in zip(*[[seconds(text) for text in texts] for _ in range(15)], strict=True)]
    assert best[1] < 2 * best[0]


PATTERNS = [
    APP,
    r'"(?P<a>[^"]*)"',
    r"^(?P<a>\S+)\s+(?P<b>\D*)$",
    r"(?P<a>[^x]*)$",
    r"(?P<a>\W+)(?P<b>.*?)",
    r"^(?P<a>a|\s)|(?P<b>[^ab]{2,3})",
    r"\b(?P<a>\w+)\b[^\w]*$",
    r"(?P<a>\s)(?P<b>\s)",
    r"(?P<a>[^-]*?)-|^(?P<b>a[^=]*)",
    r"(?P<a>.)$",
    r"(?P<a>(?:[^a]|a[^b])*)b",
    r"\A(?P<a>.*)\Z",
    r"(?P<a>(?<=\s).)|(?P<b>.(?!.))",
    r"(?>[^-]+)-(?P<a>.)|(?P<b>a)",
]


@settings(max_examples=400)
@given(
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
    lines_like('info 200 "ok"', "a b", 'x "y" -z', "aaa", "-"),
)
def test_batch_equals_line_by_line(
    same_line_by_line: Callable[[Parse, list[str]], None], patterns: list[str], lines: list[str]
) -> None:
    same_line_by_line(Regex(patterns=patterns), lines)


@settings(max_examples=400)
@given(st.sampled_from(PATTERNS), lines_like('info 200 "ok"', "a b", 'x "y" -z', "aaa", "-"))
def test_piece_and_single_lines_find_what_search_finds(pattern: str, lines: list[str]) -> None:
    rows = LinePattern(pattern).rows("\n".join(lines))
    expected = [re.search(pattern, line) for line in lines]
    assert [row[:-1] for row in rows] == [m.groups("") if m else ("",) * (len(rows[0]) - 1) for m in expected]
    assert [row[-1] for row in rows] == ["" if m else line for m, line in zip(expected, lines, strict=True)]
