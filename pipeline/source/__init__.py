"""What produces chunks. The engine sees a source only through these protocols and calls it from one thread.

What a source needs to go on after a restart, a cursor for each stream, is a JSON value of its own making: nobody else
looks into it. A stream's key is the same after every restart; with a place behind it, it is an event's id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.telemetry.snapshot import Listing

JSON = Any
"""A JSON value: whatever ``json.dumps`` takes and ``json.loads`` gives back the same."""

Register = Callable[[Sequence[JSON]], Sequence[int]]
"""Gives new streams their numbers, which are durable in the state when it returns; called once for many streams."""


class CursorError(ValueError):
    """A cursor in the state is not one that this source has written."""


class Reader(Protocol):
    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:
        """Read the next chunk of the stream whose turn it is straight into ``buffer``; None: nothing to read now.
        ``skip(stream)`` true: this stream may not have another slot now."""
        ...


class Source(Reader, Protocol):
    """A step object: never blocks, never sleeps; the clock (monotonic seconds) is passed in."""

    def open(self, remembered: Mapping[int, JSON], now: float) -> None:
        """Start: the cursors of all streams in the state. Finds what there is and registers what is new. Called before
        sinks recover. CursorError."""
        ...

    def poll(self, now: float) -> float:
        """Do what is due (hints, rescan, closing finished files); seconds until it wants to be called again (0: data is
        waiting to be read now)."""
        ...

    def released(self, chunk: Chunk, done: int, data: memoryview, dead: int = 0) -> None:
        """The first ``done`` bytes of the chunk (whole lines) are processed and on their way to the sinks; called in
        order for each stream. ``data`` is the slot's content; ``done == chunk.length`` stands for all up to
        ``chunk.end``. Of what this call covers, so many bytes are lines that became dead letters."""
        ...

    def cut(self) -> Mapping[int, JSON]:
        """The cursors that changed since the last cut, by stream, as of everything released so far."""
        ...

    def committed(self, cursors: Mapping[int, JSON]) -> None:
        """These cursors of an earlier ``cut`` are durable now."""
        ...

    @property
    def changed(self) -> bool:
        """Whether ``cut`` has cursors to give: something was released, or happened to a stream."""
        ...

    def retired(self) -> list[int]:
        """Streams of which nothing more will come, since the last call: their rows may go with the next commit."""
        ...

    def rewind(self) -> None:
        """Forget everything read after the committed cursors; descriptors stay open, so that nothing is lost."""
        ...

    def leave(self) -> None:
        """Nothing more is read in this run: account for what the next one cannot read either. Called when everything
        read is released, before the last commit; more than once does no harm."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Exhausts(Protocol):
    """A source that can come to an end (``--until-eof``, ``replay``)."""

    @property
    def exhausted(self) -> bool:
        """Nothing more will come: every byte there was to read has been read."""
        ...


@runtime_checkable
class Readable(Protocol):
    """A source that reads from a descriptor: the engine need not be told when to poll it again."""

    def fileno(self) -> int:
        """What becomes readable when there is more; -1: nothing does, or the source has not read all that was there."""
        ...


@runtime_checkable
class Unreadable(Protocol):
    """A source of which parts may be impossible to read."""

    def unread(self) -> Mapping[str, str]:
        """Those, such as files, each with the reason."""
        ...


@runtime_checkable
class Behind(Protocol):
    """A source that can tell of which streams there is more to read."""

    def behind(self) -> Collection[int]:
        """Those; their numbers."""
        ...


@runtime_checkable
class Progress(Protocol):
    """A source that knows how far it is."""

    def progress(self) -> tuple[int, int | None]:
        """Bytes processed by this run, and all there are; None: there is no end, or nobody knows it."""
        ...


@runtime_checkable
class Lists(Protocol):
    """A source whose streams can be looked at one by one."""

    def listing(self, limit: int, wall: float) -> Listing:
        """All that are not done with, and of those with the most lag so many as rows. ``wall``: seconds since the
        epoch."""
        ...


class Balance(Protocol):
    """What became of the bytes of one stream; ``str`` gives it in words."""

    @property
    def file(self) -> str: ...

    @property
    def holds(self) -> bool:
        """Whether it adds up."""
        ...

    @property
    def amounts(self) -> Mapping[str, int]:
        """Bytes by name, without those that are zero."""
        ...


@runtime_checkable
class Balances(Protocol):
    """A source that accounts for every byte."""

    def balances(self) -> Sequence[Balance]:
        """One for each stream, over its whole life, as of what is committed."""
        ...


@runtime_checkable
class Rereads(Protocol):
    """A source that can give a record's bytes once more, after they were processed."""

    def original(self, stream: int, offset: int, length: int) -> bytes | None:
        """The bytes of the record at this place, just as they are there; None: they cannot be read any more, or it is
        not certain that they are the same."""
        ...


@runtime_checkable
class HandsOver(Protocol):
    """A source that another one of its kind, with other settings, can follow."""

    def hand_over(self) -> Mapping[int, int]:
        """Close, and account for nothing. Descriptors by stream, left open for ``Surroundings.kept``: no name may lead
        to their files any more."""
        ...


@runtime_checkable
class Encoded(Protocol):
    """A source whose streams may have an encoding each."""

    def written_in(self, stream: int) -> str | None:
        """Its encoding; None: the stream is not there any more."""
        ...


@runtime_checkable
class Whole(Protocol):
    """A source that can tell, once it is open, whether all that was not committed can be read again."""

    @property
    def whole(self) -> bool:
        """Every stream of the state that has not ended was found, and holds its committed bytes. Else what an output
        has behind its mark cannot be made again, perhaps, and must not be cut off."""
        ...

    @property
    def missing(self) -> Sequence[str]:
        """The streams because of which it is not whole, and why: a sentence each."""
        ...
