"""Standard output at the pace of the events' own time; what ``replay --speed 10x`` puts in place of the sinks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby

from tailrace.pipeline.batch import Event
from tailrace.pipeline.errors import Retry
from tailrace.pipeline.outgoing import Outgoing, Payload
from tailrace.stages.outputs.ndjson import to_lines
from tailrace.stages.write.stdout import Stdout

TIME_FIELDS = ("timestamp", "time")  # the first one that holds a time counts
LONGEST_WAIT = 60.0  # seconds that are asked for at once; a log may be silent for years

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


@dataclass
class PacedStdout(Stdout):
    """Write events as NDJSON to standard output, each when its time has come: that of the first event is now.

    Order and content are those of ``write.stdout``. Time is taken to the second. An event without one, or with one
    that has passed, goes out with the event before it.
    """

    factor: float = 1.0  # how many seconds of the events pass in one of ours
    clock: Callable[[], float] = time.monotonic  # seconds

    def __post_init__(self) -> None:
        super().__post_init__()
        self._start: tuple[float, float] | None = None  # the first event's time, and ours then

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        """The destination is the second since the epoch, as text; empty where there is no time."""
        return [
            Payload(second, to_lines(list(together), self.given_plain)) for second, together in groupby(events, _second)
        ]

    def deliver(self, batch: Outgoing) -> None:
        if batch.destination:
            second, now = float(batch.destination), self.clock()
            if self._start is None:
                self._start = second, now
            early = (second - self._start[0]) / self.factor - (now - self._start[1])
            if early > 0:
                raise Retry("its time has not come", min(early, LONGEST_WAIT), expected=True)
        super().deliver(batch)


def _second(event: Event) -> str:
    for name in TIME_FIELDS:
        text = event.get(name)
        if isinstance(text, str) and (second := _since_the_epoch(text)):
            return second
    return ""


@lru_cache(4096)
def _since_the_epoch(text: str) -> str:
    """A time without a zone is in UTC."""
    if not _RFC3339.fullmatch(text):
        return ""
    try:
        when = datetime.fromisoformat(text.upper())
    except ValueError:  # a 13th month, a second 60
        return ""
    return str(int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() // 1))
