"""Runs one sink by itself, for a test of it: encode, connect, deliver, as the engine calls them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailrace.pipeline.batch import Chunk, Event, Origin
from tailrace.pipeline.chain.simple_write import SimpleSink
from tailrace.pipeline.delivery import RetryPolicy
from tailrace.pipeline.outgoing import About, Outgoing, Payload
from tailrace.pipeline.sinks.batching import Records
from tailrace.pipeline.sinks.breaker import Breaker
from tailrace.pipeline.sinks.sender import Refused, Sender
from tailrace.pipeline.sinks.thread import told_apart
from tailrace.pipeline.stage import Announces, Connects, Flushes, Located
from tailrace.pipeline.testing.doubles import origin

_CHUNK = Chunk(1, "test-1", "a.log", "/logs/a.log", 0, 0, 0, 0.0, 0.0)


def send(sink: Any, events: Sequence[Event], where: Origin | None = None) -> list[tuple[str, str, str]]:
    """Encode these events and deliver them, in one batch for each destination; (event id, code, why) of each that the
    sink will never take. Event ids are ``test-1:0``, ``test-1:1`` ... in the order of the events.

    ``sink`` has ``encode`` and ``deliver``, or ``write`` alone. What the engine would try again later (``Retry``,
    ``Park``, ``OSError`` and the like) is raised, as is what ``encode`` raises.
    """
    write = sink if hasattr(sink, "encode") else SimpleSink(sink)
    if isinstance(write, Located):
        write.locate(where or origin(places=range(len(events))))
    payloads = list(write.encode(list(events)))
    if isinstance(write, Connects):
        write.connect(About("test", None, lambda _notice: None))
    if isinstance(write, Announces):
        write.announce(list(dict.fromkeys(payload.destination for payload in payloads)))
    refused: list[Refused] = []
    if told_apart(write):
        sender = Sender(write, Breaker(None, None, _raise, _nothing), RetryPolicy(), refused.append)
        for batch in _batches(payloads, len(events)):
            sender.send(batch)
    else:
        for payload in payloads:
            verdicts = write.deliver(Outgoing(payload.destination, payload.data))
            assert verdicts is None, "only a sink with a field `batch` knows its records apart, and may refuse some"
    if isinstance(write, Flushes):
        write.flush()
    return [(one.place.event_id, one.code, one.why) for one in refused]


def _batches(payloads: Sequence[Payload], count: int) -> list[Records]:
    """By destination."""
    batches: dict[str, Records] = {}
    for payload in payloads:
        assert payload.ends is not None, "a sink with a field `batch` says where each record ends: Payload.ends"
        which = range(count) if payload.events is None else payload.events
        assert len(which) == len(payload.ends), f"{len(payload.ends)} records, of {len(which)} events"
        batch = batches.setdefault(payload.destination, Records(payload.destination))
        shift = len(batch.data)
        batch.data += payload.data
        batch.ends += [shift + end for end in payload.ends]
        batch.ids += [f"test-1:{index}" for index in which]
        batch.origins += [(_CHUNK, index, 0) for index in which]
    return list(batches.values())


def _raise(error: BaseException, _failures: int) -> None:
    raise error


def _nothing() -> None:
    """Told when a call gets through after failures: there are none."""
