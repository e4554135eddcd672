"""What was done since the last time, logged once a minute; and whether the sums add up, for each sink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.telemetry import log
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.snapshot import Snapshot

AFTER_THE_SINKS = "end of the chain"  # the stage's name under which events that met no sink are counted


class Summary:
    """A step: ``tick`` now and then. Tells what was committed, what is pending, and which sinks hold it up. Silent
    while nothing happens and nothing is pending. ``now`` and ``interval`` are monotonic seconds."""

    def __init__(
        self,
        look: Callable[[], Snapshot],
        say: Callable[..., None] | None = None,
        interval: float = 60.0,
    ) -> None:
        self._look = look
        self._say = say or log.get_logger("summary").info
        self._interval = interval
        self._last: tuple[float, Counters] | None = None  # when, and what was committed then

    def tick(self, now: float) -> None:
        if self._last is None:
            self._last = now, self._look().counters
            return
        when, before = self._last
        if now - when < self._interval:
            return
        log.tick()
        look = self._look()
        self._last = now, look.counters
        since = Counters()
        for key, value in look.counters.values.items():
            if value != before.values.get(key, 0):
                since.values[key] = value - before.values.get(key, 0)
        if not look.bytes_pending and not look.sinks and not any(key[0] in _WORTH_A_LINE for key in since.values):
            return
        self._say(
            "summary",
            seconds=round(now - when),
            lines=int(since.total("lines_read")),
            mb_per_s=round(since.total("bytes_read") / (now - when) / 1e6, 2),
            written={sink: int(count) for (sink,), count in since.by("events_written", "sink").items()},
            dead_letters=int(since.total("dead_letters")),
            **_pending(look),
        )


def tell_state(logger: log.Logger, look: Snapshot) -> None:
    """How it stands, for somebody who asked by a signal."""
    ring = look.ring
    logger.info(
        "pipeline.state", phase=look.phase, lines=int(look.counters.total("lines_read")), **_pending(look),
        files=look.listing.count, lag_bytes=look.listing.lag_bytes,
        ring=f"{ring.free} of {ring.slots} slots free, {ring.waiting} waiting, {ring.working} at work, "
        f"{ring.through} done and waiting for sinks",
        workers=[f"{one.pid} {one.state}" for one in look.workers], commit_age=round(look.commits.age, 1),
    )  # fmt: skip


def _pending(look: Snapshot) -> dict[str, Any]:
    fields: dict[str, Any] = {"pending": look.lines_pending, "pending_bytes": look.bytes_pending}
    if look.bytes_pending:
        fields["oldest_seconds"] = round(look.oldest_pending)
        largest = sorted(look.files.items(), key=lambda one: -one[1])[:FILES_SHOWN]
        fields["pending_files"] = dict(largest)
    if look.sinks:
        fields["stuck"] = {name: f"{round(one.seconds)} s: {one.why}" for name, one in look.sinks.items()}
    return fields


FILES_SHOWN = 3  # of those with pending input, the ones with the most
_WORTH_A_LINE = {
    "lines_read", "lines_redriven", "events_written", "dead_letters", "output_retries", "rewinds", "worker_restarts",
}  # fmt: skip


@dataclass(slots=True, frozen=True)
class Balance:
    """The law of conservation for one sink: read + re-driven + made = written + filtered + dead + pending (+ not for
    this sink)."""

    sink: str
    read: int  # lines
    redriven: int  # dead letters that were sent again, and not to what stands behind the sink
    made: int  # events that stages before the sink added
    written: int
    filtered: int  # before the sink
    dead: int  # dead letters of the source, of stages before the sink, and of the sink
    pending: int
    choosy: bool  # the sink has `only` or `when`, so that events may pass it by

    @property
    def passed_by(self) -> int:
        """Events that came by and were not written: for a sink that takes all of them, something is wrong."""
        come = self.read + self.redriven + self.made
        return come - self.written - self.filtered - self.dead - self.pending

    @property
    def holds(self) -> bool:
        return self.passed_by >= 0 if self.choosy else self.passed_by == 0

    def __str__(self) -> str:
        redriven = f" + {self.redriven:,} re-driven" if self.redriven else ""
        text = (
            f"{self.sink}: {self.read:,} read{redriven} + {self.made:,} made = {self.written:,} written + "
            f"{self.filtered:,} filtered + {self.dead:,} dead-lettered + {self.pending:,} pending"
        )
        if self.choosy and self.holds:
            return f"{text} + {self.passed_by:,} not for this sink"
        return text if self.holds else f"{text} DOES NOT ADD UP: {self.passed_by:+,}"


def balances(counters: Counters, stages: Sequence[StageSpec], end: str | None = None) -> list[Balance]:
    """One for each sink, in the order of the chain. ``end``: the chain's sinks were left out, and events that reached
    its end went to one sink of this name (counted under any name that is no sink of the chain)."""
    written = {sink: count for (sink,), count in counters.by("events_written", "sink").items()}
    if end is not None:
        known = {stage.id for stage in stages if stage.role == "write"}
        total = sum(count for sink, count in written.items() if sink not in known)
        return [_balance(counters, stages, len(stages), end, total, choosy=False)]
    return [
        _balance(counters, stages, index, stage.id, written.get(stage.id, 0), choosy=bool(stage.only or stage.when))
        for index, stage in enumerate(stages)
        if stage.role == "write"
    ]


def _balance(
    counters: Counters, stages: Sequence[StageSpec], index: int, sink: str, written: float, *, choosy: bool
) -> Balance:
    # What happens behind this sink, or to what is for another one alone, is nothing to it; "source" and its like come
    # before. What another sink before it could not encode is not there any more.
    behind = {stage.label for stage in stages[index + 1 :]} | {AFTER_THE_SINKS}

    def before(name: str) -> int:
        counts = counters.by(name, "stage", "sink").items()
        return int(sum(count for (stage, only), count in counts if stage not in behind and only in ("", sink)))

    return Balance(
        sink,
        int(counters.total("lines_read")),
        before("lines_redriven"),
        before("events_made"),
        int(written),
        before("events_filtered"),
        before("dead_letters"),
        int(counters.total("lines_pending")),
        choosy,
    )
