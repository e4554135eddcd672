"""What a sink is given to deliver, and what it may say of it: payloads, batches, verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Payload:
    """What ``encode`` makes of events for one destination.

    ``ends`` says where each record ends in ``data``, and ``events`` which of the events given to ``encode`` it is
    (None: one record each, in order). A sink that has no batches and never refuses a record may leave both out.
    """

    destination: str
    data: bytes
    ends: Sequence[int] | None = None
    events: Sequence[int] | None = None


@dataclass(slots=True, eq=False)
class Outgoing:
    """Records on their way to one destination. ``data`` is valid until ``deliver`` returns."""

    destination: str
    data: bytes | bytearray | memoryview
    ends: Sequence[int] = ()  # where each record ends; empty where records are not told apart
    ids: Sequence[str] = ()  # the event id of each record: the same whenever the record is sent again

    def __len__(self) -> int:
        return len(self.ends)

    def record(self, index: int) -> memoryview:
        """The bytes of one record."""
        start = self.ends[index - 1] if index else 0
        return memoryview(self.data)[start : self.ends[index]]


@dataclass(slots=True)
class Verdicts:
    """What became of a batch's records. Those that are named nowhere are delivered."""

    refused: list[tuple[int, str, str]] = field(default_factory=list)  # (index, code, the server's words): dead letters
    again: list[int] = field(default_factory=list)  # indexes of those to send again ...
    delay: float | None = None  # ... after so many seconds (None: exponential backoff)
    why: str = ""  # ... and the reason, for the log


class Count(Protocol):
    def __call__(self, name: str, **labels: str) -> None:
        """One more of what has this name and these labels. There should be few of them: each is kept for good. May be
        called from the sink's threads."""
        ...


def _not_counted(name: str, **labels: str) -> None:
    pass


@dataclass(slots=True, frozen=True)
class About:
    """All that the engine tells a sink."""

    name: str  # its id
    most_uncommitted: int | None  # bytes that it may leave behind a mark; None: no bound is known
    say: Callable[[str], None]  # a notice for the log; may be called from the sink's threads
    count: Count = _not_counted  # a counter of the sink's own, which is kept with all others
