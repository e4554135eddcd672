"""Dead letters sent again: who is given them, what comes of them, and which are not sent. `test_redrive_whole.py` has
whatever else may happen; here is what it cannot see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from tailrace.pipeline.batch import Event, Lines, Origin
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.parsed import ParsedField
from tailrace.pipeline.chain.stateful import Room, StageMemory
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.testing.doubles import BatchSink, MemorySink

from .engine_kit import Each, LineParser, to_sink
from .redrive_kit import letter, letters, opened, put, rows, sent_again

pytestmark = pytest.mark.usefixtures("no_waiting")


# Who takes part.


def labels(chain: Chain) -> list[str]:
    return [step.label for step in chain.steps]


class Adds:
    """Stands for a stage of sums."""


def chain_of_all_kinds() -> list[Step]:
    keep = Each(lambda event: event)
    return [
        replace(Step("parse", "parse", LineParser()), memory=StageMemory(Room(1))),
        Step("field", "enrich", ParsedField(LineParser(), "log", "", overwrite=True), memory=StageMemory(Room(1))),
        Step("set 1", "enrich", keep),
        Step("once 1", "enrich", keep, memory=StageMemory(Room(1))),
        Step("sum 1", "enrich", keep, sums=Adds()),  # type: ignore[arg-type]
        to_sink(0),
        Step("set 2", "enrich", keep),
        Step("once 2", "enrich", keep, memory=StageMemory(Room(1))),
        to_sink(1),
        Step("sum 2", "enrich", keep, sums=Adds()),  # type: ignore[arg-type]
        to_sink(2),
    ]


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (1, "parse, field, set 1, once 1, sum 1, write.out, set 2, once 2, write.out1, sum 2, write.out2"),
        (3, "parse, field, set 1, once 1, sum 1, write.out, set 2, once 2, write.out1, sum 2, write.out2"),
        (5, "parse, field, set 1, sum 1, write.out, set 2, once 2, write.out1, sum 2, write.out2"),
        (6, "parse, field, set 1, write.out, set 2, once 2, write.out1, sum 2, write.out2"),
        (7, "parse, field, set 1, set 2, once 2, write.out1, sum 2, write.out2"),
        (10, "parse, field, set 1, set 2, sum 2, write.out2"),
        (0, "parse, field, set 1, once 1, sum 1, write.out, set 2, once 2, write.out1, sum 2, write.out2"),
    ],
)
def test_a_letter_goes_to_the_stage_that_failed_and_those_behind_it(failed: int, expected: str) -> None:
    assert ", ".join(labels(Chain(chain_of_all_kinds(), "a.log", again=failed + 1))) == expected


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (6, "parse, field, set 1, write.out"),
        (9, "parse, field, set 1, set 2, write.out1"),
        (11, "parse, field, set 1, set 2, write.out2"),
    ],
)
def test_what_a_sink_refused_goes_to_it_alone_and_to_nothing_behind_it(failed: int, expected: str) -> None:
    assert ", ".join(labels(Chain(chain_of_all_kinds(), "a.log", again=failed + 1, alone=True))) == expected


# What comes of them.


def test_case_077_what_fails_again_comes_back_in_its_row_and_what_passes_is_gone(tmp_path: Path) -> None:
    put(tmp_path, [*letters(3), letter(900, b"x parse-fail"), letter(1000, b"y parse-raise", attempts=7)])
    pipeline, job = sent_again(tmp_path)
    assert [(n, attempts, error) for n, attempts, _, error in rows(tmp_path)] == [(4, 2, "no_match"), (5, 8, "raised")]
    assert len(pipeline.sinks[0].lines()) == 3
    assert (job.written, job.failed, job.skipped) == (3, 2, {})
    counters = pipeline.counters
    assert counters.total("lines_redriven", stage="parse.lines") == 5
    assert counters.total("lines_read") == 0


def test_a_letter_that_does_not_come_to_the_stage_that_failed_goes_there_the_next_time_too(tmp_path: Path) -> None:
    """Else the first sink would get it twice."""
    put(tmp_path, [letter(0, b"x parse-fail", "late", event_id="test-1:0")])
    first, second = MemorySink(), MemorySink()
    arranged: dict[str, Any] = {
        "sinks": [first, second], "arrange": lambda made: [made[0], made[2], made[1], made[3]],
    }  # fmt: skip
    late = Step("late", "enrich", Each(lambda event: event))
    pipeline, _ = sent_again(tmp_path, late, **arranged)
    assert rows(tmp_path, "attempts, stage, error, why") == [(2, "late", "no_match", "parse.lines: does not match")]
    assert pipeline.counters.total("dead_letters", stage="late") == 1
    arrange = arranged.pop("arrange")

    def mended(made: list[Step]) -> list[Step]:
        made[0].stage = Mended()
        return arrange(made)  # type: ignore[no-any-return]

    sent_again(tmp_path, late, arrange=mended, **arranged)
    assert rows(tmp_path) == []
    assert (len(first.lines()), len(second.lines())) == (0, 1)


class Mended:
    def parse(self, lines: Lines) -> list[Event]:
        return [{"message": line} for line in lines]


def test_what_a_sink_refused_stays_its_own_wherever_it_fails_next(tmp_path: Path) -> None:
    put(tmp_path, [letter(0, b"x parse-fail", "write.out", sink="out", event_id="test-1:0.2")])
    sent_again(tmp_path)
    assert rows(tmp_path, "attempts, stage, sink, event_id") == [(2, "write.out", "out", "test-1:0.2")]


def test_an_event_that_does_not_come_again_is_not_lost(tmp_path: Path) -> None:
    """A stage that remembers made it, perhaps: it is left out now."""
    put(tmp_path, [letter(0, b"x", "stage0", event_id="test-1:0.3")])
    pipeline, job = sent_again(tmp_path, Each(lambda event: event))
    assert rows(tmp_path, "attempts, stage, error, event_id") == [(2, "stage0", "not_made", "test-1:0.3")]
    assert (job.failed, pipeline.sinks[0].lines()) == (1, [])


@pytest.mark.parametrize(("clock", "expected"), [(1.0, 1.0), (None, 5.0)])
def test_letters_are_read_with_the_clock_of_then(tmp_path: Path, clock: float | None, expected: float) -> None:
    """Those of the first release have none: they failed when they were read."""
    put(tmp_path, letters(3))
    state = opened(tmp_path)
    state._db.execute("UPDATE dead_letters SET clock = ?, year_bound = ?", (clock, clock))
    state.close()
    pipeline, _ = sent_again(tmp_path, Clock())
    assert [orjson.loads(line)["clock"] for line in pipeline.sinks[0].lines()] == [[expected, expected]] * 3


class Clock:
    def locate(self, origin: Origin) -> None:
        self._clock = [origin.clock, origin.year_bound]

    def process(self, events: list[Event]) -> list[Event]:
        return [{**event, "clock": self._clock} for event in events]


def test_letters_of_what_was_summed_up_keep_their_names(tmp_path: Path) -> None:
    """Which may end like the number of an event."""
    some = [
        replace(letter(at, orjson.dumps({"message": "m", "n": at}), "late"), stream=-1, file="sum", event_id=name)
        for at, name in ((0, "ab-sum:60:10.0.0.1"), (100, "ab-sum:60:10.0.0.2"))
    ]
    put(tmp_path, some)
    sink = BatchSink()
    seen = Step("sum", "enrich", Each(lambda event: {**event, "again": True}))
    pipeline, _ = sent_again(tmp_path, seen, Step("late", "enrich", Each(lambda event: event)), sinks=[sink])
    assert {name: [orjson.loads(one) for one in made] for name, made in sink.records.items()} == {
        "ab-sum:60:10.0.0.1": [{"message": "m", "n": 0}],
        "ab-sum:60:10.0.0.2": [{"message": "m", "n": 100}],
    }
    assert pipeline.counters.total("lines_redriven") == 2
    assert pipeline.counters.total("events_made") == 0


# Those that are not sent.

WIDE = "its file is gone, and with it the byte order mark that told its encoding"


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (letter(0, b"half", length=9), "not all of its bytes were kept"),
        (letter(0, b"", length=9), "not all of its bytes were kept"),
        (letter(0, b"x" * 4096), "it is longer than a slot of the ring"),
        (letter(0, b"x", "write.gone", sink="gone"), "its sink write.gone is not in the configuration"),
        (letter(0, b"{}", stream=-1), "it is of a.log, which is not in the configuration"),
        (letter(0, "wide".encode("utf-16-le")), WIDE),
    ],
)  # fmt: skip
def test_case_077_what_cannot_be_sent_stays_as_it_is_and_is_counted_with_the_reason(
    tmp_path: Path, one: DeadLetter, why: str
) -> None:
    put(tmp_path, [letter(7, b"first"), one, letter(9999, b"last")])
    _, job = sent_again(tmp_path, chunk_bytes=4096)
    assert (job.written, job.failed, job.skipped) == (2, 0, {why: 1})
    assert job.progress() == {
        "number": 1, "total": 3, "done": 3, "written": 2, "failed": 0, "skipped": 1, "reasons": {why: 1},
        "running": False,
    }  # fmt: skip
    assert rows(tmp_path) == [(2, 1, one.stage, "bad")]


def test_a_longest_letter_fits_into_a_slot_with_its_newline(tmp_path: Path) -> None:
    put(tmp_path, [letter(0, b"x" * 4095)])
    assert sent_again(tmp_path, chunk_bytes=4096)[1].written == 1


@pytest.mark.parametrize(
    ("remembers", "sink_first", "sent"), [(False, True, [200]), (True, False, [200]), (False, False, [0, 200, 400])]
)
def test_a_letter_of_a_stage_that_is_gone_is_sent_only_if_nothing_can_have_had_it(
    tmp_path: Path, *, remembers: bool, sink_first: bool, sent: list[int]
) -> None:
    """Before a parser nothing stood; but one of a field may stand anywhere, and its letters have fields."""
    put(
        tmp_path,
        [letter(0, b"x", "gone"), letter(200, b"y", "parse.gone"), letter(400, b"z", "parse.gone", event="{}")],
    )
    stage = Step("any", "enrich", Each(lambda event: event), memory=StageMemory(Room(1)) if remembers else None)
    order = (0, 2, 1, 3) if sink_first else (0, 1, 2, 3)
    sinks = [MemorySink(), MemorySink()]
    _, job = sent_again(tmp_path, stage, sinks=sinks, arrange=lambda made: [made[index] for index in order])
    left = {at for (at,) in rows(tmp_path, "offset")}
    assert {0, 200, 400} - left == {*sent}
    assert (job.written, sum(job.skipped.values())) == (len(sent), len(left))
