"""parse.auto: json, syslog, logfmt, combined and others, told apart line by line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from tailrace.pipeline.batch import Fail, Lines
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.auto import _LOOKS, Auto
from tailrace.stages.parse.combined import Combined
from tailrace.stages.parse.json import Json
from tailrace.stages.parse.logfmt import Logfmt
from tailrace.stages.parse.syslog import Syslog

from .hostile_lines import lines_like

ACCESS = '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"'
PLAIN_ACCESS = '[2001:db8::9]:443 ::1 - bob [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5'
RFC3164 = "Mar 27 13:06:56 host sshd[7]: Accepted key=1 b=2"
RFC5424 = "<34>1 2015-03-27T13:06:56Z host app 7 - - hello"
ISO = "2015-03-27T13:06:56.123456+01:00 host sshd[7]: hello"
OBJECT = '{"level":"info","n":1}'
PAIRS = 'time=2015-03-27T13:06:56Z level=info msg="it [17/May/2015:10:05:03 +0000] works" n=7'

EACH: list[tuple[str, Parse]] = [
    (ACCESS, Combined()),
    (PLAIN_ACCESS, Combined()),
    (RFC3164, Syslog()),
    (RFC5424, Syslog()),
    (ISO, Syslog()),
    (OBJECT, Json()),
    (" " + OBJECT, Json()),
    ("\ufeff" + OBJECT, Json()),
    (PAIRS, Logfmt()),
    ("a=1 b=", Logfmt()),
    ("<189>date=2015-03-27 devname=fw1", Logfmt()),
    (ISO.replace("sshd[7]", "kernel"), Syslog()),
    (ISO.replace("host sshd[7]", "app[web.1]"), Syslog()),
    (ISO.replace("+01:00", "+0100"), Syslog()),
]


def one(line: str, **options: Any) -> Any:
    (entry,) = Auto(**options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def test_each_line_is_taken_by_the_parser_of_its_format_and_the_order_is_kept() -> None:
    lines = [line for line, _ in EACH]
    expected = [parser.parse(of(line))[0] for line, parser in EACH]
    assert not any(isinstance(entry, Fail) for entry in expected)
    assert Auto().parse(of("\n".join(lines))) == expected
    assert Auto().parse(of("\n".join(reversed(lines)))) == expected[::-1]
    assert [one(line) for line in lines] == expected


@pytest.mark.parametrize(
    "line",
    [
        "hello world",
        "user=bob logged in from ip=192.0.2.1",
        "level=info",
        "2015-03-27T13:06:56Z INFO main[7]: started",
        "2015-03-27T13:06:56.123456+00:00 INFO main: started",
        "2015-03-27T13:06:56Z worker main: started",
        '2015-03-27T13:06:56.123456+00:00 host {"a": 1}',
        "2015-03-27 13:06:56,123 - root - INFO - a",
        "[1, 2]",
        'a="x b=2',
    ],
)
def test_line_of_none_of_the_formats_fails(line: str) -> None:
    code, why = one(line)
    assert code == "no_match"
    assert why == f"looks like none of {', '.join(Auto()._parsers)}: {line!r}"


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        ('{"a": oops}', "no_match", "json: not JSON: "),
        (ACCESS.replace("17/May", "31/Feb"), "bad_timestamp", "combined: time: '31/Feb"),
        (RFC5424.replace("<34>", "<999>"), "no_match", "syslog: PRI 999 is above 191"),
        (RFC3164.replace("27", "32"), "bad_timestamp", "syslog: "),
        ("a=1 n=x", "bad_type", "logfmt: n: 'x' is not an int"),
    ],
)
def test_line_that_its_parser_does_not_take_tells_the_format_and_why(line: str, code: str, why: str) -> None:
    before, failed, after = Auto(types={"n": "int"}).parse(of("\n".join([ACCESS, line, OBJECT])))
    assert isinstance(failed, Fail)
    assert failed.code == code
    assert failed.why.startswith(why)
    assert (before, after) == (one(ACCESS), one(OBJECT))


def test_line_that_looks_like_two_formats_is_given_to_the_other_parser() -> None:
    assert one(ACCESS.replace("192.0.2.1", "{x}"))["host"] == "{x}"
    assert one(ACCESS.replace("192.0.2.1", "{x}").replace("GET", '"'))[1].startswith("json: not JSON")


def test_formats_narrow_down_and_a_field_tells_which_it_was() -> None:
    entries = Auto(formats=["logfmt", "json"], format_field="format").parse(of("\n".join([OBJECT, PAIRS, ACCESS])))
    assert [entry["format"] for entry in entries if isinstance(entry, dict)] == ["json", "logfmt"]
    (failed,) = [entry for entry in entries if isinstance(entry, Fail)]
    assert "looks like none of json, logfmt" in failed.why


def test_options_reach_the_parsers() -> None:
    assert one(RFC3164, timezone="Asia/Tokyo")["timestamp"].endswith("-03-27T04:06:56Z")
    assert one("at=27.03.2026 n=5", types={"at": "timestamp", "n": "int"}, time_formats=["%d.%m.%Y"]) == {
        "at": "2026-03-27T00:00:00Z",
        "n": 5,
    }
    assert one('{"n": "x"}', types={"n": "int"}, on_bad_type="null") == {"n": None}


@pytest.mark.parametrize(
    ("options", "why"),
    [({"formats": []}, "formats: is empty; expected some of json,"), ({"timezone": "Mars"}, "timezone: 'Mars' is unk")],
)
def test_wrong_options_are_told(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Auto(**options)


def test_records_that_hold_newlines_are_told_apart_too() -> None:
    records = ['{"a":\n1}', "a=1 b=2", 'a="x\ny" b=2']
    entries = Auto().parse(Lines.of([record.encode() for record in records], origin(places=range(3))))
    assert entries == [{"a": 1}, {"a": "1", "b": "2"}, {"a": "x\ny", "b": "2"}]


@settings(max_examples=300)
@given(lines_like(*(line for line, _ in EACH), "I0327 13:06:56.123456 7 a.go:1] x", "{x} " + ACCESS))
def test_batch_equals_line_by_line(same_line_by_line: Callable[[Parse, list[str]], None], lines: list[str]) -> None:
    same_line_by_line(Auto(format_field="format"), lines)


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, "[17/May/2015" * 10_000, "a=1 " * 30_000 + '"', 'a="' * 30_000, "a" * 100_000, "{ " * 50_000],
)
def test_hostile_line_takes_linear_time(line: str) -> None:
    started = time.process_time()
    Auto().parse(of(line))
    assert time.process_time() - started < 1.0


def test_all_formats_have_a_look_of_their_own() -> None:
    assert set(Auto().formats) <= set(_LOOKS)
