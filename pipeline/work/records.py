"""What each worker has done since it was started, for those who watch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Record:
    batches: int = 0
    lines: int = 0
    seconds: float = 0.0


class Records:
    """By process."""

    def __init__(self) -> None:
        self._records: dict[int, _Record] = {}

    def hired(self, pid: int) -> None:
        self._records[pid] = _Record()

    def gone(self, pid: int) -> None:
        self._records.pop(pid, None)

    def through(self, pid: int, seconds: float) -> None:
        """A batch, which took so long."""
        record = self._records[pid]
        record.batches += 1
        record.seconds += seconds

    def released(self, pid: int, lines: int) -> None:
        """So many of its lines went on; it may be gone by now."""
        if pid in self._records:
            self._records[pid].lines += lines

    def of(self, pid: int) -> tuple[int, int, float]:
        """(batches, lines, seconds at work)."""
        record = self._records.get(pid, _Record())
        return record.batches, record.lines, record.seconds
