"""What every sink over the network lets its user say about delivery: the tables ``batch``, ``request`` and ``retry``.

A sink has them as fields::

    batch: Batch = field(default_factory=Batch)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tailrace.pipeline.keys import Duration, Size, Whole


@dataclass(slots=True, frozen=True)
class Batch:
    """How many events go to the server at once. A batch is sent when it has ``max_events`` or ``max_bytes``, after
    ``timeout``, and at each commit."""

    max_events: Annotated[int, Whole(1, 1_000_000, "a batch is held in memory until it is delivered")] = 1000
    max_bytes: Annotated[int, Size("1KiB", "256MiB", "a batch is held in memory until it is delivered")] = 1 << 20
    timeout: Annotated[float, Duration("0s", "1h", "an event waits in memory so long for others to go with it")] = 1.0


@dataclass(slots=True, frozen=True)
class Request:
    """How one batch is sent: its answer may take ``timeout``, and ``concurrency`` of them are under way at once."""

    timeout: Annotated[float, Duration("100ms", "1h", "a server that has not answered by then is tried again")] = 30.0
    concurrency: Annotated[int, Whole(1, 64, "each request holds a batch in memory and a connection")] = 1


@dataclass(slots=True, frozen=True)
class RetryPolicy:
    """How a batch is tried again that the server could not take.

    The wait doubles from ``initial_backoff`` to ``max_backoff`` seconds. ``attempts`` are tries in all: after the last
    one the events of the batch become dead letters; 0: it is tried for ever.
    """

    initial_backoff: Annotated[float, Duration("1ms", "1h", "a server in trouble needs time between two tries")] = 1.0
    max_backoff: Annotated[float, Duration("1ms", "1d", "so long at most until a server that is back is noticed")] = (
        60.0
    )
    attempts: Annotated[int, Whole(0, 1_000_000, "0 tries for ever")] = 0

    def __post_init__(self) -> None:
        if self.max_backoff < self.initial_backoff:
            raise ValueError(
                f"initial_backoff: is {self.initial_backoff:g} s, expected at most max_backoff, {self.max_backoff:g} s"
            )


TABLES = {"batch": Batch, "request": Request, "retry": RetryPolicy}
"""What a sink's fields of these names must be: the engine goes by them."""
