"""A real HTTP server that takes JSON records, and does on demand what bad servers do."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

import zstandard

Record = dict[str, Any]


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]  # names in small letters
    size: int  # bytes of the body as it came
    records: list[Record]


@dataclass
class Reply:
    """``then``: what becomes of the answer after the records were stored, or not."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    store: bool | None = None  # None: if the status says so
    then: Literal["answer", "lose", "cut", "stall", "drip", "close"] = "answer"


LOST = Reply(then="lose")
CUT = Reply(body=b"x" * 1000, then="cut")
STALLED = Reply(body=b"x" * 1000, then="stall")
DRIPPING = Reply(body=b"x" * 1000, then="drip")

Rule = Callable[[Request], Reply | None]


def refuses(bad: Callable[[Record], bool], status: int = 400, words: str = "field n: not a number") -> Rule:
    """Takes a batch as a whole or not at all, and does not say which record is at fault."""
    return lambda request: Reply(status, words.encode()) if any(map(bad, request.records)) else None


def limits(most: int) -> Rule:
    return lambda request: Reply(413, b"too much") if request.size > most else None


def wants(authorization: str) -> Rule:
    return lambda request: (
        None if request.headers.get("authorization") == authorization else Reply(401, b"who are you?")
    )


class Server:
    """``script``: replies to the next requests, whatever they are; then the first of ``rules`` that has one."""

    def __init__(self, *, key: str = "n", context: ssl.SSLContext | None = None) -> None:
        self.script: deque[Reply] = deque()
        self.rules: list[Rule] = []
        self.requests: list[Request] = []
        self.connections = 0
        self.stored: Counter[Any] = Counter()  # how often each record was stored, by its key
        self.release = threading.Event()  # what stalls goes on
        self.port = 0
        self._key, self._context = key, context
        self._lock = threading.Lock()
        self._server: _Listener | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.port}/in"

    def start(self) -> None:
        """Also again, after ``stop``, on the same port."""
        self._server = _Listener(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        if self._context is not None:
            self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """The port is closed, and each connection with it."""
        if self._server is None:
            return
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.cut_all()
        self._server.server_close()
        self._server = None

    def cut_connections(self) -> None:
        assert self._server is not None
        self._server.cut_all()

    def reply(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            if self.script:
                return self.script.popleft()
        replies = (rule(request) for rule in self.rules)
        return next((reply for reply in replies if reply is not None), Reply())

    def store(self, records: list[Record]) -> None:
        with self._lock:
            self.stored.update(record.get(self._key) for record in records)


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], owner: Server) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.owner.connections += 1
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut_all(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is gone
                self._open.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error; what else happens fails the test that waits for an answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, len(body), _records(body, headers))
        owner = self.server.owner
        reply = owner.reply(request)
        if reply.store if reply.store is not None else 200 <= reply.status < 300:
            owner.store(request.records)
        self.close_connection = reply.then not in ("answer", "drip")
        if reply.then == "lose":
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.then in ("answer", "close"):
            self.wfile.write(reply.body)
        else:
            self.wfile.write(reply.body[: len(reply.body) // 2])
        if reply.then == "stall":
            owner.release.wait()
        elif reply.then == "drip":  # never as long between two bytes as a client's timeout for one read
            for byte in reply.body[len(reply.body) // 2 :]:
                if owner.release.wait(0.02):
                    break
                self.wfile.write(bytes([byte]))

    do_PUT = do_PATCH = do_POST  # noqa: N815


def _records(body: bytes, headers: dict[str, str]) -> list[Record]:
    encoding = headers.get("content-encoding")
    if encoding == "gzip":
        body = gzip.decompress(body)
    elif encoding == "zstd":
        body = zstandard.ZstdDecompressor().decompress(body)
    if headers["content-type"] == "application/x-ndjson":
        assert body.endswith(b"\n")
        return [json.loads(line) for line in body.splitlines()]
    records = json.loads(body)
    assert isinstance(records, list)
    return records
