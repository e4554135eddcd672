"""The status server: HTTP on `[status] listen` and on the socket in the state, the same answers on both.

The socket may be used by whoever may open it: the daemon's own user.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from time import sleep
from typing import Any

from tailrace.pipeline import disk
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status.access import TOKEN_NAME, token_of
from tailrace.pipeline.status.api import Api
from tailrace.pipeline.status.client import SOCKET_NAME, at
from tailrace.pipeline.status.handler import Handler, TcpHandler

MOST_CONNECTIONS = 32  # for which there are descriptors
NO_MORE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
BREATH = 0.2  # seconds until a connection is taken again for which there was no descriptor
_HINTS = {
    errno.EADDRINUSE: "; another program has that port",
    errno.EACCES: "; ports below 1024 are for root",
    errno.EADDRNOTAVAIL: "; this machine has no such address",
}


class Server:
    """``start`` and ``close``; between them ``listen`` may be called with another address."""

    def __init__(self, api: Api, state_dir: str, log: Any) -> None:
        self._api, self._directory, self._log = api, os.path.realpath(state_dir), log
        self._token = ""
        self._socket: _UnixServer | None = None
        self._tcp: _TcpServer | None = None
        self._address: str | None = None

    def start(self, address: str | None) -> None:
        """TailraceError: an address cannot be had."""
        self._token = token_of(self._directory)
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
        before = self._address
        if address is not None and before is not None and _port(address) == _port(before):
            self._leave()  # both cannot be had at a time
        try:
            server = None if address is None else _tcp(address, partial(TcpHandler, self._api, self._token, self._log))
        except TailraceError:
            if self._tcp is None and before is not None:
                self.listen(before)
            raise
        self._leave()
        self._tcp, self._address = server, address
        if server is not None:
            server.begin("status")
            token = os.path.join(self._directory, TOKEN_NAME)
            self._log.info("status.listening", url=f"http://{address}/", token=token)

    def _leave(self) -> None:
        if self._tcp is not None:
            self._tcp.end()
        self._tcp = self._address = None

    def close(self) -> None:
        self._leave()
        if self._socket is not None:
            self._socket.end()
            self._socket = None
            with contextlib.suppress(OSError):
                disk.unlink(os.path.join(self._directory, SOCKET_NAME))

    def _open_socket(self) -> None:
        path = os.path.join(self._directory, SOCKET_NAME)
        if os.path.lexists(path):
            disk.unlink(path)  # of a daemon that was killed: this one has the lock
        before = os.umask(0o177)
        try:
            with at(self._directory) as name:
                self._socket = _UnixServer(name, partial(Handler, self._api, "", self._log))
        finally:
            os.umask(before)
        self._socket.begin("control")


class Bounded(socketserver.ThreadingMixIn):
    """A thread a connection, and so many at most: where one more comes, the one goes that has waited longest for a
    request of its client."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256  # clients that wait to be taken
    look = 0.5  # seconds until it sees that it is to end, where nothing wakes it

    def __init__(self, *arguments: Any) -> None:
        self._lock = threading.Lock()
        self._idle: dict[Any, None] = {}  # those of whose client the next word is to come, the longest first
        self._at_work: set[Any] = set()
        super().__init__(*arguments)

    def get_request(self) -> Any:
        try:
            return super().get_request()  # type: ignore[misc]  # of the server that it is mixed into
        except OSError as error:
            if error.errno in NO_MORE:
                sleep(BREATH)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            full = len(self._idle) + len(self._at_work) >= MOST_CONNECTIONS
            oldest = next(iter(self._idle), None) if full else None
            if oldest is not None:
                del self._idle[oldest]
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # its thread sees the end, and ends
            if not full or oldest is not None:
                self._idle[request] = None
        if full and oldest is None:
            self.shutdown_request(request)  # type: ignore[attr-defined]  # likewise
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # there can be no more threads
            self._forget(request)
            self.shutdown_request(request)  # type: ignore[attr-defined]  # likewise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    @contextlib.contextmanager
    def at_work(self, request: Any) -> Iterator[None]:
        """While a request is worked on: it does not make room for another."""
        with self._lock:
            self._idle.pop(request, None)
            self._at_work.add(request)
        try:
            yield
        finally:
            with self._lock:
                self._at_work.discard(request)
                self._idle[request] = None

    def _forget(self, request: Any) -> None:
        with self._lock:
            self._idle.pop(request, None)
            self._at_work.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone: nothing that the log should be filled with."""

    def begin(self, name: str) -> None:
        serve: Callable[..., None] = self.serve_forever  # type: ignore[attr-defined]  # likewise
        threading.Thread(target=serve, args=(self.look,), name=name, daemon=True).start()

    def end(self) -> None:
        with contextlib.suppress(OSError):  # on Linux this wakes it, so that nobody waits until it looks again
            self.socket.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]  # likewise
        self.shutdown()  # type: ignore[attr-defined]  # likewise
        self.server_close()


class _TcpServer(Bounded, socketserver.TCPServer):
    allow_reuse_address = True


class _TcpServer6(_TcpServer):
    address_family = socket.AF_INET6


class _UnixServer(Bounded, socketserver.UnixStreamServer):
    pass


def _tcp(address: str, handler: Callable[..., BaseHTTPRequestHandler]) -> _TcpServer:
    host, _, port = address.rpartition(":")
    kind = _TcpServer6 if host.startswith("[") else _TcpServer
    try:
        return kind((host.strip("[]"), int(port)), handler)
    except (OSError, OverflowError, TypeError) as error:  # the last: of a name that none can have
        hint = _HINTS.get(error.errno or 0, "") if isinstance(error, OSError) else ""
        raise TailraceError(f"[status] listen: {address} cannot be listened on: {error}{hint}") from error


def try_address(address: str, *, in_use: bool) -> None:
    """TailraceError: it cannot be listened on. ``in_use``: a daemon of ours may have the port now."""
    host, _, _ = address.rpartition(":")
    _tcp(f"{host}:0" if in_use else address, BaseHTTPRequestHandler).server_close()


def _port(address: str) -> str:
    return address.rpartition(":")[2]
