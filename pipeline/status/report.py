"""A daemon's state as JSON: what the page, `tailrace status` and `top` show."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tailrace.pipeline.status.verdict import bottleneck, problems, remarks
from tailrace.pipeline.telemetry.board import Board, StageView, latency_of, rates
from tailrace.pipeline.telemetry.counters import Counters, bytes_unread
from tailrace.pipeline.telemetry.snapshot import FileState, Snapshot

RATE_SECONDS, LATENCY_SECONDS = 10.0, 60.0  # over which rates, and latencies, are told
JSON = dict[str, Any]


def status(board: Board, letters: JSON, redrive: JSON | None, reload: tuple[float, bool] | None) -> JSON:
    """``letters``: of the table `dead_letters`; ``redrive``: the one that goes on or was the last; ``reload``: when
    the last one was, and whether it was right."""
    now, about, totals = board.snapshot, board.about, board.totals
    before, minute = board.before(RATE_SECONDS), board.before(LATENCY_SECONDS)
    latency = latency_of(minute, now)
    found = problems(board)
    return {
        "now": now.when,
        "name": about.name,
        "version": about.version,
        "pid": about.pid,
        "config": about.config,
        "config_digest": about.digest,
        "config_loaded": about.loaded,
        "state_dir": about.state_dir,
        "listen": about.listen or None,
        "started": about.started,
        "state": now.phase,
        "ready": not found,
        "reasons": [*found, *remarks(board, letters, reload)],
        "totals": _totals(totals),
        "rates": rates(before, now),
        "pending": {"lines": now.lines_pending, "bytes": now.bytes_pending, "seconds": now.oldest_pending},
        "lag": {"bytes": now.listing.lag_bytes, "seconds": now.listing.lag_seconds},
        "commit": {"count": now.commits.count, "age": now.commits.age, "seconds": now.commits.seconds},
        "ring": {
            "slots": now.ring.slots, "free": now.ring.free, "waiting": now.ring.waiting, "working": now.ring.working,
            "through": now.ring.through, "bytes": now.ring.bytes,
        },
        "memory": {
            "bytes": board.memory,
            "ceiling": about.ceiling,
            "processes": [{"pid": one.pid, "role": one.role, "bytes": one.bytes} for one in now.memory],
        },
        "latency": {"p50": latency.quantile(0.5), "p99": latency.quantile(0.99), "count": latency.count},
        "bottleneck": bottleneck(board),
        "flow": [_source(board, before), *(_flow(one, board, before) for one in about.stages)],
        "stages": [_stage(one, board, totals, before) for one in about.stages if one.kind != "sink"],
        "sinks": [_sink(one, board, totals, before) for one in about.stages if one.kind == "sink"],
        "patterns": _patterns(totals),
        "files": {
            "count": now.listing.count,
            "open": now.listing.open,
            "lag_bytes": now.listing.lag_bytes,
            "rows": [_file(row, now) for row in now.listing.rows],
        },
        "workers": _workers(now, minute),
        "batches": [
            {
                "batch": one.batch, "worker": one.worker, "file": one.file, "position": one.position,
                "end_position": one.end_position, "start": one.start, "end": one.end, "seconds": one.end - one.start,
                "lines": one.lines, "dead_letters": one.dead_letters,
            }
            for one in now.slowest
        ],
        "dead_letters": letters,
        "redrive": redrive,
        "reload": None if reload is None else {"time": reload[0], "ok": reload[1]},
    }  # fmt: skip


def history(board: Board) -> JSON:
    """The last hour, a point each five seconds."""
    points = list(board.points)
    return {
        "interval": 5.0,
        "times": [one.when for one in points],
        **{name: [one.rates[name] for one in points] for name in ("lines", "bytes", "written", "dead_letters")},
        "lag_bytes": [one.lag_bytes for one in points],
        "lag_seconds": [one.lag_seconds for one in points],
        "pending_bytes": [one.pending_bytes for one in points],
        "latency_p50": [one.latency[0] for one in points],
        "latency_p99": [one.latency[1] for one in points],
        "memory_bytes": [one.memory for one in points],
        "memory_ceiling": board.about.ceiling,
    }


def _totals(totals: Counters) -> JSON:
    def total(name: str) -> int:
        return int(totals.total(name))

    return {
        "lines_read": total("lines_read"),
        "bytes_read": total("bytes_read"),
        "events_made": total("events_made"),
        "lines_redriven": total("lines_redriven"),
        "written": {sink: int(count) for (sink,), count in totals.by("events_written", "sink").items()},
        "filtered": total("events_filtered"),
        "dead_letters": total("dead_letters"),
        "retries": total("output_retries"),
        "bytes_unread": int(sum(bytes_unread(totals).values())),
        "long_lines": int(totals.total("dead_letters", error="too_long")),
        "rewinds": total("rewinds"),
        "worker_restarts": total("worker_restarts"),
    }


def _rate(now: Snapshot, before: Snapshot, name: str, **labels: str) -> float:
    seconds = now.at - before.at
    return max(0.0, now.counters.total(name, **labels) - before.counters.total(name, **labels)) / (seconds or 1.0)


def _source(board: Board, before: Snapshot) -> JSON:
    now = board.snapshot
    lines = _rate(now, before, "lines_read")
    return {
        "id": "source", "kind": "source", "label": board.about.source, "in_rate": lines, "out_rate": lines,
        "bytes_rate": _rate(now, before, "bytes_read"), "busy": 0.0,
    }  # fmt: skip


def _flow(stage: StageView, board: Board, before: Snapshot) -> JSON:
    now = board.snapshot
    sink = stage.kind == "sink"
    out = _rate(now, before, "events_written", sink=stage.sink) if sink else 0.0
    share = _rate(now, before, "stage_seconds", stage=stage.label) / max(1, board.about.workers)
    return {
        "id": f"sink:{stage.sink}" if sink else f"stage:{stage.label}",
        "kind": stage.kind,
        "label": stage.label,
        "use": stage.use,
        "only": list(stage.only),
        "when": stage.when,
        "in_rate": _rate(now, before, "stage_received", stage=stage.label),
        "out_rate": out if sink else _rate(now, before, "stage_sent", stage=stage.label),
        "error_rate": _rate(now, before, "dead_letters", stage=stage.label),
        "busy": share,
        **({"up": stage.sink not in now.sinks} if sink else {}),
    }


def _stage(stage: StageView, board: Board, totals: Counters, before: Snapshot) -> JSON:
    seconds = totals.total("stage_seconds", stage=stage.label)
    return {
        "label": stage.label,
        "use": stage.use,
        "role": stage.kind,
        "received": int(totals.total("stage_received", stage=stage.label)),
        "sent": int(totals.total("stage_sent", stage=stage.label)),
        "failed": int(totals.total("dead_letters", stage=stage.label)),
        "filtered": int(totals.total("events_filtered", stage=stage.label)),
        "seconds": seconds,
        "share": seconds / (totals.total("stage_seconds") or 1.0),
        "rate": _rate(board.snapshot, before, "stage_received", stage=stage.label),
    }


def _sink(stage: StageView, board: Board, totals: Counters, before: Snapshot) -> JSON:
    now = board.snapshot
    trouble = now.sinks.get(stage.sink)
    return {
        "id": stage.sink,
        "label": stage.label,
        "use": stage.use,
        "guarantee": stage.guarantee,
        "written": int(totals.total("events_written", sink=stage.sink)),
        "failed": int(totals.total("dead_letters", stage=stage.label)),
        "retries": int(totals.total("output_retries", sink=stage.sink)),
        "rate": _rate(now, before, "events_written", sink=stage.sink),
        "up": trouble is None,
        "since": None if trouble is None else now.when - trouble.seconds,
        "down_seconds": 0.0 if trouble is None else trouble.seconds,
        "why": "" if trouble is None else trouble.why,
        "waiting": now.waiting.get(stage.sink, 0),
        "lag_bytes": now.listing.lag_bytes,
    }


def _patterns(totals: Counters) -> list[JSON]:
    seconds = totals.by("pattern_seconds", "stage", "pattern")
    matches = totals.by("pattern_matches", "stage", "pattern")
    whole = sum(seconds.values()) or 1.0
    return [
        {
            "stage": stage, "pattern": pattern, "seconds": value, "matches": int(matches.get((stage, pattern), 0)),
            "share": value / whole,
        }
        for (stage, pattern), value in sorted(seconds.items(), key=lambda one: -one[1])
    ]  # fmt: skip


def _file(row: FileState, now: Snapshot) -> JSON:
    return {
        "path": row.path, "name": row.name, "stream": row.stream, "offset": row.offset, "size": row.size,
        "lag_bytes": row.lag_bytes, "lag_seconds": row.lag_seconds, "pending_bytes": now.files.get(row.path, 0),
        "state": row.state, "why": row.why, "balance": row.balance,
    }  # fmt: skip


def _workers(now: Snapshot, minute: Snapshot) -> Sequence[JSON]:
    before = {one.pid: one.busy_seconds for one in minute.workers}
    seconds = (now.at - minute.at) or 1.0
    return [
        {
            "pid": one.pid,
            "state": one.state,
            "batch": one.batch,
            "file": None if one.file is None else os.path.basename(one.file),
            "seconds": one.seconds,
            "batches": one.batches,
            "lines": one.lines,
            "busy": min(1.0, max(0.0, one.busy_seconds - before.get(one.pid, 0.0)) / seconds),
        }
        for one in now.workers
    ]


def letters_of(groups: Sequence[tuple[str, str, int, int, float, float]], room: int, board: Board) -> JSON:
    """``groups`` as ``Letters.stats`` gives them; ``room``: the bytes that letters count for."""
    about = board.about
    shown: list[Mapping[str, Any]] = [
        {"stage": stage, "error": error, "count": count, "bytes": size, "first": first, "last": last}
        for stage, error, count, size, first, last in groups
    ]
    return {
        "count": sum(group["count"] for group in shown),
        "bytes": room,
        "max_bytes": about.letters_max,
        "when_full": about.letters_when_full,
        "full": board.snapshot.phase == "blocked",
        "groups": shown,
    }
