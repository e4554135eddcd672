"""One output file as far as it is written, and what the state keeps of that."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

TAIL_BYTES = 64  # before a mark, that tell whether a file is still the one we wrote


@dataclass(slots=True, eq=False)
class Output:
    """One file as far as we have written it."""

    destination: str
    path: str
    device: int
    inode: int
    length: int
    tail: bytes  # the last up to TAIL_BYTES before `length`
    ours: bool

    def mark(self) -> dict[str, Any]:
        """For the state, see ``Mark``."""
        return asdict(Mark(self.path, self.device, self.inode, self.length, digest(self.tail), self.ours))


@dataclass(slots=True, frozen=True)
class Mark:
    """How far one output is durable: what the state keeps of it, as JSON."""

    path: str  # absolute, resolved
    device: int
    inode: int
    length: int  # bytes that are durable
    tail: str  # hex digest of the last bytes before `length`
    ours: bool  # the file was made by us (else it stood there before the first event)


def tail_of(descriptor: int, length: int) -> bytes:
    size = min(length, TAIL_BYTES)
    return os.pread(descriptor, size, length - size)


def digest(tail: bytes) -> str:
    return blake2b(tail, digest_size=16).hexdigest()
