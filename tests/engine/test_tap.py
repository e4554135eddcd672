"""Events are sampled in the workers for those who look: exactly as they are, all others counted, and at no cost to the
chain, whatever the expression and whatever is in the events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from tailrace.pipeline.batch import Event
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.function import Lifted
from tailrace.pipeline.chain.outcome import Made
from tailrace.pipeline.errors import TimeBudget
from tailrace.pipeline.testing.doubles import FakeClock, ListSource
from tailrace.pipeline.work import tap
from tailrace.pipeline.work.asked import AREA_BYTES, Area, Request
from tailrace.pipeline.work.tap import LONGEST_EVENT, LOOK, MOST_BYTES, MOST_EVENTS, SHARE, Tapper

from .chain_kit import located, messages
from .engine_kit import Each, Moody, Pipeline, enrich_spec, numbered, steps

PIECE = numbered(100)


class Looking:
    """A chain that a tap looks at; each look takes a millisecond, and the rest no time."""

    def __init__(self, *requests: Request, stage: Any = None) -> None:
        self.area = Area(memoryview(bytearray(AREA_BYTES)))
        self.tapper = Tapper(self.area)
        self.chain = Chain(steps(stage or Each(lambda event: event)), "a.log")
        if requests:
            self.area.ask(1, requests)

    def run(self, piece: bytes = PIECE) -> Made:
        return self.chain.run(piece, located, 0, 0, self.tapper.look())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """What the tap goes by; each time it is asked, 50 µs have passed: so long takes a look."""
    made = FakeClock()
    ticks = count()
    monkeypatch.setattr(tap, "perf_counter", lambda: made.now + next(ticks) * 5e-5)
    return made


def events(made: Made, number: int = 1) -> list[Any]:
    return [json.loads(text)["event"] for one in made.tapped if one["tap"] == number for text in one["events"]]


def left(made: Made, number: int = 1) -> int:
    return sum(one["left"] for one in made.tapped if one["tap"] == number)


def test_nothing_is_done_while_nobody_asks() -> None:
    looking = Looking()
    assert looking.tapper.look() is None
    assert looking.run().tapped == []


def test_events_are_those_behind_the_stage_with_their_ids() -> None:
    def dup(event: Event) -> Event:
        event["twice"] = int(event["message"]) * 2
        return event

    looking = Looking(Request(1, "parse.lines"), Request(2, "stage0"), Request(3, "write.out"), stage=Each(dup))
    made = looking.run(numbered(3))
    lines = [json.loads(text) for text in made.tapped[0]["events"]]
    assert lines == [
        {"stage": "parse.lines", "event": {"message": str(n)}, "id": f"test-1:{2 * n}"} for n in range(3)
    ]  # fmt: skip
    assert events(made, 2) == events(made, 3) == [{"message": str(n), "twice": 2 * n} for n in range(3)]


def test_of_one_line_that_became_several_events_each_has_its_own_id() -> None:
    twice = Lifted(lambda event: [event, {**event}] if "dup" in event["message"] else event)
    made = Looking(Request(1, "stage0"), stage=twice).run(b"1 dup\n2\n")
    assert [json.loads(text)["id"] for text in made.tapped[0]["events"]] == ["test-1:0", "test-1:0.1", "test-1:6"]


def test_without_a_stage_it_is_what_the_sinks_are_given() -> None:
    made = Looking(Request(1), stage=Moody()).run(b"1\n2 drop\n3\n")
    assert [event["message"] for event in events(made)] == ["1", "3"]


def test_some_of_all_parts_of_a_piece_are_shown_and_the_others_counted() -> None:
    made = Looking(Request(1)).run(numbered(1000))
    shown = [int(event["message"]) for event in events(made)]
    assert len(shown) == MOST_EVENTS
    assert shown == list(range(0, 1000, 50))
    assert left(made) == 1000 - MOST_EVENTS


def test_only_those_that_are_wanted_are_shown_and_an_expression_that_fails_wants_nothing() -> None:
    looking = Looking(Request(1, "", "int(message) >= 97"), Request(2, "", "int(message[5:]) == 0"))
    made = looking.run()
    assert [event["message"] for event in events(made)] == ["97", "98", "99"]
    assert (left(made), events(made, 2), left(made, 2)) == (0, [], 0)
    told = {one["tap"]: one["failed"] for one in made.tapped}
    assert (told[1], "invalid literal for int()" in told[2]) == ("", True)


def test_who_has_enough_is_told_only_how_many_pass() -> None:
    looking = Looking(Request(1, "", "int(message) > 5", enough=True))
    made = looking.run()
    assert (events(made), left(made)) == ([], 100)
    looking.area.ask(2, [Request(1, "", "int(message) > 97")])
    assert len(events(looking.run())) == 2


def test_no_more_than_its_share_of_the_time_is_taken_and_what_passes_meanwhile_is_counted(clock: FakeClock) -> None:
    looking = Looking(Request(1))
    looks = 0
    for _ in range(1000):
        clock.advance(0.001)  # what the piece itself takes
        made = looking.run()
        assert len(events(made)) + left(made) == 100
        looks += bool(events(made))
    assert 1 < looks < 1000
    assert looks * 5e-5 <= SHARE * 1.1


def test_that_is_so_also_while_requests_change_all_the_time(clock: FakeClock) -> None:
    """They do, twice in each interval of each tap."""
    looking = Looking(Request(1))
    looks = 0
    for number in range(1000):
        looking.area.ask(number + 2, [Request(1)])
        clock.advance(0.001)
        looks += bool(events(looking.run()))
    assert looks * 5e-5 <= SHARE * 1.1


def test_a_slow_expression_is_asked_about_few_events_of_a_piece(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def slow(some: list[Event]) -> list[bool]:
        asked.append(len(some))
        clock.advance(0.001 * len(some))
        return [True] * len(some)

    monkeypatch.setattr(tap, "condition", lambda _: slow)
    looking = Looking(Request(1, "", "slow"))
    made = looking.run(numbered(1000))
    assert sum(asked) * 0.001 < LOOK + 0.02
    assert len(events(made)) + left(made) == 1000
    before = len(asked)
    clock.advance(0.1)
    assert left(looking.run()) == 100  # it has had its share for a while
    assert len(asked) == before


def test_a_runaway_expression_stops_the_piece_and_rests_afterwards(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def runaway(_: list[Event]) -> list[bool]:
        clock.advance(1.0)
        raise TimeBudget("took longer than 1 s")

    monkeypatch.setattr(tap, "condition", lambda _: runaway)
    looking = Looking(Request(1, "", "runaway"))
    with pytest.raises(TimeBudget):
        looking.run()
    clock.advance(0.9 / SHARE)
    assert messages(looking.run()) == [str(n) for n in range(100)]


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("nobody may look at this")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1 << 70, 1 << 70), ("\ud800", "\\ud800"), (float("nan"), None), ({1: 2}, {"1": 2}), (b"x", "b'x'"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"), ({1, }, "{1}"), (Rude(), "not shown"),
    ],
)  # fmt: skip
def test_what_json_does_not_have_is_shown_as_well_as_it_can_be(value: object, shown: object) -> None:
    """And the chain notices nothing of it: the line goes on, and is not run a second time."""
    runs: list[int] = []

    def put(event: Event) -> Event:
        runs.append(1)
        return {**event, "value": value}

    looking = Looking(Request(1, "stage0"), stage=Each(put))
    del looking.chain.steps[-1]  # the sink of this kit could not take it
    made = looking.run(b"1\n")
    assert (len(runs), made.dead) == (1, [])
    if shown == "not shown":
        assert (events(made), left(made)) == ([], 1)
    else:
        (event,) = events(made)
        assert event.get("value", event.get("repr")) == shown or str(shown) in event["repr"]


def test_long_events_take_no_room_from_others() -> None:
    def grow(event: Event) -> Event:
        number = int(event["message"])
        return {**event, "pad": "x" * (LONGEST_EVENT if number % 10 == 0 else MOST_BYTES // 8)}

    made = Looking(Request(1), stage=Each(grow)).run(numbered(20))
    shown = [int(event["message"]) for event in events(made)]
    assert shown == [1, 2, 3, 4, 5, 6, 7]
    assert len(shown) + left(made) == 20


def test_requests_that_are_just_being_written_are_read_the_next_time() -> None:
    looking = Looking()
    memory = bytearray(AREA_BYTES)
    looking.area = Area(memoryview(memory))
    looking.tapper = Tapper(looking.area)
    looking.area.ask(1, [Request(1)])
    for torn in (b"[[1, ", b"7", b"\xff\xfe", b"[[]]"):
        memory[16 : 16 + len(torn)] = torn
        looking.area._words[1] = len(torn)
        assert looking.tapper.look() is None
    looking.area.ask(2, [Request(1)])
    assert looking.tapper.look() is looking.tapper


def test_more_requests_than_there_is_room_for_do_not_fit() -> None:
    area = Area(memoryview(bytearray(AREA_BYTES)))
    wide = Request(1, "", "ж" * 4000)
    assert area.fits([wide])
    assert not area.fits([wide] * 3)
    with pytest.raises(ValueError, match="room"):
        area.ask(1, [wide] * 3)
    assert area.version == 0


# In workers.


def tapped_run(pipeline: Pipeline, *requests: Request) -> Iterator[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    pipeline.engine._tapped = found.extend
    pipeline.ring.tap.ask(1, requests)
    assert pipeline.run().complete
    yield from found


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_say_what_they_have_seen_and_all_of_it_counts_once(workers: int) -> None:
    stage: Any = enrich_spec("Moody") if workers else Moody()
    pipeline = Pipeline(ListSource({"a.log": numbered(5000)}, chunk_bytes=4000), stage, workers=workers)
    found = list(tapped_run(pipeline, Request(1), Request(2, "enrich.moody" if workers else "stage0")))
    for number in (1, 2):
        mine = [one for one in found if one["tap"] == number]
        assert sum(len(one["events"]) + one["left"] for one in mine) == 5000
        assert sum(len(one["events"]) for one in mine) > 0
    assert pipeline.counters.total("events_written") == 5000


def test_workers_that_die_take_no_tap_with_them() -> None:
    source = ListSource({"a.log": numbered(3000, line_700="exit", line_2000="exit")}, chunk_bytes=4000)
    pipeline = Pipeline(source, enrich_spec("deadly"), workers=1)
    found = list(tapped_run(pipeline, Request(1)))
    assert pipeline.counters.total("worker_restarts") >= 2
    assert pipeline.counters.total("dead_letters") == 2
    shown = [int(json.loads(text)["event"]["message"].split()[0]) for one in found for text in one["events"]]
    assert len(shown) == len(set(shown))
    assert max(shown) > 2000
    assert sum(len(one["events"]) + one["left"] for one in found) <= 2998  # those that were run alone are not looked at
