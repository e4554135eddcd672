"""Dead letters sent again, case by case. `test_redrive_whole.py` has whatever happens; here is what it cannot see."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from tailrace.pipeline.batch import Event, Lines
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.parsed import ParsedField
from tailrace.pipeline.chain.stateful import Room, StageMemory
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.source.redrive import Job, Redrive
from tailrace.pipeline.state.dead_letters import DeadLetter, Filter, Letter
from tailrace.pipeline.state.store import Commit, State
from tailrace.pipeline.testing.doubles import BatchSink, CrashError, ListSource, MemorySink

from .engine_kit import Each, LineParser, Pipeline, steps, to_sink

pytestmark = pytest.mark.usefixtures("no_waiting")


def opened(home: Path, max_bytes: int = 1 << 20, when_full: Literal["block", "drop_oldest"] = "block") -> State:
    state = State(str(home / "state"), max_bytes=max_bytes, when_full=when_full, config="")
    state.open()
    return state


def letter(at: int, raw: bytes, stage: str = "parse.lines", **more: Any) -> DeadLetter:
    known: dict[str, Any] = {"stream": 1, "event_id": f"test-1:{at}", "clock": 1.0, "year_bound": 1.0, **more}
    return DeadLetter(
        5.0, stage, "bad", "why", file="a.log", path="/a.log", offset=at, raw=raw,
        **{"length": len(raw), **known},
    )  # fmt: skip


def letters(count: int, word: str = "", **more: Any) -> list[DeadLetter]:
    """Of every other line."""
    return [letter(200 * n, b"%d %s%s" % (n, word.encode(), b"x" * 50), **more) for n in range(count)]


def put(home: Path, some: Sequence[DeadLetter], **options: Any) -> None:
    state = opened(home, **options)
    state.commit(Commit({}, {}, some, {}))
    state.close()


def rows(home: Path, columns: str = "id, attempts, stage, error") -> list[tuple[Any, ...]]:
    state = opened(home)
    found = state._db.execute(f"SELECT {columns} FROM dead_letters ORDER BY id").fetchall()  # noqa: S608  (ours)
    state.close()
    return found


def over(home: Path, *stages: Any, data: bytes = b"", max_bytes: int = 1 << 20, **options: Any) -> Pipeline:
    state = opened(home, max_bytes)
    return Pipeline(
        ListSource({"a.log": data}, state.register), *stages, store=state, durable=dict(state.counters().values),
        **options,
    )  # fmt: skip


def sent_again(home: Path, *stages: Any, **options: Any) -> tuple[Pipeline, Job]:
    """All letters, to the end."""
    pipeline = over(home, *stages, **options)
    job = pipeline.redrive()
    assert pipeline.run().complete
    assert not job.running
    return pipeline, job


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


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (letter(0, b"half", length=9), "not all of its bytes were kept"),
        (letter(0, b"", length=9), "not all of its bytes were kept"),
        (letter(0, b"x" * 4096), "it is longer than a slot of the ring"),
        (letter(0, b"x", "write.gone", sink="gone"), "its sink write.gone is not in the configuration"),
        (letter(0, b"{}", stream=-1), "it is of a.log, which is not in the configuration"),
        (letter(0, "wide".encode("utf-16-le")), "its file is gone, and with it the byte order mark that told its encoding"),
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


def test_a_letter_of_a_stage_that_is_gone_is_sent_only_if_nothing_can_have_had_it(tmp_path: Path) -> None:
    some = [letter(0, b"x", "gone"), letter(200, b"y", "parse.gone"), letter(400, b"z", "parse.gone", event="{}")]
    keep = Each(lambda event: event)
    remembering = Step("once", "enrich", keep, memory=StageMemory(Room(1)))
    sinks = [MemorySink(), MemorySink()]
    for number, (stage, options, sent) in enumerate([
        (keep, {"sinks": sinks, "arrange": lambda made: [made[0], made[2], made[1], made[3]]}, [200]),
        (remembering, {}, [200]),  # that of a parser: nothing stood before it
        (keep, {"sinks": sinks}, [0, 200, 400]),  # all sinks stand behind all stages
    ]):  # fmt: skip
        home = tmp_path / str(number)
        put(home, some)
        _, job = sent_again(home, stage, **options)
        left = [at for (at,) in rows(home, "offset")]
        assert sorted({0, 200, 400} - {*left}) == sent
        assert (job.written, sum(job.skipped.values())) == (len(sent), len(left))
        sinks = [MemorySink(), MemorySink()]


# How they are sent.


def chunks(some: Sequence[DeadLetter], **options: Any) -> list[list[bytes]]:
    """The letters that stand together in a chunk."""
    known = [
        Letter(
            n, one.time, one.stage, one.error, "", 1, one.stream, one.file, one.path, one.offset, one.length,
            one.event_id, one.raw, None, None, one.sink, "", None if one.clock < 0 else one.clock, one.year_bound, None,
        )
        for n, one in enumerate(some, start=1)
    ]  # fmt: skip
    fetch = lambda _wanted, last, until, limit: [one for one in known if last < one.id <= until][:limit]  # noqa: E731
    chain = steps(Each(lambda event: event))
    redrive = Redrive(deque([Job(1, Filter(), len(known), len(known))]), fetch, chain, **options)
    buffer = memoryview(bytearray(1 << 16))
    found = []
    while (chunk := redrive.read(buffer, 0.0, lambda _: False)) is not None:
        assert chunk.redriven is not None
        found.append([one.raw for one in chunk.redriven.letters])
    return found


def test_letters_of_one_read_go_together_however_far_apart_they_stood() -> None:
    assert chunks(letters(50)) == [[one.raw for one in letters(50)]]


A, B = letter(0, b"one"), letter(100, b"two")


@pytest.mark.parametrize(
    "other",
    [
        replace(B, offset=0), replace(B, clock=2.0), replace(B, year_bound=2.0), replace(B, stage="stage0"),
        replace(B, stage="write.out", sink="out"), replace(B, stream=2), replace(B, path="/b.log"),
        replace(B, raw=b"t\no"), replace(B, event_id="test-1:100.0"), replace(B, stream=-1, file="stage0"),
        replace(B, clock=-1.0, time=9.0),
    ],
)  # fmt: skip
def test_letters_that_are_to_be_treated_otherwise_go_alone(other: DeadLetter) -> None:
    assert chunks([A, B]) == [[b"one", b"two"]]
    assert chunks([A, other]) == [[b"one"], [other.raw]]


def test_records_of_several_lines_and_wide_encodings_go_one_by_one() -> None:
    assert len(chunks([A, B], several_lines=True)) == 2
    assert len(chunks([A, B], written_in=lambda _: "utf-16-le")) == 2


def test_a_wide_newline_must_fit_into_the_slot_too() -> None:
    some = [replace(A, raw=b"x" * size, length=size) for size in ((1 << 16) - 4, (1 << 16) - 2)]
    assert chunks(some, written_in=lambda _: "utf-32-le") == [[some[0].raw]]


def test_a_letter_that_is_several_records_now_is_sent_as_a_whole(tmp_path: Path) -> None:
    """Whenever the engine dies: its lines come out in several parts, for there is no room for all of them at once."""
    raw = b"\n".join(b"%d%s" % (n, b" parse-fail" if n in (50, 51) else b"") for n in range(300))
    wide = Each(lambda event: {**event, "pad": "x" * 120})
    died = 0
    for turns in (*range(1, 60, 3), 10_000):
        home = tmp_path / str(turns)
        put(home, [letter(0, raw)])
        sink = MemorySink()
        for limit in (turns, None):
            pipeline = over(home, wide, sinks=[sink], chunk_bytes=4096, on_turn=dying_after(limit))
            pipeline.redrive()
            try:
                assert pipeline.run().complete
                break
            except CrashError:
                died += 1
        numbers = Counter(orjson.loads(line)["message"] for line in sink.lines())
        assert numbers == Counter(map(str, {*range(300)} - {50, 51})), turns
        assert rows(home, "attempts, offset, raw") == [
            (2, raw.index(b"50 "), b"50 parse-fail"), (1, raw.index(b"51 "), b"51 parse-fail")
        ]  # fmt: skip
    assert died > 5


def dying_after(turns: int | None) -> Any:
    left = turns

    def turn(_: Pipeline) -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                raise CrashError

    return turn


def test_case_055_letters_that_kill_workers_come_back_and_the_others_are_written(tmp_path: Path) -> None:
    put(tmp_path, [*letters(60), letter(20_000, b"exit"), *(replace(one, offset=one.offset + 30_000) for one in letters(60))])
    deadly = StageSpec("tests.engine.engine_stages:deadly", "enrich.deadly", "enrich", {})
    pipeline, job = sent_again(tmp_path, deadly, workers=1)
    assert rows(tmp_path) == [(61, 2, "enrich.deadly", "killed")]
    assert len(pipeline.sinks[0].lines()) == job.written == 120


# Others who want the letters.


def test_case_078_letters_that_are_on_their_way_are_spared(tmp_path: Path) -> None:
    """Also those that were read, and are in no slot yet: what a person drops is not to come out."""
    put(tmp_path, letters(1200))
    dropped: list[int] = []

    def drop(pipeline: Pipeline) -> None:
        if not dropped and pipeline.engine.spared:
            dropped.extend(set(pipeline.store.letters.ids(Filter())) - pipeline.engine.spared)
            pipeline.store.drop_letters(dropped)

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
        from tailrace.pipeline.batch import Fail

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
    before, after = state.letters._bytes, []

    def stop(pipeline: Pipeline) -> None:
        if not pipeline.jobs and not after:
            after.append(state.letters._bytes)
            pipeline.engine.stop()

    source = ListSource({"a.log": b"parse-fail\n" * 20_000}, state.register, chunk_bytes=300)
    pipeline = Pipeline(source, store=state, on_turn=stop, commit_bytes=500, chunk_bytes=4096)
    job = pipeline.redrive()
    pipeline.run()
    assert (job.failed, job.total, state.dropped if when_full == "block" else 0) == (2000, 2000, 0)
    assert after[0] < 1.1 * before, "what was on its way when they were full"
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
