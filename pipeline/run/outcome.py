"""How a run has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tailrace.pipeline.source import Balance
from tailrace.pipeline.telemetry.counters import Counters


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
