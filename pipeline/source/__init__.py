"""What produces chunks. The engine sees a source only through this protocol and calls it from one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tailrace.pipeline.batch import Chunk

Register = Callable[[Sequence[Any]], Sequence[int]]
"""Gives new streams, told by their cursors, their numbers. They are durable in the state when it returns; called once
for many."""


class Source(Protocol):
    """A step object: never blocks, never sleeps; the clock (monotonic seconds) is passed in.

    A *cursor* is how far it is in a stream: a JSON value that only the source looks into.
    """

    def open(self, remembered: Mapping[int, Any], now: float) -> None:
        """Start: the committed cursors of all streams of the state. Finds and registers what is new."""
        ...

    def poll(self, now: float) -> float:
        """Do what is due (hints, rescan, closing finished files); seconds until it wants to be called again (0: data is
        waiting to be read now)."""
        ...

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:
        """Read the next chunk of the stream whose turn it is straight into ``buffer``; None: nothing to read now.
        ``skip(stream)`` true: this stream may not have another slot now."""
        ...

    def released(self, chunk: Chunk, done: int, data: memoryview, dead: int = 0) -> None:
        """The first ``done`` bytes of the chunk (whole records) are worked off and on their way to the sinks; called in
        order for each stream. ``data`` is the slot's content; ``done == chunk.length`` releases up to ``chunk.end``. Of
        what this call releases, so many bytes are records that became dead letters."""
        ...

    def cut(self) -> Mapping[int, Any]:
        """The cursors that changed since the last cut, as of everything released so far."""
        ...

    def committed(self, cursors: Mapping[int, Any]) -> None:
        """These cursors of an earlier ``cut`` are durable now."""
        ...

    @property
    def changed(self) -> bool:
        """Whether ``cut`` has cursors to give: something was released, or came to pass with a stream."""
        ...

    def retired(self) -> list[int]:
        """Streams of which nothing is read any more, since the last call: their rows may go with the next commit."""
        ...

    def rewind(self) -> None:
        """Forget everything read after the committed cursors; descriptors stay open, so that nothing is lost."""
        ...

    def leave(self) -> None:
        """Nothing is read any more in this run: account for what cannot be read in the next one either. Called when
        everything read is released, before the last commit; more than once does no harm."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Exhausts(Protocol):
    @property
    def exhausted(self) -> bool:
        """Nothing more will come: every byte there was to read has been read (``--until-eof``, ``replay``)."""
        ...


@runtime_checkable
class Progress(Protocol):
    def progress(self) -> tuple[int, int | None]:
        """Bytes worked off by this run, and all there are to do; None: there is no end, or nobody knows it."""
        ...


@runtime_checkable
class Balances(Protocol):
    def balances(self) -> Sequence[Any]:
        """What became of the bytes of each file, over its whole life."""
        ...


@runtime_checkable
class Rereads(Protocol):
    def original(self, stream: int, offset: int, length: int) -> bytes | None:
        """The bytes of a record, if they can still be read."""
        ...


@runtime_checkable
class Whole(Protocol):
    @property
    def missing(self) -> Sequence[str]:
        """After ``open``: the streams of the state that cannot be read on from their cursors, each with the reason.
        While there are any, what sinks hold behind their marks cannot be made again."""
        ...
