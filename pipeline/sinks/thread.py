"""A sink at work: its own thread with a queue, in which payloads, barriers and recoveries are done one by one.

The queue needs no bound of its own: what is in it lies in slots. Answers go back through one queue that all sinks
share; the engine's thread takes them from there.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

from tailrace.pipeline.errors import Retry
from tailrace.pipeline.stage import Mark, Write
from tailrace.pipeline.work.dispatch import Task

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 30.0  # seconds
Payloads = list[tuple[str, memoryview]]


@dataclass(slots=True, frozen=True)
class Delivered:
    sink: int
    task: Task


@dataclass(slots=True, frozen=True)
class Retried:
    """A delivery or announcement that failed, for the ``failures``-th time in a row; it will be made again."""

    sink: int
    error: BaseException
    failures: int


@dataclass(slots=True, frozen=True)
class Announced:
    """New destinations: their marks must be durable before the sink goes on (``SinkThread.go_on``)."""

    sink: int
    marks: list[Mark]


@dataclass(slots=True, frozen=True)
class Met:
    """A barrier: everything before it is durable; these marks changed."""

    sink: int
    barrier: int
    marks: list[Mark]


@dataclass(slots=True, frozen=True)
class Failed:
    """A barrier or announcement that failed: the engine rewinds. For ``recover`` and for programming errors the
    pipeline stops instead (``fatal``)."""

    sink: int
    error: BaseException
    fatal: bool


@dataclass(slots=True, frozen=True)
class Recovered:
    sink: int


@dataclass(slots=True, frozen=True)
class Closed:
    """The reader of the output is gone for good (a closed pipe)."""

    sink: int


Answer = Delivered | Retried | Announced | Met | Failed | Recovered | Closed


class AbandonError(Exception):
    """The engine gave up what is in the queue."""


class SinkThread:
    """``write`` is only ever called from this thread (except ``encode``, which is the workers')."""

    def __init__(
        self,
        number: int,
        name: str,
        write: Write,
        answers: SimpleQueue[Answer],
        wake: Callable[[], None],
    ) -> None:
        self.number, self.name, self.write = number, name, write
        self._answers, self._wake = answers, wake
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.given = 0  # bytes to be delivered, since the start
        self._announced: set[str] = set()
        self._may_go_on = threading.Event()
        self._abandon = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    # What the engine asks for, in order.

    def deliver(self, task: Task, payloads: Payloads) -> None:
        self.given += sum(len(payload) for _, payload in payloads)
        self._queue.put(lambda: self._deliver(task, payloads))

    def barrier(self, number: int) -> None:
        self._queue.put(lambda: self._barrier(number))

    def recover(self, marks: Sequence[Mark]) -> None:
        """Abandon what is in the queue and go back to these marks; answered by Recovered, after everything else."""
        self._abandon.set()
        self._may_go_on.set()
        self._queue.put(lambda: self._recover(marks))

    def go_on(self) -> None:
        self._may_go_on.set()

    def close(self, timeout: float) -> bool:
        """Let the thread end; False when it hangs in its sink (it is a daemon thread and ends with the process)."""
        if self._thread.ident is None:
            return True  # never started
        self._abandon.set()
        self._may_go_on.set()
        self._queue.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    # In the thread.

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                job()
            except AbandonError:
                continue
            except BrokenPipeError:
                self._answer(Closed(self.number))
            except Exception as error:  # told to the engine, which stops the pipeline
                self._answer(Failed(self.number, error, fatal=True))
        self.write.close()

    def _answer(self, answer: Answer) -> None:
        self._answers.put(answer)
        self._wake()

    def _deliver(self, task: Task, payloads: Payloads) -> None:
        self._check()
        new = [to for to in dict.fromkeys(to for to, _ in payloads) if to not in self._announced]
        if new:
            self._announce(new)
        for destination, payload in payloads:
            self._persist(partial(self.write.deliver, destination, payload))
        self._answer(Delivered(self.number, task))

    def _announce(self, destinations: list[str]) -> None:
        marks: list[Mark] = []
        self._persist(lambda: marks.extend(self.write.announce(destinations)))
        self._may_go_on.clear()
        self._check()  # only now: a recovery that came before the clear must not be missed
        self._answer(Announced(self.number, marks))
        self._may_go_on.wait()
        self._check()
        self._announced.update(destinations)

    def _persist(self, attempt: Callable[[], None]) -> None:
        """Try until it works, with exponential backoff and full jitter."""
        failures = 0
        while True:
            self._check()
            try:
                return attempt()
            except BrokenPipeError:
                raise
            except (OSError, Retry) as error:
                if isinstance(error, Retry) and error.expected:
                    self._abandon.wait(error.delay)
                    continue
                failures += 1
                self._answer(Retried(self.number, error, failures))
                longest = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 16))
                delay = random.uniform(FIRST_BACKOFF / 2, longest)  # noqa: S311  (jitter, no secret)
                if isinstance(error, Retry) and error.delay is not None:
                    delay = error.delay
                self._abandon.wait(delay)

    def _check(self) -> None:
        if self._abandon.is_set():
            raise AbandonError

    def _barrier(self, number: int) -> None:
        self._check()
        try:
            marks = self.write.barrier()
        except BrokenPipeError:
            raise
        except (OSError, Retry) as error:  # never retried: after a failed fsync nobody knows what is on the disk
            self._answer(Failed(self.number, error, fatal=False))
        else:
            self._answer(Met(self.number, number, marks))

    def _recover(self, marks: Sequence[Mark]) -> None:
        self._abandon.clear()
        self._announced.clear()  # what is used again is announced again: its file may be another one now
        try:
            self.write.recover(marks)
        except OSError as error:
            self._answer(Failed(self.number, error, fatal=False))
        else:
            self._answer(Recovered(self.number))
