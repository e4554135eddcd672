"""Who may ask the server: hosts, sites, the token; its socket and its address."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status.access import is_loopback, token_of, why_refused
from tailrace.pipeline.status.client import Client, NoDaemonError
from tailrace.pipeline.status.server import Bounded, Server

from .server_kit import Stand, free_port, refused, replies

GUARDED = ("/api/dead_letters", "/api/tap")
ACTIONS = ("dead_letters/redrive", "dead_letters/drop", "reload", "state/forget", "state/move")


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
        for address, words in (
            (taken, "another program has that port"), ("192.0.2.77:9600", "no such address"),
            ("a..b:9600", "cannot be listened on"), (f"{'ü' * 70}:9600", "cannot be listened on"),
        ):  # fmt: skip
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
