"""Looks at a run once a second, and makes the one snapshot that all who watch it are shown."""

from __future__ import annotations

import os
from time import monotonic, perf_counter, time

from tailrace.pipeline.run.accounting import Accounting
from tailrace.pipeline.run.commit import Committer
from tailrace.pipeline.run.lent import Lent
from tailrace.pipeline.sinks.crew import Crew
from tailrace.pipeline.source import Lists, Progress
from tailrace.pipeline.sums.sums import Sums
from tailrace.pipeline.telemetry.counters import HAPPENED, Counters
from tailrace.pipeline.telemetry.memory_use import own_bytes
from tailrace.pipeline.telemetry.snapshot import Listing, ProcessMemory, SinkState, Snapshot
from tailrace.pipeline.work.dispatch import Dispatch

SHOWN = 100  # files
SHARE = 0.005  # of the time, at most, that is spent on looking at all files


class Observer:
    """Called from the engine's thread only."""

    def __init__(
        self, lent: Lent, dispatch: Dispatch, crew: Crew, commit: Committer, sums: Sums, accounting: Accounting
    ) -> None:
        self._source, self._counters, self._publish = lent.source, lent.counters, lent.publish
        self._last_letter = lent.last_letter
        self._dispatch, self._crew, self._commit = dispatch, crew, commit
        self._sums, self._accounting = sums, accounting
        self._listing = Listing()
        self._list_at = float("-inf")
        self.snapshot = Snapshot(Counters())

    def look(self, phase: str) -> Snapshot:
        """What is committed, and what is not."""
        files, oldest = self._commit.pending()
        oldest = min(oldest, self._dispatch.pending(files))
        now = monotonic()
        committed = Counters()
        committed.values.update(self._commit.committed)
        committed.values.update({key: value for key, value in self._counters.values.items() if key[0] in HAPPENED})
        lines = int(self._counters.total("lines_read") - committed.total("lines_read"))
        pending = sum(files.values())
        done, total = self._source.progress() if isinstance(self._source, Progress) else (0, None)
        wall = time()
        self.snapshot = Snapshot(
            counters=committed,
            lines_pending=lines,
            bytes_pending=pending,
            oldest_pending=max(0.0, now - oldest),
            progress=(max(0, done - pending), total),
            files=dict(+files),
            sinks={name: SinkState(now - one.since, one.why) for name, one in self._crew.troubles().items()},
            when=wall,
            at=now,
            phase=phase,
            waiting=self._crew.waiting(),
            ring=self._dispatch.ring_state(),
            workers=self._dispatch.worker_states(now),
            slowest=self._accounting.slowest.of(wall),
            listing=self._list(now, wall),
            commits=self._commit.state(now),
            latency=self._commit.latency.copy(),
            memory=self._memory(),
            series=self._sums.series(),
            last_letter=self._last_letter(),
        )
        self._publish(self.snapshot)
        return self.snapshot

    def _list(self, now: float, wall: float) -> Listing:
        """Of many files less often: it costs a share of the time."""
        if now >= self._list_at and isinstance(self._source, Lists):
            began = perf_counter()
            self._listing = self._source.listing(SHOWN, wall)
            self._list_at = now + (perf_counter() - began) / SHARE
        return self._listing

    def _memory(self) -> tuple[ProcessMemory, ...]:
        pids = [worker.pid for worker in self._dispatch.workers if worker.pid != os.getpid()]
        processes = [("main", os.getpid()), *(("worker", pid) for pid in pids)]
        return tuple(ProcessMemory(pid, role, own_bytes(pid)) for role, pid in processes)
