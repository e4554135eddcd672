"""One connection of the status server: what a request asks for, who may ask, and what comes back.

Over TCP, what shows text of events and what changes something needs the token, and a browser that was sent here by
another site is refused.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status.access import is_loopback, why_refused
from tailrace.pipeline.status.api import Answer, Api, RefusedError, failed, said
from tailrace.pipeline.status.assets import ASSETS, asset
from tailrace.pipeline.status.requests import BusyError

IDLE = 60.0  # seconds that a connection may say, or take, nothing
LARGEST_BODY = 1 << 20
DRAINED = 1 << 16  # bytes of a body that nobody wants, beyond which the connection is closed
MOST_FIELDS = 50  # of a query
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_BY_STATUS = {401: ("WWW-Authenticate", "Bearer"), 405: ("Allow", "GET, HEAD, POST")}
Ask = Callable[[], Answer]


class Handler(BaseHTTPRequestHandler):
    """Over the socket: whoever may open it may do everything."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    timeout = IDLE
    server_version, sys_version = "tailrace", ""
    server: Any  # see ``server.Bounded``

    def __init__(self, api: Api, token: str, log: Any, *arguments: Any) -> None:
        self._api, self._token, self._log = api, token, log
        super().__init__(*arguments)

    # The methods, under the names that the base class looks for.

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_OPTIONS(self) -> None:
        self._answer(self._refuse_method)

    do_HEAD = do_GET  # noqa: N815
    do_PUT = do_DELETE = do_PATCH = do_OPTIONS  # noqa: N815

    def _answer(self, ask: Callable[[str, dict[str, str]], Ask]) -> None:
        self._unread = self._declared()  # bytes of the body; None: nobody knows how many
        answer = self._found(ask)
        if self._unread is None or self._unread > DRAINED:
            self.close_connection = True
        else:
            self.rfile.read(self._unread)  # else it would be taken for the next request
        if answer.stream is None:
            self._send(answer)
            return
        try:
            with self.server.at_work(self.connection):
                self._send(answer)
        finally:
            answer.close()

    def _declared(self) -> int | None:
        lengths = self.headers.get_all("Content-Length", ["0"])
        text = lengths[0].strip()
        known = len(lengths) == 1 and len(text) < 16 and text.isascii() and text.isdigit()
        return int(text) if known and "Transfer-Encoding" not in self.headers else None

    def _found(self, ask: Callable[[str, dict[str, str]], Ask]) -> Answer:
        try:
            try:
                address = urlsplit(self.path)
                query = dict(parse_qsl(address.query, max_num_fields=MOST_FIELDS))
            except ValueError as error:
                raise RefusedError(400, f"the address cannot be understood: {error}") from error
            self._check_sender(address.path)
            call = ask(address.path, query)
            with self.server.at_work(self.connection):
                return call()
        except RefusedError as error:
            return said(error.status, str(error))
        except BusyError as error:
            return said(503, str(error))
        except TailraceError as error:
            return failed(error)
        except Exception as error:  # a fault of ours: it is not to go down with the thread
            self._log.error("status.fault", request=self.requestline[:200], exc_info=error)
            return said(500, "this is a fault of tailrace: its log has the details")

    def _get(self, path: str, query: dict[str, str]) -> Ask:
        api = self._api
        free = {
            "/metrics": api.metrics, "/health": api.health, "/ready": api.ready, "/api/status": api.status,
            "/api/history": api.history,
        }  # fmt: skip
        if path in free:
            return partial(free[path], query)
        if path.startswith("/api/redrive/"):
            return partial(api.redrive_progress, query, path.removeprefix("/api/redrive/"))
        guarded = {"/api/dead_letters": api.list_letters, "/api/tap": api.tap}
        if path in guarded:
            self._check_token()
            return partial(guarded[path], query)
        if path in ASSETS:
            return partial(asset, path)
        raise RefusedError(404, "there is nothing at this address")

    def _post(self, path: str, _query: dict[str, str]) -> Ask:
        api = self._api
        actions = {
            "/api/dead_letters/redrive": api.redrive, "/api/dead_letters/drop": api.drop, "/api/reload": api.reload,
            "/api/state/forget": api.forget, "/api/state/move": api.move,
        }  # fmt: skip
        if path not in actions:
            self._get(path, {})  # refuses what is at no address
            raise RefusedError(405, "expected GET")
        self._check_token()
        return partial(actions[path], self._body())

    def _refuse_method(self, _path: str, _query: dict[str, str]) -> Ask:
        raise RefusedError(405, "expected GET, HEAD or POST")

    def _body(self) -> dict[str, Any]:
        length = self._unread
        if length is None:
            raise RefusedError(411, "expected a body of a known length: one Content-Length, and no Transfer-Encoding")
        if length > LARGEST_BODY:
            raise RefusedError(413, f"expected a body of at most {LARGEST_BODY:,} bytes")
        self._unread = 0
        try:
            data = self.rfile.read(length)
        except OSError:
            data = b""
        if len(data) < length:
            self.close_connection = True
            raise RefusedError(400, "the body did not come")
        if self.headers.get_content_type() != "application/json":
            raise RefusedError(415, "expected Content-Type: application/json")
        try:
            body = json.loads(data or b"{}")
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, f"the body is no JSON: {error}") from error
        if not isinstance(body, dict):
            raise RefusedError(400, "expected a JSON object")
        return body

    def _check_sender(self, path: str) -> None:
        """RefusedError: a browser that another site has sent here."""

    def _check_token(self) -> None:
        """RefusedError, without it."""

    # What goes back.

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Of what is no request that could be understood."""
        self.close_connection, self.request_version = True, self.protocol_version
        self._send(said(code, message or "this request cannot be understood"))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if answer.status in _BY_STATUS:
            self.send_header(*_BY_STATUS[answer.status])
        if answer.stream is not None:
            self._send_stream(answer)
            return
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _send_stream(self, answer: Answer) -> None:
        chunked = self.request_version == "HTTP/1.1"
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        if self.command == "HEAD":
            return
        for part in answer.stream or ():
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            self.wfile.flush()
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Not each request: the log is about the pipeline."""

    def address_string(self) -> str:
        return "control"


class TcpHandler(Handler):
    disable_nagle_algorithm = True  # else a request costs 44 ms

    def _check_sender(self, path: str) -> None:
        why = why_refused(
            self.headers.get_all("Host", []),
            self.headers.get("Origin"),
            self.headers.get("Sec-Fetch-Site"),
            loopback=is_loopback(self.connection.getsockname()[0]),
            shown_anywhere=self.command != "POST" and not path.startswith("/api/"),
        )
        if why:
            raise RefusedError(403, why)

    def _check_token(self) -> None:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token.encode()):
            raise RefusedError(
                401, "this needs the token: Authorization: Bearer, with the text of the file `token` in the state "
                "directory; `tailrace status --page` prints the page's address with it",
            )  # fmt: skip
