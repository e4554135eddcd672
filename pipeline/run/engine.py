"""The main loop: source, dispatch, sinks and commit, each stepped in turn from one thread.

It sleeps in one place, on the workers' sockets and on a descriptor that hints, sinks and signals write to.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from tailrace.pipeline.config.units import format_duration
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.run.accounting import Books, dead_bytes
from tailrace.pipeline.run.commit import Committer, Store
from tailrace.pipeline.sinks.owed import Owed
from tailrace.pipeline.sinks.thread import (
    Announced,
    Answer,
    Closed,
    Delivered,
    Failed,
    Met,
    Recovered,
    Retried,
    SinkThread,
)
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.source import Source
from tailrace.pipeline.source.tail.ledger import Balance
from tailrace.pipeline.stage import Write
from tailrace.pipeline.telemetry.counters import Counters, Key
from tailrace.pipeline.work.dispatch import Dispatch, Task
from tailrace.pipeline.work.layout import Result
from tailrace.pipeline.work.process import Worker
from tailrace.pipeline.work.ring import Ring

LONGEST_WAIT = 1.0  # seconds in one sleep: the rescan's pace
FIRST_REWIND, LONGEST_REWIND = 0.5, 30.0  # seconds between rewinds that follow one another
STEADY = 60.0  # seconds without a rewind after which the next one is the first of a new row and waits little again
MOST_REWINDS = 10  # in a row, without a line that was committed between them, after which it stops: two minutes
MOST_REWINDS_TO_THE_END = 5  # of a run that is to end: 7 seconds
STUCK_AFTER = 60.0  # seconds of retries after which it is said louder that a sink is stuck
HOPELESS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL,
}  # fmt: skip
"""What keeps a sink from writing until somebody changes something: said louder at once."""


class Waker:
    """Ends the engine's sleep; may be called from any thread and from a signal handler."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __call__(self) -> None:
        try:
            os.write(self._write, b"!")
        except BlockingIOError:
            return  # there are thousands of calls in it already

    def clear(self) -> None:
        try:
            os.read(self.fd, 65536)
        except BlockingIOError:
            return


@dataclass(slots=True)
class Settings:
    """What the loop itself needs of the configuration."""

    workers: int
    task_timeout: float
    commit_interval: float
    commit_bytes: int
    shutdown_timeout: float
    until_eof: bool = False  # a run that is to end: it waits for nobody to make room
    give_up: float | None = None  # of such a run: seconds that sinks may take nothing


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    complete: bool  # everything read is committed
    message: str  # why not, or ""
    counters: Counters  # of this run; `lines_pending` is what was read and not committed
    seconds: float
    closed: bool = False  # the reader of standard output went away: no failure of ours
    books: Sequence[Balance] = ()  # of each file's bytes, over its whole life
    unread: Mapping[str, str] = field(default_factory=dict)  # files that could not be read, and why


class Engine:
    """``run`` returns when the source is exhausted, after ``stop``, or raises what cannot be gone on with."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        store: Store,
        writes: Sequence[tuple[str, Write]],  # (sink id, sink) in the order of the chain's sink numbers
        ring: Ring,
        hire: Callable[[], Worker],
        counters: Counters,
        durable: dict[Key, float],
        log: Any,
        waker: Waker,
        on_turn: Callable[[float], None],
    ) -> None:
        self._settings, self._source, self._store, self._log, self._waker = settings, source, store, log, waker
        self._counters, self._on_turn = counters, on_turn
        self._books = Books(counters, log)
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._sinks = [SinkThread(n, name, write, self._answers, waker) for n, (name, write) in enumerate(writes)]
        self._commit = Committer(
            store, source, self._sinks, counters, durable, settings.commit_interval, settings.commit_bytes
        )
        self._dispatch = Dispatch(
            ring, max(settings.workers, 1), hire, settings.task_timeout, self._release, counters, log
        )
        self._recovering: set[int] = set()
        self._recover_at: float | None = None  # when the sinks are asked to go back to their marks
        self._why = ""  # the cause of the last rewind
        self._rewinds = 0  # in a row
        self._lines = 0.0  # committed when the last of them came
        self._backoff = FIRST_REWIND
        self._rewound = float("-inf")
        self._stopping: float | None = None  # the deadline
        self._stop_asked = False
        self._gone: str | None = None  # the sink whose reader went away
        self._failing: dict[int, float] = {}  # sinks that are retrying, and since when
        self._errors: dict[int, str] = {}  # what each met last
        self._stuck: set[int] = set()  # those of which it was said louder
        self._owed = Owed(len(self._sinks))
        self._full = False  # the dead letters, and that was said

    def stop(self) -> None:
        """Stop reading, finish what is in the ring, commit. From any thread or signal handler."""
        self._stop_asked = True
        self._waker()

    def progress(self) -> tuple[int, int | None]:
        """Bytes worked off by this run, and all there are to do, where that is known."""
        return self._source.progress()

    def run(self, open_source: Callable[[], None]) -> Outcome:
        """``open_source`` is called when the workers are started: watching files may start threads."""
        started = monotonic()
        try:
            self._dispatch.start()
            for sink in self._sinks:
                sink.start()
            self._recover()
            open_source()
            message = self._loop()
        finally:
            self._close()
        return self._outcome(message, monotonic() - started)

    def _loop(self) -> str:
        """Turn after turn; the reason why not everything was committed, or "" when it was."""
        while True:
            now = monotonic()
            if self._stop_asked and self._stopping is None:
                self._stopping = now + self._settings.shutdown_timeout
                self._tell_stopping()
            try:
                progress, wait = self._turn(now)
            except (TailraceError, BrokenPipeError):
                raise
            except OSError as error:  # the state's disk, a failed registration: go back to what is durable
                self._rewind(f"{type(error).__name__}: {error}", now)
                progress, wait = True, 0.0
            self._on_turn(now)
            if self._finished():
                return ""
            if self._gone:
                return f"the reader of {self._gone} went away"
            if self._commit.full and (self._settings.until_eof or self._stopping is not None):  # nothing will change
                return str(self._commit.full)
            if self._rewinds >= (MOST_REWINDS_TO_THE_END if self._settings.until_eof else MOST_REWINDS):
                return self._what_fails()
            if self._stopping is not None and now > self._stopping:
                return self._what_hangs("not everything was committed within pipeline.shutdown_timeout")
            limit = self._settings.give_up
            if limit is not None and self._owed.standing_still(now) > limit:
                return self._what_hangs(f"no output took anything for {format_duration(limit)} (--give-up)")
            if not progress:
                self._sleep(wait)

    def _turn(self, now: float) -> tuple[bool, float]:
        """Give each part its step: (something moved, seconds until something is due)."""
        progress = self._hear(now)
        if self._recover_at is not None:
            if now >= self._recover_at:
                self._recover()
            return progress, self._recover_at - now if self._recover_at is not None else LONGEST_WAIT
        if self._recovering:
            return progress, LONGEST_WAIT
        reading = self._stopping is None
        wait = min(self._source.poll(now), LONGEST_WAIT) if reading else 0.05
        progress |= self._dispatch.collect()
        progress |= self._dispatch.release(self._commit.may_release)
        if reading:
            progress |= self._dispatch.fill(self._source, now)
        progress |= self._dispatch.assign(now)
        self._dispatch.watch(now)
        final = self._dispatch.idle and (not reading or self._source.exhausted)
        if final and self._commit.cut is None:
            self._source.leave()
        cut = self._commit.cut
        self._commit.tick(now, final=final)
        if self._commit.cut is not cut and self._commit.cut is not None:
            for sink in self._sinks:
                self._owed.give(sink.number, now)
        if self._commit.full and not self._full:  # everything stands still
            self._log.error("dead_letters.full", why=str(self._commit.full))
        self._full = self._commit.full is not None
        if not self._commit.settled:
            wait = min(wait, self._settings.commit_interval, 0.2)
        return progress, wait

    def _finished(self) -> bool:
        ending = self._stopping is not None or self._source.exhausted
        quiet = not self._recovering and self._recover_at is None
        return ending and quiet and self._dispatch.idle and self._commit.settled

    def _sleep(self, wait: float) -> None:
        if any(worker.fileno() < 0 and worker.slot is not None for worker in self._dispatch.workers):
            return  # the work inside this process goes on
        if self._dispatch.full:
            wait = LONGEST_WAIT  # whatever the source has, only an answer makes room for it
        if self._stopping is not None:
            wait = min(wait, self._stopping - monotonic())  # a backoff may be longer than what is left
        poll = select.poll()
        poll.register(self._waker.fd, select.POLLIN)
        for worker in self._dispatch.workers:
            if worker.fileno() >= 0:
                poll.register(worker.fileno(), select.POLLIN)
        poll.poll(max(1, round(wait * 1000)))
        self._waker.clear()

    # Results go out.

    def _release(self, task: Task, result: Result) -> None:
        """A worker's result, in its file's order: payloads go to the sinks, the rest into the next commit."""
        self._source.release(task.chunk, task.done, task.slot.input, dead_bytes(task, result))
        letters = self._books.enter(task, result)
        by_sink: dict[int, list[tuple[str, memoryview]]] = {}
        for number, destination, payload in result.payloads:
            by_sink.setdefault(number, []).append((destination, payload))
        task.sinks = len(by_sink)
        for number, payloads in by_sink.items():
            self._owed.give(number, monotonic())
            self._sinks[number].deliver(task, payloads)
        self._commit.released(task.done - task.begin, letters)

    # Sinks answer.

    def _hear(self, now: float) -> bool:
        heard = False
        while True:
            try:
                answer = self._answers.get_nowait()
            except Empty:
                return heard
            heard = True
            sink = self._sinks[answer.sink]
            recovering = answer.sink in self._recovering or self._recover_at is not None
            match answer:
                case Retried(_, error, failures):
                    self._counters.add("output_retries", sink=sink.name)
                    self._log.warning("sink.retry", sink=sink.name, error=str(error), failures=failures)
                    self._tell_stuck(sink, error, now)
                case Recovered():
                    self._owed.take(answer.sink, now)
                    self._tell_notices(sink)
                    self._recovering.discard(answer.sink)
                case Failed(_, error, fatal=True):
                    if isinstance(error, TailraceError):
                        raise error
                    self._log.error("sink.fault", sink=sink.name, exc_info=error)
                    raise SinkError(f"{sink.name}: a fault in the sink: {type(error).__name__}: {error}") from error
                case Failed(_, error):
                    self._rewind(f"{sink.name}: {error}", now)
                case Closed():
                    self._gone = sink.name
                case _ if recovering:
                    continue  # about something that was dropped
                case Delivered(_, task):
                    if self._failing.pop(answer.sink, None) is not None:
                        self._stuck.discard(answer.sink)
                        self._log.info("sink.recovered", sink=sink.name)
                    self._owed.take(answer.sink, now)
                    task.sinks -= 1
                    if task.sinks == 0:
                        self._dispatch.settle(task)
                case Announced(_, marks):
                    self._store.announce(sink.name, marks)
                    sink.go_on()
                case Met(_, barrier, marks):
                    self._tell_notices(sink)
                    self._owed.take(answer.sink, now)
                    self._commit.met(sink, barrier, marks)

    def _tell_stuck(self, sink: SinkThread, error: BaseException, now: float) -> None:
        """Once, as long as the trouble lasts: when it has lasted for long, or will until somebody helps."""
        since = self._failing.setdefault(sink.number, now)
        self._errors[sink.number] = str(error)
        hopeless = isinstance(error, OSError) and error.errno in HOPELESS
        if sink.number in self._stuck or not (hopeless or now - since >= STUCK_AFTER):
            return
        self._stuck.add(sink.number)
        self._log.error(
            "sink.stuck", sink=sink.name, error=str(error), seconds=round(now - since),
            notice="Reading is paused; nothing is lost. Fix the error and it resumes; or stop, change the stage in the "
            "configuration, and start again.",
        )  # fmt: skip

    def _tell_stopping(self) -> None:
        """What the stop waits for; a person at the terminal wants to know at once."""
        stuck = self._stuck_sinks() if self._failing else ""
        say = self._log.warning if stuck else self._log.info
        notice = {}
        if stuck or not (self._dispatch.idle and self._commit.settled):
            limit = format_duration(self._settings.shutdown_timeout)
            notice["notice"] = (
                f"waiting up to {limit} (pipeline.shutdown_timeout) for {stuck or 'what was read'}; press Ctrl-C (or "
                "send the signal) again to leave at once"
            )
        say("pipeline.stopping", pending_bytes=self._dispatch.pending_bytes(), **notice)

    def _tell_notices(self, sink: SinkThread) -> None:
        """What a sink has to say of its files (replaced, cut back); it fills the list only before it answers."""
        notices: list[str] = getattr(sink.write, "notices", [])
        for notice in notices:
            self._log.warning("sink.notice", sink=sink.name, notice=notice)
        notices.clear()

    # Going back to what is durable.

    def _rewind(self, why: str, now: float) -> None:
        """Drop the ring and go back to the last commit; the sinks follow after a backoff."""
        steady = now - self._rewound > STEADY
        if steady:
            self._backoff = FIRST_REWIND
        lines = self._commit.committed.get(("lines_read", ()), 0)
        self._rewinds = 1 if steady or lines > self._lines else self._rewinds + 1
        self._lines = lines
        self._log.error("pipeline.rewind", why=why, seconds=self._backoff, failures=self._rewinds)
        self._why = why
        self._rewound = now
        self._recover_at = now + self._backoff
        self._backoff = min(self._backoff * 2, LONGEST_REWIND)
        self._dispatch.drop()
        self._source.rewind()
        self._commit.forget()
        self._owed.forget()
        self._counters.add("rewinds")

    def _recover(self) -> None:
        """Send every sink back to its marks; those that no sink of the chain has belong to sinks that are gone."""
        marks = self._store.marks()
        self._recover_at = None
        self._recovering = {sink.number for sink in self._sinks}
        for sink in self._sinks:
            self._owed.give(sink.number, monotonic())
            sink.recover(marks.get(sink.name, ()))

    # The end.

    def _what_fails(self) -> str:
        return (
            f"{self._rewinds} commits in a row have failed, the last one: {self._why}. Nothing is lost: check the disk "
            "(space, permissions, kernel log), and the next start goes on from the last commit"
        )

    def _stuck_sinks(self) -> str:
        """Those that have something to take, each with its error if it met one."""
        names = []
        for sink in self._sinks:
            if sink.number in self._failing:
                names.append(f"{sink.name} ({self._errors[sink.number]})")
            elif self._owed.by(sink.number):
                names.append(f"{sink.name} (no answer yet)")
        return ", ".join(sorted(names))

    def _pending(self) -> str:
        """Input that is not committed, where there is an end of it."""
        _, total = self._source.progress()
        if total is None:
            return ""
        done = self._commit.committed.get(("bytes_read", ()), 0)
        return f"; pending: {readable_size(total - int(done))} of {readable_size(total)} of input"

    def _what_hangs(self, what: str) -> str:
        stuck = self._stuck_sinks()
        about = f"; stuck: {stuck}" if stuck else ""
        if self._recover_at is not None:
            about += f"; the last commit failed: {self._why}"
        if self._commit.full:
            about += f"; {self._commit.full}"
        return f"{what}{about}{self._pending()}; the next start goes on from the last commit"

    def _close(self) -> None:
        self._dispatch.close()
        for sink in self._sinks:
            sink.close(timeout=1.0)
        self._source.close()
        self._store.close()

    def _outcome(self, message: str, seconds: float) -> Outcome:
        counters = Counters()
        counters.values.update(self._commit.committed)
        pending = self._counters.total("lines_read") - counters.total("lines_read")
        counters.add("lines_read", pending)
        counters.add("lines_pending", pending)
        return Outcome(not message, message, counters, seconds, self._gone is not None)


class SinkError(TailraceError):
    """A sink raised something that is neither trouble with its output nor a wish to be asked again: a fault in it."""
