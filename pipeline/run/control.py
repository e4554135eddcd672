"""What a running daemon can be asked to do: see ``status.api.Actions``. All of it is done in the engine's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import time
from typing import Any

from tailrace.pipeline.errors import StateError, TailraceError
from tailrace.pipeline.run import streams
from tailrace.pipeline.run.reload import Reload
from tailrace.pipeline.settings import Config
from tailrace.pipeline.source.redrive import Job
from tailrace.pipeline.state.letters import Filter, Letter
from tailrace.pipeline.state.store import State
from tailrace.pipeline.status.requests import Requests
from tailrace.pipeline.status.tapping import Tapped, Taps
from tailrace.pipeline.telemetry.counters import Counters

REMEMBERED = 20  # re-drives that are over
EXPIRE_EVERY = 60.0  # seconds
EXPIRED_AT_ONCE = 10  # one in so many, and at least as many, go in one step: a clock that is wrong empties no table


class Control:
    """Made with the daemon; ``serve`` is called between two turns of the engine."""

    def __init__(
        self,
        state: State,
        requests: Requests,
        reload: Reload | None,
        taps: Taps,
        spared: Callable[[], set[int]],
        config: Callable[[], Config],
        counters: Counters,
        log: Any,
        wake: Callable[[], None],
    ) -> None:
        self._state, self._requests, self._reload, self._taps = state, requests, reload, taps
        self._config, self._spared, self._counters, self._log, self._wake = config, spared, counters, log, wake
        self.jobs: deque[Job] = deque()  # that are to be done, the first of which is at work
        self._all_jobs: deque[Job] = deque(maxlen=REMEMBERED)
        self._numbers = 0
        self._expire_at = float("-inf")
        self._said: set[int] = set()
        self._made_room = 0  # so many dead letters, to newer ones, are counted

    # In the engine's thread.

    def serve(self, now: float, max_age: float | None) -> None:
        self._requests.serve()
        self._taps.tick(now)
        if self._state.dropped > self._made_room:
            self._counters.add("dead_letters_dropped", self._state.dropped - self._made_room)
            self._made_room = self._state.dropped
        for job in self._all_jobs:
            if not job.running and job.number not in self._said:
                self._said.add(job.number)
                self._log.info("dead_letters.redriven", **job.progress())
        if max_age is not None and now >= self._expire_at and not self.jobs:  # those that are wanted are not too old
            self._expire_at = now + EXPIRE_EVERY
            self._expire(max_age)

    def fetch(self, wanted: Filter, last: int, until: int, limit: int) -> list[Letter]:
        return self._state.letters.between(wanted, last, until, limit)

    def begin_redrive(self, wanted: Filter) -> Job:
        count, last = self._state.letters.count(wanted)
        self._numbers += 1
        job = Job(self._numbers, wanted, last, count)
        self.jobs.append(job)
        self._all_jobs.append(job)
        self._wake()  # else the engine would sleep before it begins
        return job

    def _expire(self, max_age: float) -> None:
        """Also while nothing else happens."""
        count, _ = self._state.letters.count(Filter())
        most = max(EXPIRED_AT_ONCE, count // EXPIRED_AT_ONCE)
        try:
            gone = self._state.expire_letters(time() - max_age, most)
        except OSError as error:
            self._log.warning("dead_letters.not_expired", why=str(error), notice="tried again in a minute")
            return
        if gone:
            self._counters.add("dead_letters_expired", gone)
            self._log.info("dead_letters.expired", letters=gone, notice="they were older than dead_letters.max_age")

    def _drop(self, wanted: Filter) -> int:
        spared = self._spared()
        ids = [number for number in self._state.letters.ids(wanted) if number not in spared]
        try:
            self._state.drop_letters(ids)
        except OSError as error:
            raise StateError(f"{error}: nothing was dropped; check the disk (space, permissions)") from error
        self._counters.add("dead_letters_dropped", len(ids))
        self._log.info("dead_letters.dropped", letters=len(ids))
        return len(ids)

    # From any other.

    def redrive(self, wanted: Filter) -> dict[str, Any]:
        return self._requests.call(lambda: self.begin_redrive(wanted).progress())

    def redrive_progress(self, number: int | None = None) -> dict[str, Any] | None:
        jobs = list(self._all_jobs)
        if number is None:
            return next(
                (job.progress() for job in reversed(jobs) if job.running), jobs[-1].progress() if jobs else None
            )
        return next((job.progress() for job in jobs if job.number == number), None)

    def drop(self, wanted: Filter) -> int:
        return self._requests.call(lambda: self._drop(wanted))

    def reload(self) -> None:
        if self._reload is None:
            raise TailraceError("a run that is to end uses the configuration that it began with")
        self._reload.ask()
        self._wake()

    def last_reload(self) -> tuple[float, bool] | None:
        return None if self._reload is None else self._reload.last

    def forget(self, file: str) -> dict[str, Any]:
        self._requests.call(lambda: streams.check(self._config(), self._state, file))
        return self._requests.call(lambda: streams.forget(self._config(), self._state, self._log, file), between=True)

    def move(self, file: str, to: str) -> dict[str, Any]:
        self._requests.call(lambda: streams.check(self._config(), self._state, file, to))
        return self._requests.call(lambda: streams.move(self._config(), self._state, self._log, file, to), between=True)

    def tap(self, stage: str, when: str, limit: int, interval: float, duration: float | None) -> Tapped:
        return self._taps.open(stage, when, limit, interval, duration)
