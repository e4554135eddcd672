"""A sink of one method, as a whole one: ``write(events)`` with batches, retries and the search for a bad event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import orjson
from tailrace.pipeline.batch import Event
from tailrace.pipeline.chain.explain import describe
from tailrace.pipeline.delivery import Batch, RetryPolicy
from tailrace.pipeline.errors import Park, Reject, Retry
from tailrace.pipeline.outgoing import Outgoing, Payload, Verdicts
from tailrace.pipeline.stage import Guarantee, SimpleWrite

DESTINATION = "-"
PROBES = 3  # events that are tried alone before a batch that failed is searched
DOUBTFUL = (
    24  # failures in a row, more than one bad event makes: an event that passed is written again, to see if it does
)
Witness = tuple[Outgoing, int]
"""An event that was taken: a batch, and its index there."""


class SimpleSink:
    """Events cross to the sink's thread as JSON, and are decoded afresh for each try: ``write`` may change them."""

    guarantee: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE

    def __init__(self, stage: SimpleWrite) -> None:
        self.stage = stage
        self.batch: Batch = getattr(stage, "batch", None) or Batch()
        self.retry: RetryPolicy = getattr(stage, "retry", None) or RetryPolicy()
        self._failures = 0  # in a row, of whole batches
        self._taken: Witness | None = None  # the last event of the last batch that was taken

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        try:
            records = [orjson.dumps(event) for event in events]
        except TypeError as error:
            raise Reject("rejected", f"JSON cannot hold the event: {error}") from error
        ends, end = [], 0
        for record in records:
            end += len(record)
            ends.append(end)
        return [Payload(DESTINATION, b"".join(records), ends)]

    def deliver(self, batch: Outgoing) -> Verdicts | None:
        """Where ``write`` raises and some events pass alone, halves, until those that fail alone are known. What raises
        for all that is tried is the target: the first error then, and the batch comes again."""
        refused: list[tuple[int, str, str]] = []
        try:
            self.stage.write(self._events(batch, 0, len(batch)))
        except (OSError, Retry, Park):
            raise  # not the events
        except Exception:
            self._failures += 1
            passing = self._find_passing(batch)
            if passing is None:
                raise
            refused = self._search(batch, passing)
        else:
            last = len(batch) - 1
            record = bytes(batch.record(last))
            self._taken = Outgoing(batch.destination, record, [len(record)], batch.ids[last:]), 0
        self._failures = 0
        return Verdicts(refused) if refused else None

    def _find_passing(self, batch: Outgoing) -> Witness | None:
        """An event that is taken alone. A few are tried, each time others: a target that is down may take long for each
        to say so, and a batch of which most are at fault finds one in the end. For a small one, which may hold nothing
        but events at fault and would wait for ever, an event that was taken before is written again."""
        probes = min(PROBES, len(batch))
        for part in range(probes):
            index = (part * len(batch) // probes + self._failures) % len(batch)
            if self._failure(batch, index, index + 1) is None:
                return batch, index
        if self._taken is not None and self._failures > 1 and len(batch) < DOUBTFUL:
            known, index = self._taken
            if self._failure(known, index, index + 1) is None:
                return self._taken
        return None

    def _search(self, batch: Outgoing, passing: Witness) -> list[tuple[int, str, str]]:
        failed = []
        halves = [(0, len(batch))] if passing[0] is not batch else [(passing[1] + 1, len(batch)), (0, passing[1])]
        in_a_row = 0
        while halves:
            start, stop = halves.pop()
            if start == stop:
                continue
            error = self._failure(batch, start, stop)
            in_a_row = in_a_row + 1 if error else 0
            if error and stop - start == 1:
                failed.append(start)
            elif error:
                middle = (start + stop) // 2
                halves += [(middle, stop), (start, middle)]
            if in_a_row >= DOUBTFUL:
                self._check(passing)
                in_a_row = 0
        if in_a_row:
            self._check(passing)
        # Once more: perhaps the target was in trouble for a moment then.
        again = [(index, self._failure(batch, index, index + 1)) for index in failed]
        return [(index, "rejected", describe(error)) for index, error in again if error is not None]

    def _check(self, passing: Witness) -> None:
        """Raises if an event that passed does not pass any more: then the target is in trouble."""
        batch, index = passing
        self.stage.write(self._events(batch, index, index + 1))

    def _failure(self, batch: Outgoing, start: int, stop: int) -> Exception | None:
        try:
            self.stage.write(self._events(batch, start, stop))
        except (OSError, Retry, Park):
            raise
        except Exception as error:
            return error.with_traceback(None)  # its frames would hold it, in a cycle
        return None

    def _events(self, batch: Outgoing, start: int, stop: int) -> list[Event]:
        events: list[Any] = [orjson.loads(batch.record(index)) for index in range(start, stop)]
        for event, name in zip(events, batch.ids[start:stop], strict=True):
            event.setdefault("event_id", name)
        return events
