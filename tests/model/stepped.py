"""Threads that run only while they have their turn: everything happens in an order that the test chooses.

The engine's thread and those of its sinks stop where they would wait, and ahead of each change of what is durable.
Whoever gives a turn waits until it stops again, so there is never more than one at work, and time is a number.
"""

from __future__ import annotations

import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from tailrace.pipeline.sinks.answers import Answer
from tailrace.pipeline.sinks.thread import SinkThread
from tailrace.pipeline.stage import Write
from tailrace.pipeline.testing.doubles import FakeClock

NEVER = float("inf")
_here = threading.local()


class KilledError(BaseException):
    """Raised where a thread stands that is to die."""


class Stepped:
    """One thread; it has what the engine asks of a ``threading.Thread``. ``at_once``: once it is killed it never stops
    again without dying there: its handlers, which take whatever is raised for a sink's error, would go on."""

    def __init__(self, name: str, work: Callable[[], None], clock: FakeClock, *, at_once: bool = False) -> None:
        self._work, self._clock, self._at_once = work, clock, at_once
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._until: Callable[[], object] = lambda: True
        self.deadline = NEVER  # when it goes on, whatever happens
        self._to_die = self._dying = False
        self.over = False
        self.failure: BaseException | None = None

    @staticmethod
    def here() -> Stepped | None:
        """The one that runs now; None: the test itself."""
        return getattr(_here, "stepped", None)

    @property
    def ident(self) -> int | None:
        return self._thread.ident

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self.ident is not None and not self.over

    def join(self, timeout: float) -> None:
        """Called by another one: the engine waits for its sinks."""
        waiting = Stepped.here()
        assert waiting is not None
        waiting.wait(lambda: self.over, timeout)

    @property
    def can_go(self) -> bool:
        return self.is_alive() and (self._clock() >= self.deadline or bool(self._until()))

    def turn(self) -> bool:
        """Let it go on to where it stops next; False: it is waiting for something, or over."""
        if not self.can_go:
            return False
        self._go.release()
        self._back.acquire()
        return True

    def kill(self) -> None:
        """It dies where it stands; what it has open is closed on the way out."""
        self._to_die = True
        if self.is_alive():
            self._go.release()
            self._back.acquire()
        assert not self.is_alive()

    def wait(self, until: Callable[[], object], seconds: float = NEVER) -> None:
        """In the thread: stop, and go on when that is true or so much time has passed."""
        if self._dying and self._at_once:
            raise KilledError
        if self._dying:
            return
        self._until, self.deadline = until, self._clock() + seconds
        self._back.release()
        self._go.acquire()
        if self._to_die:
            self._dying = True
            raise KilledError

    def pause(self) -> None:
        self.wait(lambda: True)

    def _run(self) -> None:
        _here.stepped = self
        self._go.acquire()
        try:
            if not self._to_die:
                self._work()
        except KilledError:
            pass  # as it was told
        except BaseException as error:  # kept for whoever looks after it
            self.failure = error
        finally:
            self.over = True
            self._back.release()


class Jobs:
    """A sink's queue: its thread stops ahead of each job."""

    def __init__(self, thread: Stepped) -> None:
        self._thread = thread
        self._jobs: deque[Any] = deque()

    def put(self, job: Any) -> None:
        self._jobs.append(job)

    def get(self, timeout: float | None = None) -> Any:
        assert timeout is None, "the sinks here have no batches"
        self._thread.wait(lambda: self._jobs)
        return self._jobs.popleft() if self._jobs else None  # (empty: it was killed, and is on its way out)


class Flag:
    """A ``threading.Event`` by the test's clock."""

    def __init__(self, thread: Stepped) -> None:
        self._thread = thread
        self._set = False

    def set(self) -> None:
        self._set = True

    def clear(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float = NEVER) -> None:
        if not self._set:
            self._thread.wait(self.is_set, timeout)


class SteppedSink(SinkThread):
    """The real one but for its thread, its queue and its flags."""

    def __init__(
        self,
        clock: FakeClock,
        number: int,
        name: str,
        write: Write,
        answers: Any,
        wake: Callable[[], None],
        most_uncommitted: int | None,
    ) -> None:
        super().__init__(number, name, write, answers, wake, most_uncommitted)
        self.steps = Stepped(f"sink {name}", self._run, clock, at_once=True)
        vars(self).update(_thread=self.steps, _queue=Jobs(self.steps), _may_go_on=Flag(self.steps))
        vars(self.breaker).update(_abandon=Flag(self.steps))

    def _answer(self, answer: Answer) -> None:
        super()._answer(answer)
        self.steps.pause()  # told, and not yet gone on


class Select:
    """Stands for the module ``select`` where the engine sleeps."""

    POLLIN = select.POLLIN

    class poll:  # noqa: N801  (its name in the module)
        def __init__(self) -> None:
            self._poll = select.poll()

        def register(self, fd: int, mask: int) -> None:
            self._poll.register(fd, mask)

        def poll(self, milliseconds: int) -> None:
            sleeper = Stepped.here()
            assert sleeper is not None
            if not self._poll.poll(0):
                sleeper.wait(lambda: self._poll.poll(0), milliseconds / 1000)
