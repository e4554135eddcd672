"""What produces chunks. The engine sees a source only through this protocol and calls it from one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tailrace.pipeline.batch import Chunk, Position

Register = Callable[[Sequence[Position]], Sequence[int]]
"""Gives new generations their file ids. They are durable in the state when it returns; called once for many files."""


class Source(Protocol):
    """A step object: never blocks, never sleeps; the clock (monotonic seconds) is passed in."""

    def open(self, positions: Sequence[Position], now: float) -> None:
        """Start: ``positions`` are all rows of the state. Runs the first scan and registers what is new."""
        ...

    def poll(self, now: float) -> float:
        """Do what is due (hints, rescan, closing finished files); seconds until it wants to be called again (0: data is
        waiting to be read now)."""
        ...

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:
        """Read the next chunk of the file whose turn it is straight into ``buffer``; None: nothing to read now.
        ``skip(file_id)`` true: this file may not have another slot now."""
        ...

    def release(self, chunk: Chunk, done: int, data: memoryview, dead: int = 0) -> None:
        """The first ``done`` bytes of the chunk (whole lines) are worked off and on their way to the sinks; called in
        order for each file. ``data`` is the slot's content; ``done == chunk.length`` releases up to ``chunk.end``. Of
        what this call releases, so many bytes are lines that became dead letters."""
        ...

    def cut(self) -> list[Position]:
        """The rows that changed since the last cut, as of everything released so far."""
        ...

    def committed(self, rows: Sequence[Position]) -> None:
        """These rows of an earlier ``cut`` are durable now."""
        ...

    @property
    def changed(self) -> bool:
        """Whether ``cut`` has rows to give: something was released, or came to pass with a file."""
        ...

    def retired(self) -> list[int]:
        """File ids that nothing is read under any more, since the last call: their rows may go with the next commit."""
        ...

    def rewind(self) -> None:
        """Forget everything read after the committed positions; descriptors stay open, so that nothing is lost."""
        ...

    def leave(self) -> None:
        """Nothing is read any more in this run: account for what cannot be read in the next one either. Called when
        everything read is released, before the last commit; more than once does no harm."""
        ...

    @property
    def exhausted(self) -> bool:
        """Nothing more will come: every byte there was to read has been read (``--until-eof``, ``replay``)."""
        ...

    def progress(self) -> tuple[int, int | None]:
        """Bytes worked off by this run, and all there are to do; None: there is no end, or nobody knows it."""
        ...

    def close(self) -> None: ...
