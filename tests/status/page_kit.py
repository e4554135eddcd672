"""A stand-in for the status server: serves the page's files and canned answers, as the page meets them in life.

``python -m tests.status.page_kit`` serves one of them for a look in a browser.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from .page_answers import CANNED, HOSTILE, KIB, MIB, NIGHT, Json, healthy, letters_of

ASSETS = Path(__file__).parents[2] / "pipeline" / "status" / "assets"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".txt": "text/plain"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TOKEN = "a-token+of/tests="  # noqa: S105  # of nothing real


def letter(number: int, stage: str, error: str) -> Json:
    return {
        "id": number,
        "time": NIGHT - number,
        "stage": stage,
        "error": error,
        "why": "expected a comma or the end of the object (byte 41)",
        "attempts": 1,
        "file": "app.log",
        "path": "/var/log/shop/app.log",
        "offset": 17_000 + number * 91,
        "length": 90,
        "event_id": f"k3x9q2ab-4:{17_000 + number * 91}",
        "line": f'{{"level": "info", "order": {number}, "note": "{HOSTILE}"',
        "cut": number % 2 == 0,
        "sink": None,
    }


def past(points: int = 720) -> Json:
    """An hour with a hole, as after a sleep of the machine, and waves."""
    times = [NIGHT - (points - n) * 5.0 - (300 if n < points // 3 else 0) for n in range(points)]
    waves = [1 + 0.3 * math.sin(n / 40) + 0.08 * math.sin(n * 1.7) for n in range(points)]

    def scaled(value: float) -> list[float]:
        return [value * wave for wave in waves]

    quiet = [None if n % 240 > 225 else wave for n, wave in enumerate(waves)]
    return {
        "interval": 5.0,
        "times": times,
        "lines": scaled(18_000),
        "bytes": scaled(4e6),
        "written": scaled(35_000),
        "dead_letters": scaled(2),
        "lag_bytes": scaled(900 * KIB),
        "lag_seconds": scaled(0.4),
        "pending_bytes": scaled(600 * KIB),
        "latency_p50": [None if wave is None else wave * 0.4 for wave in quiet],
        "latency_p99": [None if wave is None else wave * 1.1 for wave in quiet],
        "memory_bytes": scaled(400 * MIB),
        "memory_ceiling": 704 * MIB,
    }


@dataclass
class Post:
    path: str
    token: str | None
    body: Json


@dataclass
class StatusServer:
    """Serves ``status`` and ``history``, which a test may change; ``posts`` are what was asked of it."""

    status: Json = field(default_factory=healthy)
    history: Json = field(default_factory=past)
    posts: list[Post] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # paths
    lost: bool = False  # answers nothing
    moving: bool = True  # `now` goes on, as with a daemon that lives
    _began: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    @property
    def url_with_token(self) -> str:
        return f"{self.url}#token={TOKEN}"

    def reset(self, status: Json) -> None:
        """For the next test of a module."""
        self.status, self.lost, self.moving, self._began = status, False, True, time.monotonic()
        self.posts.clear()
        self.asked.clear()

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Json]:
        if path == "/api/status":
            status = copy.deepcopy(self.status)
            if self.moving:
                status["now"] += time.monotonic() - self._began
                status["rates"]["lines"] *= 1 + 0.02 * math.sin(time.monotonic() * 3)
            return 200, status
        if path == "/api/history":
            return 200, self.history
        if path == "/api/dead_letters":
            first = int(query.get("before", "1000"))
            numbers = range(first - 1, first - 1 - int(query["limit"]), -1)
            stage, error = query.get("stage", ""), query.get("error", "")
            count = sum(group["count"] for group in self._groups({"stage": stage, "error": error}))
            if not self._groups({"stage": stage}):
                count = 1_237  # of a name that no address can hold
            return 200, {"count": count, "letters": [letter(n, stage, error) for n in numbers if count]}
        return 404, {"error": "there is no such path"}

    def _groups(self, wanted: Json) -> list[Json]:
        return [group for group in self.status["dead_letters"]["groups"] if wanted.items() <= group.items()]

    def act(self, post: Post) -> tuple[int, Json]:
        """A re-drive begins and is half done; dropping ends the group."""
        groups = self._groups({name: value for name, value in post.body.items() if name != "until"})
        total = sum(g["count"] for g in groups)
        if post.path.endswith("/redrive"):
            progress = {
                "number": 1,
                "total": total - 3,
                "done": total // 2,
                "written": total // 2 - 2,
                "failed": 2,
                "skipped": 3,
            }
            self.status["redrive"] = progress | {"running": True}
            return 202, {"number": 1, "total": total - 3, "skipped": 3}
        rest = [g for g in self.status["dead_letters"]["groups"] if g not in groups]
        self.status["dead_letters"] = letters_of(*rest)
        return 200, {"dropped": total}


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, stand_in: StatusServer, *args: Any) -> None:
        self.stand_in = stand_in
        super().__init__(*args)

    def do_GET(self) -> None:  # http.server's name
        url = urlsplit(self.path)
        self.stand_in.asked.append(url.path)
        if self.stand_in.lost:
            self.close_connection = True
        elif url.path.startswith("/api/"):
            if url.path == "/api/dead_letters" and self._token() != TOKEN:
                self._send(401, "application/json", b'{"error": "this needs the token"}')
            else:
                self._json(*self.stand_in.answer(url.path, dict(parse_qsl(url.query))))
        else:
            path = ASSETS / (url.path.removeprefix("/") or "index.html")
            if path.parent == ASSETS and path.is_file():
                self._send(200, f"{KINDS[path.suffix]}; charset=utf-8", path.read_bytes())
            else:
                self._json(404, {"error": "there is no such path"})

    def do_POST(self) -> None:  # http.server's name
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        post = Post(self.path, self._token(), body)
        self.stand_in.posts.append(post)
        if post.token != TOKEN or self.headers["Content-Type"] != "application/json":
            self._json(401, {"error": "this needs the token"})
        else:
            self._json(*self.stand_in.act(post))

    def _token(self) -> str | None:
        return (self.headers["Authorization"] or "").removeprefix("Bearer ") or None

    def _json(self, status: int, value: Json) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    with StatusServer(CANNED[sys.argv[1] if len(sys.argv) > 1 else "healthy"]()) as served:
        print(served.url_with_token)
        threading.Event().wait()
