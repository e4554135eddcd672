"""What a run that came to its end has to show: how much, what became of it, where the time went, and the proof."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from tailrace.pipeline.cli.screen.table import Table, show
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.telemetry.counters import Counters, bytes_unread
from tailrace.pipeline.telemetry.summary import balances
from tailrace.pipeline.telemetry.wrap import terminal_width, wrap


def report(
    stream: IO[str], counters: Counters, stages: Sequence[StageSpec], seconds: float, end: str | None = None
) -> None:
    """Print the tables and one line a sink for the law of conservation; ``end`` as in ``balances``."""
    laws = balances(counters, stages, end)
    show(_flow(counters, {law.sink: law.written for law in laws}, seconds), stream)
    times = _times(counters)
    if times.rows:
        stream.write("\n")
        show(times, stream)
    stream.write("\n")
    width = terminal_width(stream)
    for law in laws:
        stream.write(wrap(escape(str(law)), width) + "\n")


def _flow(counters: Counters, written: dict[str, int], seconds: float) -> Table:
    read, size = counters.total("lines_read"), counters.total("bytes_read")
    rows: list[Sequence[str]] = [("lines read", "", "", f"{read:,.0f}")]
    rows += _rows(counters, "sent again", "lines_redriven", "stage")
    rows += [("written", sink, "", f"{count:,}") for sink, count in written.items()]
    rows += _rows(counters, "made by stages", "events_made", "stage")
    rows += _rows(counters, "filtered", "events_filtered", "stage", "reason")
    rows += _rows(counters, "dead letters", "dead_letters", "stage", "error")
    rows += [("bytes never read", "", why, f"{lost:,.0f}") for why, lost in bytes_unread(counters).items() if lost]
    rows += _rows(counters, "bytes skipped", "bytes_skipped", "reason")
    rows += _rows(counters, "output retries", "output_retries", "sink")
    rows += _rows(counters, "worker restarts", "worker_restarts", "reason")
    rows.append(("pending", "", "", f"{counters.total('lines_pending'):,.0f}"))
    rate = f", {readable_size(int(size))}, {readable_size(int(size / seconds))}/s" if seconds > 0 and size else ""
    return Table(
        ("what", "where", "why", "count"), rows, f"{seconds:,.2f} s{rate}", frozenset({"count"}), gives="where"
    )


def _rows(counters: Counters, what: str, name: str, *labels: str) -> list[tuple[str, str, str, str]]:
    """The largest first. A label ``reason`` or ``error`` tells why, the others where."""
    rows = []
    for values, count in sorted(counters.by(name, *labels).items(), key=lambda item: (-item[1], item[0])):
        found = dict(zip(labels, values, strict=True))
        why = found.get("reason", "") or found.get("error", "")
        rows.append((what, found.get("stage", "") or found.get("sink", ""), why, f"{count:,.0f}"))
    return rows


def _times(counters: Counters) -> Table:
    """Time of all workers together, and each stage's part in it."""
    seconds = counters.by("stage_seconds", "stage")
    whole = sum(seconds.values()) or 1.0
    rows: list[Sequence[str]] = [
        (stage, f"{value:,.2f} s", f"{value / whole:.0%}")
        for (stage,), value in sorted(seconds.items(), key=lambda item: -item[1])
    ]
    return Table(("stage", "time", "share"), rows, "time in the workers", frozenset({"time", "share"}), gives="stage")
