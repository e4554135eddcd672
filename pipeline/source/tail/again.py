"""What is read of a file once more, when its lines are long on their way."""

from __future__ import annotations

import os

from tailrace.pipeline.encoding import Encoding
from tailrace.pipeline.source.tail.cursor import written_as
from tailrace.pipeline.source.tail.identity import Changed
from tailrace.pipeline.source.tail.registry import Registry


def original(registry: Registry, stream: int, offset: int, length: int) -> bytes | None:
    """See ``Rereads``. Of a file whose bytes were taken away, its copy's are given."""
    file = registry.by_id.get(stream)
    if file is not None and file.ended:
        file = registry.ended.copies.get(stream)
    if file is None or file.ended or file.unpacked is not None:
        return None
    try:
        registry.descriptors.open(file)
        data = os.pread(file.fd, length, offset)
        file.verify()  # afterwards: what was there before is there still
    except (Changed, OSError):
        return None  # the next scan will see what happened to it
    return data if len(data) == length else None


def written_in(registry: Registry, stream: int, configured: Encoding) -> str | None:
    """See ``Encoded``: what its byte order mark says."""
    file = registry.by_id.get(stream)
    if file is None or file.ended or file.unpacked is not None:
        return None
    try:
        registry.descriptors.open(file)
        return written_as(file.fd, configured).name
    except (Changed, OSError):
        return None  # the next scan will see what happened to it
