"""Packed files, recognised by their first bytes whatever their names: their content is not lines."""

from __future__ import annotations

import re

MAGIC_BYTES = 10  # of a file, by which it is recognised

# RFC 1952, RFC 8878, https://tukaani.org/xz/xz-file-format.txt; bzip2: a block begins with the digits of pi.
_MAGIC = re.compile(
    rb"(?P<gzip>\x1f\x8b\x08)|(?P<zstd>\x28\xb5\x2f\xfd)|(?P<xz>\xfd7zXZ\x00)|(?P<bzip2>BZh[1-9]1AY&SY)"
)


class PackedError(Exception):
    """The file holds packed data."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def kind_of(beginning: bytes | memoryview) -> str | None:
    """How a file that begins so is packed, if it is."""
    found = _MAGIC.match(beginning)
    return found.lastgroup if found else None
