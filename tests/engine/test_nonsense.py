"""Sinks that answer what no contract has: nothing of theirs is taken for delivered, and they are asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tailrace.pipeline.batch import Event
from tailrace.pipeline.delivery import Batch, Request
from tailrace.pipeline.errors import Split
from tailrace.pipeline.outgoing import Outgoing, Payload, Verdicts
from tailrace.pipeline.testing.doubles import BatchSink, ListSource, MemorySink

from ..inside import adjust
from .engine_kit import Pipeline, numbered

LINES = 500


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.01, first_backoff=0.002)


def over(*sinks: Any, **options: Any) -> Pipeline:
    return Pipeline(ListSource({"a.log": numbered(LINES)}, chunk_bytes=700), sinks=sinks, **options)


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    "answer",
    [
        lambda batch: Verdicts(refused=[(len(batch), "rejected", "one too many")]),
        lambda _batch: Verdicts(again=[-1]),
        lambda _batch: Verdicts(refused=[(0, "rejected", "no")], again=[0]),
        lambda _batch: True,
    ],
    ids=["an index too high", "a negative index", "two verdicts for one record", "no verdicts"],
)
def test_case_089_verdicts_that_make_no_sense_lose_no_record(
    answer: Callable[[Outgoing], Any], concurrency: int
) -> None:
    wrong = [3]

    def verdict(batch: Outgoing) -> Any:
        wrong[0] -= 1
        return answer(batch) if wrong[0] >= 0 else None

    sink = BatchSink(batch=Batch(max_events=40), request=Request(concurrency=concurrency))
    deliver = sink.deliver
    sink.deliver = lambda batch: verdict(batch) or deliver(batch)  # type: ignore[method-assign]
    pipeline = over(sink)
    assert pipeline.run().complete
    assert len(sink.records) == LINES
    assert pipeline.store.letters == []
    assert len(pipeline.log.fields("sink.retry")) == 3
    assert pipeline.log.fields("pipeline.rewind") == []


def test_case_089_split_is_an_error_like_any_other_where_nothing_can_be_halved() -> None:
    sink = MemorySink()
    sink.failures = {method: [Split("too large")] * 2 for method in ("deliver", "announce", "flush", "recover")}
    pipeline = over(sink)
    assert pipeline.run().complete
    assert len(sink.lines()) == LINES
    assert pipeline.log.fields("pipeline.rewind") == []


class Quiet(BatchSink):
    """Encodes even numbers only, and gives a payload without records where there are none."""

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        even = [index for index, event in enumerate(events) if int(event["message"]) % 2 == 0]
        for payload in super().encode([events[index] for index in even]):
            return [Payload("-", payload.data, payload.ends, even)]
        return [Payload("-", b"", [], [])]


@pytest.mark.parametrize("chunk_bytes", [2, 200])  # an event that is left out alone, and among others
def test_events_that_encode_leaves_out_are_dead_letters_and_do_not_count_as_written(chunk_bytes: int) -> None:
    sink = Quiet()
    source = ListSource({"a.log": numbered(20)}, chunk_bytes=chunk_bytes)
    pipeline = Pipeline(source, sinks=[sink])
    assert pipeline.run().complete
    assert len(sink.records) == 10
    assert len(pipeline.store.letters) == 10
    assert "left out 1 of 1 events" in pipeline.store.letters[0].why
    assert pipeline.log.fields("pipeline.rewind") == []


class Short(BatchSink):
    """Forgets the last byte when it tells where records end."""

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        (payload,) = super().encode(events)
        assert payload.ends is not None
        return [Payload("-", payload.data, [*payload.ends[:-1], payload.ends[-1] - 1])]


def test_records_that_do_not_cover_their_payload_are_dead_letters_and_not_cut_short() -> None:
    sink = Short()
    pipeline = over(sink)
    assert pipeline.run().complete
    assert sink.records == {}
    assert len(pipeline.store.letters) == LINES
    assert "Payload.ends" in pipeline.store.letters[0].why
