"""The client, against a real server: what it sends, what it makes of bad answers, and that no secret is repeated."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tailrace.pipeline.errors import Park, Retry
from tailrace.stages.http.client import Client
from tailrace.stages.http.options import Basic, Bearer, Endpoint, Tls, check_headers

from ...servers.http import CUT, DRIPPING, LOST, STALLED, Reply, Server
from ...waiting import until

NDJSON = {"Content-Type": "application/x-ndjson"}
BODY = b'{"n":1}\n'


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def make(server: Server) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def client(**options: object) -> Client:
        made.append(Client(Endpoint.parse(server.url), **options))  # type: ignore[arg-type]  # as they are there
        return made[-1]

    yield client
    for one in made:
        one.close()


def test_a_connection_is_kept_from_request_to_request(server: Server, make: Callable[..., Client]) -> None:
    client = make()
    for _ in range(5):
        assert client.send("POST", BODY, NDJSON).status == 200
    assert server.connections == 1
    assert server.stored == {1: 5}


def test_each_thread_has_a_connection_of_its_own(server: Server, make: Callable[..., Client]) -> None:
    client = make()
    together = threading.Barrier(3, timeout=30)
    server.rules.append(lambda _: Reply(200 + together.wait()))
    threads = [threading.Thread(target=client.send, args=("POST", BODY, NDJSON)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.stored == {1: 3}
    assert server.connections == 3


def test_a_connection_that_was_closed_while_idle_is_not_used(server: Server, make: Callable[..., Client]) -> None:
    client = make()
    client.send("POST", BODY, NDJSON)
    server.cut_connections()
    until(lambda: not client._idle[0].is_alive(), "the client has seen the end")
    assert client.send("POST", BODY, NDJSON).status == 200
    assert server.connections == 2


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (LOST, "Remote end closed connection without response"),
        (CUT, "the answer is cut or broken"),
        (STALLED, "no whole answer within 0.3 s"),
        (DRIPPING, "no whole answer within 0.3 s"),
    ],
)
def test_case_060_without_a_whole_answer_the_batch_is_sent_again(
    server: Server, make: Callable[..., Client], reply: Reply, words: str
) -> None:
    client = make(timeout=0.3)
    server.script.append(reply)
    with pytest.raises(Retry, match=f"POST {server.url}: {words}"):
        client.send("POST", BODY, NDJSON)
    assert server.stored == {1: 1}, "it had taken it"
    client = make(timeout=30)
    assert client.send("POST", BODY, NDJSON).status == 200
    assert server.stored == {1: 2}


def test_a_server_that_is_not_there_is_waited_for(server: Server, make: Callable[..., Client]) -> None:
    client = make()
    server.stop()
    with pytest.raises(Retry, match="Connection refused"):
        client.send("POST", BODY, NDJSON)
    server.start()
    assert client.send("POST", BODY, NDJSON).status == 200


def test_case_060_a_server_that_takes_nothing_does_not_hold_up_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(Endpoint.parse(f"http://127.0.0.1:{listener.getsockname()[1]}/"), timeout=0.2)
        with pytest.raises(Retry, match="no whole answer within"):
            client.send("POST", b"x" * (64 << 20), {})


def test_an_answer_that_comes_before_the_body_is_read_counts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                with contextlib.suppress(OSError):
                    while connection.recv(1 << 20):  # as servers do, so that the answer is not lost with the connection
                        pass

        thread = threading.Thread(target=answer)
        thread.start()
        client = Client(Endpoint.parse(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        assert client.send("POST", b"x" * (32 << 20), {}).status == 413
        thread.join()


def test_a_long_answer_is_read_in_part_and_its_connection_closed(server: Server, make: Callable[..., Client]) -> None:
    client = make()
    server.script.append(Reply(500, b"y" * 1_000_000))
    answer = client.send("POST", BODY, NDJSON, most=100)
    assert answer.body == b"y" * 100
    assert client.send("POST", BODY, NDJSON).status == 200
    assert server.connections == 2


def test_a_redirect_is_an_answer_and_nothing_is_sent_elsewhere(server: Server, make: Callable[..., Client]) -> None:
    with Server() as other:
        server.script.append(Reply(307, b"", {"Location": other.url}))
        assert make(auth=Bearer("secret-token")).send("POST", BODY, NDJSON).status == 307
        assert other.connections == 0


@pytest.mark.parametrize(
    ("auth", "sent"),
    [(Basic("me", "pä:ss"), "Basic bWU6cMOkOnNz"), (Bearer("tok.en-1"), "Bearer tok.en-1")],
)
def test_credentials_are_sent_with_the_first_request(
    server: Server, make: Callable[..., Client], auth: Basic | Bearer, sent: str
) -> None:
    make(auth=auth, headers={"X-Scope": "a"}).send("POST", BODY, NDJSON)
    assert server.requests[0].headers["authorization"] == sent
    assert server.requests[0].headers["x-scope"] == "a"


def test_a_server_that_repeats_our_secrets_is_not_quoted(server: Server, make: Callable[..., Client]) -> None:
    auth = Basic("me", "hunter22")
    client = make(auth=auth, headers={"X-Api-Key": "k-0123456789"})
    server.script.append(Reply(401, f"bad: hunter22 {auth.header()} k-0123456789".encode()))
    text = str(client.send("POST", BODY, NDJSON))
    assert text.endswith("401 Unauthorized: bad: *** Basic *** ***")
    assert "hunter22" not in repr((auth, Bearer("hunter22")))


def test_the_query_of_the_endpoint_is_sent_and_not_told(server: Server) -> None:
    client = Client(Endpoint.parse(f"{server.url}?key=secret"))
    answer = client.send("POST", BODY, NDJSON)
    client.close()
    assert server.requests[0].path == "/in?key=secret"
    assert "secret" not in str(answer)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("logs.example/in", "begins with 'no scheme'"),
        ("ftp://logs.example/in", "begins with 'ftp'"),
        ("http://me:pw@logs.example/in", "write them as auth"),
        ("http://logs.example:99999/in", "port that is not a number from 1 to 65535"),
        ("http:///in", "names no host"),
        ("http://logs.example/in#x", 'holds a "#"'),
        ("http://logs.example/a b", "holds ' '"),
        ("http://logs.example/a\r\nHost: other", r"holds '\\r'"),
    ],
)
def test_an_endpoint_that_cannot_be_right_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Endpoint.parse(url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Length": "5"}, "headers.Content-Length: follows from the request"),
        ({"authorization": "x"}, "headers.authorization: is set by `auth`"),
        ({"X": "secret\r\nHost: other"}, "headers.X: holds a line break"),
        ({"X-A": "1", "x-a": "2"}, "headers.x-a: is there twice"),
        ({"a b": "1"}, "headers has 'a b'"),
    ],
)
def test_headers_that_would_forge_a_request_are_refused(headers: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        check_headers(headers, {"authorization": "auth"})
    assert "secret" not in str(caught.value)


# TLS.


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``a.pem`` for logs.test and ``b.pem`` for 127.0.0.1, each its own authority; ``a.key`` and ``b.key``."""
    directory = tmp_path_factory.mktemp("certificates")
    for name, alternative in (("a", "DNS:logs.test"), ("b", "IP:127.0.0.1")):
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem",
            ],
            cwd=directory, check=True, capture_output=True,
        )  # fmt: skip
    return directory


def tls_server(certificates: Path, name: str, *, client: str = "") -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / f"{client}.pem")
    return Server(context=context)


@pytest.mark.parametrize(
    ("name", "tls"),
    [
        ("a", {"ca_file": "a.pem", "server_name": "logs.test"}),
        ("b", {"ca_file": "b.pem"}),
        ("a", {"verify": False}),
    ],
)
def test_a_server_whose_certificate_holds_is_talked_to(certificates: Path, name: str, tls: dict[str, object]) -> None:
    options = {key: str(certificates / str(value)) if key == "ca_file" else value for key, value in tls.items()}
    with tls_server(certificates, name) as server:
        client = Client(Endpoint.parse(server.url), tls=Tls(**options))  # type: ignore[arg-type]  # as they are there
        assert [client.send("POST", BODY, NDJSON).status for _ in range(2)] == [200, 200]
        client.close()
        assert server.connections == 1


@pytest.mark.parametrize(("name", "ca"), [("b", ""), ("b", "a.pem"), ("a", "a.pem")])
def test_a_certificate_that_does_not_hold_parks_the_sink(certificates: Path, name: str, ca: str) -> None:
    with tls_server(certificates, name) as server:
        client = Client(Endpoint.parse(server.url), tls=Tls(ca_file=str(certificates / ca) if ca else ""))
        with pytest.raises(Park, match="the server's certificate does not hold: "):
            client.send("POST", BODY, NDJSON)
        client.close()
        assert not server.requests


def test_our_own_certificate_is_shown(certificates: Path) -> None:
    with tls_server(certificates, "b", client="a") as server:
        ca = str(certificates / "b.pem")
        own = Tls(ca_file=ca, cert_file=str(certificates / "a.pem"), key_file=str(certificates / "a.key"))
        client = Client(Endpoint.parse(server.url), tls=own)
        assert client.send("POST", BODY, NDJSON).status == 200
        client.close()
        stranger = Client(Endpoint.parse(server.url), tls=Tls(ca_file=ca), timeout=5)
        with pytest.raises(Retry):
            stranger.send("POST", BODY, NDJSON)
        stranger.close()


def test_a_certificate_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "ca.pem")
    with pytest.raises(Park, match=rf"tls\.ca_file: {missing} cannot be used: No such file"):
        Client(Endpoint.parse("https://logs.example/"), tls=Tls(ca_file=missing))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key_file": "/k.pem"}, "key_file: needs cert_file"),
        ({"verify": False, "ca_file": "/c"}, "verify: is false, so ca_file and server_name would not be looked at"),
    ],
)
def test_tls_options_that_contradict_each_other_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Tls(**options)  # type: ignore[arg-type]  # as they are there
