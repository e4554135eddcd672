"""What needs somebody's attention, in sentences, and what holds up everything else."""

from __future__ import annotations

from typing import Any

from tailrace.pipeline.config.units import format_duration
from tailrace.pipeline.state.letters import rfc3339
from tailrace.pipeline.telemetry.board import Board
from tailrace.pipeline.telemetry.snapshot import Snapshot

NEARLY_FULL = 0.9  # of `dead_letters.max_bytes`
NAMED = 5  # files that cannot be read
BUSY = 0.85  # of the workers' time: they are what holds it up
SILENT = 10.0  # seconds without a turn of the engine
LOOKED_AT = 6.0  # seconds over which it is told what holds it up


def problems(board: Board) -> list[str]:
    """Why it is not ready; the worst first."""
    now = board.snapshot
    found = []
    if now.phase != "starting" and board.age > SILENT:
        found.append(f"it has stood still for {format_duration(round(board.age))}: what is shown here is as old")
    match now.phase:
        case "starting":
            found.append("it is starting: not all files are looked at, or not all outputs back at the last commit")
        case "stopping" | "reloading":
            found.append(f"it is {now.phase}")
        case "recovering":
            found.append("the last commit failed, and it goes back to the one before: see `pipeline.rewind` in the log")
        case "blocked":
            found.append(
                "the dead letters are full, and everything waits: drop or re-drive some, or raise "
                "dead_letters.max_bytes"
            )
    for name, sink in now.sinks.items():
        found.append(f"sink {name} is down for {format_duration(round(sink.seconds))}: {sink.why}")
    closed = [f"{row.path} cannot be read: {row.why}" for row in now.listing.rows if row.state == "unreadable"]
    found += closed[:NAMED]
    if len(closed) > NAMED:
        found.append(f"{len(closed) - NAMED} more cannot be read: see `file.unreadable` in the log")
    return found


def remarks(board: Board, letters: dict[str, Any], reload: tuple[float, bool] | None) -> list[str]:
    """What needs attention while it is ready all the same. ``reload``: when the last one was, and whether right."""
    now, found = board.snapshot, []
    if now.phase != "blocked" and letters["max_bytes"] and letters["bytes"] > NEARLY_FULL * letters["max_bytes"]:
        found.append(f"the dead letters are {letters['bytes'] / letters['max_bytes']:.0%} full")
    if reload is not None and not reload[1]:
        found.append(
            f"the configuration on the disk was refused at {rfc3339(reload[0], 'seconds')}: the one before goes on, "
            "and a restart would fail; see `config.rejected` in the log, or `tailrace check`"
        )
    return found


def bottleneck(board: Board) -> dict[str, str] | None:
    """What the rest waits for; None: nothing waits."""
    now, recent = board.snapshot, board.recent(LOOKED_AT)
    if now.sinks:
        name, sink = max(now.sinks.items(), key=lambda one: one[1].seconds)
        return {"id": f"sink:{name}", "why": f"down for {format_duration(round(sink.seconds))}: {sink.why}"}
    full = [one for one in recent if one.ring.slots and not one.ring.free]
    if len(recent) < 2 or len(full) * 2 < len(recent):
        return None
    if sum(one.ring.through for one in full) > sum(one.ring.waiting + one.ring.working for one in full) / 2:
        name, count = max(_waiting(full).items(), key=lambda one: one[1], default=("", 0))
        if count:
            return {"id": f"sink:{name}", "why": "slots wait until it has taken what is in them"}
    first = recent[0]
    seconds = (now.at - first.at) or 1.0
    shares = {
        stage.label: now.counters.total("stage_seconds", stage=stage.label)
        - first.counters.total("stage_seconds", stage=stage.label)
        for stage in board.about.stages
    }
    label, most = max(shares.items(), key=lambda one: one[1], default=("", 0.0))
    busy = sum(shares.values()) / seconds / max(1, board.about.workers)
    if busy < BUSY or not label:
        return None
    to = next((one.sink for one in board.about.stages if one.label == label and one.kind == "sink"), "")
    share = most / (sum(shares.values()) or 1.0)
    return {
        "id": f"sink:{to}" if to else f"stage:{label}",
        "why": f"workers are busy {busy:.0%} of the time, {share:.0%} of it in this stage",
    }


def _waiting(snapshots: list[Snapshot]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in snapshots:
        for name, count in one.waiting.items():
            counts[name] = counts.get(name, 0) + count
    return counts
