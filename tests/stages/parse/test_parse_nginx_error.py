"""parse.nginx_error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from tailrace.pipeline.batch import Fail
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.nginx_error import NginxError, _from_the_end, _message

from .hostile_lines import lines_like

HEAD = "2026/03/27 13:06:56 [error] 31#7: *25 "
REFUSED = (
    "connect() failed (111: Connection refused) while connecting to upstream, client: 192.0.2.7, "
    'server: shop.example.com, request: "GET /a?b=c, d HTTP/1.1", upstream: "http://198.51.100.1:8080/a?b=c, d", '
    'host: "shop.example.com", referrer: "https://www.example.com/"'
)
START = "2026/03/27 13:06:56 [notice] 1#1: start worker process 30"
CLOSED = "client 192.0.2.7 closed keepalive connection"


def one(line: str, **options: Any) -> Any:
    (entry,) = NginxError(**options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def tails(text: str) -> Any:
    event = one(HEAD + text)
    assert list(event)[:6] == ["timestamp", "level", "pid", "tid", "connection", "message"]
    return {name: value for name, value in event.items() if name not in list(event)[:5]}


def test_a_line_of_a_request_has_its_parts_as_fields() -> None:
    assert one(HEAD + REFUSED) == {
        "timestamp": "2026-03-27T13:06:56Z",
        "level": "error",
        "pid": 31,
        "tid": 7,
        "connection": 25,
        "message": "connect() failed (111: Connection refused) while connecting to upstream",
        "client": "192.0.2.7",
        "server": "shop.example.com",
        "request": "GET /a?b=c, d HTTP/1.1",
        "upstream": "http://198.51.100.1:8080/a?b=c, d",
        "host": "shop.example.com",
        "referrer": "https://www.example.com/",
    }


def test_connection_and_all_that_follows_the_message_may_be_missing() -> None:
    event = one(START)
    assert (event["connection"], event["message"]) == (None, "start worker process 30")
    assert list(event) == ["timestamp", "level", "pid", "tid", "connection", "message"]


def test_the_time_is_in_the_timezone_that_is_told() -> None:
    assert one(START, timezone="Europe/Berlin")["timestamp"] == "2026-03-27T12:06:56Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CLOSED, {"message": CLOSED}),
        (
            'open() "/srv/a, b" failed (2: No such file), client: ::1, server: , request: "GET /a,%20b HTTP/1.1"',
            {
                "message": 'open() "/srv/a, b" failed (2: No such file)',
                "client": "::1",
                "server": "",
                "request": "GET /a,%20b HTTP/1.1",
            },
        ),
        (
            "SSL_do_handshake() failed while SSL handshaking, client: 192.0.2.7, server: 0.0.0.0:443",
            {
                "message": "SSL_do_handshake() failed while SSL handshaking",
                "client": "192.0.2.7",
                "server": "0.0.0.0:443",
            },
        ),
        (
            'x, client: unix:, server: ~^(a|b),c$, request: "GET / HTTP/1.1", subrequest: "/auth", request_id: "7f"',
            {
                "message": "x",
                "client": "unix:",
                "server": "~^(a|b),c$",
                "request": "GET / HTTP/1.1",
                "subrequest": "/auth",
                "request_id": "7f",
            },
        ),
        (
            'x, client: ::1, server: s, request: "GET /?q="a" HTTP/1.1", host: "h", referrer: "http://h/"b", "c""',
            {
                "message": "x",
                "client": "::1",
                "server": "s",
                "request": 'GET /?q="a" HTTP/1.1',
                "host": "h",
                "referrer": 'http://h/"b", "c"',
            },
        ),
        (
            'x, client: ::1, server: s, request: "GET /, referrer: "a, host: "b HTTP/1.1", host: "h"',
            {
                "message": "x",
                "client": "::1",
                "server": "s",
                "request": 'GET /, referrer: "a, host: "b HTTP/1.1',
                "host": "h",
            },
        ),
        (
            'open() "/srv/, client: 203.0.113.9, server: no, request: "x", host: "y" failed, client: ::1, server: s, '
            'request: "GET / HTTP/1.1"',
            {
                "message": 'open() "/srv/, client: 203.0.113.9, server: no, request: "x", host: "y" failed',
                "client": "::1",
                "server": "s",
                "request": "GET / HTTP/1.1",
            },
        ),
        (
            'upstream timed out, client: ::1, server: 0.0.0.0:53, upstream: "192.0.2.1:53", bytes from/to client:38/0, '
            "bytes from/to upstream:0/38",
            {
                "message": "upstream timed out",
                "client": "::1",
                "server": "0.0.0.0:53",
                "upstream": "192.0.2.1:53",
                "bytes_from_client": 38,
                "bytes_to_client": 0,
                "bytes_from_upstream": 0,
                "bytes_to_upstream": 38,
            },
        ),
        (
            'limiting requests, excess: 10.520 by zone "a b", client: ::1, server: s',
            {
                "message": 'limiting requests, excess: 10.520 by zone "a b"',
                "client": "::1",
                "server": "s",
                "excess": 10.52,
                "zone": "a b",
            },
        ),
        (
            'delaying request, excess: 0.5, by zone "z", client: ::1',
            {
                "message": 'delaying request, excess: 0.5, by zone "z"',
                "client": "::1",
                "excess": 0.5,
                "zone": "z",
            },
        ),
        (
            'limiting connections by zone "z", server: s',
            {"message": 'limiting connections by zone "z"', "server": "s", "zone": "z"},
        ),
        (
            'x, client: ::1, server: s, request: "GET /cut',
            {"message": 'x, client: ::1, server: s, request: "GET /cut'},
        ),
        ("told, server: is not one", {"message": "told, server: is not one"}),
        ("told, client: is no address", {"message": "told, client: is no address"}),
    ],
)
def test_parts_behind_the_message_are_found_from_the_end(text: str, expected: dict[str, Any]) -> None:
    assert tails(text) == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("hello", "expected a time such as 2026/03/27 13:06:56 at column 1: 'hello'"),
        (START.replace("[", ""), "expected a blank and a level in brackets at column 20"),
        (START.replace("notice", "loud"), "expected a level, one of debug, info,"),
        (START.replace("1#1", "x#1"), "expected a process id of digits at column 30: 'x#1: "),
        (START.replace("#1", ""), "expected # and a thread id at column 31"),
        (START[:33], "expected a colon and a blank after the thread id at column 33"),
        (HEAD, "expected a message at column 39, where the line ends"),
    ],
)
def test_line_of_another_form_tells_where(line: str, why: str) -> None:
    code, told = one(line)
    assert code == "no_match"
    assert why in told


def test_a_time_that_does_not_exist_is_no_time() -> None:
    code, why = one(START.replace("03/27", "02/30"))
    assert code == "bad_timestamp"
    assert "2026/02/30 13:06:56" in why


SAMPLES: tuple[str, ...] = (
    HEAD + REFUSED,
    START,
    HEAD + CLOSED,
    HEAD + 'x, client: a, server: b, request: "c", host: "d"',
)
SAMPLES += (HEAD + 'limiting, excess: 1 by zone "z", client: a', HEAD + 'a, server: b, upstream: "c"')


@settings(max_examples=300)
@given(lines_like(*SAMPLES))
def test_batch_equals_line_by_line(same_line_by_line: Callable[[Parse, list[str]], None], lines: list[str]) -> None:
    same_line_by_line(NginxError(), lines)


@settings(max_examples=300)
@given(lines_like(*(sample[len(HEAD) :] for sample in SAMPLES)))
def test_usual_parts_are_those_found_from_the_end(lines: list[str]) -> None:
    for line in lines:
        assert {**_message(line), **_from_the_end(line)} == _message(line)
        assert NginxError().parse(of(HEAD + line)) == [NginxError()._unusual(HEAD + line)]


@pytest.mark.parametrize(
    "text",
    [
        ", client: " * 10_000,
        ", server: " * 10_000,
        ', request: "' * 10_000 + '"',
        '", host: "' * 10_000 + '"',
        'x, client: a, server: b, request: "' + '", "' * 30_000 + '"',
        ' by zone "' * 10_000,
        ", bytes from/to client:1" * 5_000,
        ", excess: 1" * 10_000 + ' by zone "',
    ],
)
def test_hostile_line_takes_linear_time(text: str) -> None:
    started = time.process_time()
    NginxError().parse(of(HEAD + text))
    assert time.process_time() - started < 1.0
