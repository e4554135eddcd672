"""parse.leef."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from tailrace.pipeline.batch import Fail
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.leef import Leef

from .hostile_lines import lines_like

V1 = "LEEF:1.0|Example|Exchange|2013 SP1|15345|"
V2 = "LEEF:2.0|Example|StealthWatch|1.0|41|"
HEAD1 = {
    "leefVersion": "1.0",
    "vendor": "Example",
    "product": "Exchange",
    "version": "2013 SP1",
    "eventId": "15345",
}
HEAD2 = {"leefVersion": "2.0", "vendor": "Example", "product": "StealthWatch", "version": "1.0", "eventId": "41"}


def one(line: str, **options: Any) -> Any:
    (entry,) = Leef(**options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (V1 + "src=192.0.2.1\tmsg=two words=x", HEAD1 | {"src": "192.0.2.1", "msg": "two words=x"}),
        (V1, HEAD1),
        (V1.removesuffix("|"), HEAD1),
        (V1 + "a=\t\tb=1\t", HEAD1 | {"a": "", "b": "1"}),
        (V1 + "^|a=1^b=2", HEAD1 | {"^|a": "1^b=2"}),
        (V2 + "^|a=1^b=2\t3", HEAD2 | {"a": "1", "b": "2\t3"}),
        (V2 + "x5E|a=1^b=2", HEAD2 | {"a": "1", "b": "2"}),
        (V2 + "0x7c|a=1|b=2", HEAD2 | {"a": "1", "b": "2"}),
        (V2 + "|a=1\tb=2", HEAD2 | {"a": "1", "b": "2"}),
        (V2 + "a=1\tb=2", HEAD2 | {"a": "1", "b": "2"}),
        ("LEEF: 2.0|Example|StealthWatch|1.0|41|x|a=1xb=2", HEAD2 | {"a": "1", "b": "2"}),
        ("<13>Jan 18 11:07:53 host " + V1 + "a=1", {"prefix": "<13>Jan 18 11:07:53 host "} | HEAD1 | {"a": "1"}),
    ],
)
def test_header_and_attributes_become_fields(line: str, event: dict[str, str]) -> None:
    assert one(line) == event


def test_delimiter_of_the_configuration_is_taken_whatever_the_header_says() -> None:
    assert one(V1 + "a=1;b=2", delimiter=";") == HEAD1 | {"a": "1", "b": "2"}
    assert one(V2 + "^|a=1;b=2^", delimiter="x3b") == HEAD2 | {"a": "1", "b": "2^"}


@pytest.mark.parametrize("delimiter", ["", "ab", "=", "x", "x3d"])
def test_delimiter_that_cannot_be_one_is_told(delimiter: str) -> None:
    if delimiter == "x":
        assert one(V1 + "a=1xb=2", delimiter=delimiter) == HEAD1 | {"a": "1", "b": "2"}
    else:
        with pytest.raises(ValueError, match=r"delimiter: found '.*', expected \"auto\", a character, or a code"):
            Leef(delimiter=delimiter)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("hello", "expected LEEF: and the version 1.0 or 2.0, nowhere in the line: 'hello'"),
        ("LEEF:3.0|a|b|c|d|", "expected LEEF: and the version 1.0 or 2.0"),
        ("LEEF:1.0|a|b", "expected a | and the version at column 13, where the line ends: 'LEEF:1.0|a|b'"),
        (V1 + "a=1\tb\tc=2", "expected a key and = behind '\\t' or the header at column 46: 'b\\tc=2'"),
        (V1 + "=1", "expected a key and = behind '\\t' or the header at column 42: '=1'"),
    ],
)
def test_line_that_is_no_leef_tells_where(line: str, why: str) -> None:
    code, told = one(line)
    assert code == "no_match"
    assert told.startswith(why)


def test_repeated_keys_also_those_of_the_header() -> None:
    line = V1 + "a=1\ta=2\tversion=x"
    assert one(line) == HEAD1 | {"a": ["1", "2"], "version": ["2013 SP1", "x"]}
    assert one(line, duplicates="first") == HEAD1 | {"a": "1"}


def test_number_of_attributes_is_bounded() -> None:
    line = V1 + "\t".join(f"k{i}=1" for i in range(3))
    assert one(line, max_keys=2) == ("too_large", "3 attributes, max_keys is 2")
    assert len(one(line, max_keys=3)) == len(HEAD1) + 3


def test_types_convert_fields() -> None:
    types = {"devTime": "timestamp", "sev": "int"}
    formats = ["%b %d %Y %H:%M:%S GMT%z"]
    line = V1 + "devTime=Mar 09 2015 17:05:21 GMT+08:00\tsev=6"
    expected = HEAD1 | {"devTime": "2015-03-09T09:05:21Z", "sev": 6}
    assert one(line, types=types, time_formats=formats) == expected
    assert one(V1 + "sev=x", types=types)[0] == "bad_type"


@settings(max_examples=300)
@given(lines_like(V1 + "a=1\tb=x y\ta=2", V2 + "^|a=1^b=", V2 + "x5E|a=1^b", "<13>host " + V1 + "a=1"))
def test_batch_equals_line_by_line(same_line_by_line: Callable[[Parse, list[str]], None], lines: list[str]) -> None:
    same_line_by_line(Leef(types={"a": "int"}), lines)


@pytest.mark.parametrize("text", ["x " * 50_000, "=\t" * 50_000, "\t" * 100_000, "|" * 100_000, "LEEF:1.0|" * 10_000])
@pytest.mark.parametrize("start", [V1, V2, "LEEF:1.0|", ""])
def test_hostile_line_takes_linear_time(start: str, text: str) -> None:
    started = time.process_time()
    Leef().parse(of(start + text))
    assert time.process_time() - started < 1.0
