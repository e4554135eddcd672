"""A snapshot as Prometheus reads it: the text format, version 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats/). Labels never hold what stands in events, but for the
metrics that `enrich.metric` keeps.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tailrace.pipeline.telemetry.board import Board, StageView
from tailrace.pipeline.telemetry.counters import PROCESS
from tailrace.pipeline.telemetry.histogram import BOUNDS, Histogram
from tailrace.pipeline.telemetry.snapshot import Series

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "tailrace_"
_EXACT = 1 << 53  # up to here a float holds every whole number
Labels = Mapping[str, str]
Sample = tuple[Labels, float]

# (name of the counter, its labels; the metric's name, its help)
_COUNTERS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("lines_read", (), "lines_read", "Records that were read."),
    ("bytes_read", (), "bytes_read", "Bytes of input that are processed."),
    ("lines_redriven", (), "lines_redriven", "Dead letters that were sent through the chain again."),
    ("events_made", ("stage",), "events_made", "Events that a stage added to those it was given."),
    ("events_written", ("sink",), "events_written", "Events that a sink has taken."),
    ("events_filtered", ("stage", "reason"), "events_filtered", "Events that a stage left out, by reason."),
    ("dead_letters", ("stage", "error"), "dead_letters", "Records that failed, by stage and error."),
    ("bytes_unread", ("reason",), "bytes_unread", "Bytes that existed and were given up unread."),
    ("bytes_found", ("reason",), "bytes_found", "Of the bytes given up for that reason, those found again and read."),
    ("bytes_skipped", ("reason",), "bytes_skipped", "Bytes that are no lines to be read."),
    ("lines_invalid_bytes", (), "lines_invalid_bytes", "Lines with bytes that are no text in the file's encoding."),
    ("rewinds", (), "rewinds", "How often it went back to the last commit."),
    ("http_responses", ("sink", "status"), "http_client_responses", "Answers of the servers that sinks send to."),
    ("output_retries", ("sink",), "output_retries", "Calls of a sink that failed and were made again."),
    ("worker_restarts", ("reason",), "worker_restarts", "Workers that died and were replaced."),
    ("pattern_seconds", ("stage", "pattern"), "pattern_seconds", "Time that a pattern took."),
    ("pattern_matches", ("stage", "pattern"), "pattern_matches", "Records that a pattern matched."),
    ("files_found", (), "files_added", "Files that were new."),
    ("files_resumed", (), "files_resumed", "Files that were known and are read on."),
    ("files_finished", (), "files_unwatched", "Files that are no longer followed: read to their end, and gone."),
    ("files_deleted", (), "files_deleted", "Files that were deleted after they were read (source.on_done)."),
    ("files_rotated", (), "files_rotated", "Files that were renamed."),
    ("files_truncated", (), "files_truncated", "Files that were truncated or replaced."),
    ("dead_letters_dropped", (), "dead_letters_dropped", "Dead letters that were dropped or made room."),
    ("dead_letters_expired", (), "dead_letters_expired", "Dead letters that were older than dead_letters.max_age."),
    ("config_reloads", ("result",), "config_reloads", "Configurations that were read while it ran."),
)  # fmt: skip


def text(board: Board, letters: Mapping[str, Any], reload: tuple[float, bool] | None) -> str:
    """``letters`` as `/api/status` has them; ``reload``: when the last one was, and whether it was right."""
    families = list(_families(board, letters, reload))
    taken = {name for metric, kind, _, _ in families for name in _names(PREFIX + metric, kind)}
    return "".join((*(_family(*family) for family in families), *_series(board.snapshot.series, taken)))


Family = tuple[str, str, str, Iterable[Sample]]
"""(name, type, help, samples)"""


def _families(board: Board, letters: Mapping[str, Any], reload: tuple[float, bool] | None) -> Iterator[Family]:
    totals = board.totals
    sinks = [(stage.sink,) for stage in board.about.stages if stage.kind == "sink"]
    zeros: dict[str, Iterable[tuple[str, ...]]] = {
        # A series that begins with its first increment hides it from `increase`.
        "events_written": sinks, "output_retries": sinks, "bytes_found": totals.by("bytes_unread", "reason"),
    }  # fmt: skip
    for counter, names, name, words in _COUNTERS:
        counters = board.snapshot.counters if counter in PROCESS else totals
        found = dict.fromkeys(zeros.get(counter, ()), 0.0) | counters.by(counter, *names)
        if not names:
            found = {(): counters.total(counter)}
        yield (
            f"{name}_total",
            "counter",
            words,
            [(dict(zip(names, values, strict=True)), value) for values, value in sorted(found.items())],
        )
    yield from _components(board)
    yield from _gauges(board, letters, reload)


def _one(name: str, words: str, value: float, kind: str = "gauge") -> Family:
    return name, kind, words, [({}, value)]


def _gauges(board: Board, letters: Mapping[str, Any], reload: tuple[float, bool] | None) -> Iterator[Family]:
    now, about = board.snapshot, board.about
    yield "info", "gauge", "What runs.", [({"name": about.name, "version": about.version}, 1)]
    yield _one("start_time_seconds", "When the process began, in seconds since the epoch.", about.started)
    yield _one("lines_pending", "Records that the sinks were given and that are not committed.", now.lines_pending)
    yield _one("bytes_pending", "Bytes of input that were read and are not committed.", now.bytes_pending)
    yield _one("pending_seconds", "Age of the oldest of them.", now.oldest_pending)
    yield _one("source_lag_bytes", "Bytes that exist and are not committed.", now.listing.lag_bytes)
    yield _one("source_lag_time_seconds", "Since the oldest of them was appended.", now.listing.lag_seconds)
    behind = [row for row in now.listing.rows if row.lag_bytes]
    yield "file_lag_bytes", "gauge", "Of the files with the most lag.", _by_file(behind, "lag_bytes")
    yield "file_lag_seconds", "gauge", "Of the files with the most lag.", _by_file(behind, "lag_seconds")
    yield _one("files_known", "Files that are followed.", now.listing.count)
    yield _one("files_open", "Files that are open.", now.listing.open)
    yield _one("long_lines_total", "Lines beyond source.max_line_bytes.",
               board.totals.total("dead_letters", error="too_long"), "counter")  # fmt: skip
    paused = now.ring.slots > 0 and not now.ring.free
    yield _one("ingestion_paused", "1: no slot is free, so nothing is read.", paused)
    ring = {
        "free": now.ring.free,
        "waiting": now.ring.waiting,
        "working": now.ring.working,
        "through": now.ring.through,
    }
    yield (
        "ring_slots",
        "gauge",
        "Slots of the ring by what is in them.",
        [({"state": state}, count) for state, count in ring.items()],
    )
    used = now.ring.slots - now.ring.free
    yield _one("buffer_size_events", "Records that the sinks were given and that are not committed.", now.lines_pending)
    yield _one("buffer_size_bytes", "Shared memory of the slots that are in use.",
               used * now.ring.bytes / (now.ring.slots or 1))  # fmt: skip
    yield _one("buffer_max_size_bytes", "Shared memory of all slots.", now.ring.bytes)
    memory = {"main": now.ring.bytes, "workers": 0}
    for one in now.memory:
        memory["main" if one.role == "main" else "workers"] += one.bytes
    yield (
        "memory_bytes",
        "gauge",
        "Memory in use; the ring counts as the main process's.",
        [({"process": process}, size) for process, size in memory.items()],
    )
    yield _one("memory_ceiling_bytes", "What all processes together may take.", about.ceiling)
    yield _one("commits_total", "Commits of this process.", now.commits.count, "counter")
    yield _one("commit_age_seconds", "Since the last commit.", now.commits.age)
    yield "commit_duration_seconds", "histogram", "From a cut to its commit.", _histogram(now.commits.durations)
    yield "output_latency_seconds", "histogram", "From append to durable, a line each.", _histogram(now.latency)
    sinks = [stage.sink for stage in about.stages if stage.kind == "sink"]
    yield (
        "output_connection_up",
        "gauge",
        "0: the sink cannot write now.",
        [({"sink": sink}, sink not in now.sinks) for sink in sinks],
    )
    yield (
        "output_down_seconds",
        "gauge",
        "For how long the sink cannot write.",
        [({"sink": sink}, now.sinks[sink].seconds if sink in now.sinks else 0) for sink in sinks],
    )
    yield (
        "output_waiting",
        "gauge",
        "Deliveries and barriers that the sink has not answered.",
        [({"sink": sink}, now.waiting.get(sink, 0)) for sink in sinks],
    )
    yield _one("workers", "Worker processes, or 1 for the main process.", len(now.workers))
    yield (
        "worker_busy_seconds_total",
        "counter",
        "Time that a worker has worked since it was started.",
        [({"worker": str(one.pid)}, one.busy_seconds) for one in now.workers],
    )
    yield _one("dead_letters_stored", "Dead letters that are kept.", letters["count"])
    yield _one("dead_letters_stored_bytes", "What they count for.", letters["bytes"])
    yield _one("dead_letters_max_bytes", "dead_letters.max_bytes", letters["max_bytes"])
    yield _one("dead_letters_full", "1: there is no room for more, and everything waits.", letters["full"])
    when, ok = reload or (about.started, True)
    yield _one("config_last_reload_successful", "1: the configuration on the disk was right when last read.", ok)
    yield _one("config_last_reload_timestamp_seconds", "When it was last read.", when)


def _by_file(rows: Iterable[Any], name: str) -> list[Sample]:
    by_path: dict[str, float] = {}
    for row in rows:  # several generations of a file may have one path
        by_path[row.path] = max(by_path.get(row.path, 0), getattr(row, name))
    return [({"file": path}, value) for path, value in by_path.items()]


def _components(board: Board) -> Iterator[Family]:
    totals, about = board.totals, board.about
    source = {"component_id": "source", "component_kind": "source", "component_type": about.source}
    lines, read = totals.total("lines_read"), totals.total("bytes_read")
    stages = [(_component(stage), stage) for stage in about.stages]
    sinks = [(labels, stage.sink) for labels, stage in stages if stage.kind == "sink"]

    def of_stages(name: str) -> list[Sample]:
        return [(labels, totals.total(name, stage=stage.label)) for labels, stage in stages]

    sent = [
        (labels, totals.total("events_written", sink=stage.sink) if stage.kind == "sink" else
         totals.total("stage_sent", stage=stage.label))
        for labels, stage in stages
    ]  # fmt: skip
    yield (
        "component_received_events_total",
        "counter",
        "Events (of the source: records) that it was given.",
        [(source, lines), *of_stages("stage_received")],
    )
    yield "component_sent_events_total", "counter", "Events that it gave.", [(source, lines), *sent]
    yield "component_received_bytes_total", "counter", "Bytes that the source has read.", [(source, read)]
    yield (
        "component_sent_bytes_total",
        "counter",
        "Bytes of the lines that the source has handed on, and of what the sinks were given to deliver.",
        [(source, read), *((labels, totals.total("bytes_given", sink=sink)) for labels, sink in sinks)],
    )
    failed = totals.by("dead_letters", "stage", "error")
    yield (
        "component_errors_total",
        "counter",
        "Records that failed in it.",
        [
            ({**labels, "error_type": error}, count)
            for labels, stage in stages
            for (name, error), count in sorted(failed.items())
            if name == stage.label
        ],
    )
    yield "component_busy_seconds_total", "counter", "Time of workers that it took.", of_stages("stage_seconds")
    yield "utilization", "gauge", "Its share of the workers' time over ten seconds.", _utilization(board)


def _utilization(board: Board) -> list[Sample]:
    before, now = board.before(10.0), board.snapshot
    seconds = ((now.at - before.at) or 1.0) * max(1, board.about.workers)
    was, took = (one.counters.by("stage_seconds", "stage") for one in (before, now))
    return [
        (_component(stage), max(0.0, took.get((stage.label,), 0.0) - was.get((stage.label,), 0.0)) / seconds)
        for stage in board.about.stages
    ]


def _component(stage: StageView) -> Labels:
    return {"component_id": stage.sink or stage.label, "component_kind": stage.kind, "component_type": stage.use}


def _histogram(histogram: Histogram) -> list[Sample]:
    """Of samples whose names end otherwise, ``__suffix__`` says how."""
    samples: list[Sample] = []
    below = 0
    for bound, count in zip((*map(_number, BOUNDS), "+Inf"), histogram.counts, strict=True):
        below += count
        samples.append(({"le": bound, "__suffix__": "_bucket"}, below))
    return [*samples, ({"__suffix__": "_sum"}, histogram.sum), ({"__suffix__": "_count"}, histogram.count)]


def _family(name: str, kind: str, words: str, samples: Iterable[Sample], prefix: str = PREFIX) -> str:
    lines = [f"# HELP {prefix}{name} {_escaped(words, quote=False)}", f"# TYPE {prefix}{name} {kind}"]
    lines += [_line(prefix + name, labels, value) for labels, value in samples]
    return "\n".join(lines) + "\n"


def _line(name: str, labels: Labels, value: float) -> str:
    name += labels.get("__suffix__", "")
    pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items() if key != "__suffix__")
    return f"{name}{{{pairs}}} {_number(value)}" if pairs else f"{name} {_number(value)}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if abs(value) < _EXACT and value == int(value) else repr(float(value))


def _escaped(text: str, *, quote: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _series(series: Iterable[Series], taken: Collection[str]) -> Iterator[str]:
    """What `enrich.metric` keeps, under the names that the configuration gives. Of two metrics that would be told apart
    by nobody, one with a name that is taken is left out, and the page says so."""
    families: dict[tuple[str, str], dict[tuple[tuple[str, str], ...], Series]] = {}
    for one in series:
        family = families.setdefault((one.metric, one.kind), {})
        key = tuple(one.labels.items())
        family[key] = _together(family[key], one) if key in family else one
    names = set(taken)
    for (metric, kind), family in families.items():
        own = _names(metric, kind)
        if names & own:
            yield f"# {metric}, a {kind} of enrich.metric, is left out: another metric has that name\n"
            continue
        names |= own
        samples = (sample for one in family.values() for sample in _samples(one))
        yield _family(metric, kind, "Kept by enrich.metric.", samples, "")


def _names(metric: str, kind: str) -> set[str]:
    """Those that its samples have."""
    return {metric} if kind != "histogram" else {metric, *(f"{metric}_{end}" for end in ("bucket", "sum", "count"))}


def _together(one: Series, other: Series) -> Series:
    """Of two whose labels are the same as text. Of a gauge, the first is told."""
    if one.kind == "gauge":
        return one
    buckets = {bound: count + other.buckets.get(bound, 0) for bound, count in one.buckets.items()}
    return replace(one, value=one.value + other.value, count=one.count + other.count, buckets=buckets)


def _samples(one: Series) -> Iterator[Sample]:
    if one.kind != "histogram":
        yield one.labels, one.value
        return
    yield from (({**one.labels, "le": bound, "__suffix__": "_bucket"}, count) for bound, count in one.buckets.items())
    yield {**one.labels, "__suffix__": "_sum"}, one.value
    yield {**one.labels, "__suffix__": "_count"}, one.count
