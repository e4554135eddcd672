"""Generations of which nothing more is read: what was lost with them, and how long they are remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.ledger import TAKEN_OVER
from tailrace.pipeline.telemetry.counters import Counters

RETIRE_AFTER = 3600.0  # seconds for which an ended generation is remembered: a file that was moved away may come back
MOST_ENDED = 10_000  # ended generations remembered, however young


class Log(Protocol):
    """What the tailer needs of a structured logger."""

    def debug(self, event: str, /, **fields: Any) -> object: ...
    def info(self, event: str, /, **fields: Any) -> object: ...
    def warning(self, event: str, /, **fields: Any) -> object: ...
    def error(self, event: str, /, **fields: Any) -> object: ...


class Ended:
    """A truncated generation waits until it is clear whether a copy holds its rest; then it is accounted for."""

    def __init__(self, log: Log, counters: Counters, changed: Callable[[File], None]) -> None:
        self._log, self._counters, self._changed = log, counters, changed
        self.files: dict[int, File] = {}  # by file id
        self.copies: dict[int, File] = {}  # the file that has taken over the rest, by the original's file id

    def add(self, file: File, now: float, scan: int, *, truncated: bool) -> None:
        file.ended, file.truncated, file.ended_at, file.ended_scan = True, truncated, now, scan
        self.files[file.file_id] = file

    def account(self, scan: int, *, newcomers: bool) -> None:
        """After a scan that saw everything; ``newcomers``: there are some that may yet turn out to be copies."""
        for file in self.files.values():
            if not file.truncated or file.accounted or not file.settled:
                continue
            if file.copied or (scan > file.ended_scan and not newcomers):
                self.close_account(file, "truncated")

    def account_all(self, before: int) -> None:
        """No copy is going to be found any more of what ended before the scan with this number."""
        for file in self.files.values():
            if file.truncated and not file.accounted and file.ended_scan < before:
                self.close_account(file, "truncated")

    def close_account(self, file: File, reason: str) -> None:
        """Whatever of it was not read is the copy's, or lost."""
        file.accounted = True
        file.release_nuls()
        start, copy = file.read.offset, self.copies.get(file.file_id)
        if copy is not None:
            taken = max(0, min(copy.size, file.size) - start)
            file.ledger.skip(TAKEN_OVER, taken)
            start += taken
        self.lose(file, reason, start, file.size)
        file.size = file.read.offset
        self._changed(file)

    def lose(self, file: File, reason: str, start: int, stop: int) -> None:
        """Bytes that are known to have existed and will never be read: an alarm."""
        lost = stop - start
        if lost > 0:
            file.ledger.lose(reason, start, stop)
            self._changed(file)
            self._counters.add("bytes_unread", lost, reason=reason)
            place = {"file": file.shown, "file_id": file.file_id, "start": start, "stop": stop}
            self._log.error("bytes.lost", **place, bytes=lost, reason=reason)

    def come_back(self, file: File) -> None:
        """It had ended and is there again: it goes on, and what was given up for lost is to be read."""
        reason, found = file.ledger.find_again(file.read.offset)
        if found:
            self._counters.add("bytes_unread", -found, reason=reason)
        file.size += found
        file.ended = file.truncated = file.copied = file.accounted = False
        self.files.pop(file.file_id, None)

    def retire(self, now: float) -> list[int]:
        """Forget those that are accounted for, committed and old enough; their file ids."""
        excess = len(self.files) - MOST_ENDED
        retired: list[int] = []
        for file in list(self.files.values()):
            if not file.settled or (file.truncated and not file.accounted):
                continue
            if excess > len(retired) or now - file.ended_at >= RETIRE_AFTER:
                del self.files[file.file_id]
                self.copies.pop(file.file_id, None)
                retired.append(file.file_id)
                self._log.debug("file.retired", file=file.shown, file_id=file.file_id)
        return retired
