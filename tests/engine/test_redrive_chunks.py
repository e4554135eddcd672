"""Dead letters sent again: which of them make a chunk, and what comes out of it in parts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.source.redrive import Job, Redrive
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.letters import Filter, Letter
from tailrace.pipeline.testing.doubles import CrashError, MemorySink

from .engine_kit import Each, Pipeline, steps
from .redrive_kit import letter, letters, over, put, rows, sent_again

pytestmark = pytest.mark.usefixtures("no_waiting")


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
        assert rows(home, "offset, raw") == [(raw.index(one), one) for one in (b"50 parse-fail", b"51 parse-fail")]
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
    put(
        tmp_path,
        [*letters(60), letter(20_000, b"exit"), *(replace(one, offset=one.offset + 30_000) for one in letters(60))],
    )
    deadly = StageSpec("tests.engine.engine_stages:deadly", "enrich.deadly", "enrich", {})
    pipeline, job = sent_again(tmp_path, deadly, workers=1)
    assert rows(tmp_path) == [(61, 2, "enrich.deadly", "killed")]
    assert len(pipeline.sinks[0].lines()) == job.written == 120
