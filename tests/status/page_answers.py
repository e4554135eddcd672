"""Canned answers of a status server, as the page meets them in life."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
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
        "config_loaded": NIGHT - 3600.0,
        "config_digest": "0123456789abcdef",
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
        "reload": None,
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
