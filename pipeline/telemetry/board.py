"""The newest snapshot, the last minute's and an hour of points: what those who watch a daemon are shown.

Written by the engine's thread once a second, read by any other: what is put here is never changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic, time

from tailrace.pipeline.telemetry.counters import Counters, Key
from tailrace.pipeline.telemetry.histogram import Histogram
from tailrace.pipeline.telemetry.slowest import slowest_of
from tailrace.pipeline.telemetry.snapshot import Listing, Snapshot

POINT = 5.0  # seconds between two points
POINTS = 720  # an hour
KEPT = 61  # snapshots: a minute


@dataclass(slots=True, frozen=True)
class StageView:
    """A stage of the chain, or a sink, as the configuration has it."""

    kind: str  # "parse", "enrich", "sink"
    label: str
    use: str
    sink: str = ""  # a sink's id
    only: tuple[str, ...] = ()
    when: str | None = None
    guarantee: str = ""


@dataclass(slots=True, frozen=True)
class Description:
    """What does not change while a run goes on."""

    name: str = ""
    version: str = ""
    pid: int = 0
    config: str = ""
    state_dir: str = ""
    source: str = ""
    started: float = 0.0  # seconds since the epoch: the process's
    workers: int = 1
    stages: tuple[StageView, ...] = ()
    ceiling: int = 0  # bytes
    letters_max: int = 0  # bytes
    letters_when_full: str = ""
    listen: str = ""
    digest: str = ""  # of the configuration
    loaded: float = 0.0  # when that was read, in seconds since the epoch


@dataclass(slots=True, frozen=True)
class Point:
    when: float
    rates: Mapping[str, float]  # a second, since the point before
    lag_bytes: int
    lag_seconds: float
    pending_bytes: int
    latency: tuple[float | None, float | None]  # half of the lines, and 99 of 100, were not slower
    memory: int


def _nothing_yet() -> Snapshot:
    return Snapshot(Counters(), when=time(), at=monotonic())


@dataclass(slots=True)
class Board:
    """``durable``: what earlier processes counted; with a snapshot's counters it is the whole life of the state."""

    durable: Mapping[Key, float] = field(default_factory=dict)
    about: Description = field(default_factory=Description)
    snapshot: Snapshot = field(default_factory=_nothing_yet)
    points: deque[Point] = field(default_factory=lambda: deque(maxlen=POINTS))
    _recent: deque[Snapshot] = field(default_factory=lambda: deque(maxlen=KEPT))
    _last: Snapshot | None = None  # that of the last point
    _before: Snapshot | None = None  # the last one of the runs before this one

    def begin(self, about: Description) -> None:
        """Another run: what it measures by itself begins at nothing, and goes on here."""
        self.about = about
        if self._recent:
            self._before = replace(self.snapshot, files={}, listing=Listing(), series=())

    def publish(self, snapshot: Snapshot) -> None:
        if self._before is not None:
            snapshot = _going_on(self._before, snapshot)
        self.snapshot = snapshot
        self._recent.append(_slim(snapshot))
        last = self._last
        if last is None:
            self._last = self._recent[-1]
        elif snapshot.at - last.at >= POINT:
            self.points.append(_point(last, snapshot))
            self._last = self._recent[-1]

    @property
    def turns(self) -> bool:
        """The engine does: it has looked at itself."""
        return bool(self._recent)

    @property
    def age(self) -> float:
        """Seconds since the last snapshot: more than two, and the engine does not come round."""
        return monotonic() - self.snapshot.at

    def before(self, seconds: float) -> Snapshot:
        """That of so many seconds ago, or the oldest since then."""
        now = self.snapshot
        return next((one for one in self._recent.copy() if now.at - one.at <= seconds), now)

    def recent(self, seconds: float) -> list[Snapshot]:
        """Those since then, without what only the newest is asked for."""
        now = self.snapshot
        return [one for one in self._recent.copy() if now.at - one.at <= seconds]

    @property
    def totals(self) -> Counters:
        """Over the life of the state."""
        totals = Counters()
        totals.values.update(self.durable)
        for key, value in self.snapshot.counters.values.items():
            totals.values[key] += value
        return totals

    @property
    def memory(self) -> int:
        """Bytes of all processes together."""
        return memory_of(self.snapshot)


def memory_of(snapshot: Snapshot) -> int:
    return sum(one.bytes for one in snapshot.memory) + snapshot.ring.bytes


def latency_of(before: Snapshot, now: Snapshot) -> Histogram:
    """Of the lines that were committed between the two."""
    return now.latency.since(before.latency)


RATES = {
    "lines": "lines_read", "bytes": "bytes_read", "written": "events_written", "dead_letters": "dead_letters",
}  # fmt: skip


def rates(before: Snapshot, now: Snapshot) -> dict[str, float]:
    """A second."""
    seconds = now.at - before.at
    if seconds <= 0:
        return dict.fromkeys(RATES, 0.0)
    return {
        name: max(0.0, (now.counters.total(counter) - before.counters.total(counter)) / seconds)
        for name, counter in RATES.items()
    }


def _point(last: Snapshot, now: Snapshot) -> Point:
    latency = latency_of(last, now)
    return Point(
        now.when, rates(last, now), now.listing.lag_bytes, now.listing.lag_seconds, now.bytes_pending,
        (latency.quantile(0.5), latency.quantile(0.99)), memory_of(now),
    )  # fmt: skip


def _slim(snapshot: Snapshot) -> Snapshot:
    """Without what may be large: there are many of them."""
    return replace(snapshot, files={}, slowest=(), listing=Listing(), series=())


def _going_on(before: Snapshot, snapshot: Snapshot) -> Snapshot:
    was, now = before.commits, snapshot.commits
    return replace(
        snapshot,
        commits=replace(now, count=was.count + now.count, durations=was.durations + now.durations),
        latency=before.latency + snapshot.latency,
        slowest=slowest_of((*before.slowest, *snapshot.slowest), snapshot.when),
    )
