"""parse.grok."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Fail, Lines
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.combined import Combined
from tailrace.stages.parse.grok import Grok

from .hostile_lines import lines_like

COMMON_LINE = '192.0.2.9 - bob [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 1234'
ACCESS = COMMON_LINE + ' "http://x.example/" "Mozilla/5.0 (X11)"'


def one(line: str, pattern: str, **options: Any) -> Any:
    (entry,) = Grok(pattern=pattern, **options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def test_references_become_fields_and_those_without_a_name_do_not() -> None:
    pattern = r"^%{IP:client} %{WORD} (x|y) %{NUMBER:took:float} (?<rest>\w+)$"
    assert one("192.0.2.1 GET y 1.5 abc", pattern) == {"client": "192.0.2.1", "took": 1.5, "rest": "abc"}


def test_nested_names_make_nested_events() -> None:
    line = "GET /a 200"
    pattern = "%{WORD:[http][method]} %{NOTSPACE:url} %{INT:[http][response][status]:int}"
    assert one(line, pattern) == {"http": {"method": "GET", "response": {"status": 200}}, "url": "/a"}


def test_types_are_those_of_all_parsers() -> None:
    stage = Grok(
        pattern="%{NOTSPACE:t:timestamp} %{NOTSPACE:ip:ip} %{WORD:ok:boolean} %{NOTSPACE:[n][m]:long} %{NOTSPACE:x}",
        types={"x": "float"},
    )
    good, bad, other = stage.parse(
        of("2024-01-02T03:04:05+01:00 ::1 yes 7 2\nx ::1 no 1 1\n2024-01-02T03:04:05Z ::1 no y 1")
    )
    assert good == {"t": "2024-01-02T02:04:05Z", "ip": "::1", "ok": True, "n": {"m": 7}, "x": 2.0}
    assert isinstance(bad, Fail)
    assert isinstance(other, Fail)
    assert (bad.code, bad.why[:5]) == ("bad_timestamp", "t: 'x")
    assert (other.code, other.why) == ("bad_type", "[n][m]: 'y' is not an int")
    assert one("x", "%{WORD:a:int}", on_bad_type="null") == {"a": None}


def test_what_is_empty_or_took_no_part_is_null() -> None:
    assert one("a=", "a=%{DATA:x}(?:;%{WORD:y:int})?$") == {"x": None, "y": None}


def test_several_values_of_one_field_are_an_array_and_one_is_itself() -> None:
    pattern = "^(?:%{INT:n:int}|%{WORD:n})(?:,%{WORD:n})?$"
    stage = Grok(pattern=pattern)
    assert stage.parse(of("5\nab\n5,x\nab,cd")) == [{"n": 5}, {"n": "ab"}, {"n": [5, "x"]}, {"n": ["ab", "cd"]}]
    assert one("1,99999999999999999999", "%{INT:n:int},%{INT:n:int}")[0] == "bad_type"


def test_first_pattern_that_matches_wins() -> None:
    stage = Grok(pattern="^a%{INT:a:int}$", patterns=["^%{WORD:b}$", "%{NOTSPACE:c}$"])
    assert stage.parse(of("a1\nab\n! ?\na2")) == [{"a": 1}, {"b": "ab"}, {"c": "?"}, {"a": 2}]


def test_own_definitions_replace_those_of_the_directory_and_these_ours(tmp_path: Path) -> None:
    (tmp_path / "app").write_text("# of the app\n\nCODE [A-Z]{3}\nWORD w+\nID %{CODE}-%{INT:id:int}\r\n")
    options = {"patterns_dir": str(tmp_path), "definitions": {"CODE": "[a-z]{3}"}}
    assert one("abc-7 wwx", "%{ID} %{WORD:w}", **options) == {"id": 7, "w": "ww"}


@pytest.mark.parametrize(
    ("pattern", "line", "value"),
    [
        (r"(?<x>[[:alpha:]]+)", "12é3", "é"),
        (r"(?<x>[[:digit:][:upper:]_]+)", "abC_1d", "C_1"),
        (r"(?<x>[^[:space:]]+)$", "a b", "b"),
        (r"(?<x>[[[:alnum:]]_%-]+)", "!é_%-a!", "é_%-a"),
        (r"(?<x>[^[:alpha:]-]+)", "ab-1.c", "1."),
        (r"(?<x>\h+)z", "xfez", "fe"),
        (r"(?<x>[]a]+)", "b]a", "]a"),
        (r"(?<x>[[:^alpha:]]+)", "é1_!a", "1_!"),
        (r"(?<x>[^[:^alnum:]]+)", "_é1_", "é1"),
        (r"(?<x>[[:^upper:][:punct:]]+)$", "Aé\\]", "é\\]"),
        (r"(?<x>[[:^graph:]]+)", "é \x7f\xa0é", " \x7f\xa0"),
        (r"(?<x>[[:^print:]]+)", "é \x7f\x9f\xa0", "\x7f\x9f"),
        (r"(?<x>[+--]+)", "a+,-b", "+,-"),
        (r"(?<x>(?i)ab|cd)E", "xCDE", "CD"),
        (r"a(?i:b)(?<x>(?>c+)d)", "aBccd", "ccd"),
        (r"%{WORD:x}\z", "a b", "b"),
        (r"\{(?<x>\d+)\}%\{", "{5}%{", "5"),
    ],
)
def test_expressions_may_be_written_for_the_engine_of_logstash(pattern: str, line: str, value: str) -> None:
    assert one(line, pattern) == {"x": value}


def test_records_of_several_lines_are_taken_one_by_one() -> None:
    stage = Grok(patterns=["^%{WORD:level} (?m)%{GREEDYDATA:all}", r"^=%{DATA:first}$"])
    records = [b"ERROR a\n  b", b"=one\ntwo", b"-"]
    events = stage.parse(Lines.of(records, origin()))
    assert events[:2] == [{"level": "ERROR", "all": "a\n  b"}, {"first": "one"}]
    assert isinstance(events[2], Fail)


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ({}, ["give a `pattern`"]),
        ({"pattern": "%{WROD:x}"}, ["pattern: %{WROD:x}: there is no pattern 'WROD'; did you mean 'WORD'?"]),
        ({"patterns": ["%{WORD:x}", "%{_LOW:x} %{X:y}"]}, ["patterns[1]: %{X:y}: there is no pattern 'X'"]),
        ({"pattern": "%{CATALINA8_LOG}"}, ["it is one of those with ecs = true"]),
        ({"pattern": "%{MONGO3_LOG} %{CISCOFW106001}", "ecs": True}, ["it is one of those with ecs = false"]),
        ({"pattern": "%{WORD}"}, ["pattern: it has no field"]),
        ({"pattern": "%{WORD:x"}, ["pattern: %{WORD:x is no reference"]),
        ({"pattern": "%{WORD:x:integr}"}, ["'integr' is no type; did you mean 'integer'?"]),
        ({"pattern": "%{WORD:[a]b}"}, ["'[a]b' is no field"]),
        ({"pattern": "%{WORD:a} %{WORD:[a][b]}"}, ["'a' cannot be both a value and the fields of [a][b]"]),
        ({"pattern": "%{WORD:[a][b]} %{WORD:a}"}, ["'a' cannot be both a value and fields"]),
        ({"pattern": "%{INT:a:int} %{INT:a:float}"}, ["the field 'a' has two types, int and float"]),
        ({"pattern": "%{WORD:status}", "types": {"staus": "int"}}, ["types.staus: no pattern has a field", "'status'"]),
        (
            {"pattern": "%{A:x}", "definitions": {"A": "a%{B}", "B": "b%{C}?", "C": "%{A}"}},
            ["definitions.A: in the definition of C: %{A} is made of itself: A -> B -> C -> A"],
        ),
        ({"pattern": "%{WORD:x}", "definitions": {"A": "(a"}}, ["definitions.A: the definition of A, '(a', is no"]),
        ({"pattern": "%{WORD:x}", "definitions": {"A": "%{WRD}"}}, ["definitions.A: in the definition of A: %{WRD}:"]),
        ({"pattern": r"(a)\1%{WORD:x}"}, [r"\1 refers to another group"]),
        ({"pattern": r"%{WORD:x}(?"}, ["no valid expression"]),
        ({"pattern": "%{WORD:x}[a"}, ["the set that begins with '[a' has no end"]),
        ({"pattern": "%{WORD:x}[[:letter:]]"}, ["[:letter:] at position 10 is no class of characters"]),
        ({"pattern": "%{WORD:x}[a&&b]"}, ["&& in a set"]),
        ({"pattern": "%{WORD:x}(?x)"}, ["has a flag 'x'"]),
        ({"pattern": "%{WORD:x}a{2}+"}, ["repeats a repeat"]),
        ({"pattern": "%{WORD:x}", "patterns_dir": "/nowhere/at/all"}, ["patterns_dir: cannot read /nowhere/at/all"]),
        ({"pattern": "%{L9}", "definitions": {f"L{n}": f"%{{L{n - 1}}}" * 9 for n in range(1, 10)} | {"L0": "a"}},
         ["longer than 262144 characters"]),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_told(options: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        Grok(**options)
    for message in messages:
        assert message in str(caught.value)


def test_file_of_definitions_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "app").write_text("A a\nB\n")
    with pytest.raises(ValueError, match=r"app, line 2: expected a name, a blank and an expression, found 'B'"):
        Grok(pattern="%{A:a}", patterns_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("pattern", "line", "why"),
    [
        ("%{COMBINEDAPACHELOG}", ACCESS.replace("May", "Mai?"), "expected '/' in %{HTTPDATE:timestamp} at column 24"),
        ("%{COMBINEDAPACHELOG}", ACCESS[:30], "expected ':' in %{TIME} at column 31, where the line ends: "),
        ("^%{INT:n} took %{INT:ms}ms$", "5 took 7s", "expected 'ms' at column 9: 's'"),
        ("=%{INT:n}$", "ab", "expected '=', which is nowhere in the line: 'ab'"),
    ],
)  # fmt: skip
def test_no_match_names_the_reference_that_the_line_does_not_meet(pattern: str, line: str, why: str) -> None:
    code, told = one(line, pattern)
    assert code == "no_match"
    assert told.startswith(f"the pattern does not match: {why}")


PATTERNS = [
    "%{COMBINEDAPACHELOG}",
    "%{SYSLOGLINE}",
    '"%{DATA:a}"(?:%{DATA:b}-)?%{GREEDYDATA:c}',
    r"^%{NOTSPACE:a}%{SPACE:b}(?<c>\D*)$",
    r"(?<a>[^x]*)$",
    r"(?<a>(?<=\s)\W.)|(?<b>.(?!.))|\A(?<c>[\W\d]++)\z",
    r"(?>[^-]+)-(?<a>.)|(?<!\S)(?<b>[\s\S]+)\Z",
    r"(?<a>[[:^alpha:]]+)(?<b>[[:^upper:][:^graph:]]|[^[:^print:]])",
    r"(?m)%{DATA:a}(?<b>[[:space:]]|[[:^word:]])(?<c>\n?.?)",
    r"(?:%{DATA:a},)?(?<b>(?i)A|Z)(?<c>[^\w\s]|[\x00-\x20])",
    "%{QS:a}%{DATA:b}(?=%{DATA:c}[)])|%{URI:a}|%{PATH:b}",
]
SAMPLES = [ACCESS, "Mar  7 10:00:00 web-1 sshd[123]: x", '"a"b-c', "a, A)", "http://h/x", "x y"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2), lines_like(*SAMPLES))
def test_batch_equals_line_by_line(
    same_line_by_line: Callable[[Parse, list[str]], None], patterns: list[str], lines: list[str]
) -> None:
    same_line_by_line(stage_of(tuple(patterns)), lines)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PATTERNS), lines_like(*SAMPLES))
def test_form_for_pieces_finds_what_the_pattern_finds(pattern: str, lines: list[str]) -> None:
    stage = stage_of((pattern,))
    as_piece, missed = stage._cascade[0].events("\n".join(lines))
    assert (as_piece, missed) == stage._cascade[0].events(lines)


MADE: dict[tuple[str, ...], Grok] = {}


def stage_of(patterns: tuple[str, ...]) -> Grok:
    """Made once: the patterns take longer to compile than to use."""
    if patterns not in MADE:
        MADE[patterns] = Grok(patterns=list(patterns))
    return MADE[patterns]


@pytest.mark.alone
def test_one_bad_line_in_a_hundred_costs_the_others_little() -> None:
    stage = Grok(pattern="%{COMBINEDAPACHELOG}")
    good = [ACCESS] * 1000
    bad = [line.replace("+0000", "+0x00") if n % 100 == 50 else line for n, line in enumerate(good)]

    def seconds(lines: list[str]) -> float:
        started = time.process_time()
        stage.parse(of("\n".join(lines)))
        return time.process_time() - started

    best = [min(took) for took in zip(*[[seconds(lines) for lines in (good, bad)] for _ in range(15)], strict=True)]
    assert best[1] < 2 * best[0]


@pytest.mark.alone
def test_combined_log_costs_not_much_more_than_its_own_parser() -> None:
    text = "\n".join([ACCESS] * 2000)

    def seconds(stage: Parse) -> float:
        started = time.process_time()
        stage.parse(of(text))
        return time.process_time() - started

    stages: list[Parse] = [Grok(pattern="%{COMBINEDAPACHELOG}"), Combined()]
    grok, own = [min(took) for took in zip(*[[seconds(stage) for stage in stages] for _ in range(15)], strict=True)]
    assert grok < 2 * own


@pytest.mark.parametrize("line", ["a-" * 2000, "a." * 2000, "/a" * 2000, "1:" * 2000, '"\\' * 2000, "http://" * 700])
def test_hostile_line_takes_bounded_time(line: str) -> None:
    started = time.process_time()
    for pattern in ("%{COMBINEDAPACHELOG}", "%{SYSLOGLINE}", "%{URI:x}!!", "%{PATH:x}\x01", "%{QS:x}\x01", "%{IP:x}!"):
        stage_of((pattern,)).parse(of(line))
    assert time.process_time() - started < 5
