"""A real status server on loopback and on a socket, over a state without a daemon; and what speaks to it in bytes."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.letters import Filter, Letters
from tailrace.pipeline.state.store import Commit, State
from tailrace.pipeline.status.api import Api
from tailrace.pipeline.status.client import Client
from tailrace.pipeline.status.server import Server
from tailrace.pipeline.telemetry.board import Board, Description, StageView
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.snapshot import Snapshot

from ..engine.engine_kit import Log

Json = dict[str, Any]
PATIENCE = 20.0  # seconds for an answer


class Lines:
    """What a tap gives: these, and then nothing until it is closed."""

    def __init__(self, lines: list[str]) -> None:
        self.lines, self.closed, self.taken = lines, False, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.taken += 1
        if self.closed:
            raise StopIteration
        return self.lines.pop(0) if self.lines else ""

    def close(self) -> None:
        self.closed = True


@dataclass
class Asked:
    """In place of a daemon: notes what it is asked for."""

    done: list[tuple[str, Any]] = field(default_factory=list)
    fault: Exception | None = None
    tapped: Lines = field(default_factory=lambda: Lines([]))

    def _note(self, what: str, about: Any = None) -> None:
        self.done.append((what, about))
        if self.fault is not None:
            raise self.fault

    def redrive(self, wanted: Filter) -> Json:
        self._note("redrive", wanted)
        return {"number": 1, "total": 2, "skipped": 0, "running": True}

    def redrive_progress(self, number: int | None = None) -> Json | None:
        return {"number": 1, "total": 2, "done": 1, "running": True} if number in (None, 1) else None

    def drop(self, wanted: Filter) -> int:
        self._note("drop", wanted)
        return 2

    def reload(self) -> None:
        self._note("reload")

    def last_reload(self) -> tuple[float, bool] | None:
        return None

    def forget(self, file: str) -> Json:
        self._note("forget", file)
        return {"file": file}

    def move(self, file: str, to: str) -> Json:
        self._note("move", (file, to))
        return {"file": file, "to": to}

    def tap(self, stage: str, when: str, limit: int, interval: float, duration: float | None) -> Lines:
        self._note("tap", (stage, when, limit, interval, duration))
        return self.tapped


def letter(error: str = "bad_json", line: bytes = b"{", time: float = 1.7e9) -> DeadLetter:
    place = ("x-1:0", "a.log", "/logs/a.log", 0, len(line))
    return DeadLetter(time, "parse.json", error, "it is no JSON", 1, *place, line)


def store(home: Path, *letters: DeadLetter) -> str:
    """A state directory with these letters."""
    state = State(str(home / "state"), max_bytes=1 << 20, when_full="block", config="digest")
    state.open()
    state.commit(Commit({}, {}, letters, {}))
    state.close()
    return str(home / "state")


def running(**changes: Any) -> Snapshot:
    counters = Counters()
    counters.add("lines_read", 10)
    usual: Json = {"phase": "running", "when": 1.7e9, "at": 1e12}  # it was made just now
    return Snapshot(counters, **{**usual, **changes})


def board() -> Board:
    made = Board(about=Description(name="test", stages=(StageView("parse", "parse.json", "parse.json"),)))
    made.publish(running())
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Stand:
    """``with`` it: a server that answers; the state's directory is ``directory``."""

    def __init__(self, home: Path, *letters: DeadLetter) -> None:
        self.directory = store(home, *letters)
        self.asked, self.log, self.board = Asked(), Log(), board()
        self.api = Api(self.board, self.asked, Letters(self.directory))
        self.server = Server(self.api, self.directory, self.log)
        self.port = free_port()

    def __enter__(self) -> Stand:
        self.server.start(f"127.0.0.1:{self.port}")
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    @property
    def token(self) -> str:
        return (Path(self.directory) / "token").read_text().strip()

    @property
    def client(self) -> Client:
        return Client(self.directory)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def talk(self, data: bytes) -> bytes:
        """All that comes back until the server closes the connection, or has nothing to say to what was sent."""
        with self.connect() as connection:
            with suppress(OSError):  # it may be closed before it has read all
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            return rest_of(connection)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """``Host`` is right unless it is given; others by their names with _ for -."""
        fields = {"Host": f"127.0.0.1:{self.port}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        if body:
            fields.setdefault("Content-Length", str(len(body)))
        head = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
        (reply,) = replies(self.talk(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body))
        return reply

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Content_Type": "application/json", "Authorization": f"Bearer {self.token}", **headers}
        return self.ask("POST", path, data, **fields)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]  # names in small letters
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert list(self.json) == ["error"]
        return str(self.json["error"])


def rest_of(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def replies(data: bytes) -> list[Reply]:
    """Those with a Content-Length."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
        size = int(headers.get("content-length", "0"))
        found.append(Reply(int(first.split()[1]), headers, data[:size]))
        data = data[size:]
    return found


def refused(call: Callable[[], object]) -> str:
    """The words with which it is."""
    try:
        call()
    except TailraceError as error:
        return str(error)
    raise AssertionError("it was not refused")
