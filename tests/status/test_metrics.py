"""/metrics to the letter: what Prometheus reads is exact, complete and without duplicates, whatever a stage keeps."""

from __future__ import annotations

import math
import re
import subprocess
from collections import Counter
from typing import Any

import pytest
from tailrace.pipeline.telemetry import metrics
from tailrace.pipeline.telemetry.board import Board, Description, StageView
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.histogram import BOUNDS, Histogram
from tailrace.pipeline.telemetry.snapshot import (
    CommitState,
    FileState,
    Listing,
    ProcessMemory,
    RingState,
    Series,
    SinkState,
    Snapshot,
    WorkerState,
)

from ..deploy.metrics import NAMES, exported

LETTERS = {"count": 3, "bytes": 300, "max_bytes": 1000, "full": False}
ODD = 'a "quoted" \\ back\nslash, ünïcode \u202e\x1b\r\t'
_LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')
_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
Sample = tuple[str, tuple[tuple[str, str], ...]]


def samples(page: str) -> dict[Sample, float]:
    """By name and labels; AssertionError: a line that is none, or one twice."""
    found: dict[Sample, float] = {}
    for line in page.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        assert match is not None, line
        pairs = [(name, _plain(text)) for name, text in _PAIR.findall(match[2] or "")]
        key = match[1], tuple(sorted(pairs))
        assert len(dict(pairs)) == len(pairs), line
        assert key not in found, line
        found[key] = float(match[3])
    return found


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text)


def page(board: Board, **letters: Any) -> str:
    return metrics.text(board, {**LETTERS, **letters}, None)


def value(board: Board, name: str, /, **labels: str) -> float | None:
    return samples(page(board)).get((metrics.PREFIX + name, tuple(sorted(labels.items()))))


def full_board(*series: Series) -> Board:
    """Everything has something to show, under odd names."""
    counters = Counters()
    for name, amount in (("lines_read", 10), ("bytes_read", 1 << 60), ("rewinds", 1), ("files_found", 2)):
        counters.add(name, amount)
    counters.add("events_written", 7, sink=ODD)
    counters.add("bytes_given", 700, sink=ODD)
    counters.add("dead_letters", 2, stage=ODD, error="too_long")
    counters.add("dead_letters", 1, stage=ODD, error=ODD)
    counters.add("events_filtered", 1, stage=ODD, reason=ODD)
    counters.add("bytes_unread", 5, reason="deleted")
    counters.add("http_responses", 3, sink=ODD, status="200")
    for name in ("stage_received", "stage_sent", "stage_seconds"):
        counters.add(name, 9, stage=ODD)
    counters.add("pattern_seconds", 0.25, stage=ODD, pattern="patterns[0]")
    counters.add("worker_restarts", 1, reason="signal 9 (SIGKILL)")
    times = Histogram()
    for seconds, lines in ((0.001, 5), (76.0, 3), (1e9, 1)):
        times.add(seconds, lines)
    stages = (StageView("parse", ODD, "parse.json"), StageView("sink", "write.file", "write.file", ODD))
    board = Board(about=Description(ODD, "1.0", stages=stages, source="tail", workers=2, ceiling=1 << 30))
    rows = [FileState(path, "a", 1, 0, 9, 9, 1.5, "reading", "", {}) for path in (ODD, ODD, "/b")]
    board.publish(
        Snapshot(
            counters, phase="running", when=1.7e9, at=5.0, lines_pending=4, bytes_pending=40, oldest_pending=0.5,
            ring=RingState(4, 1, 1, 1, 1, 4096), workers=(WorkerState(7, "idle", None, None, 0.0, 1, 1, 0.5),),
            sinks={ODD: SinkState(3.0, ODD)}, waiting={ODD: 2}, listing=Listing(3, 2, 27, 1.5, tuple(rows)),
            commits=CommitState(3, 0.5, 0.1, times), latency=times, memory=(ProcessMemory(1, "main", 9),),
            series=series,
        )
    )  # fmt: skip
    return board


STRANGE = (
    Series("requests_total", "counter", {"path": ODD, "code": "200"}, 3.0),
    Series("requests_total", "counter", {"path": "", "code": "200"}, 1.0),  # of null,
    Series("requests_total", "counter", {"path": "", "code": "200"}, 2.0),  # of an empty text, and of all others
    Series("temperature", "gauge", {}, math.nan),
    Series("temperature_max", "gauge", {}, -math.inf),
    Series("seconds", "histogram", {"m": "GET"}, 1.5, 3, {"0.1": 1, "1": 2, "+Inf": 3}),
    Series("seconds", "histogram", {"m": "GET"}, 0.5, 1, {"0.1": 0, "1": 1, "+Inf": 1}),
)
CLASHES = (
    Series("requests_total", "gauge", {}, 1.0),  # another stage's, of another kind
    Series("seconds_count", "counter", {}, 1.0),  # a sample of the histogram has that name
    Series("tailrace_lines_read_total", "counter", {}, 1.0),
)


def test_each_metric_is_there_once_with_help_and_type() -> None:
    text = page(full_board(*STRANGE))
    assert exported(text) == NAMES
    for what in ("HELP", "TYPE"):
        (most,) = Counter(re.findall(rf"^# {what} (\S+) .", text, re.MULTILINE)).most_common(1)
        assert most[1] == 1, most
    assert text.endswith("\n")
    named = {name for name, _ in samples(text)}
    families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in named} <= families | named


@pytest.mark.needs("promtool")
def test_promtool_has_nothing_to_say() -> None:
    text = page(full_board(*STRANGE, *CLASHES))
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    own = [line for line in done.stderr.splitlines() if line.startswith("tailrace_")]
    assert (own, "error while linting" in done.stderr) == ([], False), done.stderr


def test_names_come_through_as_they_are() -> None:
    board = full_board()
    assert value(board, "events_written_total", sink=ODD) == 7
    assert value(board, "output_connection_up", sink=ODD) == 0
    assert value(board, "info", name=ODD, version="1.0") == 1
    assert value(board, "file_lag_bytes", file=ODD) == 9
    assert value(board, "bytes_read_total") == 1 << 60


def test_numbers_are_those_of_the_snapshot() -> None:
    board = full_board()
    told = {
        "lines_read_total": 10, "lines_pending": 4, "bytes_pending": 40, "pending_seconds": 0.5, "rewinds_total": 1,
        "files_added_total": 2, "source_lag_bytes": 27, "source_lag_time_seconds": 1.5, "long_lines_total": 2,
        "files_known": 3, "files_open": 2, "ingestion_paused": 0, "buffer_size_bytes": 3072, "commits_total": 3,
        "dead_letters_stored": 3, "workers": 1,
    }  # fmt: skip
    assert {name: value(board, name) for name in told} == told
    sink = {"component_id": ODD, "component_kind": "sink", "component_type": "write.file"}
    assert value(board, "component_sent_events_total", **sink) == 7
    assert value(board, "component_sent_bytes_total", **sink) == 700
    assert value(board, "http_client_responses_total", sink=ODD, status="200") == 3
    source = {"component_id": "source", "component_kind": "source", "component_type": "tail"}
    assert value(board, "component_sent_bytes_total", **source) == 1 << 60


def test_a_stage_and_a_sink_of_one_name_are_told_apart() -> None:
    board = full_board()
    stages = (
        StageView("enrich", "source", "enrich.set"), StageView("sink", "write", "write.file", "source"),
        StageView("parse", "write", "parse.json"),
    )  # fmt: skip
    board.about = Description(stages=stages, source="tail")
    counters = board.snapshot.counters
    counters.add("stage_received", 5, stage="source")
    counters.add("stage_received", 6, stage="write")
    about = {"component_id": "source", "component_kind": "enrich", "component_type": "enrich.set"}
    assert value(board, "component_received_events_total", **about) == 5
    about = {"component_id": "source", "component_kind": "source", "component_type": "tail"}
    assert value(board, "component_received_events_total", **about) == 10


def test_counters_of_sinks_begin_with_nought() -> None:
    board = Board(about=Description(stages=(StageView("sink", "write.file", "write.file", "out"),)))
    for name in ("events_written_total", "output_retries_total"):
        assert value(board, name, sink="out") == 0


def test_bytes_that_are_found_again_take_nothing_back() -> None:
    board = full_board()
    assert value(board, "bytes_found_total", reason="deleted") == 0
    board.snapshot.counters.add("bytes_found", 2, reason="deleted")
    told = [value(board, name, reason="deleted") for name in ("bytes_unread_total", "bytes_found_total")]
    assert told == [5, 2]


def test_what_this_process_has_met_is_counted_from_its_start_and_the_rest_over_the_life_of_the_state() -> None:
    """Of what it met after its last commit the next process knows nothing."""
    board = full_board()
    board.durable = {(name, ()): 100.0 for name in ("lines_read", "rewinds")} | {
        ("http_responses", (("sink", ODD), ("status", "200"))): 50.0, ("bytes_unread", (("reason", "deleted"),)): 20.0,
    }  # fmt: skip
    assert (value(board, "lines_read_total"), value(board, "rewinds_total")) == (110, 1)
    assert value(board, "http_client_responses_total", sink=ODD, status="200") == 3
    assert value(board, "bytes_unread_total", reason="deleted") == 25


def test_histograms_add_up() -> None:
    text = samples(page(full_board(*STRANGE)))
    buckets = [
        (float(dict(labels)["le"]), count) for (name, labels), count in text.items()
        if name == "tailrace_output_latency_seconds_bucket"
    ]  # fmt: skip
    assert [bound for bound, _ in buckets] == [*BOUNDS, math.inf]
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    assert counts[-1] == text["tailrace_output_latency_seconds_count", ()] == 9
    assert dict(buckets)[60.0] == 5
    assert dict(buckets)[90.0] == 8


def test_what_stages_keep_stands_under_its_own_name() -> None:
    text = samples(page(full_board(*STRANGE)))
    assert text["requests_total", (("code", "200"), ("path", ODD))] == 3
    assert text["requests_total", (("code", "200"), ("path", ""))] == 3  # together
    assert math.isnan(text["temperature", ()])
    assert text["temperature_max", ()] == -math.inf
    assert text["seconds_bucket", (("le", "1"), ("m", "GET"))] == 3
    assert (text["seconds_count", (("m", "GET"),)], text["seconds_sum", (("m", "GET"),)]) == (4, 2.0)


def test_a_name_that_is_taken_is_left_out_and_that_is_said() -> None:
    board = full_board(*STRANGE, *CLASHES)
    text = page(board)
    assert samples(text)["tailrace_lines_read_total", ()] == 10
    assert samples(text)["seconds_count", (("m", "GET"),)] == 4
    left = re.findall(r"^# (\S+), a (\w+) of enrich\.metric, is left out", text, re.MULTILINE)
    assert left == [(one.metric, one.kind) for one in CLASHES]
