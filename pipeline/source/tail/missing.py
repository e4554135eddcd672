"""What of the state cannot be read again: streams whose bytes, behind what is committed, are not there any more.

What an output holds behind its mark may have come from them, and then nobody can make it again. It cannot be known that
nothing of a stream was read after its last commit, so one that is gone counts, however quiet it was; a packed one does
not, since nothing of it ever reaches an output.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.identity import Changed
from tailrace.pipeline.source.tail.registry import Registry


class Missing:
    """``files`` are those of the state, before the first scan; ``streams`` looks at them after it."""

    def __init__(self, files: Sequence[File]) -> None:
        self._sizes = {file: file.size for file in files if not file.packed and not _done(file)}

    def streams(self, registry: Registry) -> Iterator[str]:
        """Which are missing, and why: a sentence each."""
        for file, size in self._sizes.items():
            why = _why(file, size, registry)
            if why:
                yield f"{file.shown}: {why}"


def _done(file: File) -> bool:
    """It had ended, and everything was committed that was ever read of it."""
    return file.ended and file.size <= file.cursor.read.offset


def _why(file: File, size: int, registry: Registry) -> str:
    if file.file_id in registry.ended.copies:
        return ""  # its rest is read from the copy
    if registry.unwanted.get(file.key) is file:
        return _why_unwanted(file, registry)
    if file.gone_since is not None and file.fd < 0:
        return "it is not there any more"
    if file.ended:
        return "it was truncated or replaced, and no copy of it was found"
    if not file.verified:
        return registry.troubles.of(file) or "it cannot be reached"
    if file.size < size:
        return f"it has {file.size} bytes, and had {size}"
    return ""


def _why_unwanted(file: File, registry: Registry) -> str:
    """It is not followed, but another configuration may ask for it again: nothing is lost while it is there."""
    try:
        registry.descriptors.open(file)
        file.verify()
        size = os.fstat(file.fd).st_size
    except (Changed, FileNotFoundError):
        return "it is not where it was, and source.paths does not ask for it any more"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    finally:
        registry.descriptors.close(file)
    return "" if size >= file.size else f"it has {size} bytes, and had {file.size}"
