"""Files and directories that cannot be read, each logged once until that is over or has another reason."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator

from tailrace.pipeline.escape import escape
from tailrace.pipeline.source.tail.descriptors import NoRoomError
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.finder import closed_directory
from tailrace.pipeline.telemetry.log import Log


class Troubles:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._files: dict[bytes, str] = {}  # path: what was said
        self._directories: dict[bytes, str] = {}
        self._unread: dict[bytes, str] = {}  # path: why it cannot be read now
        self._damaged: dict[bytes, str] = {}

    def unread(self) -> dict[str, str]:
        """Files that cannot be read, and directories that cannot be looked into, each with the reason."""
        failed = self._directories | self._unread | self._damaged
        return {escape(os.fsdecode(path)): why for path, why in failed.items()}

    def unreadable(self, file: File, error: OSError) -> None:
        """It could not be opened or read."""
        if isinstance(error, FileNotFoundError):
            return  # the next scan will see where it went
        why = error.strerror or str(error)
        closed = closed_directory(os.path.dirname(file.path)) if isinstance(error, PermissionError) else None
        if closed is not None:
            why += f": {escape(os.fsdecode(closed))} lacks search (+x) permission"
        self._unread[file.path] = why
        path = b"" if isinstance(error, NoRoomError) else file.path  # that one is said once for all files
        if self._files.get(path) != why:
            self._files[path] = why
            self._log.warning("file.unreadable", file=file.shown, file_id=file.file_id, why=why)

    def damaged(self, file: File, why: str) -> None:
        """It could not be read to its end, and never will be."""
        self._damaged[file.path], file.damaged = why, True
        self._log.error("file.damaged", file=file.shown, file_id=file.file_id, why=why)

    def of(self, file: File) -> str:
        """Why it cannot be read; empty: nothing is known."""
        return self._unread.get(file.path, "")

    def beside(self, known: Container[bytes]) -> Iterator[tuple[bytes, str]]:
        """Directories, and files that are not among these, that cannot be read and are still there."""
        yield from self._directories.items()
        for path, why in self._unread.items():
            if path not in known and os.path.lexists(path):
                yield path, why

    def readable(self, file: File) -> None:
        if self._unread:
            self._unread.pop(file.path, None)
        if self._files:
            self._files.pop(file.path, None)

    def skipped(self, path: bytes, what: str) -> None:
        """Not a regular file."""
        if self._files.get(path) != what:
            self._files[path] = what
            self._log.warning("file.skipped", file=escape(os.fsdecode(path)), why=f"it is {what}")

    def directories(self, failed: dict[bytes, str]) -> None:
        """All that a scan could not look at."""
        for directory, why in failed.items():
            if self._directories.get(directory) != why:
                self._log.warning("directory.unreadable", directory=escape(os.fsdecode(directory)), why=why)
        self._directories = failed
