"""A stand-in for a daemon's status server on the socket in its state directory: canned answers."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tailrace.pipeline.status.client import SOCKET_NAME

from .answers import CANNED, past

Json = dict[str, Any]


@dataclass
class Control:
    """``with`` it: it answers what stands in it, which may change meanwhile; ``asked`` is what was asked of it."""

    directory: Path
    status: Json
    history: Json = field(default_factory=dict)
    tap: Callable[[dict[str, str]], Iterable[Json | None]] = lambda _: ()  # BrokenPipeError: it is broken off
    refused: str = ""  # what it says to a tap instead, with 400
    hangs: bool = False  # it says nothing
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.directory.mkdir(exist_ok=True)
        path = self.directory / SOCKET_NAME
        path.unlink(missing_ok=True)
        self._server = _Server(os.fspath(path), type("Handler", (_Handler,), {"answers": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        (self.directory / SOCKET_NAME).unlink()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    answers: Control
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        self.answers.asked.append((address.path, query))
        if self.answers.hangs:
            self.rfile.read(1)  # until the one who asked has gone
            self.close_connection = True
            return
        if address.path == "/api/tap":
            self._tap(query)
            return
        found = {"/api/status": self.answers.status, "/api/history": self.answers.history}.get(address.path)
        self._answer(404 if found is None else 200, {"error": "not found"} if found is None else found)

    def _answer(self, status: int, value: Json) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _tap(self, query: dict[str, str]) -> None:
        if self.answers.refused:
            self._answer(400, {"error": self.answers.refused})
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        with suppress(BrokenPipeError):
            for one in self.answers.tap(query):
                line = json.dumps(one).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":  # for a look at the screens: python -m tests.cli.control_stub DIRECTORY NAME
    with Control(Path(sys.argv[1]), CANNED[sys.argv[2]](), past()):
        signal.pause()
