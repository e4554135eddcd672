"""A sink by itself, as the engine calls it."""

from __future__ import annotations

import pytest

from tailrace import Event, Outgoing, Reject, Retry, Split, Verdicts, testing
from tailrace.testing import BatchSink, MemorySink, send

EVENTS: list[Event] = [{"n": 0}, {"n": 1}, {"n": 2}]


class Simple:
    """Takes no event whose number is in ``bad``."""

    def __init__(self, *bad: int, error: Exception | None = None) -> None:
        self.bad, self.error = bad, error
        self.rows: dict[str, int] = {}

    def write(self, events: list[Event]) -> None:
        if self.error is not None:
            raise self.error
        for event in events:
            if event["n"] in self.bad:
                raise ValueError("not this one")
            self.rows[event["event_id"]] = event["n"]


def test_the_public_doubles_are_there_by_name() -> None:
    assert {name for name in vars(testing) if name[0] != "_"} == set(testing.__all__)


def test_a_sink_of_one_method_is_given_events_with_their_ids() -> None:
    sink = Simple(1)
    assert send(sink, EVENTS) == [("test-1:1", "rejected", "ValueError: not this one")]
    assert sink.rows == {"test-1:0": 0, "test-1:2": 2}


@pytest.mark.parametrize("error", [Retry("busy"), OSError("gone")])
def test_what_would_be_tried_again_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        send(Simple(error=error), EVENTS)
    with pytest.raises(Retry, match="1 of 3"):
        send(BatchSink(verdict=lambda _batch: Verdicts(again=[1])), EVENTS)
    with pytest.raises(ConnectionResetError):
        send(BatchSink(lose_reply=lambda _batch: True), EVENTS)


def test_a_batch_is_connected_delivered_and_halved_until_the_record_at_fault_is_alone() -> None:
    def verdict(batch: Outgoing) -> None:
        if b'{"n":2}' in bytes(batch.data):
            raise Split("too much", "too_large")

    sink = BatchSink(verdict=verdict)
    assert send(sink, EVENTS) == [("test-1:2", "too_large", "too much")]
    assert sink.records == {"test-1:0": [b'{"n":0}'], "test-1:1": [b'{"n":1}']}
    assert sink.connections == 1


def test_a_sink_with_marks_is_told_its_destinations_first() -> None:
    sink = MemorySink()
    assert send(sink, [{"to": "a"}, {"to": "b"}, {"to": "a"}]) == []
    assert sink.lines("a") == [b'{"to":"a"}'] * 2
    assert sink.calls == ["announce", "deliver", "deliver", "deliver", "flush"]


def test_what_encode_raises_comes_out() -> None:
    with pytest.raises(Reject, match="JSON cannot hold the event"):
        send(Simple(), [{"n": {1}}])
