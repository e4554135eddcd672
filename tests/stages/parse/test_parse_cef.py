"""parse.cef."""

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
from tailrace.stages.parse.cef import _HEADER, Cef
from tailrace.stages.parse.syslog import Syslog

from .conftest import plain
from .hostile_lines import lines_like

HEADER = "CEF:0|Security|threatmanager|1.0|100|worm stopped|10|"
HEAD = {
    "cefVersion": "0",
    "deviceVendor": "Security",
    "deviceProduct": "threatmanager",
    "deviceVersion": "1.0",
    "deviceEventClassId": "100",
    "name": "worm stopped",
    "severity": "10",
}


def one(line: str, **options: Any) -> Any:
    (entry,) = Cef(**options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


@pytest.mark.parametrize(
    ("extension", "fields"),
    [
        ("", {}),
        ("src=192.0.2.1 dst=192.0.2.9 spt=1232", {"src": "192.0.2.1", "dst": "192.0.2.9", "spt": "1232"}),
        ("msg=two words  act=blocked ", {"msg": "two words ", "act": "blocked"}),
        ("act= msg=", {"act": "", "msg": ""}),
        (r"msg=a\=b \\ c\nd\re\q fname=C:\\x", {"msg": "a=b \\ c\nd\re\\q", "fname": "C:\\x"}),
        (r"ad.field[0]=1 my_key-2=x|y \| z", {"ad.field[0]": "1", "my_key-2": "x|y | z"}),
        (r"msg=no key\=here", {"msg": "no key=here"}),
        ("cs1=x cs1Label=Reason", {"cs1": "x", "cs1Label": "Reason"}),
    ],
)
def test_extension_is_taken_apart(extension: str, fields: dict[str, str]) -> None:
    assert one(HEADER + extension) == HEAD | fields


def test_header_escapes_and_a_line_that_ends_behind_the_severity() -> None:
    line = r"CEF:1|a\|b|c\\d|1.0|id|it \= said|Very-High"
    assert one(line) == {
        "cefVersion": "1",
        "deviceVendor": "a|b",
        "deviceProduct": r"c\d",
        "deviceVersion": "1.0",
        "deviceEventClassId": "id",
        "name": "it = said",
        "severity": "Very-High",
    }


@pytest.mark.parametrize("prefix", ["Sep 19 08:26:10 host ", "<134>1 2024-09-19T08:26:10Z host app - - - "])
def test_syslog_header_in_front_is_kept_and_parse_syslog_reads_it(prefix: str) -> None:
    event = one(f"{prefix}{HEADER}src=192.0.2.1")
    assert event == {"prefix": prefix} | HEAD | {"src": "192.0.2.1"}
    (syslog,) = Syslog().parse(of(event["prefix"]))
    assert isinstance(syslog, dict)
    assert syslog["host"] == "host"


def test_equals_sign_without_a_backslash_is_refused_or_kept() -> None:
    line = HEADER + "request=http://example.com/?q=1 msg=a = b act=x"
    assert one(line, strict=False) == HEAD | {"request": "http://example.com/?q=1", "msg": "a = b", "act": "x"}
    assert one(line) == (
        "no_match",
        "the value of 'request' has an = without a backslash at column 83: '=1 msg=a = b act=x'; "
        "strict = false takes it",
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("hello", "expected CEF: and a version, nowhere in the line: 'hello'"),
        ("x CEF:0", "expected a | and deviceVendor at column 8, where the line ends: 'x CEF:0'"),
        ("CEF:0|a|b", "expected a | and deviceVersion at column 10, where the line ends: 'CEF:0|a|b'"),
        (HEADER + "some text", "expected a key and = in the extension at column 54: 'some text'"),
        (HEADER + r"a=1 b\=2 = ", "the value of 'a' has an = without a backslash at column 63: '= '"),
    ],
)
def test_line_that_is_no_cef_tells_where(line: str, why: str) -> None:
    code, told = one(line)
    assert code == "no_match"
    assert told.startswith(why)


def test_labels_are_folded_on_demand() -> None:
    extension = "cs1Label=Reason cs1=spam cn1Label=Count cs2=y cs3Label=src cs3=z src=192.0.2.1 cs4Label= cs4=w"
    assert one(HEADER + extension, fold_labels=True) == HEAD | {
        "Reason": "spam",
        "cn1Label": "Count",
        "cs2": "y",
        "cs3Label": "src",
        "cs3": "z",
        "src": "192.0.2.1",
        "cs4Label": "",
        "cs4": "w",
    }


def test_repeated_keys_also_those_of_the_header() -> None:
    line = HEADER + "a=1 a=2 name=x"
    assert one(line) == HEAD | {"a": ["1", "2"], "name": ["worm stopped", "x"]}
    assert one(line, duplicates="first") == HEAD | {"a": "1"}
    assert one(line, duplicates="last") == HEAD | {"a": "2", "name": "x"}


def test_number_of_keys_is_bounded() -> None:
    line = HEADER + " ".join(f"k{i}=1" for i in range(3))
    assert one(line, max_keys=2) == ("too_large", "3 keys, max_keys is 2")
    assert len(one(line, max_keys=3)) == len(HEAD) + 3


def test_types_convert_fields() -> None:
    assert one(HEADER + "spt=1 rt=1700000000000", types={"severity": "int", "spt": "int", "rt": "timestamp"}) == (
        HEAD | {"severity": 10, "spt": 1, "rt": "2023-11-14T22:13:20.000Z"}
    )
    assert one(HEADER + "spt=x", types={"spt": "int"})[0] == "bad_type"


SAMPLES = (
    HEADER + "src=192.0.2.1 msg=two words act=blocked",
    HEADER + r"msg=a\=b \\ c request=http://h/?q=1",
    "Sep 19 08:26:10 host " + HEADER,
    r"CEF:0|a\|b|c|d|e|f|1|a= b=",
)


@settings(max_examples=300)
@given(st.booleans(), lines_like(*SAMPLES))
def test_batch_equals_line_by_line(
    same_line_by_line: Callable[[Parse, list[str]], None], strict: bool, lines: list[str]
) -> None:
    same_line_by_line(Cef(strict=strict, fold_labels=True, types={"severity": "int"}, on_bad_type="null"), lines)


@settings(max_examples=300)
@given(st.booleans(), lines_like(*SAMPLES))
def test_shortcut_for_usual_lines_gives_what_the_whole_grammar_gives(strict: bool, lines: list[str]) -> None:
    stage = Cef(strict=strict)
    for line in lines:
        if header := _HEADER.match(line):
            assert plain(stage._line(line)) == plain(stage._unusual(line, header))


@pytest.mark.parametrize(
    "text",
    ["x " * 50_000, "a=" * 50_000, "a= " * 30_000, " " * 100_000 + "=", "\\" * 100_001, "|" * 100_000, "a" * 100_000],
)
@pytest.mark.parametrize("start", [HEADER, HEADER + "m=", "CEF:0|", "CEF:0|a|", ""])
@pytest.mark.parametrize("strict", [True, False])
def test_hostile_line_takes_linear_time(start: str, text: str, strict: bool) -> None:
    started = time.process_time()
    Cef(strict=strict).parse(of(start + text))
    assert time.process_time() - started < 1.0
