"""Packed files, recognised by their first bytes whatever their names: their content is not lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAGIC_BYTES = 10  # of a file, by which it is recognised

# RFC 1952, RFC 8878, https://tukaani.org/xz/xz-file-format.txt; bzip2: a block begins with the digits of pi.
_MAGIC = re.compile(
    rb"(?P<gzip>\x1f\x8b\x08)|(?P<zstd>\x28\xb5\x2f\xfd)|(?P<xz>\xfd7zXZ\x00)|(?P<bzip2>BZh[1-9]1AY&SY)"
)


@dataclass(slots=True)
class Unpacked:
    """How far a packed file is read, in unpacked bytes."""

    read: int = 0
    released: int = 0
    committed: int = 0
    stop: int = 0  # its packed size when all that it held was read; 0: more is to be read
    tried: int = -1  # its packed size when it was found to be cut short

    @property
    def settled(self) -> bool:
        return self.read == self.committed

    def rewind(self) -> None:
        self.read = self.released = self.committed
        self.stop, self.tried = 0, -1


class PackedError(Exception):
    """The file holds packed data."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def kind_of(beginning: bytes | memoryview) -> str | None:
    """How a file that begins so is packed, if it is."""
    found = _MAGIC.match(beginning)
    return found.lastgroup if found else None
