"""The status server as the network meets it: who may ask, what hostile and broken clients do, and its socket."""

from __future__ import annotations

import errno
import os
import socket
import socketserver
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status import server
from tailrace.pipeline.status.access import is_loopback, token_of, why_refused
from tailrace.pipeline.status.client import Client, NoDaemonError
from tailrace.pipeline.status.handler import DRAINED, HEADERS, LARGEST_BODY
from tailrace.pipeline.status.server import MOST_CONNECTIONS, Bounded, Server

from ..waiting import until
from .server_kit import Lines, Stand, free_port, letter, refused, replies, rest_of, running

GUARDED = ("/api/dead_letters", "/api/tap")
ACTIONS = ("dead_letters/redrive", "dead_letters/drop", "reload", "state/forget", "state/move")


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with Stand(tmp_path, letter()) as made:
        yield made
        assert made.log.fields("status.fault") == [], "a request has met a fault of ours"


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


# Who may ask.


def test_what_shows_lines_or_changes_something_needs_the_token_over_tcp_only(stand: Stand) -> None:
    for path in GUARDED:
        for given in ("", "Bearer", "Bearer no", f"Basic {stand.token}"):
            reply = stand.ask("GET", path, Authorization=given)
            assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
            assert "token" in reply.error
    for action in ACTIONS:
        reply = stand.ask("POST", f"/api/{action}", b'{"all":true}', Content_Type="application/json")
        assert reply.status == 401
    assert stand.asked.done == []
    assert stand.ask("GET", "/api/dead_letters", Authorization=f"bearer {stand.token}").json["count"] == 1
    assert stand.client.get("/api/dead_letters")["count"] == 1
    assert stand.client.post("/api/dead_letters/drop", {"all": True}) == {"dropped": 2}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("LOCALHOST", 200), ("[::1]:{port}", 200),
        ("127.9.9.9", 200), ("evil.example:{port}", 403), ("evil.example", 403), ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:80", 403), ("127.0.0.1@evil.example", 403), ("[::2]", 403), ("", 403),
        ("evil.example:80:{port}", 403), ("192.0.2.1:{port}", 403),
    ],
)  # fmt: skip
def test_a_name_that_was_made_to_lead_here_is_refused(stand: Stand, host: str, status: int) -> None:
    reply = stand.ask("GET", "/api/status", Host=host.format(port=stand.port))
    assert reply.status == status


def test_a_request_without_a_host_or_with_two_is_refused(stand: Stand) -> None:
    for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        (reply,) = replies(stand.talk(b"GET /api/status HTTP/1.1\r\n" + hosts + b"\r\n"))
        assert reply.status == 403


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://localhost:1", "http://[", "file://"])
def test_a_page_of_another_site_may_not_ask(stand: Stand, origin: str) -> None:
    reply = stand.post("/api/reload", {}, Origin=origin)
    assert (reply.status, stand.asked.done) == (403, [])


def test_its_own_page_may_ask(stand: Stand) -> None:
    own = f"http://127.0.0.1:{stand.port}"
    assert stand.post("/api/reload", {}, Origin=own, Sec_Fetch_Site="same-origin").status == 202
    assert stand.ask("GET", "/api/status", Sec_Fetch_Site="none").status == 200
    assert stand.ask("GET", "/", Sec_Fetch_Site="cross-site").status == 200  # a link
    for site in ("cross-site", "same-site"):
        assert stand.ask("GET", "/api/status", Sec_Fetch_Site=site).status == 403
        assert stand.ask("GET", f"http://127.0.0.1:{stand.port}/api/status", Sec_Fetch_Site=site).status == 403
        assert stand.post("/api/reload", {}, Sec_Fetch_Site=site).status == 403


def test_elsewhere_than_on_loopback_the_machine_may_have_any_name() -> None:
    assert not why_refused(["logs.example:9600"], None, None, loopback=False, shown_anywhere=False)
    assert not why_refused(["logs.example"], "https://logs.example", None, loopback=False, shown_anywhere=False)
    assert why_refused(["logs.example"], "https://evil.example", None, loopback=False, shown_anywhere=True)
    assert [is_loopback(one) for one in ("127.0.0.9", "::1", "::ffff:127.0.0.1", "192.0.2.1", "fe80::1%lo", "")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


def test_a_browser_sends_no_form_or_text_that_is_taken_for_a_command(stand: Stand) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert stand.post("/api/reload", {}, Content_Type=kind).status == 415
    assert stand.asked.done == []


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


# The token.


def test_the_token_is_kept_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Stand(tmp_path) as stand:
            files = {name: stat.S_IMODE((Path(stand.directory) / name).stat().st_mode) for name in ("token", "control")}
            first = stand.token
    finally:
        os.umask(before)
    assert files == {"token": 0o600, "control": 0o600}
    assert len(first) >= 32
    assert not (Path(stand.directory) / "control").exists()
    stand.server = Server(stand.api, stand.directory, stand.log)
    with stand:  # after a restart
        assert stand.token == first


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602, 0o666])
def test_a_token_that_others_may_have_read_or_put_there_is_none(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    path.write_text("known to everybody\n")
    path.chmod(mode)
    made = token_of(str(tmp_path))
    assert made != "known to everybody"
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (f"{made}\n", 0o600)


def test_a_group_may_be_given_the_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("for operators\n")
    path.chmod(0o640)
    assert token_of(str(tmp_path)) == "for operators"


def test_a_link_in_place_of_the_token_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for name in ("token", "token.new"):
        target = tmp_path / f"secret.{name}"
        target.write_text("somebody else's\n")
        target.chmod(0o600)
        (tmp_path / "state" / name).symlink_to(target)
    made = token_of(str(tmp_path / "state"))
    assert made != "somebody else's"
    assert (tmp_path / "state/token").read_text() == f"{made}\n"
    assert not (tmp_path / "state/token").is_symlink()
    assert [(tmp_path / f"secret.{name}").read_text() for name in ("token", "token.new")] == ["somebody else's\n"] * 2


def test_nobody_waits_for_a_fifo_in_place_of_the_token(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token", 0o600)
    assert len(token_of(str(tmp_path))) >= 32
    assert (tmp_path / "token").is_file()


@pytest.mark.parametrize("text", ["", " \n", "ü\n"])
def test_a_token_that_is_none_is_made_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    assert len(token_of(str(tmp_path))) >= 32


# The socket, and the address.


def test_the_socket_of_a_daemon_that_was_killed_is_replaced(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    path = Path(stand.directory) / "control"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(NoDaemonError):
        stand.client.get("/health")
    with stand:
        assert stand.client.get("/health") == {"ok": True}


def test_a_directory_with_a_long_name_or_behind_a_link_is_no_trouble(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100) / ("y" * 100)
    home.mkdir(parents=True)
    with Stand(home) as stand:
        assert stand.client.get("/health") == {"ok": True}
        link = tmp_path / "link"
        link.symlink_to(home)
        assert Client(str(link / "state")).get("/health") == {"ok": True}
    behind = Stand(home)
    behind.server = Server(behind.api, str(link / "state"), behind.log)
    with behind:
        assert behind.client.get("/health") == {"ok": True}
        assert behind.log.fields("status.failed") == []


def test_what_stands_in_the_sockets_place_is_told_and_the_rest_works(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    (Path(stand.directory) / "control").mkdir()
    with stand:
        assert stand.ask("GET", "/health").status == 200
        assert "control" in stand.log.fields("status.failed")[0]["address"]
    assert (Path(stand.directory) / "control").is_dir()


def test_an_address_that_cannot_be_had_is_named_with_the_reason(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        for address, words in ((taken, "another program has that port"), ("192.0.2.77:9600", "no such address"),
                               ("a..b:9600", "cannot be listened on")):  # fmt: skip
            with pytest.raises(TailraceError, match="listen") as caught:
                stand.server.start(address)
            assert address in str(caught.value)
            assert words in str(caught.value)
            stand.server.close()


def test_another_address_takes_the_place_of_the_one_before_or_that_one_stays(stand: Stand) -> None:
    before, other = stand.port, free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot" in refused(lambda: stand.server.listen(f"127.0.0.1:{taken.getsockname()[1]}"))
    assert stand.ask("GET", "/health").status == 200

    stand.server.listen(f"127.0.0.1:{other}")
    stand.port = other
    assert stand.ask("GET", "/health").status == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before))

    stand.server.listen(f"0.0.0.0:{other}")  # the same port
    assert stand.ask("GET", "/health").status == 200
    assert stand.ask("GET", "/health", Host="evil.example").status == 403  # it came to a loopback address all the same
    assert "cannot" in refused(lambda: stand.server.listen(f"192.0.2.77:{other}"))
    assert stand.ask("GET", "/health").status == 200

    stand.server.listen(None)
    with pytest.raises(ConnectionRefusedError):
        stand.connect()
    assert stand.client.get("/health") == {"ok": True}


def test_its_end_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bounded, "look", 1000.0)
    with Stand(tmp_path) as stand:
        with stand.connect():  # a client that says nothing
            stand.server.close()
        with pytest.raises(ConnectionRefusedError):
            stand.connect()
