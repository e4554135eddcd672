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


class SimpleSink:
    """Events cross to the sink's thread as JSON, and are decoded afresh for each try: ``write`` may change them."""

    guarantee: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE

    def __init__(self, stage: SimpleWrite) -> None:
        self.stage = stage
        self.batch: Batch = getattr(stage, "batch", None) or Batch()
        self.retry: RetryPolicy = getattr(stage, "retry", None) or RetryPolicy()

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
        """Halves where ``write`` raises, until the events that fail alone are known; the first error if none passes. An
        event that failed is tried once more after others have passed: only if it fails again is it to blame."""
        failed: list[tuple[int, Exception]] = []
        halves = [(0, len(batch))]
        while halves:
            start, stop = halves.pop()
            try:
                self.stage.write(self._events(batch, start, stop))
            except (OSError, Retry, Park):
                raise  # not the events: all of the batch again
            except Exception as error:
                if stop - start == 1:
                    failed.append((start, error))
                else:
                    middle = (start + stop) // 2
                    halves += [(middle, stop), (start, middle)]
        if failed and len(failed) == len(batch):
            raise failed[0][1]
        refused = []
        for index, _ in failed:  # perhaps the target was in trouble then, and is not now
            try:
                self.stage.write(self._events(batch, index, index + 1))
            except (OSError, Retry, Park):
                raise
            except Exception as error:
                refused.append((index, "rejected", describe(error)))
        return Verdicts(refused) if refused else None

    def _events(self, batch: Outgoing, start: int, stop: int) -> list[Event]:
        events: list[Any] = [orjson.loads(batch.record(index)) for index in range(start, stop)]
        for event, name in zip(events, batch.ids[start:stop], strict=True):
            event.setdefault("event_id", name)
        return events
