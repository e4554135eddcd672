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
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
ASSETS = Path(__file__).parents[2] / "pipeline" / "status" / "assets"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".txt": "text/plain"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TOKEN = "a-token+of/tests="  # noqa: S105  # of nothing real
NIGHT = datetime(2026, 11, 26, 2, 26, 30, tzinfo=UTC).timestamp()  # now, in all canned answers
MINUTE, KIB, MIB, GIB = 60, 1 << 10, 1 << 20, 1 << 30
HOSTILE = '<script>document.title="taken"</script><img src=x onerror=alert(1)>\u202egnp.exe\u2066\x1b[31m\ud800 "\'&'


def step(kind: str, label: str, rate: float, **more: Any) -> Json:
    return {
        "id": f"{kind if kind == 'sink' else 'stage'}:{more.pop('name', label)}",
        "kind": kind,
        "label": label,
        "use": label,
        "only": [],
        "when": None,
        "in_rate": rate,
        "out_rate": rate,
        "error_rate": 0.0,
        "busy": 0.12,
    } | more


def stage(label: str, role: str, **more: Any) -> Json:
    return {
        "label": label,
        "use": label,
        "role": role,
        "received": 41_222_017,
        "sent": 41_222_017,
        "failed": 0,
        "filtered": 0,
        "seconds": 311.4,
        "share": 0.11,
        "rate": 18_240.0,
    } | more


def sink(name: str, label: str, **more: Any) -> Json:
    return {
        "id": name,
        "label": label,
        "use": label,
        "guarantee": "exactly once",
        "written": 40_910_554,
        "failed": 0,
        "retries": 0,
        "rate": 17_911.0,
        "up": True,
        "since": None,
        "down_seconds": 0.0,
        "why": "",
        "waiting": 1,
        "lag_bytes": 21 * KIB,
    } | more


def down(minutes: float, why: str) -> Json:
    """What is different in a sink that is down."""
    seconds = minutes * MINUTE
    since = NIGHT - seconds
    return {"up": False, "since": since, "down_seconds": seconds, "why": why, "rate": 0.0, "retries": 37, "waiting": 5}


def file(path: str, lag: int, seconds: float, **more: Any) -> Json:
    size = more.pop("size", 812 * MIB)
    pending = min(lag, 64 * KIB)
    balance = {"seen": size, "acknowledged": size - lag, "dead_lettered": 0, "skipped": {}, "lost": {}, "pending": lag}
    return {
        "path": path,
        "name": path.rsplit("/", 1)[-1],
        "stream": 1,
        "offset": size - lag,
        "size": size,
        "lag_bytes": lag,
        "lag_seconds": seconds,
        "pending_bytes": pending,
        "state": "reading" if lag else "quiet",
        "why": "",
        "balance": balance,
    } | more


def group(stage: str, error: str, count: int, minutes: float = 11) -> Json:
    last = NIGHT - 14
    return {
        "stage": stage,
        "error": error,
        "count": count,
        "bytes": count * 412,
        "first": last - minutes * 60,
        "last": last,
    }


def letters_of(*groups: Json) -> Json:
    sums = {"count": sum(g["count"] for g in groups), "bytes": sum(g["bytes"] for g in groups)}
    return sums | {"max_bytes": 256 * MIB, "when_full": "block", "full": False, "groups": list(groups)}


def healthy() -> Json:
    worker = {"state": "working", "file": "access.log", "seconds": 0.021, "batches": 40_112, "lines": 20_611_008}
    workers = [
        worker | {"pid": 4712, "batch": 80_223, "busy": 0.47},
        worker | {"pid": 4713, "batch": 80_224, "busy": 0.44},
    ]
    workers.append(
        {
            "pid": 4714,
            "state": "idle",
            "batch": None,
            "file": None,
            "seconds": 0.0,
            "batches": 39_871,
            "lines": 1,
            "busy": 0.41,
        }
    )
    batches = [
        {
            "batch": 80_000 + n,
            "worker": 4712 + n % 2,
            "file": "/var/log/nginx/access.log",
            "position": n * MIB,
            "end_position": (n + 1) * MIB,
            "start": NIGHT - 500 + n * 20,
            "end": NIGHT - 500 + n * 20 + 0.4 / (n + 1),
            "seconds": 0.4 / (n + 1),
            "lines": 9_000 + n,
            "dead_letters": 0,
        }
        for n in range(12)
    ]
    return {
        "now": NIGHT,
        "name": "shop",
        "version": "0.1.0",
        "pid": 4711,
        "config": "/etc/tailrace/config.toml",
        "state_dir": "/var/lib/tailrace",
        "started": NIGHT - 6.2 * 3600,
        "state": "running",
        "ready": True,
        "reasons": [],
        "totals": {
            "lines_read": 41_222_017,
            "bytes_read": 9_114_002_113,
            "events_made": 1_204,
            "lines_redriven": 0,
            "written": {"out": 40_910_554, "write.http": 40_910_554},
            "filtered": 312_667,
            "dead_letters": 0,
            "retries": 0,
            "bytes_unread": 0,
            "long_lines": 0,
            "rewinds": 0,
            "worker_restarts": 0,
        },
        "rates": {"lines": 18_240.0, "bytes": 4_210_000.0, "written": 35_822.0, "dead_letters": 0.0},
        "pending": {"lines": 3_411, "bytes": 812 * KIB, "seconds": 0.3},
        "lag": {"bytes": 911 * KIB, "seconds": 0.4},
        "commit": {"count": 44_617, "age": 0.4, "seconds": 0.012},
        "ring": {"slots": 6, "free": 4, "waiting": 0, "working": 2, "through": 0, "bytes": 12 * MIB},
        "memory": {
            "bytes": 412 * MIB,
            "ceiling": 704 * MIB,
            "processes": [{"pid": 4711, "role": "main", "bytes": 130 * MIB}]
            + [{"pid": one["pid"], "role": "worker", "bytes": 94 * MIB} for one in workers],
        },
        "latency": {"p50": 0.38, "p99": 1.12, "count": 1_094_400},
        "bottleneck": None,
        "flow": [
            {
                "id": "source",
                "kind": "source",
                "label": "tail",
                "in_rate": 0.0,
                "out_rate": 18_240.0,
                "bytes_rate": 4.2e6,
                "busy": 0.08,
            },
            step("parse", "parse.combined", 15_120.0, only=["access*.log"], busy=0.21),
            step("parse", "parse.json", 3_120.0, busy=0.09),
            step("enrich", "slow", 15_120.0, use="enrich.set", only=["access*.log"]),
            step("enrich", "enrich.filter", 18_240.0, out_rate=17_911.0, busy=0.04, when="status == 304"),
            step("sink", "write.file", 17_911.0, name="out", up=True),
            step("sink", "search", 17_911.0, name="write.http", use="write.http", up=True),
        ],
        "stages": [
            stage("parse.combined", "parse", rate=15_120.0, share=0.34),
            stage("parse.json", "parse", rate=3_120.0, share=0.14),
            stage("slow", "enrich", use="enrich.set", rate=15_120.0),
            stage("enrich.filter", "enrich", filtered=312_667, share=0.05),
        ],
        "sinks": [
            sink("out", "write.file"),
            sink("write.http", "search", use="write.http", guarantee="at least once, event_id as key"),
        ],
        "patterns": [
            {"stage": "parse.combined", "pattern": "fast", "seconds": 402.1, "matches": 34_100_221, "share": 0.29},
            {"stage": "parse.combined", "pattern": "escaped quotes", "seconds": 21.8, "matches": 40_112, "share": 0.02},
        ],
        "files": {
            "count": 3,
            "open": 3,
            "lag_bytes": 911 * KIB,
            "rows": [
                file("/var/log/nginx/access.log", 870 * KIB, 0.4),
                file("/var/log/shop/app.log", 41 * KIB, 0.3, size=96 * MIB),
                file("/var/log/shop/app.log.1", 0, 0.0, size=104 * MIB, state="gone"),
            ],
        },
        "workers": workers,
        "batches": batches,
        "dead_letters": letters_of(),
        "redrive": None,
    }


def sink_down() -> Json:
    """Since 02:14 the one sink of two that all wait for; so reading has stopped."""
    status = healthy()
    status["sinks"][1] |= down(12, "connection refused (http://search.internal:9200/_bulk)")
    status["flow"][-1] |= {"up": False, "in_rate": 0.0, "out_rate": 0.0, "error_rate": 0.2, "busy": 1.0}
    for one in status["flow"][1:]:
        one |= {"in_rate": 0.0, "busy": 0.0}
    status["bottleneck"] = {"id": "sink:write.http", "why": "All 6 slots wait for it."}
    status["rates"] = {"lines": 0.0, "bytes": 0.0, "written": 0.0, "dead_letters": 0.0}
    status["commit"] = {"count": 44_617, "age": 12 * MINUTE, "seconds": 0.012}
    status["pending"] = {"lines": 55_021, "bytes": 12 * MIB, "seconds": 12 * MINUTE}
    status["lag"] = {"bytes": 3 * GIB, "seconds": 12 * MINUTE}
    status["ring"] |= {"free": 0, "working": 0, "through": 6}
    status["latency"] = {"p50": None, "p99": None, "count": 0}
    status["files"]["rows"][0] = file("/var/log/nginx/access.log", 3 * GIB, 12 * MINUTE, size=9 * GIB)
    status["files"]["lag_bytes"] = 3 * GIB
    status |= {"ready": False, "reasons": ["sink write.http is down for 12m: connection refused"]}
    for one in status["workers"]:
        one |= {"state": "idle", "batch": None, "file": None, "busy": 0.0}
    return status


def one_lags() -> Json:
    status = healthy()
    status["files"]["rows"].insert(0, file("/var/log/shop/audit.log", 5 * GIB // 4, 4 * MINUTE + 12, size=4 * GIB))
    status["files"] |= {"count": 4, "open": 4, "lag_bytes": 5 * GIB // 4 + 911 * KIB}
    status["lag"] = {"bytes": 5 * GIB // 4, "seconds": 4 * MINUTE + 12}
    status["workers"][0] |= {"busy": 0.99, "file": "audit.log", "seconds": 11.2}
    status["workers"][1]["busy"] = 0.12
    status["flow"][1]["busy"] = 0.93
    status["bottleneck"] = {"id": "stage:parse.combined", "why": "It takes 93 % of the workers' time."}
    return status


def many_letters() -> Json:
    status = healthy()
    groups = [group("parse.json", "bad_json", 1_200), group("parse.json", "too_deep", 34), group("out", "rejected", 3)]
    status["dead_letters"] = letters_of(*groups)
    status["rates"]["dead_letters"] = 2.4
    status["totals"]["dead_letters"] = 1_237
    status["flow"][2]["error_rate"] = 2.4
    status["stages"][1]["failed"] = 1_234
    return status


def empty() -> Json:
    """The first second of a pipeline that has met no file yet."""
    status = healthy()
    for key in ("rates", "pending", "lag", "totals"):
        status[key] = dict.fromkeys(status[key], 0) | ({"written": {}} if key == "totals" else {})
    status |= {"state": "starting", "ready": False, "reasons": ["sinks are being connected"], "started": NIGHT - 0.6}
    status |= {
        "latency": {"p50": None, "p99": None, "count": 0},
        "workers": [],
        "batches": [],
        "patterns": [],
        "stages": [],
        "sinks": [],
    }
    status["files"] = {"count": 0, "open": 0, "lag_bytes": 0, "rows": []}
    status["commit"] = {"count": 0, "age": 0.6, "seconds": 0.0}
    status["flow"] = [status["flow"][0] | {"out_rate": 0.0, "bytes_rate": 0.0}, step("parse", "parse.raw", 0.0)]
    return status


def hostile() -> Json:
    """Names and reasons made to do harm, a very long path, 60 stages, 12 sinks."""
    status = healthy()
    path = f"/var/log/{'very-long-directory/' * 40}{HOSTILE}.log"
    labels = [f"stage {n} {HOSTILE}" for n in range(3)] + [f"enrich.number{n}" for n in range(3, 60)]
    status["name"] = HOSTILE
    status["reasons"] = [HOSTILE]
    rows = [step("parse" if n < 3 else "enrich", label, 10.0 * n, only=[HOSTILE]) for n, label in enumerate(labels)]
    sinks = [sink(f"sink{n}", "write.http", **down(n + 1, HOSTILE * 3)) for n in range(7)]
    sinks += [sink(f"sink{n}" + "x" * n * 10, "write.file") for n in range(7, 12)]
    rows.insert(30, step("sink", "write.file", 7.0, name="early", up=True))
    rows += [step("sink", one["label"], 590.0, name=one["id"], up=one["up"]) for one in sinks]
    status["flow"] = [status["flow"][0], *rows]
    status["stages"] = [stage(label, "enrich", use=f"my.module:{label}") for label in labels]
    status["sinks"] = [sink("early", "write.file"), *sinks]
    status["files"]["rows"] = [file(path, 2 * GIB, 3 * 86_400, size=3 * GIB, state="unreadable", why=HOSTILE, stream=9)]
    status["files"]["rows"] += [file(f"/srv/{n}.log", n * KIB, n, stream=n) for n in range(99)]
    status["files"] |= {"count": 100_000, "open": 512}
    status["patterns"] = [{"stage": labels[0], "pattern": HOSTILE * 4, "seconds": 1.0, "matches": 0, "share": 2.0}]
    status["dead_letters"] = letters_of(
        group(labels[0], HOSTILE, 1), *(group(label, "odd", 2) for label in labels[1:20])
    )
    status["bottleneck"] = {"id": f"stage:{labels[1]}", "why": HOSTILE}
    status["lag"]["seconds"] = 3 * 86_400
    return status


CANNED: dict[str, Callable[[], Json]] = {
    make.__name__: make for make in (healthy, sink_down, one_lags, many_letters, empty, hostile)
}


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
            stage, error = query["stage"], query["error"]
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
