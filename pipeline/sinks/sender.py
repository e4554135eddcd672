"""Sends batches and acts on what the sink says of them; several at a time where the sink has no order to keep."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

from tailrace.pipeline.delivery import RetryPolicy
from tailrace.pipeline.errors import Retry, Split
from tailrace.pipeline.outgoing import Verdicts
from tailrace.pipeline.sinks.batching import Place, Records
from tailrace.pipeline.sinks.breaker import Breaker, GivenUpError
from tailrace.pipeline.sinks.checked import checked_verdicts
from tailrace.pipeline.stage import Write

REFUSED_COST = 1200  # bytes of memory that a refused record costs beside its texts, and its dead letter after it


@dataclass(slots=True, frozen=True)
class Refused:
    """A record that the sink will never take."""

    place: Place
    payload: bytes  # as it was sent
    code: str
    why: str

    @property
    def size(self) -> int:
        """Bytes of memory, those of the line too, which its dead letter holds."""
        return REFUSED_COST + len(self.payload) + self.place.length + len(self.why)


class Sender:
    """Delivers one batch after the other, each until every record in it is delivered or refused."""

    def __init__(self, write: Write, breaker: Breaker, policy: RetryPolicy, refused: Callable[[Refused], None]) -> None:
        self._write, self._breaker, self._refused = write, breaker, refused
        self._attempts = policy.attempts

    def send(self, batch: Records) -> None:
        """AbandonError: it was given up half-way."""
        waiting = [batch]
        failures = 0
        while waiting:
            batch = waiting.pop()
            try:
                deliver = partial(self._deliver, batch)
                verdicts = self._breaker.call("deliver", deliver, attempts=self._attempts, settles=False)
            except GivenUpError as error:
                self._refuse_all(batch, self._attempts, error.__cause__)
                continue
            if not (isinstance(verdicts, Verdicts) and verdicts.again):
                self._breaker.got_through()
            if isinstance(verdicts, Split):
                if len(batch) == 1:
                    self._refuse(batch, 0, verdicts.code, str(verdicts))
                else:
                    middle = len(batch) // 2
                    waiting += [batch.pick(range(middle, len(batch))), batch.pick(range(middle))]
                continue
            if verdicts is None:
                failures = 0
                continue
            for index, code, why in verdicts.refused:
                self._refuse(batch, index, code, why)
            if verdicts.again:
                failures += 1
                again = batch.pick(sorted(verdicts.again))
                why = verdicts.why or f"{len(again)} of {len(batch)} records were not taken"
                if self._attempts and failures >= self._attempts:
                    self._breaker.give_up()
                    self._refuse_all(again, failures, why)
                    continue
                self._breaker.report(Retry(why), failures)
                self._breaker.wait(verdicts.delay, failures)
                waiting.append(again)

    def _deliver(self, batch: Records) -> Verdicts | Split | None:
        """What the sink says; raises what it raises, and if what it says makes no sense: then nobody knows which
        records it has taken."""
        try:
            return checked_verdicts(self._write.deliver(batch.outgoing()), len(batch))
        except Split as split:
            return split.with_traceback(None)  # its frames would hold it, in a cycle

    def _refuse_all(self, batch: Records, tries: int, why: object) -> None:
        for index in range(len(batch)):
            self._refuse(batch, index, "retries", f"not delivered in {tries} tries: {why}")

    def _refuse(self, batch: Records, index: int, code: str, why: str) -> None:
        self._refused(Refused(batch.place(index), batch.record(index), code, why))


class Senders:
    """``concurrency`` threads that send; with one, the caller's own. ``failed`` is told what comes out of ``send``,
    before the batch counts as done with."""

    def __init__(
        self, concurrency: int, send: Callable[[Records], None], failed: Callable[[BaseException], None], name: str
    ) -> None:
        self._send, self._failed = send, failed
        self._queue: SimpleQueue[Records | None] = SimpleQueue()
        self._state = threading.Condition()
        self._under_way = 0
        self._lost = False  # a batch that was taken is not sent, and never will be
        self._threads = [
            threading.Thread(target=self._run, name=f"{name} {number}", daemon=True)
            for number in range(concurrency if concurrency > 1 else 0)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def put(self, batch: Records) -> None:
        """Returns when the batch is sent, or a thread has taken it: never more wait than there are threads."""
        if not self._threads:
            self._send(batch)
            return
        with self._state:
            self._state.wait_for(lambda: self._under_way < len(self._threads))
            self._under_way += 1
        self._queue.put(batch)

    def wait(self) -> bool:
        """Until everything that was put is sent or given up; False: not all of it was sent."""
        with self._state:
            self._state.wait_for(lambda: not self._under_way)
            return not self._lost

    def forget(self) -> None:
        """Wait, too; what was not sent comes again."""
        self.wait()
        self._lost = False

    def close(self) -> None:
        for _ in self._threads:
            self._queue.put(None)

    def _run(self) -> None:
        while (batch := self._queue.get()) is not None:
            try:
                self._send(batch)
            except BaseException as error:  # none may end the thread, and none be forgotten
                self._lost = True
                self._failed(error)
            finally:
                with self._state:
                    self._under_way -= 1
                    self._state.notify_all()
