"""The contracts of a stage. A stage is a plain dataclass whose fields are its TOML keys; its methods give it its role.

Stages are built anew in every worker from the checked configuration; nothing with a handle or a lock crosses over.
A stage may change events in place and may simply raise: the engine runs the piece again from its raw bytes and finds
the line that is to blame. It must give the same events for a line whatever lines stand around it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from tailrace.pipeline.batch import Event, Fail, Lines, Origin


class Guarantee(enum.StrEnum):
    """What a sink promises after a crash; ``check`` prints it."""

    EXACTLY_ONCE = "exactly once"
    IDEMPOTENT = "idempotent"
    AT_LEAST_ONCE = "at least once"


@runtime_checkable
class Parse(Protocol):
    """Turns lines into events. Called in a worker, for one piece of one stream at a time."""

    def parse(self, lines: Lines) -> list[Event | Fail]:
        """One entry a line, in order. The engine owns the list and the events from then on."""
        ...


@runtime_checkable
class Enrich(Protocol):
    """Changes, drops or adds events. Called in a worker."""

    def process(self, events: list[Event]) -> list[Event | Fail]:
        """The events that go on. Leave an event out to drop it (counted as filtered by this stage); put ``Fail(...,
        event=event)`` to dead-letter its line; raise, and the engine finds the culprit. May change events in place
        and return the list it was given."""
        ...


@runtime_checkable
class Located(Protocol):
    """Optional, beside ``process`` or ``encode``: a stage that wants to know where the events come from.

    An enrich stage that has it stands directly after the parse stages, so that ``origin.places`` is aligned with its
    events; for a write stage the places are those of the piece and not aligned.
    """

    def locate(self, origin: Origin) -> None:
        """Told before each call of the stage's other method."""
        ...


@dataclass(slots=True, frozen=True)
class Mark:
    """How far one destination of a sink is durable. Written in the commit's transaction, given back to ``recover``."""

    destination: str  # as `encode` named it
    path: str  # absolute, resolved
    device: int
    inode: int
    length: int  # bytes that are durable
    tail: str  # hex digest of the last bytes before `length`
    ours: bool  # the file was made by us (else it stood there before the first event)


@runtime_checkable
class Write(Protocol):
    """A sink. ``encode`` runs in workers, everything else in the sink's own thread, never two at a time."""

    guarantee: ClassVar[Guarantee]

    def encode(self, events: list[Event]) -> Iterable[tuple[str, bytes]]:
        """(destination, payload) pairs, CPU only: no file is touched here. Must not change the events. The order of
        events within a destination is kept. An event that cannot be encoded: raise (``Reject`` names the dead letter's
        code); the engine finds it."""
        ...

    def announce(self, destinations: Sequence[str]) -> list[Mark]:
        """First use of these destinations: the mark of each before any byte of ours (the length is the file's own
        then). The engine makes the marks durable before ``deliver`` is called."""
        ...

    def deliver(self, destination: str, payload: memoryview) -> None:
        """Write one payload (whole events). Its memory belongs to the engine and is reused after the return. OSError
        or ``Retry``: nothing of this call counts, and it is made again with the same payload after a backoff."""
        ...

    def barrier(self) -> list[Mark]:
        """Make everything delivered so far durable; the marks that changed since the last barrier. An error here is
        never retried: the engine rewinds to the last commit."""
        ...

    def recover(self, marks: Sequence[Mark]) -> None:
        """At start and after a rewind: close everything and go back to exactly these marks."""
        ...

    def close(self) -> None:
        """Let go of handles; nothing is made durable here."""
        ...
