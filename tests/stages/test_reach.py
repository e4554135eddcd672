"""How far a pattern gets: the place and the part are those that a reader would point at."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.stages.patterns.parts import take_apart
from tailrace.stages.patterns.reach import LONGEST, Reach

LEVEL = r"^(?P<time>\d{4}-\d\d-\d\d) (?P<level>INFO|WARN) (?P<text>.+)$"
TAIL = r'^(?P<size>\d+)(?: "(?P<referer>[^"]*)" "(?P<agent>[^"]*)")?$'
VERBOSE = r"""(?x) ^(?P<a>\d+) \  # a number (and a blank
              (?P<b>[ #]\w+) $"""


@pytest.mark.parametrize(
    ("pattern", "line", "position", "expected", "group"),
    [
        (LEVEL, "x", 0, r"\d{4}", "time"),
        (LEVEL, "2026-1-02 INFO x", 6, r"\d", "time"),
        (LEVEL, "2026-01-02T INFO x", 10, "' '", ""),
        (LEVEL, "2026-01-02 DEBUG x", 11, "INFO|WARN", "level"),
        (LEVEL, "2026-01-02 INFX x", 14, "'O'", "level"),
        (LEVEL, "2026-01-02 INFO ", 16, ".+", "text"),
        # not the start of the optional part, but what keeps it from matching
        (TAIL, '12 "r" "a', 9, "'\"'", ""),
        (TAIL, '12 "r', 5, "'\" \"'", ""),
        (TAIL, '12 "r" "a" x', 10, "the end of the line", ""),
        (TAIL, "12x", 2, "the end of the line", ""),
        # the turn of a group that fails
        (r"^(?P<ip>(?:\d+\.){3}\d+) ", "192.168.x.1 y", 8, r"\d+", "ip"),
        (r"^(?P<all>(?:\w+=\w+ )*)end$", "a=b c=d f end", 9, "'='", "all"),
        (r"^(?P<n>(?P<digit>\d) )+$", "1 2 3", 5, "' '", "n"),
        # alternatives: the one that gets farthest
        (r"^(?:user=(?P<user>\w+)|host=(?P<host>[a-z]+));", "host=a1;", 6, "';'", ""),
        (r"^user=(?P<user>\w+)$|^host=(?P<host>[a-z]+)$", "host=a1", 6, "the end of the line", ""),
        # what cannot be cut
        (r"^(?i:get) (?=/)(?P<path>\S+) (?P=path)$", "GET /a /b", 7, "(?P=path)", ""),
        (r"^(?P<q>['\"])?a(?(q)b|c)", "'ac", 2, "(?(q)b|c)", ""),
        (r"(?i)^get (?P<a>[]x]+)\bz", "GET x]y", 6, "'z'", ""),
        (r"^\x41\102(?P<a>\N{BULLET}){,2}[^\]]{}$", "AB•x", 4, "'{}'", ""),
        (VERBOSE, "12", 2, "' '", ""),
        (VERBOSE, "12 #", 4, r"\w+", "b"),
        (VERBOSE, "12 #x y", 5, "the end of the line", ""),
    ],
)
def test_the_place_and_the_part_that_fail(pattern: str, line: str, position: int, expected: str, group: str) -> None:
    fault = Reach(pattern, anywhere=True).fault(line)
    assert fault is not None
    assert (fault.position, fault.expected, fault.group) == (position, expected, group)
    assert not fault.nowhere


def test_a_pattern_that_is_searched_for_tells_where_it_begins_or_that_it_does_not() -> None:
    reach = Reach(r"(?P<n>\d+) took (?P<ms>\d+)ms", anywhere=True)
    fault = reach.fault("job 12 took 5s")
    assert fault is not None
    assert (fault.start, fault.position, fault.nowhere) == (4, 13, False)
    fault = reach.fault("job")
    assert fault is not None
    assert fault.nowhere


def test_a_pattern_that_cannot_be_taken_apart_tells_nothing() -> None:
    pattern = "(?x: a  # one )\n b) (?P<c>c)"
    assert re.compile(pattern).match("ab c")
    assert Reach(pattern).fault("ab d") is None


def test_a_very_long_line_is_not_looked_into() -> None:
    assert Reach(LEVEL).fault("x" * LONGEST) is not None
    assert Reach(LEVEL).fault("x" * (LONGEST + 1)) is None


@pytest.mark.parametrize(
    "pattern", [r"^(?P<a>(?:x+)+)y(?P<b>.)$", r"(?P<a>x*x*x*)y$", r"^(?P<a>(?:x|xx)*)(?:x+)+(?P<b>y)z?"]
)
def test_a_hostile_line_takes_little_longer_than_the_pattern_took_to_fail(pattern: str) -> None:
    compiled, reach = re.compile(pattern), Reach(pattern, anywhere=True)
    line = "x"
    took = 0.0
    while took < 0.05:
        line += "x" * (1 + len(line) // 30)
        started = time.thread_time()
        assert compiled.search(line) is None
        took = time.thread_time() - started
    started = time.thread_time()
    reach.fault(line)
    assert time.thread_time() - started < 4 * took + 0.1


PIECES = st.sampled_from(
    ["a", "b", " ", r"\d", "[ab]", ".", "^", "$", r"\b", "(?P<n>a|b )", "(?:a b?)", "(b(?:a|))", "(?!a)"]
)
QUANTIFIED = st.tuples(PIECES, st.sampled_from(["", "", "?", "*", "+", "{2}", "{0,2}", "*?"])).map("".join)
PATTERNS = st.lists(QUANTIFIED | st.just("|"), min_size=1, max_size=8).map("".join)


def compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


@given(PATTERNS.filter(compiles), st.text("ab 1", max_size=12), st.booleans())
def test_each_line_that_does_not_match_has_a_fault_inside_of_it(pattern: str, line: str, anywhere: bool) -> None:
    assert "|".join(["".join([part.source for part in row]) for row in take_apart(pattern, 0)]) == pattern
    compiled = re.compile(pattern)
    matches = compiled.search(line) if anywhere else compiled.match(line)
    if matches is None:
        fault = Reach(pattern, anywhere=anywhere).fault(line)
        assert fault is not None
        assert 0 <= fault.start <= fault.position <= len(line)
