"""Dead letters sent again, and others who want them, or their room."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.state.letters import Filter
from tailrace.pipeline.state.store import Commit
from tailrace.pipeline.testing.doubles import ListSource

from .engine_kit import Pipeline
from .redrive_kit import letter, letters, opened, over, put, rows, sent_again

pytestmark = pytest.mark.usefixtures("no_waiting")


# Others who want the letters.


def test_case_078_letters_that_are_on_their_way_are_spared(tmp_path: Path) -> None:
    """Also those that were read, and are in no slot yet: what a person drops is not to come out."""
    put(tmp_path, letters(1200))
    dropped: list[int] = []

    def drop(pipeline: Pipeline) -> None:
        if not dropped and pipeline.engine.spared:
            dropped.extend(set(pipeline.state.letters.ids(Filter())) - pipeline.engine.spared)
            pipeline.state.drop_letters(dropped)

    pipeline = over(tmp_path, slots=3, chunk_bytes=4096, on_turn=drop)
    job = pipeline.redrive()
    assert pipeline.run().complete
    written = {int(orjson.loads(line)["message"].split()[0]) + 1 for line in pipeline.sinks[0].lines()}
    assert len(dropped) > 100
    assert written.isdisjoint(dropped)
    assert written.union(dropped) == set(range(1, 1201))
    assert rows(tmp_path) == []
    assert job.progress()["total"] == job.written == len(written)


def test_case_077_asked_for_twice_each_is_sent_once(tmp_path: Path) -> None:
    put(tmp_path, [*letters(700), letter(999_999, b"parse-fail")])
    pipeline = over(tmp_path)
    first, second = pipeline.redrive(), pipeline.redrive()
    assert pipeline.run().complete
    assert len(pipeline.sinks[0].lines()) == first.written == 700
    assert (first.failed, second.written, second.failed, second.total) == (1, 0, 1, 1)
    assert rows(tmp_path) == [(701, 3, "parse.lines", "no_match")]


def test_letters_that_come_meanwhile_are_not_of_the_job(tmp_path: Path) -> None:
    put(tmp_path, letters(3))
    pipeline = over(tmp_path, data=b"parse-fail\n" * 50)
    job = pipeline.redrive()
    assert pipeline.run().complete
    assert (job.total, job.written, job.failed) == (3, 3, 0)
    assert len(rows(tmp_path)) == 50


# Full dead letters.

FAILING = b"".join(b"%d stage0-fails\n" % n for n in range(3000))


class Stage0:
    def __init__(self) -> None:
        self.mended = False

    def process(self, events: list[Event]) -> list[Any]:
        if self.mended:
            return list(events)
        return [Fail("bad", "asked to", event) if "fails" in event["message"] else event for event in events]


def test_case_078_a_pipeline_that_waits_for_room_goes_on_when_its_letters_are_sent_again(tmp_path: Path) -> None:
    stage = Stage0()

    def mend(pipeline: Pipeline) -> None:
        if pipeline.engine._commit.full is not None and not stage.mended:
            stage.mended = True
            pipeline.redrive()

    pipeline = over(
        tmp_path, stage, data=FAILING, max_bytes=30_000, on_turn=mend, commit_bytes=500, chunk_bytes=4096
    )  # fmt: skip
    pipeline.source._chunk_bytes = 300
    assert pipeline.run().complete
    assert stage.mended, "it was full"
    sent_again(tmp_path, stage, data=FAILING, sinks=pipeline.sinks)  # those that were to come when there was no room
    assert sorted(pipeline.sinks[0].lines()) == sorted(b'{"message":"%s"}' % one for one in FAILING.splitlines())
    assert rows(tmp_path) == []


@pytest.mark.parametrize("when_full", ["block", "drop_oldest"])
def test_case_078_while_letters_are_sent_the_source_makes_them_hardly_more(
    tmp_path: Path, when_full: Literal["block", "drop_oldest"]
) -> None:
    """They fail again; there is always more to read, all of that fails, too, and there is no room for it."""
    put(tmp_path, letters(2000, "parse-fail "))
    state = opened(tmp_path, 1, when_full)
    before = state.letters._bytes
    after: list[int] = []

    def stop(pipeline: Pipeline) -> None:
        if not pipeline.jobs and not after:
            after.append(state.letters._bytes)
            pipeline.engine.stop()

    source = ListSource({"a.log": b"parse-fail\n" * 20_000}, state.register, chunk_bytes=1000)
    pipeline = Pipeline(source, store=state, on_turn=stop, chunk_bytes=1024)
    job = pipeline.redrive()
    pipeline.run()
    assert (job.failed, job.total, state.dropped if when_full == "block" else 0) == (2000, 2000, 0)
    assert after[0] < 1.3 * before, "what was on its way when they were full"
    assert rows(tmp_path, "attempts")[:2000] == [(2,)] * 2000 or when_full == "drop_oldest"


def test_case_078_those_that_fail_again_are_not_dropped_for_their_size(tmp_path: Path) -> None:
    put(tmp_path, letters(200, "parse-fail "))
    state = opened(tmp_path, 20_000, "drop_oldest")
    pipeline = Pipeline(ListSource({"a.log": b""}, state.register), store=state)
    job = pipeline.redrive()
    assert pipeline.run().complete
    assert (job.failed, state.dropped) == (200, 0)
    assert rows(tmp_path, "attempts") == [(2,)] * 200


def test_few_long_letters_are_read_at_once(tmp_path: Path) -> None:
    state = opened(tmp_path, 1 << 26)
    state.commit(Commit({}, {}, [letter(n, b"x" * (1 << 20)) for n in range(9)], {}))
    first = state.letters.between(Filter(), 0, 99, 500)
    assert [one.id for one in first] == [1, 2, 3, 4]
    assert [one.id for one in state.letters.between(Filter(), 4, 6, 500)] == [5, 6]
    state.close()
