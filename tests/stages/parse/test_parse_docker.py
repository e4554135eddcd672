"""parse.docker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from tailrace.pipeline.batch import Lines
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.docker import Docker

from .conftest import plain
from .hostile_lines import lines_like

AT = "2024-01-01T00:00:00.123456789Z"


def line(log: str, at: str = AT, **more: Any) -> str:
    return json.dumps({"log": log, "stream": "stdout", "time": at, **more})


def one(text: str | bytes) -> Any:
    (entry,) = Docker().parse(of(text))
    return plain(entry)


def joined(*lines: str) -> Any:
    """A record of several lines, between two others."""
    records = [line("before\n").encode(), "\n".join(lines).encode(), line("after\n").encode()]
    before, entry, after = Docker().parse(Lines.of(records, origin(places=[0, 100, 900])))
    assert before == event("before")
    assert after == event("after")
    return plain(entry)


def event(message: str, **more: Any) -> dict[str, Any]:
    return {"message": message, "stream": "stdout", "timestamp": AT, **more}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (line("started\n"), event("started")),
        (line("\n"), event("")),
        (line("a\nb\n"), event("a\nb")),
        (line("of a terminal\r\n"), event("of a terminal")),
        (line("half a li"), event("half a li", partial=True)),
        (line(""), event("", partial=True)),
        (line("x\n", attrs={"tag": "web"}), event("x", attrs={"tag": "web"})),
        (line("x\n", stream="stderr"), event("x", stream="stderr")),
        (line("x\n", at="2024-01-01T01:00:00+01:00"), event("x") | {"timestamp": "2024-01-01T00:00:00Z"}),
        (f'{{"time":"{AT}","log":"x\\n"}}', event("x", stream=None)),
        (line("é\n").encode("latin-1").replace(b"\\u00e9", b"\xe9"), event("\ufffd")),
    ],
)
def test_line_becomes_an_event(text: str | bytes, expected: dict[str, Any]) -> None:
    assert one(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        ("hello", "no_match", "not JSON: unexpected character"),
        ('{"log":"x', "no_match", "not JSON: "),
        ("{}", "no_match", "no line of Docker's json-file log: Object missing required field `log` (parse.json reads"),
        ("[1]", "no_match", "no line of Docker's json-file log: Expected `object`, got `array`"),
        (line("x\n", kubernetes={}), "no_match", "no line of Docker's json-file log: Object contains unknown field"),
        (line("x\n", at="2024-02-30T00:00:00Z"), "bad_timestamp", "time: '2024-02-30T00:00:00Z' does not match"),
        (line("x\n", at=""), "bad_timestamp", "time: no time"),
        ('{"a":' * 100_000, "no_match", ""),
    ],
)
def test_line_that_is_none_of_dockers_tells_why_and_takes_no_other_with_it(text: str, code: str, why: str) -> None:
    before, failed, after = Docker().parse(of("\n".join([line("1\n"), text, line("2\n")])))
    assert [before, after] == [event("1"), event("2")]
    kind, told, reason = plain(failed)
    assert (kind, told) == ("fail", code)
    assert reason.startswith(why)


def test_record_of_several_lines_is_one_event() -> None:
    later = "2024-01-01T00:00:01Z"
    assert joined(line("half ", attrs={"a": "b"}), line("and ", later), line("half\n", later)) == event(
        "half and half", attrs={"a": "b"}
    )
    assert joined(line("Traceback:\n"), line("  File x\n")) == event("Traceback:\n  File x")
    assert joined(line("half "), line("a li")) == event("half a li", partial=True)


def test_record_of_several_lines_with_one_that_does_not_fit() -> None:
    kind, code, why = joined(line("half "), "hello")
    assert (kind, code) == ("fail", "no_match")
    assert why.startswith("line 2 of the record: not JSON: ")
    assert why.endswith("at column 1: 'hello'")
    streams = "a record of several lines that are of different streams"
    assert joined(line("half "), line("x\n", stream="stderr")) == ("fail", "no_match", streams)


@settings(max_examples=300)
@given(lines_like(line("a\n"), line("half", attrs={"a": "b"}), line("x\r\n", "2024-02-30T00:00:00Z"), "{}"))
def test_batch_equals_line_by_line(same_line_by_line: Callable[[Parse, list[str]], None], lines: list[str]) -> None:
    same_line_by_line(Docker(), lines)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"log":"' + "\\" * 100_001, '{"attrs":{"a":' * 20_000, "\x01" * 100_000]
)
def test_hostile_line_takes_linear_time(text: str) -> None:
    started = time.process_time()
    Docker().parse(of(text))
    assert time.process_time() - started < 1.0
