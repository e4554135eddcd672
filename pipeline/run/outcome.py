"""How a run has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.source import Balance
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.snapshot import Snapshot


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    complete: bool  # everything read is committed
    message: str  # why not, or ""
    counters: Counters  # of this run; `lines_pending` is what was read and not committed
    seconds: float
    closed: bool = False  # the reader of standard output went away: no failure of ours
    balances: Sequence[Balance] = ()  # of each file's bytes, over its whole life
    held: Mapping[str, int] = field(default_factory=dict)  # sink id: bytes it was given that no commit covers
    unread: Mapping[str, str] = field(default_factory=dict)  # files that could not be read, and why


def outcome_of(message: str, look: Snapshot, seconds: float, *, closed: bool, held: Mapping[str, int]) -> Outcome:
    """As of the last look at the run. ``message``: why not everything was committed, or ""."""
    counters = Counters()
    counters.values.update(look.counters.values)
    counters.add("lines_read", look.lines_pending)
    counters.add("lines_pending", look.lines_pending)
    return Outcome(not message, message, counters, seconds, closed, held=held)


def what_hangs(what: str, look: Snapshot, stuck: str, failed_commit: str, full: str) -> str:
    """Why not everything was committed, in words. Each of the last three may be empty."""
    about = f"; stuck: {stuck}" if stuck else ""
    if failed_commit:
        about += f"; the last commit failed: {failed_commit}"
    if full:
        about += f"; {full}"
    pending = f"; pending: {look.lines_pending:,} lines, {readable_size(look.bytes_pending)} of input"
    return f"{what}{about}{pending}; the next start goes on from the last commit"
