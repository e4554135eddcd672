"""The status server as the network meets it: its addresses, and what hostile, broken and many clients do."""

from __future__ import annotations

import errno
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status import server
from tailrace.pipeline.status.client import Client, NoDaemonError
from tailrace.pipeline.status.handler import DRAINED, HEADERS, LARGEST_BODY
from tailrace.pipeline.status.server import MOST_CONNECTIONS

from ..waiting import until
from .server_kit import Lines, Stand, refused, replies, rest_of, running

# What there is.


def test_both_ways_give_the_same_answers(stand: Stand) -> None:
    for path in ("/health", "/ready", "/api/history", "/api/redrive/1"):
        assert stand.ask("GET", path).json == stand.client.get(path)
    assert stand.ask("GET", "/api/status").json["name"] == stand.client.get("/api/status")["name"] == "test"
    assert stand.ask("GET", "/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
    page = stand.ask("GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert HEADERS.items() <= {name: page.headers[name.lower()] for name in HEADERS}.items()


def test_health_is_503_while_it_starts_stops_or_stands_still(stand: Stand) -> None:
    assert stand.ask("GET", "/health").status == 200
    for phase, status in (
        ("blocked", 200),
        ("recovering", 200),
        ("starting", 200),
        ("reloading", 200),
        ("stopping", 503),
    ):
        stand.board.publish(running(phase=phase))
        assert stand.ask("GET", "/health").status == status, phase
    stand.board.publish(running(at=0.0))
    assert "stood still" in stand.ask("GET", "/health").json["reason"]
    assert "stood still" in stand.ask("GET", "/ready").json["reasons"][0]


def test_head_gives_the_headers_of_get_and_no_body(stand: Stand) -> None:
    for path in ("/health", "/", "/nothing"):
        assert stand.ask("HEAD", path).body == b""
        assert stand.ask("HEAD", path).status == stand.ask("GET", path).status
    whole = stand.talk(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert int(replies(whole)[0].headers["content-length"]) > 0
    assert whole.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_and_no_site_is_given_leave_to_ask(stand: Stand, method: str) -> None:
    reply = stand.ask(method, "/api/reload", Access_Control_Request_Method="POST")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, POST")
    assert not [name for name in reply.headers if name.startswith("access-control")]
    assert "GET, HEAD or POST" in reply.error
    assert stand.asked.done == []


@pytest.mark.parametrize(
    "path",
    ["/../token", "/../../etc/passwd", "/%2e%2e/token", "/index.html/../../token", "/.//api/status", "/api%2Fstatus",
     "/page.js%00", "/__init__.py", "/api/redrive/", "/api/redrive/x", f"/api/redrive/{'9' * 5000}", "/api/reload"],
)  # fmt: skip
def test_nothing_else_is_at_any_address(stand: Stand, path: str) -> None:
    reply = stand.ask("GET", path)
    assert reply.status == 404
    assert "there is n" in reply.error


def test_an_address_may_have_two_slashes_or_the_name_of_the_host(stand: Stand) -> None:
    assert stand.ask("GET", "//health").json == {"ok": True}
    assert stand.ask("GET", f"http://127.0.0.1:{stand.port}/health?a=b").json == {"ok": True}


# Clients that send rubbish.


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n", b"rubbish\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /?" + b"a=b&" * 60 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\xff\xfe / HTTP/1.1\r\n\r\n",
        b"POST /api/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    ],
)  # fmt: skip
def test_rubbish_is_refused_in_json_and_the_server_goes_on(stand: Stand, data: bytes) -> None:
    for reply in replies(stand.talk(data)):
        assert 400 <= reply.status < 600
        assert reply.error
    assert stand.ask("GET", "/health").status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 202), (b"{}", 202), (b"[]", 400), (b"nonsense", 400), (b'"x"', 400), (b"\xff\xfe", 400),
        (b"[" * 100_000, 400), (b'{"a":' * 50_000, 400), (b"{" + b" " * LARGEST_BODY + b"}", 413),
    ],
)  # fmt: skip
def test_a_body_is_one_json_object_of_bounded_size(stand: Stand, body: bytes, status: int) -> None:
    assert stand.post("/api/reload", body).status == status
    assert [what for what, _ in stand.asked.done] == (["reload"] if status == 202 else [])


def test_no_part_of_a_body_is_taken_for_the_next_request(stand: Stand) -> None:
    smuggled = b"POST /api/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + stand.token.encode()
    smuggled += b"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    known, long = b"Content-Length: %d\r\n", b"x" * (DRAINED + 1) + smuggled
    for heads, body, answers in (
        (known % len(smuggled), smuggled, 2),  # read, and thrown away
        (known % len(long), long, 1),  # too long for that: the connection is closed
        (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled), 1),
        (known % 0 + known % len(smuggled), smuggled, 1),
        (b"Content-Length: 0000000000000000%d\r\n" % len(smuggled), smuggled, 1),
    ):
        for first in (b"GET /health", b"POST /api/state/forget", b"OPTIONS /"):
            data = first + b" HTTP/1.1\r\nHost: localhost\r\n" + heads + b"\r\n" + body
            found = replies(stand.talk(data + b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            assert len(found) == answers, (first, heads)
    assert stand.asked.done == []


def test_a_body_that_breaks_off_does_nothing(stand: Stand) -> None:
    head = f"POST /api/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {stand.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{}"
    (reply,) = replies(stand.talk(head.encode()))
    assert (reply.status, stand.asked.done) == (400, [])


def test_old_clients_are_answered(stand: Stand) -> None:
    (reply,) = replies(stand.talk(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n"))
    assert reply.json == {"ok": True}
    stand.asked.tapped = Lines(['{"event":1}'])
    stand.asked.tapped.close = lambda: None  # type: ignore[method-assign]
    with stand.connect() as connection:
        head = f"GET /api/tap HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {stand.token}\r\n\r\n"
        connection.sendall(head.encode())
        with connection.makefile("rb") as answer:
            assert not [line for line in iter(answer.readline, b"\r\n") if line.startswith(b"Transfer-Encoding")]
            assert answer.readline() == b'{"event":1}\n'


def test_several_requests_go_over_one_connection(stand: Stand) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert [reply.status for reply in replies(stand.talk(one * 5))] == [200] * 5


def test_a_fault_of_ours_is_answered_and_logged(tmp_path: Path) -> None:
    with Stand(tmp_path) as stand:
        stand.asked.fault = KeyError("nobody thought of it")
        reply = stand.post("/api/reload", {})
        assert (reply.status, "fault of tailrace" in reply.error) == (500, True)
        (fault,) = stand.log.fields("status.fault")
        assert fault["request"] == "POST /api/reload HTTP/1.1"
        assert isinstance(fault["exc_info"], KeyError)
        stand.asked.fault = TailraceError("it cannot be done")
        assert (stand.post("/api/reload", {}).status, stand.post("/api/reload", {}).error) == (409, "it cannot be done")


def test_without_descriptors_or_threads_it_neither_spins_nor_ends(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    monkeypatch.setattr(server, "sleep", naps.append)
    accept, start = socketserver.TCPServer.get_request, socketserver.ThreadingMixIn.process_request
    no_descriptor = [OSError(errno.EMFILE, "too many open files"), OSError(errno.ECONNABORTED, "it has gone")]
    no_thread = [RuntimeError("can't start new thread")]

    def fail(errors: list[Any], call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            if errors:
                raise errors.pop()
            return call(*arguments)

        return called

    monkeypatch.setattr(socketserver.TCPServer, "get_request", fail(no_descriptor, accept))
    assert stand.ask("GET", "/health").status == 200
    assert (no_descriptor, naps) == ([], [server.BREATH])
    monkeypatch.setattr(socketserver.ThreadingMixIn, "process_request", fail(no_thread, start))
    assert stand.talk(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
    assert stand.server._tcp is not None
    until(lambda: not stand.server._tcp._idle, "its place is free again")  # type: ignore[union-attr]
    assert stand.ask("GET", "/health").status == 200


# Many clients, and slow ones.


def test_whoever_waits_longest_makes_room_for_one_more(stand: Stand) -> None:
    held: list[socket.socket] = []
    for number in range(MOST_CONNECTIONS):  # half a request each, and never more
        held.append(stand.connect())
        held[-1].sendall(b"GET /health HTT")
        until(lambda number=number: len(stand.server._tcp._idle) > number, "it was taken")  # type: ignore[union-attr,misc]
    first, second = held[:2]
    second.sendall(b"P/1.1\r\nHost: localhost\r\n\r\n")
    assert second.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert stand.ask("GET", "/health").status == 200
    assert rest_of(first) == b""  # it was closed
    second.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert second.recv(1 << 16).startswith(b"HTTP/1.1 200")  # it had said something since
    for connection in held:
        connection.close()


def test_two_hundred_connections_leave_room_and_no_thread_behind(stand: Stand) -> None:
    before = threading.active_count()
    held = [stand.connect() for _ in range(200)]
    assert stand.ask("GET", "/health").status == 200
    until(lambda: threading.active_count() - before <= MOST_CONNECTIONS, "the others were sent away")
    for connection in held:
        connection.close()
    until(lambda: threading.active_count() <= before, "their threads have ended")
    assert stand.server._tcp is not None
    assert (stand.server._tcp._idle, stand.server._tcp._at_work) == ({}, set())
    assert stand.ask("GET", "/health").status == 200


def test_where_all_are_at_work_one_more_is_sent_away(stand: Stand) -> None:
    taps = [Lines(["{}"]) for _ in range(MOST_CONNECTIONS)]
    held = []
    for tap in taps:
        stand.asked.tapped = tap
        connection = stand.connect()
        head = f"GET /api/tap HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {stand.token}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1)
        held.append(connection)
    with stand.connect() as one_more:
        assert rest_of(one_more) == b""
    for connection in held:
        connection.close()
    until(lambda: all(tap.closed for tap in taps), "each tap is closed")
    assert stand.ask("GET", "/health").status == 200


@pytest.mark.parametrize("over_tcp", [True, False])
def test_a_tap_ends_when_its_reader_has_gone(stand: Stand, over_tcp: bool) -> None:
    stand.asked.tapped = tap = Lines(['{"event":1}'])
    if over_tcp:
        with stand.connect() as connection:
            head = f"GET /api/tap?limit=5 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {stand.token}\r\n\r\n"
            connection.sendall(head.encode())
            while b'{"event":1}' not in connection.recv(1 << 16):
                pass
    else:
        with closing(stand.client.lines("/api/tap?limit=5")) as lines:  # type: ignore[type-var]  # a generator
            assert next(lines) == {"event": 1}
            assert next(lines) is None  # there is nothing for a while
    until(lambda: tap.closed, "it is closed")
    assert stand.asked.done == [("tap", ("", "", 5, 0.5, None))]


def test_a_tap_that_nobody_waits_for_is_closed_without_a_look(stand: Stand) -> None:
    stand.asked.tapped = tap = Lines(["{}"])
    reply = stand.ask("HEAD", "/api/tap", Authorization=f"Bearer {stand.token}")
    assert (reply.status, tap.closed, tap.taken) == (200, True, 0)


def test_a_client_hears_why_it_is_refused_and_that_nobody_is_there(stand: Stand, tmp_path: Path) -> None:
    assert refused(lambda: stand.client.get("/api/redrive/7")) == "there is no re-drive 7"
    stand.server.close()
    assert not (Path(stand.directory) / "control").exists()
    with pytest.raises(NoDaemonError, match="no tailrace is running"):
        stand.client.get("/health")
    with pytest.raises(NoDaemonError, match="process 12"):
        Client(str(tmp_path / "nowhere"), "12").get("/health")
