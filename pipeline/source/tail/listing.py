"""The tailer's files, for those who watch it."""

from __future__ import annotations

import heapq
import os
from itertools import islice

from tailrace.pipeline.escape import escape
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.position import base_name
from tailrace.pipeline.source.tail.registry import Registry
from tailrace.pipeline.telemetry.snapshot import FileState, Listing


def listing(registry: Registry, open_files: int, limit: int, wall: float) -> Listing:
    """See ``Lists``. Of ended files only those are there that are not yet accounted for."""
    files = [*registry.living.values(), *(one for one in registry.ended.files.values() if _counts(one))]
    lags = [(max(0, file.extent - file.cursor.committed.offset), index) for index, file in enumerate(files)]
    behind = [pair for pair in lags if pair[0]]
    seconds = max((_age(files[index], wall) for _, index in behind), default=0.0)
    closed = [_closed(path, why) for path, why in islice(registry.troubles.beside(registry.by_path), limit)]
    most = heapq.nlargest(limit - len(closed), lags)
    rows = (*closed, *(_row(files[index], lag, registry, wall) for lag, index in most))
    return Listing(len(registry.living), open_files, sum(lag for lag, _ in behind), seconds, rows)


def _closed(path: bytes, why: str) -> FileState:
    """One that was never opened, so that nothing else is known of it; or a directory."""
    nothing = {"seen": 0, "acknowledged": 0, "dead_lettered": 0, "skipped": {}, "lost": {}, "pending": 0}
    return FileState(escape(os.fsdecode(path)), base_name(path), 0, 0, 0, 0, 0.0, "unreadable", why, nothing)


def _counts(file: File) -> bool:
    """It has ended, and there is something that was read of it and is not committed, or may yet be read elsewhere."""
    return not file.settled or (file.truncated and not file.accounted)


def _age(file: File, wall: float) -> float:
    """Seconds since its oldest byte that is not committed was appended."""
    appended = file.appended(file.cursor.committed.offset)
    return max(0.0, wall - appended) if appended else 0.0


def _row(file: File, lag: int, registry: Registry, wall: float) -> FileState:
    balance = file.balance()
    why = registry.troubles.of(file) or ""
    return FileState(
        file.shown, file.name, file.file_id, file.cursor.committed.offset, file.extent, lag,
        _age(file, wall) if lag else 0.0, _state(file, why), why,
        {
            "seen": balance.seen, "acknowledged": balance.acknowledged, "dead_lettered": balance.dead_lettered,
            "skipped": dict(balance.skipped), "lost": dict(balance.lost), "pending": balance.pending,
        },
    )  # fmt: skip


def _state(file: File, why: str) -> str:
    if why:
        return "unreadable"
    if file.ended:
        return "ended"
    if file.undecided or not file.file_id:
        return "waiting"
    if file.gone_since is not None:
        return "gone"
    return "reading" if file.has_data or not file.settled else "quiet"
