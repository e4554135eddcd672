"""The contracts of a stage. A stage is a plain dataclass whose fields are its TOML keys; its methods give it its role.

Stages are built anew in every worker from the checked configuration; nothing with a handle or a lock crosses over.
A stage may change events in place and may simply raise: the engine runs the piece again from its raw bytes and finds
the record that is to blame. It must give the same events for a record whatever records stand around it, unless it
declares ``memory``. What a sink's server answers is told by the exceptions of ``errors`` and by ``Verdicts``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from tailrace.pipeline.batch import Event, Fail, Lines, Origin, Skip
from tailrace.pipeline.outgoing import About, Outgoing, Payload, Verdicts


class Guarantee(enum.StrEnum):
    """What a sink promises after a crash; ``check`` prints it."""

    EXACTLY_ONCE = "exactly once"
    IDEMPOTENT = "idempotent"
    AT_LEAST_ONCE = "at least once"


@runtime_checkable
class Parse(Protocol):
    """Turns lines into events. Called in a worker, for one piece of one stream at a time.

    With the configuration's `field` it is given the texts of a field. A terminal's colours are taken out of what it is
    given, unless it says ``verbatim: ClassVar[bool] = True``. One that goes by ``lines.origin.places``, and so is not
    for a `field`, has an attribute ``by_place = True``.
    """

    def parse(self, lines: Lines) -> Sequence[Event | Fail | Skip]:
        """A list with one entry a line, in order; ``Skip(reason)`` for one that yields no event. The engine owns the
        list and the events from then on."""
        ...


@runtime_checkable
class Enrich(Protocol):
    """Changes, drops or adds events. Called in a worker."""

    def process(self, events: list[Event]) -> Sequence[Event | Fail | Skip]:
        """A list of the events that go on. Leave an event out to drop it (counted as filtered by this stage; with
        ``Skip(reason)`` in its place, by this reason); put ``Fail(..., event=event)`` to dead-letter its record;
        raise, and the engine finds the culprit. May change events in place and return the list it was given."""
        ...


@runtime_checkable
class Located(Protocol):
    """Optional, beside ``process`` or ``encode``: a stage that wants to know where the events come from.

    An enrich stage that has it stands directly after the parse stages, so that ``origin.places`` is aligned with its
    events, unless it says ``needs_places: ClassVar[bool] = False``: then it may stand anywhere, and the places are not
    aligned. For a write stage they are those of the piece and not aligned, either.
    """

    def locate(self, origin: Origin) -> None:
        """Told before each call of the stage's other method."""
        ...


@runtime_checkable
class Identifies(Protocol):
    """Optional, beside ``process``: a stage that writes each record's event id into a field. When later stages make
    several events of a record, the engine keeps the ids apart: ``.1``, ``.2`` ... is put behind them."""

    id_field: str


if TYPE_CHECKING:
    # What the engine puts in place of the declaration: `self.memory` is a mapping to mypy too.
    _Mapping = dict[str, Any]
else:
    _Mapping = object


class Memory(_Mapping):
    """A stage that declares ``memory: ClassVar[Memory] = Memory()`` keeps what it knows over all records, restarts
    and crashes, in ``self.memory``: a mapping of texts to JSON values, which the engine fills in.

    Values come out read-only: assign a new one to change it. What a piece changes is taken with the piece's result or
    not at all, and becomes durable with the same commit. Beyond ``pipeline.stage_memory`` an assignment raises
    ``MemoryFull``. Such a chain runs in one worker. A stage that remembers with some of its keys only sets
    ``self.memory = Memory()`` in ``__post_init__`` instead.
    """


def remembers(stage: object) -> bool:
    """Whether the stage, or the class, declares a memory."""
    return isinstance(getattr(stage, "memory", None), Memory)


def needs_places(stage: object) -> bool:
    """Whether the enrich stage, or the class, needs the place of every line."""
    return callable(getattr(stage, "locate", None)) and bool(getattr(stage, "needs_places", True))


class Sums(Protocol):
    """Beside ``process``, an enrich stage that adds up over all events, whichever worker has them.

    Each worker adds up what it is given; the main process merges that when the events are released, in no certain
    order, so the result must not depend on the order. All sums become durable with the same commit as the events they
    are made of. What comes out are records that enter the chain behind the stage, each once.
    """

    def added(self) -> tuple[Mapping[str, Any], float | None]:
        """In a worker: what the last call of ``process`` has added up, JSON values by key, and the time of the latest
        event in it, in seconds since the epoch (None: nothing there goes by time)."""
        ...

    def merge(self, totals: MutableMapping[str, Any], added: Mapping[str, Any]) -> None:
        """In a worker over several calls, and in the main process over all of them. ``totals`` holds JSON values that
        are kept over restarts: assign a new value to change one."""
        ...

    def close(self, totals: MutableMapping[str, Any], until: float) -> Iterable[tuple[str, Event]]:
        """In the main process, several times a second: take out of ``totals`` what is complete when no event from
        before ``until`` comes any more (infinity: all input is at its end, or there is no more room), and give it as
        events, each with a name that is its id: no other result of the stage ever has the same."""
        ...


@runtime_checkable
class Exposes(Protocol):
    """Optional, of a stage of sums: what it has added up is a metric, which `/metrics` shows under its own name."""

    def exposed(self, totals: Mapping[str, Any]) -> Iterable[Event]:
        """As of these totals, with what is not complete yet: each series an event with ``metric``, ``kind`` ("counter",
        "gauge", "histogram"), ``labels``, and ``value``, or ``count``, ``sum`` and ``buckets``."""
        ...


def sums(stage: object) -> bool:
    """Whether the stage, or the class, adds up over all events; one that does with some of its keys only says so in an
    attribute ``summing``."""
    names = (name for name in vars(Sums) if not name.startswith("_"))
    return all(callable(getattr(stage, name, None)) for name in names) and bool(getattr(stage, "summing", True))


@runtime_checkable
class SimpleWrite(Protocol):
    """The whole of a sink of one's own: at least once, batched, retried."""

    def write(self, events: list[Event]) -> None:
        """Called in the sink's thread; the events belong to the stage. Each has its ``event_id``, the same after every
        restart: a target that uses it as key holds each event once. ``OSError`` and ``Retry``: the whole batch again,
        later. Anything else: halves, until the events that fail alone while others pass are dead letters; if none
        passes, all of them again. An event that was taken before may be among what is tried then."""
        ...


@dataclass(slots=True, frozen=True)
class Refreshed:
    """A stage has read a file anew, or tried to."""

    file: str
    problem: str = ""  # why it could not; it goes on with what it had


@runtime_checkable
class Costs(Protocol):
    """Optional, of a stage that tries several patterns: what each of them costs."""

    def costs(self) -> Mapping[str, tuple[float, int]]:
        """In a worker, after a call of ``parse`` or ``process``: by pattern, as the configuration names it, the seconds
        that it took since the last time this was asked, and how often it matched."""
        ...


@runtime_checkable
class Refreshes(Protocol):
    """Optional, of a stage that works with what it has read from a file which others may replace."""

    def refresh(self, now: float) -> Refreshed | None:
        """Called in the worker before each chunk; what it takes counts against no line's time. ``now``: seconds of a
        monotonic clock. Must be cheap while there is nothing new. None: nothing was read. What is read is taken whole
        or not at all; it stays the same until the next call."""
        ...


@runtime_checkable
class Remarks(Protocol):
    """Optional: a stage has more to say to who checks the configuration than what is wrong with it."""

    def remarks(self) -> Sequence[str]:
        """For ``check``: what is probably not meant, such as a key that a table has twice."""
        ...


@runtime_checkable
class Holds(Protocol):
    """Optional: a stage that holds much in memory whatever it is given, in each process that it is built in."""

    @property
    def held_bytes(self) -> int:
        """About so much, for the memory ceiling that ``check`` tells; twice as much while it is read anew."""
        ...


Marks = Mapping[str, Any]
"""How far a sink is durable: a JSON value for each destination, written and read back by the sink alone."""


@dataclass(slots=True, frozen=True)
class Cut:
    """Everything that a commit will cover."""

    number: int  # of the commit in this run


@runtime_checkable
class Write(Protocol):
    """A sink. ``encode`` runs in workers, everything else in the sink's own thread or threads.

    What it may have beside these members are the protocols below. Its field ``batch`` (``delivery.Batch``) makes it a
    sink that is given batches of the engine's; without it, ``deliver`` is given what each chunk came to, uncopied.
    ``ordered: ClassVar[bool] = False`` says that ``request.concurrency`` (``delivery.Request``) may be above 1, and
    ``shared_by: ClassVar[str]`` names the key in which two sinks with one ``path`` must differ.
    """

    guarantee: ClassVar[Guarantee]

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        """CPU only: no file and no socket is touched here. Must not change the events. The order of events within a
        destination is kept. An event that cannot be encoded: raise (``Reject`` names the dead letter's code); the
        engine finds it."""
        ...

    def deliver(self, batch: Outgoing) -> Verdicts | None:
        """Write one batch, I/O only. Its memory belongs to the engine and is reused after the return. None: all is
        delivered. ``Retry``, ``OSError`` or any other exception: nothing of this call counts, and it is made again
        with the same batch after a backoff. ``Split``: the engine halves the batch. ``Park``: the sink, not the data,
        is wrong: nothing more is sent until a probe gets through."""
        ...


@runtime_checkable
class Connects(Protocol):
    def connect(self, about: About) -> None:
        """Before anything else, and again after a call that failed otherwise than by ``Retry``. Retried for ever, with
        a backoff."""
        ...


@runtime_checkable
class Flushes(Protocol):
    def flush(self) -> None:
        """What is buffered goes out. Made again when it fails."""
        ...


@runtime_checkable
class Announces(Protocol):
    def announce(self, destinations: Sequence[str]) -> Marks:
        """First use of these destinations: the mark of each before any byte of ours. The engine makes the marks durable
        before ``deliver`` is called. Made again when it fails."""
        ...


@runtime_checkable
class Syncs(Protocol):
    def sync(self, cut: Cut) -> Marks:
        """Make everything delivered so far durable; the marks that changed since the last cut. A failure is never
        retried: the engine goes back to the last commit."""
        ...


@runtime_checkable
class Recovers(Protocol):
    def recover(self, marks: Marks, may_cut: bool) -> None:
        """At start and after a rewind: close everything and go back to exactly these marks. What lies behind them may
        be cut off only if ``may_cut``: else it cannot be made again, and is set aside. A ``TailraceError`` ends the
        run; anything else is retried."""
        ...


@runtime_checkable
class Commits(Protocol):
    def committed(self, marks: Marks) -> None:
        """These marks are in the state now: publish. Repeatable; called again by ``recover``."""
        ...


@runtime_checkable
class Discards(Protocol):
    def discard(self, marks: Marks, may_cut: bool) -> None:
        """Of a sink that is gone from the configuration, before its marks are forgotten: leave no byte behind that is
        not committed."""
        ...


@runtime_checkable
class HasPaths(Protocol):
    def paths(self, marks: Marks) -> Sequence[str]:
        """Files that must never be read as a source."""
        ...


@runtime_checkable
class Closes(Protocol):
    def close(self) -> None:
        """Let go of handles; nothing is made durable here."""
        ...
