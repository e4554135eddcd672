"""A file that is read as a whole, and again when another has taken its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from tailrace.pipeline.stage import Refreshed

T = TypeVar("T")
State = tuple[tuple[int, ...] | None, ...]


class Reloaded(Generic[T]):
    """``value`` is what ``read`` makes of the file at ``path``. ``read`` raises OSError or ValueError; so does building
    this. Later, what cannot be read leaves the value as it is, and is tried again when the file has changed once more.

    The file is looked at every ``every`` seconds. ``beside``: endings of files that belong to it, such as ``-wal``.
    """

    def __init__(self, path: str, read: Callable[[str], T], every: float, beside: Sequence[str] = ()) -> None:
        self.path = path
        self._read, self._every = read, every
        self._paths = [path, *(path + ending for ending in beside)]
        self._seen = self._state()  # from before it is read: what changes meanwhile is found by the next look
        self._due = float("-inf")
        try:
            self.value = read(path)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: {_why(error)}") from error

    def refresh(self, now: float) -> Refreshed | None:
        """As ``tailrace.pipeline.stage.Refreshes`` says."""
        if now < self._due:
            return None
        self._due = now + self._every
        state = self._state()
        if state == self._seen:
            return None
        try:
            value = self._read(self.path)
        except (OSError, ValueError, MemoryError) as error:
            self._seen = state
            return Refreshed(self.path, _why(error))
        if self._state() != state:  # half of it may be new, and nothing in it says so
            return Refreshed(self.path, "it changed while it was read; replace it by renaming a finished file")
        self._seen, self.value = state, value
        return Refreshed(self.path)

    def _state(self) -> State:
        return tuple(map(_state_of, self._paths))


def _state_of(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _why(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "there is no memory for it beside what is in use (pipeline.worker_memory)"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return str(error)
