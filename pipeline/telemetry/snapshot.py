"""What a run has committed and what it has not, as of one moment: all that is shown while it runs is made of this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.pipeline.telemetry.counters import Counters


@dataclass(slots=True, frozen=True)
class SinkState:
    """A sink that cannot write now."""

    seconds: float  # since when
    why: str


@dataclass(slots=True, frozen=True)
class Snapshot:
    """Published by the engine once a second; never changed."""

    counters: Counters  # of this run, as of the last commit
    lines_pending: int = 0  # handed to the sinks and not committed
    bytes_pending: int = 0  # read and not committed, the ring included
    oldest_pending: float = 0.0  # seconds since the oldest of them was read
    progress: tuple[int, int | None] = (0, None)  # bytes committed by this run, and all there are, where that is known
    files: Mapping[str, int] = field(default_factory=dict)  # path: bytes of it that are pending
    sinks: Mapping[str, SinkState] = field(default_factory=dict)  # sink id: what keeps it from writing
