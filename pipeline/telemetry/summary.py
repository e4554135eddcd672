"""What was done since the last time, logged once a minute; and whether the sums add up, for each sink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.telemetry import log
from tailrace.pipeline.telemetry.counters import Counters, Key

AFTER_THE_SINKS = "end of the chain"  # the stage's name under which events that met no sink are counted


class Summary:
    """A step: ``tick`` now and then. Silent while nothing happens. ``clock`` values are monotonic seconds."""

    def __init__(
        self,
        counters: Counters,
        say: Callable[..., None] | None = None,
        interval: float = 60.0,
    ) -> None:
        self._counters = counters
        self._say = say or log.get_logger("summary").info
        self._interval = interval
        self._last: tuple[float, dict[Key, float]] | None = None  # when, and the counters then

    def tick(self, now: float) -> None:
        if self._last is None:
            self._last = now, dict(self._counters.values)
            return
        when, before = self._last
        if now - when < self._interval:
            return
        self._last = now, dict(self._counters.values)
        log.tick()
        since = Counters()
        for key, value in self._counters.values.items():
            if value != before.get(key, 0):
                since.values[key] = value - before.get(key, 0)
        if not any(key[0] in _WORTH_A_LINE for key in since.values):
            return
        self._say(
            "summary",
            seconds=round(now - when),
            lines=int(since.total("lines_read")),
            mb_per_s=round(since.total("bytes_read") / (now - when) / 1e6, 2),
            written={sink: int(count) for (sink,), count in since.by("events_written", "sink").items()},
            dead_letters=int(since.total("dead_letters")),
            pending=int(self._counters.total("lines_pending")),
        )


_WORTH_A_LINE = {"lines_read", "events_written", "dead_letters", "output_retries", "rewinds", "worker_restarts"}


@dataclass(slots=True, frozen=True)
class Balance:
    """The law of conservation for one sink: read + made = written + filtered + dead + pending (+ not for this sink)."""

    sink: str
    read: int  # lines
    made: int  # events that stages before the sink added
    written: int
    filtered: int  # before the sink
    dead: int  # dead letters of the source, of stages before the sink, and of the sink
    pending: int
    choosy: bool  # the sink has `only` or `when`, so that events may pass it by

    @property
    def passed_by(self) -> int:
        """Events that came by and were not written: for a sink that takes all of them, something is wrong."""
        return self.read + self.made - self.written - self.filtered - self.dead - self.pending

    @property
    def holds(self) -> bool:
        return self.passed_by >= 0 if self.choosy else self.passed_by == 0

    def __str__(self) -> str:
        text = (
            f"{self.sink}: {self.read:,} read + {self.made:,} made = {self.written:,} written + {self.filtered:,} "
            f"filtered + {self.dead:,} dead-lettered + {self.pending:,} pending"
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
    # What happens at another sink, or behind this one, is nothing to this sink; "source" and its like come before.
    elsewhere = {stage.label for stage in stages[index:]} | {stage.label for stage in stages if stage.role == "write"}
    elsewhere |= {stage.id for stage in stages if stage.role == "write"} | {AFTER_THE_SINKS}
    if index < len(stages):
        elsewhere -= {stages[index].label, stages[index].id}

    def before(name: str) -> int:
        return int(sum(count for (stage,), count in counters.by(name, "stage").items() if stage not in elsewhere))

    return Balance(
        sink,
        int(counters.total("lines_read")),
        before("events_made"),
        int(written),
        before("events_filtered"),
        before("dead_letters"),
        int(counters.total("lines_pending")),
        choosy,
    )
