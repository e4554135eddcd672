"""A sink at work: its own thread with a queue, in which deliveries, barriers and recoveries are done one by one.

The queue needs no bound of its own: what is in it lies in slots. Answers go back through one queue that all sinks
share; the engine's thread takes them from there.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from tailrace.pipeline.chain.outcome import Encoded
from tailrace.pipeline.delivery import Batch, Request, RetryPolicy
from tailrace.pipeline.errors import ReaderGone, TailraceError
from tailrace.pipeline.outgoing import About, Outgoing
from tailrace.pipeline.sinks.answers import (
    Announced,
    Answer,
    Closed,
    Delivered,
    Fatal,
    Lost,
    Met,
    Recovered,
    Retried,
    Said,
    Succeeded,
)
from tailrace.pipeline.sinks.batching import Batching
from tailrace.pipeline.sinks.breaker import AbandonError, Breaker
from tailrace.pipeline.sinks.checked import checked_marks, checked_paths
from tailrace.pipeline.sinks.sender import Refused, Sender, Senders
from tailrace.pipeline.stage import Announces, Closes, Commits, Connects, Cut, Flushes, Marks, Recovers, Syncs, Write
from tailrace.pipeline.telemetry.counters import Key
from tailrace.pipeline.work.task import Task


class SinkThread:
    """``write`` is only ever called from this thread and its senders (except ``encode``, which is the workers')."""

    def __init__(
        self,
        number: int,
        name: str,
        write: Write,
        answers: SimpleQueue[Answer],
        wake: Callable[[], None],
        most_uncommitted: int | None = None,
    ) -> None:
        self.number, self.name, self.write = number, name, write
        self._answers, self._wake = answers, wake
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.given = 0  # bytes to be delivered, since the start
        self.recoveries = 0  # that the engine has asked for
        self._recoveries = 0  # that were begun
        self._announced: set[str] = set()
        self._refused: list[Refused] = []
        self._refusing = threading.Lock()
        self.refused_bytes = 0  # of memory, for records that were refused since the last barrier
        self._may_go_on = threading.Event()
        self._counting = threading.Lock()
        self._counted: Counter[Key] = Counter()  # and not taken yet
        about = About(name, most_uncommitted, lambda notice: self._answer(Said(number, notice)), self._count)
        connect = partial(write.connect, about) if isinstance(write, Connects) else None
        policy: RetryPolicy | None = getattr(write, "retry", None)
        self.breaker = Breaker(
            policy,
            connect,
            lambda error, failures: self._answer(Retried(number, error, failures)),
            lambda: self._answer(Succeeded(number)),
        )
        self._batching: Batching | None = None
        request: Request | None = getattr(write, "request", None)
        sender = Sender(write, self.breaker, policy or RetryPolicy(), self._refuse)
        self._senders = Senders(
            request.concurrency if request else 1,
            sender.send,
            self._tell,
            f"sink {name}",
        )
        settings: Batch | None = getattr(write, "batch", None)
        if settings is not None:
            self._batching = Batching(settings, self._senders.put)
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._senders.start()

    # What the engine asks for, in order.

    def deliver(self, task: Task, payloads: list[Encoded]) -> None:
        self.given += sum(len(payload.data) for payload in payloads)
        self._queue.put(lambda: self._deliver(task, payloads))

    def take_counted(self) -> Counter[Key]:
        """What the sink has counted since the last time."""
        if not self._counted:
            return self._counted
        with self._counting:
            counted, self._counted = self._counted, Counter()
        return counted

    def barrier(self, number: int) -> None:
        self._queue.put(lambda: self._barrier(number))

    def committed(self, marks: Marks) -> None:
        write = self.write
        if isinstance(write, Commits):
            self._queue.put(lambda: self.breaker.call("committed", partial(write.committed, marks)))

    def recover(self, marks: Marks, may_cut: bool) -> None:
        """Abandon what is in the queue and go back to these marks; answered by Recovered, after everything else."""
        self.recoveries += 1
        self.breaker.abandon()
        self._may_go_on.set()
        self._queue.put(lambda: self._recover(marks, may_cut))

    def go_on(self) -> None:
        self._may_go_on.set()

    def close(self, timeout: float) -> bool:
        """Let the thread end; False when it hangs in its sink (it is a daemon thread and ends with the process)."""
        if self._thread.ident is None:
            return True  # never started
        self.breaker.abandon()
        self._may_go_on.set()
        self._queue.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def hangs(self) -> bool:
        """After ``close``: something of it has not come back."""
        return self._thread.is_alive() or self.breaker.busy() is not None

    @property
    def hangs_in(self) -> str:
        """The call that is under way, and how long it has been; empty: none is."""
        call = self.breaker.busy()
        return f"hangs in {call[0]} since {monotonic() - call[1]:.0f} s" if call is not None else ""

    # In the thread.

    def _run(self) -> None:
        while True:
            try:
                job = self._next()
                if job is None:
                    break
                job()
            except BaseException as error:  # the thread goes on: the engine decides what is next
                self._tell(error)
        self._senders.close()
        if isinstance(self.write, Closes):
            try:
                with self.breaker.busy_with("close"):
                    self.write.close()
            except BaseException as error:  # nothing depends on it any more
                self._answer(Said(self.number, f"closing it failed: {type(error).__name__}: {error}"))

    def _tell(self, error: BaseException) -> None:
        """What ended something that the engine had asked for. Nothing behind it is done: a barrier counts on it."""
        self.breaker.abandon()
        match error:
            case AbandonError():  # the engine's own wish
                pass
            case ReaderGone():
                self._answer(Closed(self.number))
            case TailraceError():
                self._answer(Fatal(self.number, error))
            case _:  # a fault of ours: what was to be done is not done
                self._answer(Lost(self.number, error, self._recoveries))

    def _next(self) -> Callable[[], None] | None:
        """The next thing to do; meanwhile batches that are old enough are sent."""
        while True:
            wait = self._batching.due(monotonic()) if self._batching is not None else None
            try:
                return self._queue.get(timeout=wait)
            except Empty:
                assert self._batching is not None
                self._batching.tick(monotonic())

    def _answer(self, answer: Answer) -> None:
        self._answers.put(answer)
        self._wake()

    def _deliver(self, task: Task, payloads: list[Encoded]) -> None:
        self.breaker.check()
        new = [to for to in dict.fromkeys(payload.destination for payload in payloads) if to not in self._announced]
        if new:
            self._announce(new)
        for payload in payloads:
            if self._batching is not None:
                self._batching.add(payload, task.chunk)
            else:
                self._pass_on(Outgoing(payload.destination, payload.data))
        self._answer(Delivered(self.number, task))

    def _pass_on(self, outgoing: Outgoing) -> None:
        def whole() -> None:
            if self.write.deliver(outgoing) is not None:
                raise TypeError("only a sink with a field `batch` knows its records apart, and may refuse some")

        self.breaker.call("deliver", whole)

    def _announce(self, destinations: list[str]) -> None:
        write = self.write
        if isinstance(write, Announces):
            marks, paths = self.breaker.call("announce", partial(self._first_marks, write, destinations))
            self._may_go_on.clear()
            self.breaker.check()  # only now: a recovery that came before the clear must not be missed
            self._answer(Announced(self.number, marks, paths))
            self._may_go_on.wait()
            self.breaker.check()
        self._announced.update(destinations)

    def _first_marks(self, write: Announces, destinations: list[str]) -> tuple[Marks, Sequence[str]]:
        marks = checked_marks("announce", write.announce(destinations))
        return marks, checked_paths(write, marks)

    def _barrier(self, number: int) -> None:
        self.breaker.check()
        write = self.write
        if self._batching is not None:
            self._batching.flush()
            if not self._senders.wait():
                return  # the engine knows, and goes back
            self.breaker.check()
        if isinstance(write, Flushes):
            self.breaker.call("flush", write.flush)
        marks: Marks = {}
        if isinstance(write, Syncs):
            try:
                with self.breaker.busy_with("sync"):
                    marks = checked_marks("sync", write.sync(Cut(number)))
            except (TailraceError, ReaderGone):
                raise
            except BaseException as error:  # never retried: after a failed fsync nobody knows what is on the disk
                self._answer(Lost(self.number, error, self._recoveries))
                return
        refused = self._take_refused()
        self._answer(Met(self.number, number, marks, refused))

    def _count(self, name: str, **labels: str) -> None:
        key = name, tuple(sorted({**labels, "sink": self.name}.items()))
        with self._counting:
            self._counted[key] += 1

    def _refuse(self, refused: Refused) -> None:
        with self._refusing:  # several senders do it
            self._refused.append(refused)
            self.refused_bytes += refused.size

    def _take_refused(self) -> list[Refused]:
        refused, self._refused, self.refused_bytes = self._refused, [], 0
        return refused

    def _recover(self, marks: Marks, may_cut: bool) -> None:
        self._senders.forget()
        self._recoveries += 1
        self.breaker.resume()
        self._announced.clear()  # what is used again is announced again: its file may be another one now
        self._take_refused()
        if self._batching is not None:
            self._batching.drop()
        write = self.write
        if isinstance(write, Recovers):
            self.breaker.call("recover", partial(write.recover, marks, may_cut))
        if isinstance(write, Commits):
            self.breaker.call("committed", partial(write.committed, marks))
        self.breaker.call("connect", _nothing)
        self._answer(Recovered(self.number))


def _nothing() -> None:
    """What a call that only needs the connection calls."""


def told_apart(write: Any) -> bool:
    """Whether the sink must know which record is which: it has the engine's batches."""
    return getattr(write, "batch", None) is not None
