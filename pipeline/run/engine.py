"""The main loop: source, dispatch, sinks and commit, each stepped in turn from one thread.

It sleeps in one place, on the workers' sockets and on a descriptor that hints, sinks and signals write to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from tailrace.pipeline.chain.stateful import Remembered
from tailrace.pipeline.config.units import format_duration
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.run.accounting import Accounting, dead_bytes
from tailrace.pipeline.run.commit import Committer
from tailrace.pipeline.run.ending import Ending
from tailrace.pipeline.run.lent import Lent, Settings
from tailrace.pipeline.run.observer import Observer
from tailrace.pipeline.run.outcome import Outcome, outcome_of, what_hangs
from tailrace.pipeline.run.rewind import Rewinds
from tailrace.pipeline.run.sleeping import sleep
from tailrace.pipeline.sinks.answers import Announced, Closed, Delivered, Fatal, Lost, Met, Recovered
from tailrace.pipeline.sinks.crew import Crew
from tailrace.pipeline.sinks.thread import SinkThread
from tailrace.pipeline.source import Behind, Exhausts, Readable, Rereads, Whole
from tailrace.pipeline.source.redrive import Redrive
from tailrace.pipeline.sums.sums import Sums
from tailrace.pipeline.telemetry.snapshot import Snapshot
from tailrace.pipeline.work.dispatch import Dispatch
from tailrace.pipeline.work.layout import Result
from tailrace.pipeline.work.limits import collect_cycles
from tailrace.pipeline.work.task import Task

LONGEST_WAIT = 1.0  # seconds in one sleep: the rescan's pace, and that of snapshots


class Engine:
    """``run`` returns when the source is exhausted, after ``stop`` or ``hand_over``, or raises what cannot be gone on
    with. Source and store are lent: they stay open, and after a run that did not commit everything the source stands
    where it has read to."""

    def __init__(
        self,
        settings: Settings,
        lent: Lent,
        crew: Crew,
        dispatch: Dispatch,
        remembered: Remembered,
        sums: Sums,
        redrive: Redrive,
        on_turn: Callable[[float], None],
    ) -> None:
        source, store, counters = lent.source, lent.store, lent.counters
        self._settings, self._source, self._store, self._counters = settings, source, store, counters
        self._log, self._waker, self._outputs, self._tapped = lent.log, lent.waker, lent.outputs, lent.tapped
        self._crew, self._dispatch, self._remembered, self._sums = crew, dispatch, remembered, sums
        self._redrive, self._on_turn = redrive, on_turn
        self._accounting = Accounting(counters, lent.log, settings.omitting)
        self._commit = Committer(
            store, source, crew, sums, redrive, counters, lent.durable, settings.commit_interval, settings.commit_bytes
        )
        dispatch.on_release = self._release
        self._exhausts = source if isinstance(source, Exhausts) else None
        self._recovering: set[int] = set()
        self._recover_at: float | None = None  # when the sinks are asked to go back to their marks
        self._rewinds = Rewinds()
        self._ending = Ending()
        self._gone: str | None = None  # the sink whose reader went away
        self._watched = float("-inf")  # when the sinks were looked at, and the snapshot was made
        self._observer = Observer(lent, dispatch, crew, self._commit, sums, self._accounting)

    @property
    def snapshot(self) -> Snapshot:
        """The last one."""
        return self._observer.snapshot

    def stop(self) -> None:
        """Stop reading, finish what is in the ring, commit. From any thread or signal handler."""
        self._ending.stop()
        self._waker()

    @property
    def spared(self) -> set[int]:
        """Dead letters that are being sent through the chain again: nobody else may take them."""
        return self._redrive.spared

    @property
    def ready(self) -> bool:
        """All workers have built their chains, and each sink is back at its marks or has said what keeps it."""
        troubles = self._crew.troubles()
        back = all(self._crew.threads[number].name in troubles for number in self._recovering)
        return back and self._recover_at is None and self._dispatch.ready

    def hand_over(self, why: str, *, leave_source: bool) -> None:
        """The same, and another run goes on from there. ``leave_source``: not with this source."""
        self._ending.hand_over(why, leave_source=leave_source)
        self._waker()

    def held_up(self, now: float) -> Mapping[str, SinkThread]:
        """The sinks that hang, by id, when there is no more time for handing over."""
        overdue = self._ending.hands_over and self._ending.overdue(now)
        return self._crew.hanging(now) if overdue else {}

    @property
    def left(self) -> Mapping[str, SinkThread]:
        """After ``run``, by id: the sinks that have not come back from a call."""
        return self._crew.left()

    def stay(self) -> None:
        """It is not to hand over after all."""
        self._ending.stay()

    def run(self, open_source: Callable[[], None], *, behind: bool = False) -> Outcome:
        """``open_source`` is called when the workers are started: watching files may start threads. ``behind``: what
        sinks hold beyond their marks was read by this source, and can be read again."""
        started = monotonic()
        try:
            self._dispatch.start()
            self._crew.start()
            open_source()
            self._sums.restore(self._store.memory())
            self._recover(may_cut=behind or self._whole())
            message = self._loop()
        finally:
            self._dispatch.close()
            self._crew.close()
        seconds, held = monotonic() - started, self._commit.held()
        outcome = outcome_of(message, self._look(), seconds, closed=self._gone is not None, held=held)
        if self._ending.hands_over and message:
            self.take_back()
        return outcome

    def take_back(self) -> None:
        """The next run goes on from the last commit."""
        self._source.rewind()
        self._commit.forget()

    def _whole(self) -> bool:
        """Whether everything behind the sinks' marks can be made again."""
        missing = self._source.missing if isinstance(self._source, Whole) else ()
        if missing and any(self._store.marks().values()):
            self._log.error(
                "streams.missing", files=list(missing),
                notice="what outputs hold behind the last commit may have come from these and cannot be made again: "
                "nothing is cut off, it is set aside",
            )  # fmt: skip
        return not missing

    def _loop(self) -> str:
        """Turn after turn; the reason why not everything was committed, or "" when it was."""
        while True:
            now = monotonic()
            if self._ending.asked and not self._ending.begun:
                timeout = self._settings.shutdown_timeout
                self._ending.begin(now, timeout)
                self._ending.say(self._log, self._look(), timeout, self._crew.waited_for())
            try:
                progress, wait = self._turn(now)
            except TailraceError:
                raise
            except OSError as error:  # the state's disk, a failed registration: go back to what is durable
                self._rewind(f"{type(error).__name__}: {error}", now)
                progress, wait = True, 0.0
            if now - self._watched >= LONGEST_WAIT:
                self._watched = now
                self._crew.watch(now)
                self._look()
                collect_cycles()
            self._on_turn(now)
            if self._finished():
                return ""
            if self._gone:
                return f"the reader of {self._gone} went away"
            if self._commit.full and (self._settings.until_eof or self._ending.begun):  # nothing will change
                return str(self._commit.full)
            if why := self._rewinds.too_many(self._settings.until_eof):
                return why
            if self._ending.overdue(now):
                return self._what_hangs("not everything was committed within pipeline.shutdown_timeout")
            limit = self._settings.give_up
            if limit is not None and self._crew.owed.standing_still(now) > limit:
                return self._what_hangs(f"no output took anything for {format_duration(limit)} (--give-up)")
            if not progress:
                self._sleep(wait)

    def _turn(self, now: float) -> tuple[bool, float]:
        """Give each part its step: (something moved, seconds until something is due)."""
        progress = self._hear(now)
        if self._recover_at is not None:
            if now >= self._recover_at:
                self._recover(may_cut=True)
            return progress, self._recover_at - now if self._recover_at is not None else LONGEST_WAIT
        if self._recovering:
            return progress, LONGEST_WAIT
        reading = not self._ending.begun
        redrive_only = self._settings.redrive_only
        wait = 0.05 if not reading else LONGEST_WAIT if redrive_only else min(self._source.poll(now), LONGEST_WAIT)
        progress |= self._dispatch.collect(now)
        progress |= self._dispatch.assign(now)  # what waits already: no worker is to stand still while we read
        progress |= self._dispatch.release(self._commit.may_release)
        if reading:
            progress |= self._dispatch.fill(self._sums, now)
            progress |= self._dispatch.fill(self._redrive, now)
            if not redrive_only:
                if self._commit.may_read:
                    progress |= self._dispatch.fill(self._source, now)
                self._sums.look(self._behind, self._exhausted and self._dispatch.idle, now)
        progress |= self._dispatch.assign(now)
        self._dispatch.watch(now)
        final = self._dispatch.idle and (not reading or self._exhausted)
        if final and self._commit.cut is None and self._ending.leaves_source and not redrive_only:
            self._source.leave()
        progress |= self._commit.tick(now, final=final)
        self._accounting.say_whether_full(self._commit.full)
        if not self._commit.settled:
            wait = min(wait, self._settings.commit_interval, 0.2)
        return progress, wait

    @property
    def _exhausted(self) -> bool:
        if self._settings.redrive_only:
            return self._redrive.exhausted
        return self._exhausts is not None and self._exhausts.exhausted and self._redrive.exhausted

    def _finished(self) -> bool:
        ending = self._ending.begun or (self._exhausted and self._redrive.idle)
        quiet = not self._recovering and self._recover_at is None
        quiet = quiet or (self._ending.hands_over and self._crew.at_rest)  # the next run takes them back to their marks
        if not self._ending.begun and not self._sums.finished and not self._settings.redrive_only:
            return False
        return ending and quiet and self._dispatch.idle and self._commit.settled

    def _sleep(self, wait: float) -> None:
        if any(worker.fileno() < 0 and worker.slot is not None for worker in self._dispatch.workers):
            return  # the work inside this process goes on
        if self._dispatch.full:
            wait = LONGEST_WAIT  # whatever the source has, only an answer makes room for it
        if self._ending.deadline is not None:
            wait = min(wait, self._ending.deadline - monotonic())  # a backoff may be longer than what is left
        descriptors = [worker.fileno() for worker in self._dispatch.workers]
        reading = not self._ending.begun and self._recover_at is None and not self._recovering
        if reading and not self._settings.redrive_only and isinstance(self._source, Readable):
            descriptors.append(self._source.fileno())
        sleep(wait, self._waker, descriptors)

    # Results go out, and sinks answer.

    def _release(self, task: Task, result: Result) -> None:
        """A worker's result, in its stream's order: payloads go to the sinks, the rest into the next commit."""
        chunk = task.chunk
        redriven: Sequence[int] = ()
        if chunk.redriven is not None:
            redriven = self._redrive.released(chunk, task.begin, task.done)
        elif chunk.after:
            self._sums.released(chunk, task.done)
        else:
            self._source.released(chunk, task.done, task.slot.input, dead_bytes(task, result))
        self._sums.merge(chunk.stream, result.sums, monotonic())
        if result.tapped:
            self._tapped(result.tapped)
        letters = self._accounting.enter(task, result)
        self._crew.deliver(task, result.payloads)
        size = task.done - task.begin
        self._commit.released(
            "" if chunk.after or chunk.redriven else chunk.path, size, task.read, letters, task.take_memory(),
            (chunk.appended, result.tally.lines), redriven,
        )  # fmt: skip

    def _hear(self, now: float) -> bool:
        heard = False
        for answer in self._crew.answers(now):
            heard = True
            sink = self._crew.threads[answer.sink]
            recovering = answer.sink in self._recovering or self._recover_at is not None
            match answer:
                case Recovered():
                    self._recovering.discard(answer.sink)
                    if not self._recovering:
                        self._watched = float("-inf")  # that is to be seen at once
                case Fatal(_, error):
                    raise error
                case Lost(_, _, begun) if self._recover_at is not None or begun < sink.recoveries:
                    continue  # sinks on one disk fail together: that is one failed commit
                case Lost(_, error):
                    self._rewind(f"{sink.name}: {error}", now)
                case Closed():
                    self._gone = sink.name
                case _ if recovering:
                    continue  # about something that was dropped
                case Delivered(_, task):
                    task.sinks -= 1
                    if task.sinks == 0:
                        self._dispatch.settle(task)
                case Announced(_, marks, paths):
                    self._outputs.update(paths)
                    self._store.announce(sink.name, marks)
                    sink.go_on()
                case Met(number, barrier, marks, refused):
                    label = self._crew.labels[number]
                    letters = self._accounting.refuse(sink.name, label, refused, self._original)
                    self._commit.met(number, barrier, marks, letters)
        return heard

    def _original(self, stream: int, offset: int, length: int) -> bytes | None:
        if stream < 0:
            return self._sums.original(stream, offset, length)
        return self._source.original(stream, offset, length) if isinstance(self._source, Rereads) else None

    def _behind(self) -> set[int]:
        """Streams of which there is more, in the source or in the ring."""
        more = self._source.behind() if isinstance(self._source, Behind) else ()
        return {*more, *self._dispatch.streams}

    # Going back to what is durable.

    def _rewind(self, why: str, now: float) -> None:
        """Drop the ring and go back to the last commit; the sinks follow after a backoff."""
        seconds = self._rewinds.another(why, now, self._commit.lines)
        self._log.error("pipeline.rewind", why=why, seconds=seconds, failures=self._rewinds.count)
        self._recover_at = now + seconds
        memory = self._store.memory()
        self._remembered.restore(memory)
        self._sums.restore(memory)
        self._dispatch.drop()
        self._crew.owed.forget()
        self._source.rewind()
        self._redrive.rewind()
        self._commit.forget()
        self._counters.add("rewinds")

    def _recover(self, *, may_cut: bool) -> None:
        """Send every sink back to its marks; those that no sink of the chain has belong to sinks that are gone."""
        self._recover_at = None
        self._recovering = {sink.number for sink in self._crew.threads}
        self._crew.recover(self._store.marks(), may_cut)

    # What is so.

    def _look(self) -> Snapshot:
        phase = self._ending.phase
        if not phase and (self._recover_at is not None or self._recovering):
            phase = "recovering" if self._rewinds.count else "starting"
        return self._observer.look(phase or ("running" if self._commit.full is None else "blocked"))

    def _what_hangs(self, what: str) -> str:
        failed = self._rewinds.why if self._recover_at is not None else ""
        return what_hangs(what, self._look(), self._crew.waited_for(), failed, str(self._commit.full or ""))
