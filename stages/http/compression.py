"""Bodies made smaller: ``gzip`` with the standard library, ``zstd`` with the extra of that name."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal

Compression = Literal["none", "gzip", "zstd"]
Body = bytes | bytearray | memoryview

GZIP_LEVEL = 6
ZSTD_LEVEL = 3


def check_compression(compression: Compression) -> None:
    """ModuleNotFoundError where the extra is missing. Does not import it: only the sink's thread needs it."""
    if compression == "zstd" and find_spec("zstandard") is None:
        raise ModuleNotFoundError("zstd needs the package zstandard: pip install 'tailrace[zstd]'", name="zstandard")


def compressor(compression: Compression) -> Callable[[Body], Body]:
    """A function that several threads may call at once. The same bytes give the same bytes."""
    if compression == "none":
        return lambda body: body
    if compression == "gzip":
        return lambda body: gzip.compress(body, GZIP_LEVEL, mtime=0)
    import zstandard  # only if asked for

    return lambda body: zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)
