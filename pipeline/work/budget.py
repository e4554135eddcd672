"""How long the lines at work may take."""

from __future__ import annotations

import signal
from collections.abc import Callable
from time import monotonic
from typing import Any

from tailrace.pipeline.errors import TimeBudget


class Budget:
    """Raises TimeBudget in the main thread when the lines at work take longer than ``seconds``.

    One interval timer runs while a slot is worked on; a deadline costs an assignment, not a system call. CPython's
    ``re`` looks for signals, so this stops a runaway pattern as well as a loop.
    """

    def __init__(self, seconds: float, stage: Callable[[], int]) -> None:
        self._seconds, self._stage = seconds, stage
        self._deadline: float | None = None
        self._used = False
        self.stage = 0  # which stage was at work when the time was up
        signal.signal(signal.SIGALRM, self._check)

    def _check(self, _signum: int, _frame: Any) -> None:
        if self._deadline is not None and monotonic() > self._deadline:
            if not self._used:
                self._used, self.stage = True, self._stage()
            self._deadline = monotonic() + self._seconds  # once more, should this one be swallowed by a stage
            raise self._used_up()

    def watch(self) -> None:
        period = self._seconds / 5
        signal.setitimer(signal.ITIMER_REAL, period, period)

    def rest(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def start(self) -> None:
        self._used, self._deadline = False, monotonic() + self._seconds

    def stop(self) -> None:
        """The lines are done; TimeBudget when it was raised before and a stage swallowed it (a bare ``except``)."""
        self.give_up()
        if self._used:
            raise self._used_up()

    def give_up(self) -> None:
        """TimeBudget came out; no more of it."""
        self._deadline = None

    def _used_up(self) -> TimeBudget:
        return TimeBudget(f"took longer than {self._seconds:g} s")
