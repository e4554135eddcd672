"""Sinks with batches in the engine: what is copied, halved, refused, retried and parked, and what a commit covers."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest
from tailrace.pipeline.delivery import Batch, Request, RetryPolicy
from tailrace.pipeline.errors import Park, Retry, Split
from tailrace.pipeline.outgoing import Outgoing, Verdicts
from tailrace.pipeline.testing.doubles import BatchSink, ListSource, MemorySink

from ..inside import adjust
from .engine_kit import Moody, Pipeline, numbered

LINES = 500


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.01, first_backoff=0.002, stuck_after=0.05)


def over(*sinks: Any, data: bytes = b"", **options: Any) -> Pipeline:
    return Pipeline(ListSource({"a.log": data or numbered(LINES)}, chunk_bytes=700), sinks=sinks, **options)


def messages(sink: BatchSink) -> list[str]:
    """In the order of the records' places."""
    names = sorted(sink.records, key=lambda name: int(name.rpartition(":")[2].partition(".")[0]))
    return [sink.records[name][0].decode().partition('"message":"')[2].rpartition('"')[0] for name in names]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_every_record_is_delivered_once_in_batches_of_the_size_that_was_asked_for(concurrency: int) -> None:
    sink = BatchSink(batch=Batch(max_events=40), request=Request(concurrency=concurrency))
    pipeline = over(sink, commit_interval=3600.0)
    assert pipeline.run().complete
    assert messages(sink) == [str(n) for n in range(LINES)]
    assert all(len(times) == 1 for times in sink.records.values())
    assert max(sink.batches) == 40
    assert len(sink.batches) <= -(-LINES // 40) + 1, "a commit sends what there is"


def test_a_batch_ends_where_its_bytes_do_and_a_record_that_is_larger_goes_alone() -> None:
    sink = BatchSink(batch=Batch(max_bytes=1024))
    data = b"".join(b"%d %s\n" % (n, b"x" * (3000 if n == 20 else 90)) for n in range(50))
    assert over(sink, data=data, chunk_bytes=1 << 16, commit_interval=3600.0).run().complete
    assert len(sink.records) == 50
    assert 1 in sink.batches
    assert max(sink.batches) < 11


def test_a_waiting_batch_holds_no_slot() -> None:
    sink = BatchSink(batch=Batch(timeout=3600.0))
    seen: list[bool] = []

    def look(pipeline: Pipeline) -> None:
        seen.append(pipeline.source.exhausted and pipeline.engine._dispatch.idle and len(sink.records) < LINES)

    assert over(sink, slots=4, commit_interval=3600.0, on_turn=look).run().complete
    assert any(seen), "all is read and every slot is free before all of it was sent"


def test_case_093_one_bad_record_is_found_by_halves_and_is_a_dead_letter_with_the_servers_words() -> None:
    def verdict(batch: Outgoing) -> None:
        if any(b'"77"' in bytes(batch.record(index)) for index in range(len(batch))):
            raise Split("400: the field is no date", code="rejected")

    sink = BatchSink(verdict=verdict, batch=Batch(max_events=LINES))
    pipeline = over(sink, commit_interval=3600.0)
    outcome = pipeline.run()
    assert outcome.complete
    assert messages(sink) == [str(n) for n in range(LINES) if n != 77]
    (letter,) = pipeline.store.letters
    assert (letter.stage, letter.error, letter.why) == ("write.out", "rejected", "400: the field is no date")
    assert (letter.sink, letter.payload, letter.raw) == ("out", b'{"message":"77"}', b"77")
    assert letter.offset == numbered(LINES).index(b"77\n")
    assert len(sink.batches) <= 12, "what halving needs"
    assert list(sink.records) == sorted(sink.records, key=lambda name: int(name.partition(":")[2])), "in order"
    counters = outcome.counters
    assert (counters.total("events_written"), counters.total("dead_letters")) == (LINES - 1, 1)


def test_case_093_records_that_a_reply_names_are_refused_and_others_sent_again_alone() -> None:
    tries: list[int] = []

    def verdict(batch: Outgoing) -> Verdicts | None:
        tries.append(len(batch))
        if len(tries) == 1:
            return Verdicts(refused=[(3, "bad_type", "not a number")], again=[5, 4], why="429 for two")
        return None

    sink = BatchSink(verdict=verdict, batch=Batch(max_events=LINES))
    pipeline = over(sink, commit_interval=3600.0)
    assert pipeline.run().complete
    assert tries[1] == 2
    assert sum(tries) == LINES + 2
    assert [(letter.raw, letter.error) for letter in pipeline.store.letters] == [(b"3", "bad_type")]
    assert messages(sink) == [str(n) for n in range(LINES) if n != 3]
    assert [fields["error"] for fields in pipeline.log.fields("sink.retry")] == ["429 for two"]
    assert len(pipeline.log.fields("sink.recovered")) == 1
    assert [letter.payload for letter in pipeline.store.letters] == [b'{"message":"3"}']


def test_several_events_of_a_line_are_told_apart_by_the_number_behind_their_id() -> None:
    sink = BatchSink()
    data = b"0\n1 dup\n2\n"
    pipeline = Pipeline(ListSource({"a.log": data}), Moody(), sinks=[sink])
    assert pipeline.run().complete
    assert sorted(sink.records) == ["test-1:0", "test-1:2", "test-1:2.1", "test-1:8"]


@pytest.mark.parametrize("attempts", [0, 3])
def test_attempts_bound_the_tries_of_a_batch_and_only_if_asked_for(attempts: int) -> None:
    failures = [0]

    def verdict(batch: Outgoing) -> None:
        if b'"7"' in bytes(batch.data) and failures[0] < 9:
            failures[0] += 1
            raise ConnectionResetError("no reply")

    sink = BatchSink(verdict=verdict, batch=Batch(max_events=10), retry=RetryPolicy(0.001, 0.002, attempts))
    pipeline = over(sink)
    assert pipeline.run().complete
    errors = {(letter.error, letter.why) for letter in pipeline.store.letters}
    assert errors == ({("retries", "not delivered in 3 tries: no reply")} if attempts else set())
    assert len(sink.records) + len(pipeline.store.letters) == LINES
    assert sink.connections == 1 + (3 if attempts else 9), "connected again after each loss"


def test_a_parked_sink_is_said_at_once_and_burns_no_data() -> None:
    left = [4]

    def verdict(_batch: Outgoing) -> None:
        if left[0]:
            left[0] -= 1
            raise Park("401: wrong password")

    sink = BatchSink(verdict=verdict, retry=RetryPolicy(0.001, 0.002, attempts=2))
    pipeline = over(sink)
    assert pipeline.run().complete
    assert len(sink.records) == LINES
    assert pipeline.store.letters == []
    (stuck,) = pipeline.log.fields("sink.stuck")
    assert stuck["error"] == "401: wrong password"
    assert len(pipeline.log.fields("sink.recovered")) == 1


def test_case_092_a_lost_reply_repeats_records_under_the_same_ids() -> None:
    lost = [3]

    def lose(_batch: Outgoing) -> bool:
        lost[0] -= 1
        return lost[0] >= 0

    sink = BatchSink(lose_reply=lose, batch=Batch(max_events=50))
    assert over(sink).run().complete
    assert messages(sink) == [str(n) for n in range(LINES)]
    assert {len(times) for times in sink.records.values()} == {1, 4}


def test_case_091_a_flush_that_fails_is_no_failed_commit_and_rewinds_nobody() -> None:
    healthy, failing = MemorySink(), MemorySink()
    failing.failures["flush"] = [sqlite3.OperationalError("database is locked")] * 10
    pipeline = over(healthy, failing)
    assert pipeline.run().complete
    assert pipeline.log.fields("pipeline.rewind") == []
    assert healthy.calls.count("recover") == 1, "at the start"
    assert healthy.lines() == failing.lines()


def test_case_090_a_sink_that_is_down_at_the_start_is_waited_for_and_said_once() -> None:
    sink = BatchSink()
    down = [12]
    connect = sink.connect

    def refuse(about: Any) -> None:
        if down[0]:
            down[0] -= 1
            raise ConnectionRefusedError("nobody listens")
        connect(about)

    sink.connect = refuse  # type: ignore[method-assign]
    pipeline = over(sink)
    assert pipeline.run().complete
    assert len(sink.records) == LINES
    assert pipeline.log.fields("pipeline.rewind") == []
    assert pipeline.store.letters == []


def test_case_089_a_sink_that_hangs_in_a_call_is_said_to_be_stuck() -> None:
    go_on = threading.Event()

    def hang(method: str) -> None:
        if method == "deliver":
            go_on.wait(60)

    def look(pipeline: Pipeline) -> None:
        pipeline.engine._watched = float("-inf")  # not once a second: now
        if pipeline.log.fields("sink.stuck"):
            go_on.set()

    pipeline = over(MemorySink(before=hang), on_turn=look)
    assert pipeline.run().complete
    (stuck,) = pipeline.log.fields("sink.stuck")
    assert stuck["error"].startswith("hangs in deliver since ")
    assert len(pipeline.log.fields("sink.recovered")) == 1
    assert pipeline.engine.snapshot.sinks == {}
    assert pipeline.crew.troubles() == {}


def test_what_is_not_committed_is_pending_in_the_snapshot_with_its_file_and_age() -> None:
    sink = MemorySink()
    sink.failures["deliver"] = [Retry("busy", delay=0.2)] * 20
    looks: list[Any] = []

    def look(pipeline: Pipeline) -> None:
        pipeline.engine._watched = float("-inf")  # not once a second: now
        looks.append(pipeline.engine.snapshot)
        if len(looks) > 5 and looks[-1].sinks:
            sink.failures["deliver"].clear()

    pipeline = over(sink, on_turn=look)
    assert pipeline.run().complete
    stuck = next(one for one in looks if one.sinks)
    assert stuck.counters.total("events_written") == 0, "nothing is committed"
    assert stuck.lines_pending > 0
    assert stuck.bytes_pending == sum(stuck.files.values()) >= stuck.lines_pending
    assert list(stuck.files) == ["/list/a.log"]
    assert stuck.oldest_pending > 0
    assert stuck.progress == (0, len(numbered(LINES))), "of all that is there, nothing is committed"
    assert stuck.sinks["out"].why == "busy"
