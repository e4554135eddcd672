"""A bare copier: ``python -m benchmarks.copier INPUT OUTPUT FACTOR``.

Reads the input in chunks of tailrace's size and writes FACTOR times as many bytes, whatever they are. Beside it stands
tailrace's main process, which with workers has little else to do.
"""

from __future__ import annotations

import os
import sys

CHUNK = 1 << 20  # bytes; the default of pipeline.chunk_bytes


def copy(source: int, target: int, factor: float) -> None:
    buffer = memoryview(bytearray(int(CHUNK * max(factor, 1.0))))
    due = 0.0
    while got := os.readv(source, [buffer[:CHUNK]]):
        due += got * factor
        due -= os.write(target, buffer[: int(due)])


if __name__ == "__main__":
    copy(
        os.open(sys.argv[1], os.O_RDONLY),
        os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        float(sys.argv[3]),
    )
