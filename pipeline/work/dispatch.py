"""Who works on which slot. Idle workers pull the next filled slot; results are released in order for each stream.

A slot's way: free, filled by the source, waiting, given to a worker, through, released to the sinks, free again. A
result that is only a part (the output was full, or the worker died) is released as far as it goes; the rest stays in
its slot, first in line.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Collection
from math import inf
from typing import Any

from tailrace.pipeline.chain.outcome import DeadLine, Tally
from tailrace.pipeline.chain.stateful import Remembered
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.source import Reader
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.snapshot import RingState, WorkerState
from tailrace.pipeline.work.layout import Result, read_result
from tailrace.pipeline.work.process import Died, Worker
from tailrace.pipeline.work.records import Records
from tailrace.pipeline.work.ring import AT, PROGRESS, STAGE, Ring
from tailrace.pipeline.work.task import Task
from tailrace.pipeline.work.worker import DONE, PIECE

FRESH_KILLS = 2  # so many fresh workers a line must have killed, alone, before it is condemned
START_FAILURES = 5  # so many workers in a row that die before they are ready stop the pipeline


class Dispatch:
    """Owns the slots and the workers. ``on_release(task, result)`` is called with each result in its stream's order.

    With ``remembered``, what the stages of the one worker remember depends on the order in which it works: results are
    released in that order, and a fresh worker begins with what the dead one had finished.
    """

    def __init__(
        self,
        ring: Ring,
        workers: int,
        hire: Callable[[], Worker],
        task_timeout: float,
        counters: Counters,
        log: Any,
        remembered: Remembered | None = None,
    ) -> None:
        self._ring = ring
        self._hire = hire
        self._task_timeout = task_timeout
        self.on_release: Callable[[Task, Result], None] = lambda _task, _result: None
        self._remembered = remembered
        self._worked: deque[Task] = deque()  # with `remembered`: what is through and not released, in that order
        self._counters = counters
        self._log = log
        self._free = list(range(len(ring.slots)))
        self._waiting: deque[Task] = deque()
        self._order: dict[int, deque[Task]] = {}  # file id: its tasks not wholly released, in the order of the file
        self._held: Counter[int] = Counter()  # file id: slots it occupies
        self._working: dict[Worker, Task] = {}
        self._records = Records()
        self._parts = 0  # tasks that are through in part: their rest comes next
        self._numbers = 0
        self._start_failures = 0
        self._wanted = 1 if remembered is not None else workers
        self.workers: list[Worker] = []
        self.idle = True  # no slot is in use

    def start(self) -> None:
        """Hire the workers; from the main thread, before any other thread is started."""
        self.workers = [self._hired() for _ in range(self._wanted)]

    def fill(self, source: Reader, now: float) -> bool:
        """Read into free slots what the source has; True when something was read."""
        read = False
        while self._free:
            slot = self._ring.slots[self._free[0]]  # the lowest one: few slots in use touch little memory
            chunk = source.read(slot.input, now, self._may_not_have_another)
            if chunk is None:
                break
            heapq.heappop(self._free)
            self._held[chunk.stream] += 1
            self._numbers += 1
            task = Task(self._numbers, slot, chunk, read=now)
            self._order.setdefault(chunk.stream, deque()).append(task)
            self._waiting.append(task)
            self.idle = False
            read = True
        return read

    def _may_not_have_another(self, stream: int) -> bool:
        """One file holds at most all slots but one, and none more while its oldest chunk is in the careful path."""
        if self._held[stream] >= len(self._ring.slots) - 1:
            return True
        tasks = self._order.get(stream)
        if not tasks:
            return False
        oldest = tasks[0]
        return oldest.fresh or bool(oldest.pid and not oldest.through and oldest.slot.at[1])

    def assign(self, now: float) -> bool:
        """Give waiting slots to idle workers; True when one was given."""
        given = False
        while self._waiting and self._waiting[0].chunk.oversize is not None and not self._has_part:
            task = self._waiting.popleft()  # nothing to run: the line is condemned as it is
            task.done = task.chunk.length
            self._is_through(task)
            given = True
        for index, worker in enumerate(self.workers):
            if not self._waiting or self._has_part:
                break
            if worker in self._working:
                continue
            task = self._waiting.popleft()
            if task.fresh and worker.tasks:
                self._dismiss(worker)
                self.workers[index] = self._hired()
            self._give(self.workers[index], task, now)
            given = True
        return given

    @property
    def _has_part(self) -> bool:
        """With memory, nothing is worked on before the rest of what is through in part."""
        return self._remembered is not None and self._parts > 0

    def _give(self, worker: Worker, task: Task, now: float) -> None:
        task.slot.ask(task.chunk, task.begin, task.careful_until, task.condemned, task.stage, task.cause)
        task.pid, task.started, task.hung = worker.pid, now, ""
        task.word, task.since = (task.slot.words[PROGRESS], task.slot.words[AT]), now
        self._working[worker] = task
        worker.give(task.slot.index)

    def collect(self, now: float = 0.0) -> bool:
        """Hear what the workers have to say; True when a slot came through."""
        progress = False
        for index, worker in enumerate(self.workers):
            answer = worker.poll()
            if isinstance(answer, Died):
                self._bury(index, worker, answer)
                progress = True
            elif answer is not None:
                self._start_failures = 0
                task = self._working.pop(worker)
                task.done = task.chunk.length if answer == DONE else task.slot.progress[0]
                task.fresh = False
                task.ended = now
                self._records.through(worker.pid, now - task.started)
                self._is_through(task)
                progress = True
        return progress

    def _bury(self, index: int, worker: Worker, died: Died) -> None:
        task = self._working.pop(worker, None)
        cause = (task and task.hung) or died.why
        self._counters.add("worker_restarts", reason=cause)
        self._log.warning("worker.died", pid=worker.pid, why=cause, batch=task.number if task else None)
        if not worker.ready:
            self._start_failures += 1
            if self._start_failures >= START_FAILURES:
                raise TailraceError(f"workers die as soon as they start ({cause}); see what they printed above")
        worker.close()
        self._records.gone(worker.pid)
        if task is None or not worker.ready:
            self.workers[index] = self._hired()
            if task is not None:  # it never looked at the slot
                self._waiting.appendleft(task)
            return
        done = task.slot.progress[0]
        at, single = task.slot.at
        if single and worker.tasks == 1 and at == done:
            task.kills[at] += 1
        if task.kills[at] >= FRESH_KILLS:
            task.condemned, task.stage = at, task.slot.words[STAGE]
            task.cause = f"killed {FRESH_KILLS} fresh workers, each with this line alone: {cause}"
            self._log.error("line.condemned", file=task.chunk.path, offset=task.chunk.place(at), why=task.cause)
        task.careful_until = max(task.careful_until, done + PIECE)
        task.fresh = True
        if done == task.begin:  # nothing to release
            self._waiting.appendleft(task)
        else:
            task.done = done
            self._is_through(task)
        self.workers[index] = self._hired()

    def _is_through(self, task: Task) -> None:
        task.through = True
        if task.done < task.chunk.length:
            self._parts += 1
        if self._remembered is None:
            return
        self._worked.append(task)
        if task.chunk.oversize is None:
            for changes in read_result(task.slot.output, task.slot.progress[1]).changes:
                task.memory.append(self._remembered.apply(changes))

    def watch(self, now: float) -> None:
        """Kill workers whose header has not moved for ``task_timeout``; the rest is as for any death."""
        for worker, task in self._working.items():
            word = (task.slot.words[PROGRESS], task.slot.words[AT])
            if word != task.word:
                task.word, task.since = word, now
            elif now - task.since > self._task_timeout and not task.hung:
                task.hung = f"no progress for {self._task_timeout:g} s"
                self._log.error("worker.hangs", pid=worker.pid, batch=task.number, file=task.chunk.path)
                worker.kill()

    def release(self, may: Callable[[], bool]) -> bool:
        """Hand on, in order for each stream, what is through, as long as ``may()``; True when something was."""
        released = False
        while self._worked and may():
            self._release(self._worked.popleft())
            released = True
        if self._remembered is not None:
            return released
        for stream in list(self._order):
            tasks = self._order[stream]
            while tasks and tasks[0].through and not tasks[0].released and may():
                self._release(tasks[0])
                released = True
        return released

    def _release(self, task: Task) -> None:
        """The first of its stream."""
        result = self._result(task)
        self._records.released(task.pid, result.tally.lines)
        task.released = True
        tasks = self._order[task.chunk.stream]
        if task.done == task.chunk.length:
            tasks.popleft()  # its slot stays with the sinks, but the stream's next chunk may go
            if not tasks:
                del self._order[task.chunk.stream]
        self.on_release(task, result)
        if task.sinks == 0:
            self.settle(task)

    def _result(self, task: Task) -> Result:
        chunk = task.chunk
        if chunk.oversize is not None:
            size = readable_size(chunk.oversize)
            if chunk.fault is not None:
                return Result(
                    dead=[DeadLine(0, chunk.length, "source", "too_large", chunk.fault)], tally=Tally(lines=1)
                )
            why = f"the line has {size}, source.max_line_bytes allows less; its beginning is kept"
            dead = DeadLine(0, chunk.length, "source", "too_long", why)
            return Result(dead=[dead], tally=Tally(lines=1))
        return read_result(task.slot.output, task.slot.progress[1])

    def settle(self, task: Task) -> None:
        """Every sink is done with what was released of this task."""
        if task.done < task.chunk.length:
            task.begin, task.through, task.released = task.done, False, False
            self._waiting.appendleft(task)
            self._parts -= 1
            return
        heapq.heappush(self._free, task.slot.index)
        self._held[task.chunk.stream] -= 1
        if not self._held[task.chunk.stream]:
            del self._held[task.chunk.stream]
        self.idle = len(self._free) == len(self._ring.slots)

    @property
    def streams(self) -> Collection[int]:
        """Those of which something is not yet wholly released."""
        return self._order.keys()

    @property
    def ready(self) -> bool:
        """All workers have built their chains."""
        return all(worker.ready for worker in self.workers)

    @property
    def full(self) -> bool:
        """No slot is free."""
        return not self._free

    def pending(self, files: Counter[str]) -> float:
        """Add to each file's count the input read and not yet released; when the oldest of it was read."""
        oldest = inf
        for tasks in self._order.values():
            for task in tasks:
                if task.chunk.after or task.chunk.redriven:
                    continue  # of no file
                files[task.chunk.path] += task.chunk.length - (task.done if task.released else task.begin)
                oldest = min(oldest, task.read)
        return oldest

    def ring_state(self) -> RingState:
        """What the slots hold now."""
        slots, free, waiting = len(self._ring.slots), len(self._free), len(self._waiting)
        working = len(self._working)
        return RingState(slots, free, waiting, working, slots - free - waiting - working, self._ring.shape.total)

    def worker_states(self, now: float) -> tuple[WorkerState, ...]:
        """What each worker does, and has done since it was started."""
        return tuple(self._worker_state(worker, now) for worker in self.workers)

    def _worker_state(self, worker: Worker, now: float) -> WorkerState:
        task = self._working.get(worker)
        state = "starting" if not worker.ready else "idle" if task is None else "working"
        number, file, seconds = (task.number, task.chunk.path, now - task.started) if task else (None, None, 0.0)
        batches, lines, busy = self._records.of(worker.pid)
        return WorkerState(worker.pid, state, number, file, seconds, batches, lines, busy + seconds)

    def drop(self) -> None:
        """Forget every slot, for a rewind; workers at work are let finish or are replaced by fresh ones."""
        for index, worker in enumerate(self.workers):
            if worker in self._working or self._remembered is not None:
                self._dismiss(worker)
                self.workers[index] = self._hired()
        self._working.clear()
        self._worked.clear()
        self._waiting.clear()
        self._order.clear()
        self._parts = 0
        self._held.clear()
        self._free = list(range(len(self._ring.slots)))
        self.idle = True

    def close(self) -> None:
        for worker in self.workers:
            self._dismiss(worker)

    def _hired(self) -> Worker:
        worker = self._hire()
        self._log.debug("worker.started", pid=worker.pid)
        self._records.hired(worker.pid)
        return worker

    def _dismiss(self, worker: Worker) -> None:
        worker.close()
        self._records.gone(worker.pid)
        self._log.debug("worker.ended", pid=worker.pid)
