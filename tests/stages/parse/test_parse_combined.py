"""parse.combined: Apache and nginx, combined and common."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from tailrace.pipeline.batch import Fail
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.combined import Combined

from .hostile_lines import lines_like

FIELDS = ["host", "ident", "user", "time", "method", "path", "proto", "status", "size", "referer", "agent"]
USUAL = '1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 1234 "http://x/" "Mozilla/5.0 (X11)"'
COMMON = '::1 - bob [17/May/2015:10:05:03 +0200] "POST / HTTP/2.0" 204 -'
ESCAPED = r'h i u [17/May/2015:10:05:03 +0000] "GET /\"a\" HTTP/1.1" 200 1 "r\\" "say \"hi\""'
BINARY = r'h - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 0 "-" "-"'


def one(line: str) -> Any:
    (entry,) = Combined().parse(of(line))
    return entry


def with_request(request: str) -> Any:
    return one(f'h - - [17/May/2015:10:05:03 +0000] "{request}" 400 0 "-" "-"')


def test_combined_line_has_exactly_the_documented_fields() -> None:
    event = one(USUAL)
    assert list(event) == FIELDS
    assert event == {
        "host": "1.2.3.4",
        "ident": None,
        "user": None,
        "time": "2015-05-17T10:05:03Z",
        "method": "GET",
        "path": "/a?b=c",
        "proto": "HTTP/1.1",
        "status": 200,
        "size": 1234,
        "referer": "http://x/",
        "agent": "Mozilla/5.0 (X11)",
    }


def test_common_and_combined_lines_are_told_apart_line_by_line() -> None:
    events: list[Any] = Combined().parse(of("\n".join([COMMON, USUAL, COMMON])))
    common = events[0]
    assert list(common) == FIELDS
    assert (common["user"], common["time"], common["size"]) == ("bob", "2015-05-17T08:05:03Z", None)
    assert (common["referer"], common["agent"]) == (None, None)
    assert events == [common, one(USUAL), common]


def test_escaped_quotes_belong_to_the_value_and_stay_as_written() -> None:
    event = one(ESCAPED)
    assert (event["method"], event["path"], event["proto"]) == ("GET", r"/\"a\"", "HTTP/1.1")
    assert event["referer"] == r"r\\"
    assert event["agent"] == r"say \"hi\""
    forged = one(r'h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "a\" \"b" "c"')
    assert (forged["referer"], forged["agent"]) == (r"a\" \"b", "c")
    unclosed = one(r'h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "a\" "b"')
    assert isinstance(unclosed, Fail), "its referer ends at the quote before the b"


@pytest.mark.parametrize(
    "request_line", ["", r"\x16\x03\x01", "GET", "GET /", "OPTIONS / RTSP/1.0", "a b c d", "x" * 999]
)
def test_request_that_is_no_http_is_kept_whole(request_line: str) -> None:
    event = with_request(request_line)
    assert list(event) == [*FIELDS, "request"]
    assert (event["method"], event["path"], event["proto"], event["request"]) == (None, None, None, request_line)


def test_absent_request_is_null() -> None:
    assert with_request("-")["request"] is None


def test_path_may_hold_blanks() -> None:
    event = with_request("GET /a b  c HTTP/1.0")
    assert (event["method"], event["path"], event["proto"]) == ("GET", "/a b  c", "HTTP/1.0")
    assert list(event) == FIELDS


@pytest.mark.parametrize(
    ("start", "host", "user"),
    [
        ("2001:db8::1 - -", "2001:db8::1", None),
        ("10.0.0.1, 10.0.0.2 - -", "10.0.0.1, 10.0.0.2", None),
        ("h - John Doe", "h", "John Doe"),
        ("h" * 300 + " - -", "h" * 300, None),
    ],
)
def test_rare_hosts_and_users(start: str, host: str, user: str | None) -> None:
    event = one(f'{start} [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1')
    assert (event["host"], event["user"]) == (host, user)


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        (USUAL.replace("May", "Mai"), "bad_timestamp", "time: '17/Mai/2015:10:05:03 +0000' does not match any time"),
        (USUAL.replace("17/May", "31/Feb"), "bad_timestamp", "31/Feb"),
        (USUAL.replace("17/May/2015:10:05:03 +0000", ""), "bad_timestamp", "no time"),
        (USUAL.replace("1234", "9" * 30), "bad_type", "64 bits"),
    ],
)
def test_bad_line_tells_where_and_why_and_others_go_on(line: str, code: str, why: str) -> None:
    before, fail, after = Combined().parse(of("\n".join([USUAL, line, COMMON])))
    assert isinstance(fail, Fail)
    assert fail.code == code
    assert why in fail.why
    assert len(fail.why) < 200
    assert [before, after] == [one(USUAL), one(COMMON)]


@pytest.mark.parametrize(
    ("line", "expected", "at", "text"),
    [
        (" x", "a host", 1, " x"),
        ("garbage", "a blank after the host", 8, ""),
        ("h  - ", "an ident, or -,", 3, " - "),
        ("2026-03-01T00:00:00Z INFO app started", "a blank and a time in brackets", 30, " started"),
        ("h - x 17/May/2015:10:05:03 +0000] ", "a blank and a time in brackets", 6, " 17/May/2015:10:05:03 +0000] "),
        ("h - x [17/May/20", "the bracket that closes the time (opened at column 7)", 17, ""),
        ("h - x y [17/May/2015:10:05:03 +0000 x", "the bracket that closes the time (opened at column 9)", 36, " x"),
        ("h - x [17/May/2015:10:05:03 +0000]", "a blank after the time", 35, ""),
        ("h - - [t] GET / ", "a request in quotes", 11, "GET / "),
        ('h - - [t] "GET /', "the quote that closes the request (opened at column 11)", 17, ""),
        ('h - - [t] "GET "/" 200 1', "a blank after the quote that closes the request", 17, '/" 200 1'),
        ('h - - [t] "" 20x 1', "a status of three digits", 14, "20x 1"),
        ('h - - [t] "" 2000 1', "a blank after the status", 17, "0 1"),
        ('h - - [t] "" 200  "r" "a"', "a size in bytes, or -,", 18, ' "r" "a"'),
        ('h - - [t] "" 200 2k', "a blank or the end of the line after the size", 19, "k"),
        ('h - - [t] "" 200 2 x', "the end of the line, or a blank and a referer in quotes,", 19, " x"),
        ('h - - [t] "" 200 2 "http://r', "the quote that closes the referer (opened at column 20)", 29, ""),
        ('h - - [t] "" 200 2 "r"', "a blank and an agent in quotes after the referer", 23, ""),
        ('h - - [t] "" 200 2 "r"s" "a"', "a blank and an agent in quotes after the referer", 23, 's" "a"'),
        ('h - - [t] "" 200 2 "r" "Mozilla (X1', "the quote that closes the agent (opened at column 24)", 36, ""),
        ('h - - [t] "" 200 2 "r" "a"0.03', "the end of the line, or a blank, after the agent", 27, "0.03"),
        ('h - - [t] "" 200 2 "r" "a" "1" "2', "the quote that closes the field behind the agent (opened at", 34, ""),
        ('"a, b', "the quote that closes the host (opened at column 1)", 6, ""),
        ('"a, b"x', "a blank after the host", 7, "x"),
        ('v h - 10.0.0.1 [t] "" 200 2', "a user, or -, and not an address or more", 7, '10.0.0.1 [t] "" 200 2'),
        (
            'h - 10.0.0.1, 10.0.0.2 [t] "" 200 2',
            "a user, or -, and not an address",
            5,
            '10.0.0.1, 10.0.0.2 [t] "" 200 2',
        ),
        ('v 10.0.0.1 10.0.0.2 ::1 - [t] "" 200 2', "an ident, or -, and not an", 21, '::1 - [t] "" 200 2'),
    ],
)
def test_no_match_names_what_is_missing_and_where(line: str, expected: str, at: int, text: str) -> None:
    where = f" at column {at}: {text!r}" if text else f" at column {at}, where the line ends: "
    fail = one(line)
    assert fail.code == "no_match"
    assert fail.why.startswith(f"expected {expected} ")
    assert where in fail.why


PAIR, TRIO = "192.0.2.1, 198.51.100.1", "192.0.2.1, 198.51.100.1, 2001:db8::1"
VHOST = "shop.example.com:443 " + USUAL.replace("- -", "- al")
SAMPLES: tuple[str, ...] = (
    USUAL,
    COMMON,
    ESCAPED,
    BINARY,
    'h "x',
    USUAL.replace("/a?b=c", '/a"b'),
    VHOST,
    VHOST + ' "-"',
)
SAMPLES += (f'"{PAIR}" ' + USUAL, f"{PAIR} {USUAL}", USUAL + f' "{PAIR}" 0.1 "x y"', USUAL + ' "unknown"')
SAMPLES += (USUAL.replace("1.2.3.4", TRIO), f'"-" {USUAL}', f"unknown, ::1 {USUAL}", USUAL.replace("- -", "id al"))


@settings(max_examples=400)
@given(lines_like(*SAMPLES))
def test_both_usual_forms_give_what_the_whole_grammar_gives(lines: list[str]) -> None:
    stage = Combined()
    for line in lines:
        entries = *stage.parse(of(line)), *stage._extended(line, [line]), stage._unusual(line)
        quick, extended, whole = ((e.code, e.why) if isinstance(e, Fail) else e for e in entries)
        if not (isinstance(quick, dict) and '"' in (quick["path"] or "")):  # which the usual forms take for a good one
            assert quick == whole
            assert extended == whole or '\\"' in line


@settings(max_examples=300)
@given(lines_like(*SAMPLES))
def test_batch_equals_line_by_line(same_line_by_line: Callable[[Parse, list[str]], None], lines: list[str]) -> None:
    same_line_by_line(Combined(), lines)


def test_torn_line_does_not_swallow_the_next_one() -> None:
    lines = ["torn", USUAL, "a b", USUAL, USUAL[:30], USUAL, USUAL[:85], USUAL, '"', USUAL]
    entries = Combined().parse(of("\n".join(lines)))
    assert [isinstance(entry, Fail) for entry in entries] == [line != USUAL for line in lines]


@pytest.mark.parametrize("cut", [" i", " u", " /a?b", "http://x", "Mozilla"])
def test_two_halves_of_a_line_are_not_joined(cut: str) -> None:
    line = USUAL.replace(" - - ", " id user ")
    at = line.index(cut) + len(cut)
    entries = Combined().parse(of("\n".join([USUAL, line[:at], line[at:], USUAL])))
    assert [isinstance(entry, Fail) for entry in entries] == [False, True, True, False]


def test_real_log_parses_but_for_a_truncated_line(real_lines: Callable[[str], list[str]]) -> None:
    lines = real_lines("apache_combined.log")
    entries = Combined().parse(of("\n".join(lines)))
    assert len(entries) == len(lines) == 10_000
    assert [i for i, entry in enumerate(entries) if isinstance(entry, Fail)] == [8898], "its agent has no end"
    assert all(list(entry) == FIELDS for entry in entries if not isinstance(entry, Fail))


@pytest.mark.parametrize(
    "line",
    [
        "a " * 50_000,
        "a, " * 33_000,
        "," * 100_000,
        "[" * 100_000,
        "h - - [" + "]" * 100_000,
        "h - - " + "a " * 50_000,
        "h - - " + "[a] " * 25_000,
        'h - - [17/May/2015:10:05:03 +0000] "' + "\\" * 100_001,
        'h - - [17/May/2015:10:05:03 +0000] "' + '\\"' * 50_000,
        'h - - [17/May/2015:10:05:03 +0000] "' + "G / HTTP/1 " * 10_000 + '" 200 1',
        'h - - [17/May/2015:10:05:03 +0000] "G / HTTP/1.1" 200 ' + "1" * 100_000,
        'h - - [17/May/2015:10:05:03 +0000] "G / HTTP/1.1" 200 1 "' + "a" * 100_000,
        "h\n" * 50_000 + "h",
        '"' * 100_000,
        '"' + "1.2.3.4, " * 12_000,
        "(" * 100_000,
        "1:" * 50_000 + " - - ",
        USUAL + ' "' * 50_000,
        USUAL + ' "1.2.3.4' + ", 1.2.3.4" * 12_000,
        USUAL + " a" * 50_000 + '"',
        ('h - - [17/May/2015:10:05:03 +0000] "G / HTTP/1.1\n') * 2_000 + "h",
    ],
)
def test_hostile_text_takes_linear_time(line: str) -> None:
    started = time.process_time()
    Combined().parse(of(line))
    assert time.process_time() - started < 1.0
