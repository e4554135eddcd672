"""What a daemon answers, for tests of the commands that show it."""

from __future__ import annotations

import math
from typing import Any

Json = dict[str, Any]
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
NOW = 1_795_659_990.0  # 2026-11-26T02:26:30Z
EVIL = "\x1b[2J\u202eevil\r\x9b\u2066"


def step(kind: str, label: str, rate: float, **more: Any) -> Json:
    return {
        "id": f"stage:{label}", "kind": kind, "label": label, "use": label, "only": [], "when": None, "in_rate": rate,
        "out_rate": rate, "error_rate": 0.0, "busy": 0.12, **more,
    }  # fmt: skip


def sink(name: str, **more: Any) -> Json:
    return {
        "id": name, "label": "write.file", "use": "write.file", "guarantee": "exactly once", "written": 40_910_554,
        "failed": 0, "retries": 0, "rate": 17_911.0, "up": True, "since": None, "down_seconds": 0.0, "why": "",
        "waiting": 1, "lag_bytes": 0, **more,
    }  # fmt: skip


def file(path: str, lag: int, seconds: float, **more: Any) -> Json:
    size = more.pop("size", GIB)
    balance = {"seen": size, "acknowledged": size - lag, "dead_lettered": 0, "skipped": {}, "lost": {}, "pending": lag}
    return {
        "path": path, "name": path.rpartition("/")[2], "stream": 1, "offset": size - lag, "size": size,
        "lag_bytes": lag, "lag_seconds": seconds, "pending_bytes": lag, "state": "reading" if lag else "quiet",
        "why": "", "balance": balance, **more,
    }  # fmt: skip


def letters(*groups: tuple[str, str, int], ago: float = 14.0) -> Json:
    """By stage and error, so many; the last so long ago."""
    rows = [
        {"stage": stage, "error": error, "count": count, "bytes": count * 400, "first": NOW - 900, "last": NOW - ago}
        for stage, error, count in groups
    ]
    count = sum(group[2] for group in groups)
    return {
        "count": count, "bytes": count * 400, "max_bytes": 256 * MIB, "when_full": "block", "full": False,
        "groups": rows,
    }  # fmt: skip


def worker(pid: int, busy: float) -> Json:
    return {
        "pid": pid, "state": "working", "batch": 17, "file": "access.log", "seconds": 0.021, "batches": 400,
        "lines": 20_611_008, "busy": busy,
    }  # fmt: skip


def healthy() -> Json:
    return {
        "now": NOW, "name": "shop", "version": "0.1.0", "pid": 4711, "config": "/etc/tailrace/config.toml",
        "state_dir": "/var/lib/tailrace", "listen": None, "started": NOW - 6.2 * 3600, "state": "running",
        "ready": True, "reasons": [],
        "totals": {
            "lines_read": 41_222_017, "bytes_read": 9_114_002_113, "events_made": 1_204, "lines_redriven": 0,
            "written": {"out": 40_910_554, "search": 40_910_554}, "filtered": 312_667, "dead_letters": 0,
            "retries": 0, "bytes_unread": 0, "long_lines": 0, "rewinds": 0, "worker_restarts": 0,
        },
        "rates": {"lines": 18_240.0, "bytes": 4_210_000.0, "written": 35_822.0, "dead_letters": 0.0},
        "pending": {"lines": 3_411, "bytes": 812 * KIB, "seconds": 0.3},
        "lag": {"bytes": 911 * KIB, "seconds": 0.4},
        "commit": {"count": 44_617, "age": 0.4, "seconds": 0.012},
        "ring": {"slots": 6, "free": 4, "waiting": 0, "working": 2, "through": 0, "bytes": 12 * MIB},
        "memory": {"bytes": 412 * MIB, "ceiling": 704 * MIB, "processes": [{"pid": 1, "role": "main", "bytes": 1}] * 4},
        "latency": {"p50": 0.38, "p99": 1.12, "count": 1_094_400},
        "bottleneck": None,
        "flow": [
            {
                "id": "source", "kind": "source", "label": "tail", "in_rate": 0.0, "out_rate": 18_240.0,
                "bytes_rate": 4.2e6, "busy": 0.0,
            },
            step("parse", "parse.combined", 15_120.0, busy=0.21), step("parse", "parse.json", 3_120.0),
            step("enrich", "enrich.filter", 18_240.0, out_rate=17_911.0),
            step("sink", "write.file", 17_911.0, id="sink:out", up=True),
            step("sink", "write.http", 17_911.0, id="sink:search", up=True),
        ],
        "stages": [
            {
                "label": "parse.json", "use": "parse.json", "role": "parse", "received": 1, "sent": 1, "failed": 0,
                "filtered": 0, "seconds": 0.1, "share": 1.0, "rate": 0.0,
            }
        ],
        "sinks": [sink("out"), sink("search")],
        "patterns": [
            {"stage": "parse.combined", "pattern": "fast", "seconds": 402.1, "matches": 34_100_221, "share": 0.95},
            {"stage": "parse.combined", "pattern": "odd quotes", "seconds": 21.8, "matches": 40_112, "share": 0.05},
        ],
        "files": {
            "count": 2, "open": 2, "lag_bytes": 911 * KIB,
            "rows": [file("/var/log/nginx/access.log", 870 * KIB, 0.4), file("/var/log/shop/app.log", 41 * KIB, 0.3)],
        },
        "workers": [worker(4712, 0.47), worker(4713, 0.44)],
        "batches": [], "dead_letters": letters(), "redrive": None, "reload": None,
    }  # fmt: skip


def sink_down() -> Json:
    """For twelve minutes, so that reading has stopped."""
    why = "connection refused (http://search.internal:9200/_bulk)"
    down = {"up": False, "since": NOW - 720, "down_seconds": 720.0, "why": why, "rate": 0.0}
    status = healthy()
    status["sinks"][1] |= {**down, "retries": 37, "waiting": 5}
    status["flow"][-1] |= {"up": False, "in_rate": 0.0, "out_rate": 0.0}
    status["files"]["rows"][0] = file("/var/log/nginx/access.log", 3 * GIB, 720.0, size=9 * GIB)
    return status | {
        "ready": False, "reasons": [f"sink search is down for 12m: {why}"],
        "bottleneck": {"id": "sink:search", "why": "all 6 slots wait for it"},
        "rates": dict.fromkeys(status["rates"], 0.0), "latency": {"p50": None, "p99": None, "count": 0},
        "pending": {"lines": 55_021, "bytes": 12 * MIB, "seconds": 720.0}, "lag": {"bytes": 3 * GIB, "seconds": 720.0},
        "ring": {"slots": 6, "free": 0, "waiting": 0, "working": 0, "through": 6, "bytes": 12 * MIB},
    }  # fmt: skip


def one_lags() -> Json:
    status = healthy()
    status["files"]["rows"].insert(0, file("/var/log/shop/audit.log", 5 * GIB // 4, 252.0))
    return status | {"bottleneck": {"id": "stage:parse.combined", "why": "workers are busy 93% of the time"}}


def many_letters() -> Json:
    status = healthy() | {"dead_letters": letters(("parse.json", "bad_json", 1_200), ("out", "rejected", 37))}
    status["flow"][2]["error_rate"] = 2.4
    return status


def starting() -> Json:
    """In its first second, before it has met a file."""
    status = healthy()
    return status | {
        "state": "starting", "ready": False, "reasons": ["it is starting"], "latency": None, "workers": [],
        "patterns": [], "sinks": [], "flow": status["flow"][:1], "commit": {"count": 0, "age": 0.6, "seconds": 0.0},
        "files": {"count": 0, "open": 0, "lag_bytes": 0, "rows": []}, "started": NOW - 0.6,
    }  # fmt: skip


def hostile() -> Json:
    """Names and reasons made to do harm, and very many of them."""
    status = healthy()
    labels = [f"{n} {EVIL}" for n in range(3)] + [f"enrich.n{n}" for n in range(60)]
    down = [sink(f"s{n}{EVIL}", up=False, since=NOW - n, down_seconds=n, why=EVIL * 30) for n in range(1, 8)]
    flow = [
        *(step("enrich", label, 10.0) for label in labels),
        *(step("sink", one["id"], 0.0, up=False) for one in down),
    ]
    rows = [file(f"/var/{'long/' * 99}{EVIL}.log", 2 * GIB, 9e5, size=3 * GIB, state="unreadable", why=EVIL)]
    rows += [file(f"/srv/{n}.log", n * KIB, n) for n in range(99)]
    odd = [{"stage": EVIL, "pattern": EVIL * 9, "seconds": 1.0, "matches": 0, "share": 2.0}]
    groups = letters((labels[0], EVIL, 1), *((label, "odd", 2) for label in labels[1:20]))
    return status | {
        "name": EVIL, "reasons": [EVIL], "flow": [status["flow"][0], *flow], "sinks": [sink("x" * 99), *down],
        "files": {"count": 100_000, "open": 512, "lag_bytes": 3 * GIB, "rows": rows}, "patterns": odd,
        "dead_letters": groups, "bottleneck": {"id": f"stage:{labels[1]}", "why": EVIL}, "version": EVIL,
    }  # fmt: skip


def past(points: int = 720) -> Json:
    waves = [1 + 0.5 * math.sin(n / 7) for n in range(points)]
    names = ("lines", "bytes", "written", "dead_letters", "lag_bytes", "lag_seconds", "pending_bytes", "latency_p50")
    return {
        "interval": 5.0, "times": [NOW - (points - n) * 5.0 for n in range(points)], **dict.fromkeys(names, waves),
        "latency_p99": [None if n % 50 > 40 else wave for n, wave in enumerate(waves)], "memory_bytes": waves,
        "memory_ceiling": 704 * MIB,
    }  # fmt: skip


CANNED = {make.__name__: make for make in (healthy, sink_down, one_lags, many_letters, starting, hostile)}
