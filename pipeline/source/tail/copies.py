"""Which file is this? What a new inode is told by: its content, compared with the files that are known."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.identity import FIRST, OVERLAP, Marker, continues, digest, mark


class Copy(NamedTuple):
    """The newcomer holds what ``of`` held; from ``start`` on it has not been read."""

    of: File
    start: Marker


def copy_of(file: File, ended: Iterable[File]) -> Copy | None:
    """The generation, truncated a moment ago, whose bytes were copied into this file before.

    If nothing of it was read, its beginning tells; then it is only about its name and its books.
    """
    for old in ended:
        if not old.truncated or old.copied or old.accounted or not old.head.length:
            continue
        marker = old.read
        if file.size < marker.offset:  # the copy was made before the last lines were written and read
            marker = next((known for known in reversed(old.history) if known.offset <= file.size), marker)
        if continues(file.fd, file.size, old.head, marker):
            return Copy(old, marker if marker is old.read else _end_of(file))
    return None


def _end_of(file: File) -> Marker:
    first = max(0, file.size - OVERLAP)
    return mark(file.size, os.pread(file.fd, file.size - first, first))


class Beginnings:
    """The known files by their first bytes, to find without reading them all those a newcomer may be a copy of."""

    def __init__(self, known: Iterable[File]) -> None:
        self._by_first: dict[bytes, list[File]] = {}
        self._short: list[File] = []
        for file in known:
            if len(file.head.first) == FIRST:
                self._by_first.setdefault(file.head.first, []).append(file)
            elif file.head.first:
                self._short.append(file)

    def like(self, head: bytes) -> list[File]:
        """Those that begin as ``head`` does, as far as their first bytes tell."""
        found = [file for file in self._short if head.startswith(file.head.first) or file.head.first.startswith(head)]
        if len(head) >= FIRST:
            return found + self._by_first.get(head[:FIRST], [])
        for first, files in self._by_first.items():
            if first.startswith(head):
                found += files
        return found


def begins_like(head: bytes, known: File) -> bool:
    """Whether a file with this ``head`` begins like ``known``, which is open."""
    if len(head) >= known.head.length:
        return digest(head[: known.head.length]) == known.head.hash
    return os.pread(known.fd, len(head), 0) == head


def may_become(file: File, known: File) -> bool:
    """Whether ``file`` is, so far, a beginning of ``known``; both are open. Then it may be a copy in the making."""
    first = max(0, file.size - OVERLAP)
    length = file.size - first
    return os.pread(file.fd, length, first) == os.pread(known.fd, length, first)
