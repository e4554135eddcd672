"""The status server: HTTP on `[status] listen` and on the socket in the state, the same answers on both.

On TCP, what shows text of events and what changes something needs the token, and a browser that was sent here by
another site is refused. The socket may be used by whoever may open it: the daemon's own user.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import select
import socket
import socketserver
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from tailrace.pipeline import disk
from tailrace.pipeline.errors import StateError, TailraceError
from tailrace.pipeline.status.api import Answer, Api, RefusedError, failed
from tailrace.pipeline.status.assets import ASSETS, asset
from tailrace.pipeline.status.client import SOCKET_NAME, at
from tailrace.pipeline.status.requests import BusyError

TOKEN_NAME = "token"  # noqa: S105  the file's name
MOST_CONNECTIONS = 64
IDLE = 60.0  # seconds without a request after which a connection is closed
LARGEST_BODY = 1 << 20
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


class Server:
    """``start`` and ``close``; between them ``listen`` may be called with another address."""

    def __init__(self, api: Api, state_dir: str, log: Any) -> None:
        self._api, self._directory, self._log = api, state_dir, log
        self._token = ""
        self._socket: _UnixServer | None = None
        self._tcp: _TcpServer | None = None
        self._address: str | None = None

    def start(self, address: str | None) -> None:
        """TailraceError: an address cannot be had."""
        self._token = read_token(self._directory) or self._make_token()
        try:
            self._open_socket()
        except OSError as error:  # commands lose their way in, and the pipeline nothing
            self._log.error(
                "status.failed", address=SOCKET_NAME, why=str(error),
                notice="`tailrace status` and what else speaks to a running daemon will not find it",
            )  # fmt: skip
        self.listen(address)

    def listen(self, address: str | None) -> None:
        """Instead of the address before. TailraceError: it cannot be had, and the one before stays."""
        if address == self._address:
            return
        server = None if address is None else _tcp(address, partial(_TcpHandler, self._api, self._token))
        if self._tcp is not None:
            self._tcp.end()
        self._tcp, self._address = server, address
        if server is not None:
            server.begin("status")
            self._log.info(
                "status.listening", url=f"http://{address}/", token=os.path.join(self._directory, TOKEN_NAME)
            )

    def close(self) -> None:
        for server in (self._tcp, self._socket):
            if server is not None:
                server.end()
        self._tcp = self._socket = None
        with contextlib.suppress(OSError):
            disk.unlink(os.path.join(self._directory, SOCKET_NAME))

    def _open_socket(self) -> None:
        path = os.path.join(self._directory, SOCKET_NAME)
        if os.path.lexists(path):
            disk.unlink(path)  # of a daemon that was killed: this one has the lock
        before = os.umask(0o177)
        try:
            with at(self._directory) as name:
                self._socket = _UnixServer(name, partial(_SocketHandler, self._api, ""))
        finally:
            os.umask(before)
        self._socket.begin("control")

    def _make_token(self) -> str:
        token = secrets.token_urlsafe(24)
        path = os.path.join(self._directory, TOKEN_NAME)
        try:
            descriptor, _ = disk.create(path, 0o600)
            try:
                disk.truncate(descriptor, 0, path)
                disk.write(descriptor, memoryview(f"{token}\n".encode()), 0, path)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StateError(f"{path}: cannot be written: {error.strerror}") from error
        return token


def read_token(directory: str) -> str:
    """What the page asks for; empty: there is none, or this user may not read it."""
    try:
        with open(os.path.join(directory, TOKEN_NAME), encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


class _Bounded(socketserver.ThreadingMixIn):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)  # type: ignore[attr-defined]  # of the server that it is mixed into

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone, or sends nonsense: nothing that the log should be filled with."""

    def begin(self, name: str) -> None:
        serve: Callable[..., None] = self.serve_forever  # type: ignore[attr-defined]  # likewise
        threading.Thread(target=serve, args=(0.5,), name=name, daemon=True).start()

    def end(self) -> None:
        self.shutdown()  # type: ignore[attr-defined]  # likewise
        self.server_close()


class _TcpServer(_Bounded, ThreadingHTTPServer):
    allow_reuse_address = True


class _TcpServer6(_TcpServer):
    address_family = socket.AF_INET6


class _UnixServer(_Bounded, socketserver.UnixStreamServer):
    pass


def _tcp(address: str, handler: Callable[..., BaseHTTPRequestHandler]) -> _TcpServer:
    host, _, port = address.rpartition(":")
    kind = _TcpServer6 if host.startswith("[") else _TcpServer
    try:
        return kind((host.strip("[]"), int(port)), handler)
    except (OSError, OverflowError) as error:
        raise TailraceError(
            f"[status] listen: {address} cannot be listened on: {error}; another program may have that port"
        ) from error


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a request costs 44 ms
    wbufsize = 65536
    timeout = IDLE
    server_version, sys_version = "tailrace", ""

    def __init__(self, api: Api, token: str, *arguments: Any) -> None:
        self._api, self._token = api, token
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self._answer(self._get)

    do_HEAD = do_GET  # noqa: N815  the base class looks for these names

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, handle: Callable[[str, dict[str, str]], Answer]) -> None:
        address = urlsplit(self.path)
        try:
            self._check_sender()
            answer = handle(address.path, dict(parse_qsl(address.query)))
        except RefusedError as error:
            answer = Answer(orjson.dumps({"error": str(error)}), error.status)
        except BusyError as error:
            answer = Answer(orjson.dumps({"error": str(error)}), 503)
        except TailraceError as error:
            answer = failed(error)
        self._send(answer)

    def _get(self, path: str, query: dict[str, str]) -> Answer:
        api = self._api
        free = {
            "/metrics": api.metrics, "/health": api.health, "/ready": api.ready, "/api/status": api.status,
            "/api/history": api.history,
        }  # fmt: skip
        if path in free:
            return free[path](query)
        if path.startswith("/api/redrive/"):
            return api.redrive_progress(query, path.removeprefix("/api/redrive/"))
        guarded = {"/api/dead_letters": api.list_letters, "/api/tap": api.tap}
        if path in guarded:
            self._check_token()
            return guarded[path](query)
        if path in ASSETS:
            return asset(path)
        raise RefusedError(404, "there is nothing at this address")

    def _post(self, path: str, _query: dict[str, str]) -> Answer:
        api = self._api
        actions = {
            "/api/dead_letters/redrive": api.redrive, "/api/dead_letters/drop": api.drop, "/api/reload": api.reload,
            "/api/state/forget": api.forget, "/api/state/move": api.move,
        }  # fmt: skip
        body = self._body()
        if path not in actions:
            raise RefusedError(404, "there is nothing at this address")
        self._check_token()
        return actions[path](body)

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > LARGEST_BODY:
            self.close_connection = True
            raise RefusedError(413, f"expected a body of at most {LARGEST_BODY:,} bytes")
        data = self.rfile.read(int(length))
        if self.headers.get_content_type() != "application/json":
            raise RefusedError(415, "expected Content-Type: application/json")
        try:
            body = json.loads(data or b"{}")
        except ValueError as error:
            raise RefusedError(400, f"the body is no JSON: {error}") from error
        if not isinstance(body, dict):
            raise RefusedError(400, "expected a JSON object")
        return body

    def _check_sender(self) -> None:
        """RefusedError: a browser that another site has sent here."""

    def _check_token(self) -> None:
        """RefusedError, without it."""

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        if answer.stream is not None:
            self._send_stream(answer)
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _send_stream(self, answer: Answer) -> None:
        assert answer.stream is not None
        self.close_connection = True
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        try:
            for part in answer.stream:
                if not part:
                    if self._has_gone():
                        break
                    continue
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        finally:
            close = getattr(answer.stream, "close", None)
            if close is not None:
                close()

    def _has_gone(self) -> bool:
        """The other side has closed the connection; it has nothing more to say."""
        watch = select.poll()
        watch.register(self.connection, select.POLLIN)
        return bool(watch.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)

    def log_message(self, *_: Any) -> None:
        """Not each request: the log is about the pipeline."""


class _SocketHandler(_Handler):
    disable_nagle_algorithm = False  # there is none

    def address_string(self) -> str:
        return "control"


class _TcpHandler(_Handler):
    def _check_sender(self) -> None:
        host = self.headers.get("Host", "")
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        address: Any = self.server.server_address
        if address[0] in ("127.0.0.1", "::1") and name.lower() not in LOOPBACK:
            raise RefusedError(403, "the name in the address is not this machine's: expected localhost or 127.0.0.1")
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise RefusedError(403, "a page of another site may not ask here")
        if self.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none") and (
            self.command == "POST" or self.path.startswith("/api/")
        ):
            raise RefusedError(403, "a page of another site may not ask here")

    def _check_token(self) -> None:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token.encode()):
            raise RefusedError(
                401, "this needs the token: Authorization: Bearer, with the text of the file `token` in the state "
                "directory; `tailrace status` prints the page's address with it",
            )  # fmt: skip
