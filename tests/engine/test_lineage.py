"""Whose event is it? Events are followed to their lines, ids are kept apart, and what is no event names its stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.function import Lifted
from tailrace.pipeline.chain.outcome import COLUMNS
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.delivery import Batch
from tailrace.pipeline.outgoing import Payload
from tailrace.stages.enrich.origin import Origin

from .chain_kit import by_line, errors, events, messages, raws, run
from .engine_kit import Each, Json, LineParser, steps, to_sink


class Apart(Json):
    """A sink that is told its records apart."""

    batch = Batch()

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        data = [orjson.dumps(event) for event in events]
        ends = [sum(map(len, data[: index + 1])) for index in range(len(data))]
        return [Payload("out", b"".join(data), ends)] if data else []


def doubled(events: list[Event]) -> list[Event]:
    """Each event, and a copy that knows it is one."""
    return [made for event in events for made in (event, {**event, "copy": True})]


class Doubles:
    def process(self, events: list[Event]) -> list[Event]:
        return doubled(events)


class Anew:
    """New dicts for old ones, and fewer of them."""

    def process(self, events: list[Event]) -> list[Event]:
        return [{**event} for event in events if "drop" not in event["message"]]


def with_ids(*stages: Any, id_field: str = "event_id") -> Chain:
    stage: Any = Origin(host="", event_id=id_field)
    origin = Step("enrich.origin", "enrich", stage, own=False)
    some = [Step("parse.lines", "parse", LineParser(), id_field=id_field), origin, *steps(*stages, sink=False)[1:]]
    return Chain([*some, to_sink(0, Apart())], "a.log")


def ids(made: Any) -> list[str]:
    """``offset.number`` of each record, as the sink is told."""
    told = []
    for payload in made.payloads:
        count = len(payload.columns) // COLUMNS
        _, offsets, _, numbers = (payload.columns[at * count : (at + 1) * count] for at in range(COLUMNS))
        told += [f"{offset}.{number}" for offset, number in zip(offsets, numbers, strict=True)]
    return told


def records(made: Any) -> list[Event]:
    """The events that the sink was given."""
    found = []
    for payload in made.payloads:
        start = 0
        for end in payload.columns[: len(payload.columns) // COLUMNS]:
            found.append(orjson.loads(payload.data[start:end]))
            start = end
    return found


@pytest.mark.parametrize("stage", [Doubles(), Lifted(lambda event: [event, {**event}])], ids=["dataclass", "function"])
def test_further_events_of_a_line_have_numbers_behind_their_id_whatever_made_them(stage: Any) -> None:
    data = b"one\ntwo\n"
    made = run(with_ids(stage, stage), data)
    expected = [f"test-1:{at}{number}" for at in (0, 4) for number in ("", ".1", ".2", ".3")]
    assert sorted(event["event_id"] for event in records(made)) == expected
    assert sorted(ids(made)) == [f"{at}.{number}" for at in (0, 4) for number in range(4)]
    alone = by_line(with_ids(stage, stage), data)
    assert [event["event_id"] for event in records(alone)] == [event["event_id"] for event in records(made)]


def test_an_event_that_replaces_another_takes_its_number() -> None:
    made = run(with_ids(Doubles(), Each(lambda event: {**event}), Doubles()), b"one\n")
    assert [event["event_id"] for event in records(made)] == ["test-1:0", "test-1:0.2", "test-1:0.1", "test-1:0.3"]
    assert ids(made) == ["0.0", "0.2", "0.1", "0.3"]


def test_a_stage_that_gives_fewer_and_new_dicts_is_followed_by_their_ids_or_event_by_event() -> None:
    data = b"one\ndrop\nthree\n"
    assert ids(run(with_ids(Anew()), data)) == ["0.0", "9.0"]
    without = Chain([*steps(Anew(), sink=False), to_sink(0, Apart())], "a.log")
    assert ids(run(without, data)) == ["0.0", "9.0"]


WORDS = st.lists(st.sampled_from(["one", "drop", "dup", "new", "fail", "fail-new", "drop dup"]), min_size=1, max_size=6)


class Mixed:
    """Drops, doubles, replaces and fails events as their messages say."""

    def process(self, events: list[Event]) -> list[Any]:
        from .engine_kit import Moody

        return Moody().process(events)


@given(WORDS)
def test_records_are_of_the_same_lines_at_once_and_line_by_line(words: list[str]) -> None:
    data = "".join(f"{word} {number}\n" for number, word in enumerate(words)).encode()
    chain = Chain([*steps(Mixed(), Mixed(), sink=False), to_sink(0, Apart())], "a.log")
    at_once, alone = run(chain, data), by_line(chain, data)
    assert (sorted(ids(at_once)), raws(at_once, data)) == (sorted(ids(alone)), raws(alone, data))


def test_a_dict_that_comes_twice_is_copied_before_later_stages_change_it() -> None:
    class Twice:
        def process(self, events: list[Event]) -> list[Event]:
            return [event for event in events for _ in range(2)]

    class Count:
        def process(self, events: list[Event]) -> list[Event]:
            for event in events:
                event["seen"] = event.get("seen", 0) + 1
            return events

    made = run(Chain(steps(Twice(), Count()), "a.log"), b"one\n")
    assert [event["seen"] for event in events(made)] == [1, 1]


SLIPS: list[Callable[[Event], Any]] = [
    lambda event: event.update(x=1),
    lambda event: event["message"],
    lambda _event: 7,
    lambda event: [event],
    lambda _event: (),
]


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("some", [b"one\ntwo\n", b"drop\none\ntwo\n"], ids=["as many", "fewer"])
def test_case_094_what_is_neither_an_event_nor_a_fail_is_a_dead_letter_that_names_the_stage(
    slip: Callable[[Event], Any], some: bytes
) -> None:
    class Slip:
        def process(self, events: list[Event]) -> list[Any]:
            return [slip(event) for event in events if event["message"] != "drop"]

    made = run(Chain(steps(Step("my.stage", "enrich", Slip())), "a.log"), some)
    assert (messages(made), raws(made, some)) == ([], [b"one", b"two"])
    assert set(errors(made)) == {"bad_result"}
    assert {dead.stage for dead in made.dead} == {"my.stage"}
    assert all(dead.why.startswith("my.stage gave ") for dead in made.dead)


def test_case_094_a_parser_that_gives_no_events_is_told_line_by_line() -> None:
    class Nothing:
        def parse(self, lines: Any) -> list[Any]:
            return [None if line == "two" else {"message": line} for line in lines]

    some = [Step("my.parser", "parse", Nothing()), to_sink(0)]
    data = b"one\ntwo\nthree\n"
    made = run(Chain(some, "a.log"), data)
    assert (messages(made), raws(made, data), errors(made)) == (["one", "three"], [b"two"], ["bad_result"])
