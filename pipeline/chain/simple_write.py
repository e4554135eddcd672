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


class SimpleSink:
    """Events cross to the sink's thread as JSON, and are decoded afresh for each try: ``write`` may change them."""

    guarantee: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE

    def __init__(self, stage: SimpleWrite) -> None:
        self.stage = stage
        self.batch: Batch = getattr(stage, "batch", None) or Batch()
        self.retry: RetryPolicy = getattr(stage, "retry", None) or RetryPolicy()
        self._failures = 0  # batches that failed as a whole

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
        try:
            self.stage.write(self._events(batch, 0, len(batch)))
        except (OSError, Retry, Park):
            raise  # not the events
        except Exception:
            passing = self._find_passing(batch)
            if passing is None:
                raise
            refused = self._search(batch, passing)
            return Verdicts(refused) if refused else None
        return None

    def _find_passing(self, batch: Outgoing) -> int | None:
        """An event that is taken alone. A few are tried, each time others: a target that is down may take long for each
        to say so, and a batch of which most are at fault finds one in the end."""
        self._failures += 1
        probes = min(PROBES, len(batch))
        for part in range(probes):
            index = (part * len(batch) // probes + self._failures) % len(batch)
            if self._failure(batch, index, index + 1) is None:
                return index
        return None

    def _search(self, batch: Outgoing, passing: int) -> list[tuple[int, str, str]]:
        failed = []
        halves = [(passing + 1, len(batch)), (0, passing)]
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
                self._check(batch, passing)
                in_a_row = 0
        if in_a_row:
            self._check(batch, passing)
        # Once more: perhaps the target was in trouble for a moment then.
        again = [(index, self._failure(batch, index, index + 1)) for index in failed]
        return [(index, "rejected", describe(error)) for index, error in again if error is not None]

    def _check(self, batch: Outgoing, passing: int) -> None:
        """Raises if an event that passed does not pass any more: then the target is in trouble."""
        self.stage.write(self._events(batch, passing, passing + 1))

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
