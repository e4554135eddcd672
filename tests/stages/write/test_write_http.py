"""``write.http`` against a real server, called as the engine calls it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import util
from typing import Any

import pytest
from tailrace.pipeline.batch import Event
from tailrace.pipeline.delivery import Request
from tailrace.pipeline.errors import Park, Reject, Retry, Split
from tailrace.pipeline.outgoing import About, Outgoing
from tailrace.stages.http.options import Basic, Bearer, Tls
from tailrace.stages.write.http import Http

from ...servers.http import LOST, Reply, Server, limits, refuses, wants

ABOUT = About("write.http", None, lambda words: None)  # noqa: ARG005
Make = Callable[..., Http]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def make(server: Server) -> Iterator[Make]:
    made: list[Http] = []

    def sink(**options: Any) -> Http:
        made.append(Http(server.url, **options))
        made[-1].connect(ABOUT)
        return made[-1]

    yield sink
    for one in made:
        one.close()


def outgoing(sink: Http, events: list[Event], first: int = 0) -> Outgoing:
    """The events as a batch of the engine's, whose memory it will use again."""
    (payload,) = sink.encode(events)
    assert payload.ends is not None
    ids = [f"abcdefgh-1:{first + n}" for n in range(len(events))]
    return Outgoing(payload.destination, memoryview(bytearray(payload.data)), payload.ends, ids)


def numbered(count: int) -> list[Event]:
    return [{"n": n, "text": 'a "b"\n,c'} for n in range(count)]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize(("format", "kind"), [("ndjson", "application/x-ndjson"), ("array", "application/json")])
def test_each_form_arrives(server: Server, make: Make, format: str, kind: str, compression: str) -> None:
    sink = make(format=format, compression=compression)
    for count in (1, 3):
        assert sink.deliver(outgoing(sink, numbered(count))) is None
    assert [request.records for request in server.requests] == [numbered(1), numbered(3)]
    assert server.requests[0].headers["content-type"] == kind
    assert server.requests[0].headers.get("content-encoding", "none") == compression


def test_an_event_is_a_record() -> None:
    (payload,) = Http("http://h/in?key=secret").encode([{"a": "x\r\u2028y"}, {}])
    assert payload.ends is not None
    batch = Outgoing(payload.destination, payload.data, payload.ends)
    assert [bytes(batch.record(n)) for n in range(len(batch))] == ['{"a":"x\\r\u2028y"}\n'.encode(), b"{}\n"]
    assert payload.destination == "http://h/in"
    assert list(Http("http://h").encode([])) == []


def test_an_event_that_json_cannot_hold_is_rejected_in_the_worker() -> None:
    with pytest.raises(Reject, match="the field bad"):
        Http("http://h").encode([{"bad": "\udcff"}])


def test_the_key_of_a_batch_is_the_same_when_it_is_sent_again(server: Server, make: Make) -> None:
    sink = make()
    batch = outgoing(sink, numbered(3))
    server.script += [LOST, Reply(503)]
    for _ in range(2):
        with pytest.raises(Retry):
            sink.deliver(batch)
    sink.deliver(batch)
    sink.deliver(outgoing(sink, numbered(3), first=1))
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert len(keys[0]) == 32


def test_the_key_has_the_name_that_the_server_knows_or_is_left_out(server: Server, make: Make) -> None:
    for name in ("X-Batch", ""):
        sink = make(idempotency_header=name)
        sink.deliver(outgoing(sink, numbered(1)))
    assert "x-batch" in server.requests[0].headers
    assert not {"x-batch", "idempotency-key"} & server.requests[1].headers.keys()


def test_case_059_who_we_are_is_said_and_a_wrong_password_parks(server: Server, make: Make) -> None:
    server.rules.append(wants("Basic bWU6cHc="))
    right, wrong = make(auth=Basic("me", "pw")), make(auth=Bearer("nobody"))
    assert right.deliver(outgoing(right, numbered(1))) is None
    with pytest.raises(Park, match=r"401 Unauthorized: who are you\? \(check `auth`\)") as caught:
        wrong.deliver(outgoing(wrong, numbered(1)))
    assert "nobody" not in str(caught.value) + repr(wrong)


def test_case_059_a_server_that_refuses_a_batch_has_it_in_halves(server: Server, make: Make) -> None:
    server.rules += [limits(100), refuses(lambda record: record["n"] == 1, 422)]
    sink = make()
    with pytest.raises(Split, match=r"413 .*: too much") as large:
        sink.deliver(outgoing(sink, numbered(10)))
    with pytest.raises(Split, match=r"422 .*: field n: not a number") as bad:
        sink.deliver(outgoing(sink, numbered(2)))
    assert (large.value.code, bad.value.code) == ("too_large", "rejected")
    assert not server.stored


def test_the_user_may_know_better_what_a_status_means(server: Server, make: Make) -> None:
    sink = make(status={"409": "delivered", "410": "reject", "400": "retry"}, success_codes=[204])
    server.script += [Reply(409), Reply(410, b"gone"), Reply(400), Reply(204, b""), Reply(200)]
    assert sink.deliver(outgoing(sink, numbered(2))) is None
    verdicts = sink.deliver(outgoing(sink, numbered(2)))
    assert verdicts is not None
    assert [(index, code) for index, code, _ in verdicts.refused] == [(0, "rejected"), (1, "rejected")]
    with pytest.raises(Retry):
        sink.deliver(outgoing(sink, numbered(2)))
    assert sink.deliver(outgoing(sink, numbered(2))) is None
    with pytest.raises(Park):
        sink.deliver(outgoing(sink, numbered(2)))


def test_a_timeout_bounds_the_request_and_a_connection_lost_is_made_anew(server: Server, make: Make) -> None:
    sink = make(request=Request(timeout=0.2))
    server.script.append(Reply(then="stall"))
    with pytest.raises(Retry, match="no whole answer within"):
        sink.deliver(outgoing(sink, numbered(1)))
    assert sink.deliver(outgoing(sink, numbered(1))) is None
    sink.connect(ABOUT)
    assert sink.deliver(outgoing(sink, numbered(1))) is None
    assert server.stored == {0: 3}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"endpoint": "logs"}, "endpoint: begins with 'no scheme'"),
        ({"tls": Tls(verify=False)}, 'tls: is for an endpoint that begins with "https://"'),
        (
            {"headers": {"Authorization": "Bearer s3cret"}, "auth": Bearer("t")},
            "headers.Authorization: is set by `auth`",
        ),
        ({"headers": {"Content-Type": "text/plain"}}, "headers.Content-Type: is set by `format`"),
        ({"headers": {"A": "s3cret\n"}}, "headers.A: holds a line break"),
        ({"success_codes": [20]}, "success_codes: has 20"),
        ({"status": {"4xx": "park"}}, "status.4xx: is not an HTTP status"),
        ({"status": {"204": "park"}, "success_codes": [204]}, "status.204: is in success_codes, too"),
        ({"idempotency_header": "a:b"}, "idempotency_header: is 'a:b'"),
    ],
)
def test_options_that_cannot_be_right_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Http(**{"endpoint": "http://h/", **options})
    assert "s3cret" not in str(caught.value)


def test_zstd_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.stages.http.compression.find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(ModuleNotFoundError, match=r"tailrace\[zstd\]"):
        Http("http://h/", compression="zstd")
    assert util.find_spec("zstandard") is not None


def test_a_worker_does_not_import_the_client() -> None:
    code = (
        "import sys; from tailrace.stages.write.http import Http; Http('http://h', compression='zstd').encode([{}]);"
        "print(sorted({'http.client', 'ssl', 'zstandard'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
