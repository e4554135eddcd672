"""A client for one server, which several threads may use at once: each takes a connection, and puts it back open.

Redirects are not followed and no proxy is asked, so what is sent, credentials too, goes to this server and no other.
"""

from __future__ import annotations

import io
import select
import ssl
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import Any
from urllib.parse import parse_qsl

from tailrace.pipeline.errors import Park, Retry
from tailrace.pipeline.escape import escape
from tailrace.pipeline.outgoing import About
from tailrace.stages.http.answers import Answer
from tailrace.stages.http.options import Basic, Bearer, Endpoint, Tls

from tailrace.version import __version__

Body = bytes | bytearray | memoryview

ANSWERS = "http_responses"  # the counter's name
MOST_WORDS = 64 << 10  # bytes of an answer that are read where the sink does not need it
HIDDEN_FROM = 8  # characters: a shorter value of a header or the query is no secret, and innocent words hold it


class Client:
    """``timeout``: seconds for each request as a whole, from connecting to the last byte of the answer."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        auth: Basic | Bearer | None = None,
        headers: Mapping[str, str] | None = None,
        tls: Tls | None = None,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        about: About | None = None,
    ) -> None:
        """``about``: of the sink, for which answers are counted. Park: a file of ``tls`` cannot be used."""
        self._endpoint, self._timeout, self._clock, self._about = endpoint, timeout, clock, about
        self._headers = {"User-Agent": f"tailrace/{__version__}", **(headers or {})}
        query = endpoint.target.partition("?")[2]
        sent = [*(headers or {}).values(), query, *(value for _, value in parse_qsl(query))]
        secrets = [value for value in sent if len(value) >= HIDDEN_FROM]
        if auth is not None:
            self._headers["Authorization"] = auth.header()
            secrets += auth.secrets()
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        tls = tls or Tls()
        self._context = _context(tls) if endpoint.tls else None
        self._server_name = tls.server_name or endpoint.host
        self._idle: list[_Connection] = []  # taking from its end and adding there are safe between threads
        self._closed = False

    def send(
        self,
        method: str,
        body: Body,
        headers: Mapping[str, str],
        *,
        target: str | None = None,
        most: int = MOST_WORDS,
    ) -> Answer:
        """The answer, whatever its status; of its body at most so many bytes. ``target``: path and query, if not those
        of the endpoint. Retry: there is none, and whether the server has taken the body is not known. Park: its
        certificate does not hold."""
        where = f"{method} {self._endpoint.name if target is None else self._name(target)}"
        connection = self._take()
        try:
            connection.deadline = self._clock() + self._timeout
            if connection.sock is None:
                connection.connect()
            response = self._exchange(connection, method, target or self._endpoint.target, body, headers)
            data = _read(response, most)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise Park(f"{where}: the server's certificate does not hold: {error.verify_message}") from error
        except TimeoutError as error:
            connection.close()
            raise Retry(f"{where}: no whole answer within {self._timeout:g} s") from error
        except OSError as error:
            connection.close()
            raise Retry(f"{where}: {self._hide(escape(error.strerror or str(error)))}") from error
        except HTTPException as error:
            connection.close()
            raise Retry(f"{where}: the answer is cut or broken ({type(error).__name__})") from error
        except BaseException:
            connection.close()
            raise
        if response.isclosed() and not response.will_close and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()
        if self._about is not None:
            self._about.count(ANSWERS, status=str(response.status))
        fields = {name.lower(): value for name, value in response.headers.items()}
        return Answer(where, response.status, response.reason, fields, data, self._hide)

    def close(self) -> None:
        """Idle connections at once, those in use after their answer."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_alive():
                return connection
            connection.close()
        return _Connection(self._endpoint, self._context, self._server_name, self._clock)

    def _exchange(
        self, connection: _Connection, method: str, target: str, body: Body, headers: Mapping[str, str]
    ) -> HTTPResponse:
        try:
            connection.request(method, target, body, {**self._headers, **headers})
        except ConnectionError as broken:  # it may have answered before it read everything, as with 413
            try:
                return connection.getresponse()
            except (OSError, HTTPException):
                raise broken from None
        return connection.getresponse()

    def _name(self, target: str) -> str:
        scheme, _, rest = self._endpoint.name.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}{target.partition('?')[0]}"

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _Connection(HTTPConnection):
    """All that happens on it ends at ``deadline``, a time of ``clock``."""

    def __init__(
        self, endpoint: Endpoint, context: ssl.SSLContext | None, server_name: str, clock: Callable[[], float]
    ) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self.default_port = 443 if endpoint.tls else 80  # in the Host header it is left out
        self.deadline = 0.0
        self._context, self._server_name, self._clock = context, server_name, clock

    def left(self) -> float:
        """Seconds until the deadline; TimeoutError."""
        left = self.deadline - self._clock()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def connect(self) -> None:
        self.timeout = self.left()
        super().connect()
        if self._context is not None:
            self.sock.settimeout(self.left())
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self._server_name)
        self.sock = _Socket(self.sock, self)

    def is_alive(self) -> bool:
        """Whether nothing came while it was idle: what comes then is the end, or what belongs to no request."""
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLIN)
        return not poll.poll(0)


class _Socket:
    """As much of a socket as ``http.client`` needs. A socket's own timeout is for each of its calls alone, and a server
    that sends a byte now and then would never meet it."""

    def __init__(self, sock: Any, connection: _Connection) -> None:
        self._sock, self._connection = sock, connection
        self.fileno, self.close = sock.fileno, sock.close

    def sendall(self, data: Body) -> None:
        with memoryview(data).cast("B") as view:
            sent = 0
            while sent < len(view):
                self._sock.settimeout(self._connection.left())
                sent += self._sock.send(view[sent:])

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002  it is always "rb"
        return io.BufferedReader(_Reader(self._sock, self._connection))


class _Reader(io.RawIOBase):
    def __init__(self, sock: Any, connection: _Connection) -> None:
        self._sock, self._connection = sock, connection
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open while an answer is read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._connection.left())
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _read(response: HTTPResponse, most: int) -> bytes:
    data = response.read(most)
    if response.length and len(data) < most:  # which http.client lets pass
        raise IncompleteRead(data, response.length)
    return data


def _context(tls: Tls) -> ssl.SSLContext:
    if tls.verify:
        context = ssl.create_default_context()
        if tls.ca_file:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            _load(tls.ca_file, "ca_file", lambda: context.load_verify_locations(tls.ca_file))
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        own = "cert_file" if not tls.key_file else "cert_file and key_file"
        # A key that wants a password would have one asked for on the terminal: give an empty one, which fails.
        _load(
            tls.cert_file,
            own,
            lambda: context.load_cert_chain(tls.cert_file, tls.key_file or None, password=lambda: ""),
        )
    return context


def _load(path: str, key: str, load: Callable[[], None]) -> None:
    try:
        load()
    except OSError as error:  # SSLError is one
        raise Park(f"tls.{key}: {path} cannot be used: {error.strerror or error}") from error
