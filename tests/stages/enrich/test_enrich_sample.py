from __future__ import annotations

import re
from typing import Any

import pytest
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.enrich.sample import Sample


def chosen(stage: Sample, events: list[Event]) -> list[Event]:
    given = set(map(id, events))
    entries = stage.process(events)
    assert {*map(id, entries)} <= given, "the same dicts"
    return [entry for entry in entries if not isinstance(entry, Fail)]


def numbers(stage: Sample, count: int = 20_000) -> set[int]:
    return {event["n"] for event in chosen(stage, [{"n": n} for n in range(count)])}


@pytest.mark.parametrize(("stage", "part"), [(Sample(rate=10), 0.1), (Sample(ratio=0.3), 0.3), (Sample(rate=1), 1.0)])
def test_about_the_part_that_was_asked_for(stage: Sample, part: float) -> None:
    assert len(numbers(stage)) == pytest.approx(20_000 * part, rel=0.05)


def test_the_choice_is_always_the_same_one_and_depends_on_no_neighbour() -> None:
    assert [n for n in range(60) if n in numbers(Sample(rate=10))] == [1, 8, 32, 35, 43]
    alone = {n for n in range(200) if chosen(Sample(rate=10), [{"n": n}])}
    assert alone == numbers(Sample(rate=10), 200)


def test_a_lower_rate_lets_through_what_a_higher_one_does_and_a_seed_chooses_anew() -> None:
    assert numbers(Sample(rate=100)) < numbers(Sample(ratio=0.1))
    both = numbers(Sample(rate=10)) & numbers(Sample(rate=10, seed="b"))
    assert len(both) == pytest.approx(200, rel=0.3)


def test_events_with_the_same_key_stay_together() -> None:
    events = [{"trace": n % 100, "n": n} for n in range(1000)]
    kept = chosen(Sample(rate=4, key=["trace"]), events)
    traces = {event["trace"] for event in kept}
    assert 10 < len(traces) < 40
    assert len(kept) == 10 * len(traces)


def test_without_a_key_the_event_id_decides_and_else_the_whole_event() -> None:
    stage = Sample(rate=2)
    same = [{"event_id": f"7:{n}", "message": "same"} for n in range(100)]
    kept = chosen(stage, same)
    assert 30 < len(kept) < 70
    other = chosen(stage, [{"event_id": event["event_id"], "message": "other"} for event in same])
    assert [event["event_id"] for event in other] == [event["event_id"] for event in kept]
    assert len(chosen(stage, [{"message": "same"} for _ in range(100)])) in (0, 100)
    assert chosen(stage, [{"a": 1, "b": 2}]) == chosen(stage, [{"b": 2, "a": 1}])


def test_an_event_without_the_key_goes_through_as_it_is() -> None:
    assert chosen(Sample(rate=1_000_000, key=["a", "b"]), [{"c": 1}]) == [{"c": 1}]


@pytest.mark.parametrize(
    ("stage", "event", "weight"),
    [
        (Sample(rate=1), {}, 1),
        (Sample(ratio=1.0), {}, 1),
        (Sample(rate=1), {"sample_rate": 10}, 10),
        (Sample(rate=1), {"sample_rate": "claimed"}, 1),
        (Sample(rate=1), {"sample_rate": -3}, 1),
    ],
)
def test_an_event_tells_how_many_it_stands_for(stage: Sample, event: Event, weight: float) -> None:
    (kept,) = chosen(stage, [event])
    assert kept == {"sample_rate": weight}


def test_the_weight_of_a_ratio_is_whole_where_it_can_be() -> None:
    weights = {
        ratio: chosen(Sample(ratio=ratio), [{"n": n} for n in range(200)])[0]["sample_rate"] for ratio in (0.1, 0.3)
    }
    assert repr(weights[0.1]) == "10"
    assert weights[0.3] == pytest.approx(10 / 3)
    twice = chosen(Sample(rate=2), [{"n": n, "sample_rate": 10} for n in range(50)])
    assert {event["sample_rate"] for event in twice} == {20}
    assert "sample_rate" not in chosen(Sample(rate=1, into=""), [{"n": 1}])[0]


def test_what_json_cannot_hold_is_a_dead_letter() -> None:
    (fail, kept) = Sample(rate=1, key=["a"], into="").process([{"a": {1}}, {"a": 1}])
    assert isinstance(fail, Fail)
    assert (fail.code, kept) == ("bad_type", {"a": 1})


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "give one of `rate`, such as rate = 10 for one of ten, and `ratio`, such as ratio = 0.1"),
        ({"rate": 2, "ratio": 0.5}, "give one of `rate`"),
        ({"ratio": 1.1}, "ratio: is 1.1, expected above 0 and up to 1"),
        ({"ratio": -0.1}, "ratio: is -0.1, expected above 0 and up to 1"),
        ({"ratio": float("nan")}, "ratio: is nan, expected above 0 and up to 1"),
        ({"rate": 2, "key": ["a", "a"]}, "key[1]: names the field 'a' again"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        Sample(**options)
