"""Makes a sink's calls until they succeed, with backoff; knows what a sink is doing, and since when.

Nothing a sink raises ends the run: the engine hears of it, and the call is made again. Out of here come only
``AbandonError`` (the engine has given up what was to be done), ``GivenUpError``, which whoever delivers a batch deals
with, ``ReaderGone``, and what is for the user (``TailraceError``).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

from tailrace.pipeline.delivery import RetryPolicy
from tailrace.pipeline.errors import Park, ReaderGone, Retry, TailraceError

T = TypeVar("T")

ANY = 0  # no thread has this id
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 30.0  # seconds, of sinks that have no `retry` of their own


class AbandonError(Exception):
    """The engine gave up what is in the queue."""


class GivenUpError(Exception):
    """``retry.attempts`` are used up; the cause is what came of the last one."""


class Breaker:
    """One for each sink; its calls may be made from several threads at a time.

    ``failed(error, failures)`` and ``succeeded()`` are called in those threads: the first for each failure, the second
    when a call gets through in the last thread whose calls failed, also if what failed was given up meanwhile.
    """

    def __init__(
        self,
        policy: RetryPolicy | None,
        connect: Callable[[], None] | None,
        failed: Callable[[BaseException, int], None],
        succeeded: Callable[[], None],
    ) -> None:
        self._policy = policy
        self._connect = connect
        self._failed, self._succeeded = failed, succeeded
        self._connected = connect is None
        self._connecting = threading.Lock()
        self._abandon = threading.Event()
        self._calls: dict[int, tuple[str, float]] = {}  # thread: what it is calling, and since when
        self._failing: set[int] = set()  # threads whose last call failed; ANY: one that has given it up since

    def call(self, what: str, call: Callable[[], T], *, attempts: int = 0, settles: bool = True) -> T:
        """The result of ``call`` once it succeeds. ``attempts``: tries in all, 0 for no limit. Not ``settles``: the
        result tells whether it got through, and the caller says so (``got_through``)."""
        failures = 0
        while True:
            self.check()
            try:
                self._ready()
                with self.busy_with(what):
                    result = call()
            except (AbandonError, GivenUpError, ReaderGone, TailraceError):
                raise
            except BaseException as error:  # whatever a sink's library raises, SystemExit too
                if isinstance(error, Retry) and error.expected:
                    self._abandon.wait(self._delay(error, 1))
                    continue
                failures += 1
                if not isinstance(error, (Retry, Park)) and self._connect is not None:
                    self._connected = False
                if attempts and failures >= attempts and not isinstance(error, Park):
                    self.give_up()
                    raise GivenUpError from error
                self.report(error, failures)
                self._abandon.wait(self._delay(error, failures))
            else:
                if settles:
                    self.got_through()
                return result

    def got_through(self) -> None:
        """Trouble of this thread is over."""
        if self._failing:
            self._failing -= {threading.get_ident(), ANY}
            if not self._failing:
                self._succeeded()

    def give_up(self) -> None:
        """What failed in this thread is not tried any more; the next call that gets through ends the trouble."""
        if threading.get_ident() in self._failing:
            self._failing.discard(threading.get_ident())
            self._failing.add(ANY)

    def _ready(self) -> None:
        """Connected; what ``connect`` raises is treated like a failure of the call that needs it."""
        if self._connected or self._connect is None:
            return
        with self._connecting:
            if not self._connected:
                with self.busy_with("connect"):
                    self._connect()
                self._connected = True

    def _delay(self, error: BaseException, failures: int) -> float:
        """Exponential with full jitter; a server's own wish comes first."""
        if isinstance(error, Retry) and error.delay is not None:
            return error.delay
        policy = self._policy
        first, most = (policy.initial_backoff, policy.max_backoff) if policy else (FIRST_BACKOFF, LONGEST_BACKOFF)
        longest = min(most, first * 2.0 ** min(failures - 1, 32))
        return random.uniform(first / 2, longest)  # noqa: S311  (jitter, no secret)

    def wait(self, seconds: float | None, failures: int) -> None:
        """Before records that were refused for now are sent again."""
        self._abandon.wait(self._delay(Retry("", seconds), failures))

    def report(self, error: BaseException, failures: int) -> None:
        """A failure, also one that was not raised."""
        self._failing.add(threading.get_ident())
        self._failed(error, failures)

    def check(self) -> None:
        if self._abandon.is_set():
            raise AbandonError

    def abandon(self) -> None:
        """End every wait: what is being tried is given up."""
        self._abandon.set()

    def resume(self) -> None:
        """All that was tried is given up, and no other thread is at work."""
        if self._failing:
            self._failing = {ANY}
        self._abandon.clear()

    @contextmanager
    def busy_with(self, what: str) -> Iterator[None]:
        """While a call of the sink is under way. (Calls do not nest: ``connect`` ends before the call it is for.)"""
        self._calls[threading.get_ident()] = (what, monotonic())
        try:
            yield
        finally:
            self._calls.pop(threading.get_ident(), None)

    def busy(self) -> tuple[str, float] | None:
        """The call that is under way for longest, and since when (monotonic seconds). From any thread."""
        calls = list(self._calls.copy().values())
        return min(calls, key=lambda call: call[1]) if calls else None
