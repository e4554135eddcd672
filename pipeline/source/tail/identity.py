"""How files are told apart: by hashes of its first bytes and of the bytes just before a position.

Neither the inode number nor a beginning is enough by itself: inodes are used again, and files begin alike.
"""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple

HEAD = 1024  # bytes a head hash covers at most; fewer while the file is smaller
OVERLAP = 128  # bytes kept from before a position: a line or two
FIRST = 32  # bytes kept as they are, to find files that may begin alike without reading them all


class Changed(Exception):
    """What is in the file now is not what was read from it: it was truncated, or is another file altogether."""


def digest(data: bytes | bytearray | memoryview) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Marker(NamedTuple):
    """A position and the hash of the ``length`` bytes just before it."""

    offset: int
    length: int
    hash: str


NOWHERE = Marker(0, 0, "")
"""The beginning of any file."""


def mark(offset: int, before: bytes) -> Marker:
    """``before``: the bytes that end at ``offset``, as many as are at hand; more than ``OVERLAP`` are not needed."""
    before = before[-OVERLAP:]
    return Marker(offset, len(before), digest(before)) if before else Marker(offset, 0, "")


class Head:
    """The hash of a file's first bytes. Grows with what is handed out, up to ``HEAD`` bytes."""

    __slots__ = ("_hasher", "first", "hash", "length")

    def __init__(self, length: int = 0, known: str = "") -> None:
        self.length = length
        self.hash = known
        self.first = b""  # the first FIRST bytes of it; empty until seen in this run
        self._hasher = hashlib.blake2b(digest_size=16) if length == 0 else None  # None: it is complete, or unseen

    def feed(self, offset: int, data: bytes | memoryview) -> None:
        """``data`` was read from ``offset`` on."""
        stop = min(HEAD, offset + len(data))
        if self._hasher is None or not offset <= self.length < stop:
            return
        fresh = bytes(data[self.length - offset : stop - offset])
        self.first = (self.first + fresh[:FIRST])[:FIRST]
        self._hasher.update(fresh)
        self.length = stop
        self.hash = self._hasher.hexdigest()
        if stop == HEAD:
            self._hasher = None

    def fits(self, data: bytes) -> bool:
        """Whether a file that begins with ``data`` (its first ``HEAD`` bytes, or all it has) can be this one."""
        known = data[: self.length]
        if len(known) < self.length or (self.length and digest(known) != self.hash):
            return False
        if not self.first and self.length:  # from the state, and now seen: it can grow on
            self.first = known[:FIRST]
            self._hasher = hashlib.blake2b(known, digest_size=16) if self.length < HEAD else None
        return True


def fits_at(fd: int, marker: Marker) -> bool:
    """Whether the bytes before the marker's position are the ones it knows."""
    before = os.pread(fd, marker.length, marker.offset - marker.length) if marker.length else b""
    return len(before) == marker.length and (not marker.length or digest(before) == marker.hash)


def continues(fd: int, size: int, head: Head, marker: Marker) -> bool:
    """Whether the open file holds what was read up to ``marker``, and therefore goes on where that left off."""
    return size >= marker.offset and head.fits(os.pread(fd, HEAD, 0)) and fits_at(fd, marker)
