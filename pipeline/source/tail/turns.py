"""Whose turn it is to be read: files in classes, each of which has its share of the bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fnmatch import fnmatchcase

from tailrace.pipeline.source.tail.file import File

SHARE = 8  # times as many bytes as the next class, while both have some: nobody starves


class Turns:
    """``priority``: patterns of names, the most urgent first; a file that none of them matches comes last. Within a
    class the files take turns."""

    def __init__(self, priority: Sequence[str]) -> None:
        self._patterns = [*priority, "*"]
        self._waiting: list[deque[File]] = [deque() for _ in self._patterns]
        self._used = [0.0 for _ in self._patterns]  # bytes read, by what the class may read
        self._at = 0.0  # how much the class had used whose turn was last

    def __len__(self) -> int:
        return sum(map(len, self._waiting))

    def add(self, file: File) -> None:
        number = self._class_of(file)
        if not self._waiting[number]:
            self._used[number] = max(self._used[number], self._at)  # what it did not use while it had nothing is gone
        self._waiting[number].append(file)

    def take(self) -> File:
        """The next one; there is one."""
        number = min(
            (number for number, waiting in enumerate(self._waiting) if waiting), key=lambda number: self._used[number]
        )
        self._at = self._used[number]
        return self._waiting[number].popleft()

    def has_read(self, file: File, size: int) -> None:
        """So many bytes in its turn."""
        number = self._class_of(file)
        self._used[number] += size * float(SHARE**number)

    def _class_of(self, file: File) -> int:
        return next(number for number, pattern in enumerate(self._patterns) if fnmatchcase(file.name, pattern))
