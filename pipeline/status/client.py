"""Speaks to the daemon that has a state directory, over the socket in it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape

SOCKET_NAME = "control"
TIMEOUT = 90.0  # seconds for an answer: some things are done when the run that goes on has ended
PATIENCE = 2.0  # seconds until it is said what is waited for
SOON = 5.0  # where a person waits to see what is so, which needs nothing of the main loop


@contextmanager
def said_after_a_while(say: Callable[[], None]) -> Iterator[None]:
    """``say`` is called, in another thread, if what is inside takes long."""
    hint = threading.Timer(PATIENCE, say)
    hint.daemon = True
    hint.start()
    try:
        yield
    finally:
        hint.cancel()


class NoDaemonError(TailraceError):
    """Nobody listens: no daemon runs with this state."""


class Client:
    """``get`` and ``post`` give what the daemon answers. NoDaemonError: there is none; TailraceError: it refuses, with
    its own words."""

    def __init__(self, state_dir: str, holder: str = "") -> None:
        """``holder``: the process that has the state, if one is known to."""
        self._directory, self._holder = state_dir, holder

    def get(self, path: str, timeout: float = TIMEOUT) -> Any:
        return self._ask("GET", path, None, timeout)

    def post(self, path: str, body: Any) -> Any:
        return self._ask("POST", path, json.dumps(body).encode(), TIMEOUT)

    def lines(self, path: str) -> Iterator[Any]:
        """An answer without end: one JSON value a line, each as soon as it is there; None now and then."""
        connection = _Connection(self._directory, TIMEOUT)  # the daemon says something each second
        try:
            answer = self._request(connection, "GET", path, None)
            while line := answer.readline():
                yield json.loads(line) if line.strip() else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TailraceError(f"the daemon has gone: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def _ask(self, method: str, path: str, body: bytes | None, timeout: float) -> Any:
        connection = _Connection(self._directory, timeout)
        try:
            answer = self._request(connection, method, path, body)
            return json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = str(error) or type(error).__name__
            raise TailraceError(f"{escape(self._directory)}: the daemon does not answer: {why}") from error
        finally:
            connection.close()

    def _request(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None
    ) -> http.client.HTTPResponse:
        try:
            connection.connect()
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            why = "no tailrace is running with this state"
            if self._holder:
                why = (
                    f"a tailrace has this state (process {self._holder}) and does not answer: it starts or ends just "
                    "now, or is an older release. Try again; or stop it first: without one, this works on the state "
                    "itself"
                )
            raise NoDaemonError(f"{escape(self._directory)}: {why}") from error
        except PermissionError as error:
            from tailrace.pipeline.state.file import forbidden

            raise TailraceError(forbidden(self._directory)) from error
        connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
        answer = connection.getresponse()
        if answer.status >= 400:
            raise TailraceError(_words(answer))
        return answer


class _Connection(http.client.HTTPConnection):
    def __init__(self, directory: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._directory = directory

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with at(self._directory) as name:
            self.sock.connect(name)


class at:  # noqa: N801  it reads as a preposition
    """The socket's address in this directory, which may be longer than such an address can be."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def __enter__(self) -> str:
        path = os.path.join(self._directory, SOCKET_NAME)
        self._descriptor = -1
        if len(os.fsencode(path)) < 100:
            return path
        self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._descriptor}/{SOCKET_NAME}"

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _words(answer: http.client.HTTPResponse) -> str:
    body = answer.read()
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the daemon answers {answer.status} {answer.reason}"
