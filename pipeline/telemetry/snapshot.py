"""What a run has committed and what it has not, as of one moment: all that is shown while it runs is made of this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.histogram import Histogram


@dataclass(slots=True, frozen=True)
class SinkState:
    """A sink that cannot write now."""

    seconds: float  # since when
    why: str


@dataclass(slots=True, frozen=True)
class RingState:
    """Slots, by what is in them. ``through``: results that wait for their turn, or for the sinks that hold them."""

    slots: int = 0
    free: int = 0
    waiting: int = 0
    working: int = 0
    through: int = 0
    bytes: int = 0  # of shared memory, in all


@dataclass(slots=True, frozen=True)
class WorkerState:
    pid: int
    state: str  # "starting", "idle", "working"
    batch: int | None  # that it works on,
    file: str | None  # of this file,
    seconds: float  # for so long
    batches: int  # since it was started
    lines: int
    busy_seconds: float


@dataclass(slots=True, frozen=True)
class BatchState:
    """Who did which batch, from when to when (seconds since the epoch)."""

    batch: int
    worker: int
    file: str
    position: int
    end_position: int
    start: float
    end: float
    lines: int
    dead_letters: int


@dataclass(slots=True, frozen=True)
class FileState:
    """A stream of the source that is not done with."""

    path: str
    name: str
    stream: int
    offset: int  # committed
    size: int  # known to exist
    lag_bytes: int  # not committed
    lag_seconds: float  # since the oldest byte of that was appended
    state: str  # "reading", "quiet", "gone", "ended", "unreadable", "waiting"
    why: str  # of an unreadable one
    balance: Mapping[str, object]


@dataclass(slots=True, frozen=True)
class Listing:
    """What a source says of its streams."""

    count: int = 0
    open: int = 0  # with a descriptor
    lag_bytes: int = 0
    lag_seconds: float = 0.0
    rows: tuple[FileState, ...] = ()  # those with the most lag


@dataclass(slots=True, frozen=True)
class CommitState:
    count: int = 0  # in this process
    age: float = 0.0  # seconds since the last one, or since the start
    seconds: float = 0.0  # that the last one took, from its cut to its end
    durations: Histogram = field(default_factory=Histogram)


@dataclass(slots=True, frozen=True)
class ProcessMemory:
    pid: int
    role: str  # "main", "worker"
    bytes: int


@dataclass(slots=True, frozen=True)
class Series:
    """One series of a metric that a stage keeps: its number, or what is in each bucket and below it."""

    metric: str
    kind: str  # "counter", "gauge", "histogram"
    labels: Mapping[str, str]
    value: float = 0.0  # of a histogram: the sum
    count: int = 0
    buckets: Mapping[str, int] = field(default_factory=dict)  # by upper bound


@dataclass(slots=True, frozen=True)
class Snapshot:
    """Published by the engine once a second; never changed."""

    counters: Counters  # of this process, as of the last commit
    lines_pending: int = 0  # handed to the sinks and not committed
    bytes_pending: int = 0  # read and not committed, the ring included
    oldest_pending: float = 0.0  # seconds since the oldest of them was read
    progress: tuple[int, int | None] = (0, None)  # bytes committed by this run, and all there are, where that is known
    files: Mapping[str, int] = field(default_factory=dict)  # path: bytes of it that are pending
    sinks: Mapping[str, SinkState] = field(default_factory=dict)  # sink id: what keeps it from writing

    # What only those that look from outside need.
    when: float = 0.0  # seconds since the epoch,
    at: float = 0.0  # and monotonic ones: between two of them clocks may be set
    phase: str = "starting"  # "running", "recovering", "reloading", "stopping", "blocked"
    waiting: Mapping[str, int] = field(default_factory=dict)  # sink id: deliveries and barriers it has not answered
    ring: RingState = field(default_factory=RingState)
    workers: tuple[WorkerState, ...] = ()
    slowest: tuple[BatchState, ...] = ()
    listing: Listing = field(default_factory=Listing)
    commits: CommitState = field(default_factory=CommitState)
    latency: Histogram = field(default_factory=Histogram)  # seconds from append to durable, a weight of one a line
    memory: tuple[ProcessMemory, ...] = ()
    series: tuple[Series, ...] = ()
    last_letter: int | None = None  # the dead letter with the largest number, where there is a table of them
