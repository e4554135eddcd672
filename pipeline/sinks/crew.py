"""All sinks of a run: passes on what the engine asks, hears what they answer, and says once which of them are stuck."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from tailrace.pipeline.chain.outcome import Encoded
from tailrace.pipeline.errors import Park, Retry
from tailrace.pipeline.sinks.answers import Answer, Delivered, Met, Recovered, Retried, Said, Succeeded
from tailrace.pipeline.sinks.owed import Owed
from tailrace.pipeline.sinks.thread import SinkThread
from tailrace.pipeline.stage import Marks, Write
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.work.task import Task

HANGS_AFTER = 1.0  # seconds in one call after which an end does not wait for the sink
STUCK_AFTER = 60.0  # seconds of retries, or in one call, after which it is said louder that a sink is stuck
HOPELESS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL,
}  # fmt: skip
"""What keeps a sink from writing until somebody changes something: said louder at once."""


@dataclass(slots=True, frozen=True)
class Sink:
    """One write stage of the chain, in the order of their numbers."""

    id: str
    label: str  # names it in dead letters
    write: Write


@dataclass(slots=True)
class Trouble:
    """What keeps a sink from writing."""

    since: float  # monotonic seconds
    why: str
    said: bool = False  # as `sink.stuck`
    call: tuple[str, float] | None = None  # that it hangs in, and since when


class Crew:
    """Called from the engine's thread only."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        most_uncommitted: int | None,
        counters: Counters,
        log: Any,
        wake: Callable[[], None],
        down: dict[str, float] | None = None,
    ) -> None:
        """``down``: since when each sink cannot write, by id in monotonic seconds; kept from one run to the next."""
        self._counters, self._log = counters, log
        self._down = {} if down is None else down
        self._tested: set[str] = set()  # of those, who had something to write before the last barrier
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self.labels = [sink.label for sink in sinks]
        self.threads = [
            SinkThread(number, sink.id, sink.write, self._answers, wake, most_uncommitted)
            for number, sink in enumerate(sinks)
        ]
        self._troubles: dict[int, Trouble] = {}
        self.owed = Owed(len(self.threads))

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def deliver(self, task: Task, payloads: Sequence[Encoded]) -> None:
        """Give each sink what is for it; the task's slot is free when all of them have taken it."""
        by_sink: dict[int, list[Encoded]] = {}
        for payload in payloads:
            by_sink.setdefault(payload.sink, []).append(payload)
        task.sinks = len(by_sink)
        for number, some in by_sink.items():
            self.owed.give(number, monotonic())
            thread = self.threads[number]
            before = thread.given
            thread.deliver(task, some)
            self._counters.add("bytes_given", thread.given - before, sink=thread.name)

    def barrier(self, number: int) -> None:
        """Behind everything that was delivered so far."""
        self._tested = {thread.name for thread in self.threads if thread.given and thread.name in self._down}
        for thread in self.threads:
            self.owed.give(thread.number, monotonic())
            thread.barrier(number)

    def recover(self, marks: Mapping[str, Marks], may_cut: bool) -> None:
        for thread in self.threads:
            self.owed.give(thread.number, monotonic())
            thread.recover(marks.get(thread.name, {}), may_cut)

    def committed(self, marks: Mapping[str, Marks]) -> None:
        for thread in self.threads:
            if thread.name in marks:
                thread.committed(marks[thread.name])

    def answers(self, now: float) -> Iterator[Answer]:
        """What the sinks have said since the last time; troubles and notices are dealt with here."""
        for thread in self.threads:
            for key, count in thread.take_counted().items():
                self._counters.values[key] += count
        while True:
            try:
                answer = self._answers.get_nowait()
            except Empty:
                return
            name = self.threads[answer.sink].name
            match answer:
                case Retried(number, error, failures):
                    self._counters.add("output_retries", sink=name)
                    self._fail(number, error, failures, now)
                case Succeeded(number):
                    self._end_trouble(number, now)
                case Delivered(number) | Met(number) | Recovered(number):
                    self.owed.take(number, now)
                    if name in self._tested and isinstance(answer, Met) and number not in self._troubles:
                        self._end_trouble(number, now)  # of the run before
                case Said(_, notice):
                    self._log.warning("sink.notice", sink=name, notice=notice)
            yield answer

    def watch(self, now: float) -> None:
        """Say of a sink that hangs in a call what is said of one that fails; and that the call has come back."""
        for thread in self.threads:
            call = thread.breaker.busy()
            trouble = self._troubles.get(thread.number)
            if trouble is not None and trouble.call is not None and trouble.call != call:
                self._end_trouble(thread.number, now)
                trouble = None
            if call is not None and now - call[1] >= STUCK_AFTER and (trouble is None or not trouble.said):
                what, since = call
                why = f"hangs in {what} since {now - since:.0f} s"
                trouble = Trouble(self._down.setdefault(thread.name, since), why, call=call)
                self._troubles[thread.number] = trouble
            if trouble is not None:
                self._say_if_stuck(thread, trouble, now)

    def _end_trouble(self, number: int, now: float) -> None:
        self._troubles.pop(number, None)
        name = self.threads[number].name
        if (since := self._down.pop(name, None)) is not None:
            self._log.info("sink.recovered", sink=name, seconds=round(now - since, 1))

    def _fail(self, number: int, error: BaseException, failures: int, now: float) -> None:
        thread = self.threads[number]
        why = describe(error)
        trouble = self._troubles.setdefault(number, Trouble(self._down.setdefault(thread.name, now), why))
        trouble.why, trouble.call = why, None
        unexpected = not isinstance(error, (OSError, Retry, Park))
        self._log.warning(
            "sink.retry", sink=thread.name, error=why, failures=failures,
            **({"exc_info": error} if unexpected and failures == 1 else {}),
        )  # fmt: skip
        hopeless = isinstance(error, Park) or (isinstance(error, OSError) and error.errno in HOPELESS)
        self._say_if_stuck(thread, trouble, now, hopeless=hopeless)

    def _say_if_stuck(self, thread: SinkThread, trouble: Trouble, now: float, *, hopeless: bool = False) -> None:
        """Once: it has lasted for long, or only a person can end it."""
        if trouble.said or not (hopeless or now - trouble.since >= STUCK_AFTER):
            return
        trouble.said = True
        self._log.error(
            "sink.stuck", sink=thread.name, error=trouble.why, seconds=round(now - trouble.since),
            notice="Reading is paused; nothing is lost. Fix the error and it resumes; or change the stage in the "
            "configuration, and reload that.",
        )  # fmt: skip

    def troubles(self) -> dict[str, Trouble]:
        """By sink id: what each of those that cannot write now is kept by."""
        return {self.threads[number].name: trouble for number, trouble in self._troubles.items()}

    def waiting(self) -> dict[str, int]:
        """By sink id: deliveries, barriers and recoveries that it has not answered."""
        return {thread.name: self.owed.by(thread.number) for thread in self.threads}

    def waited_for(self) -> str:
        """The sinks that have something to take, each with its trouble if it has one."""
        names = []
        for thread in self.threads:
            if (trouble := self._troubles.get(thread.number)) is not None:
                names.append(f"{thread.name} ({trouble.why})")
            elif self.owed.by(thread.number):
                names.append(f"{thread.name} (no answer yet)")
        return ", ".join(sorted(names))

    @property
    def at_rest(self) -> bool:
        """None of them is in a call."""
        return all(thread.breaker.busy() is None for thread in self.threads)

    def hanging(self, now: float) -> dict[str, SinkThread]:
        """By sink id: those that have been in one call for so long that nobody waits for its end."""
        calls = {thread.name: thread.breaker.busy() for thread in self.threads}
        since = {name: call[1] for name, call in calls.items() if call is not None}
        return {one.name: one for one in self.threads if now - since.get(one.name, now) >= HANGS_AFTER}

    def left(self) -> dict[str, SinkThread]:
        """After ``close``, by sink id: those that have not come back from a call."""
        return {thread.name: thread for thread in self.threads if thread.hangs}

    def close(self) -> None:
        for thread in self.threads:
            thread.close(timeout=HANGS_AFTER)
        for _ in self.answers(monotonic()):
            pass  # only what is said of the end is of interest


def describe(error: BaseException) -> str:
    """An error in words: those of its own where they say enough."""
    if isinstance(error, (OSError, Retry, Park)):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}"
