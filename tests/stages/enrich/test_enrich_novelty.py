from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event
from tailrace.stages.enrich.novelty import Novelty

from .remembering import check_batches_make_no_difference, run, told


def test_the_first_of_each_kind_go_through_and_then_one_of_many() -> None:
    stage = Novelty(["kind"], first=2, rate=3)
    entries = run(stage, [{"kind": kind, "n": n} for n in range(9) for kind in "ab"])
    for kind in "ab":
        of_kind = [(event["n"], event["sample_rate"]) for event in entries if event["kind"] == kind]
        assert of_kind == [(0, 1), (1, 1), (4, 3), (7, 3)]


def test_the_weights_are_those_of_all_events_seen() -> None:
    stage = Novelty(["kind"], first=10, rate=50)
    entries = run(stage, [{"kind": "a"} for _ in range(1010)])
    assert sum(event["sample_rate"] for event in entries) == 1010


def test_rate_0_lets_no_more_through() -> None:
    stage = Novelty(["kind"], first=1, rate=0, into="")
    assert run(stage, [{"kind": 1}, {"kind": "1"}, {"kind": 1}, {"kind": None}]) == [
        {"kind": 1},
        {"kind": "1"},
        {"kind": None},
    ]


def test_an_event_without_any_of_the_fields_goes_through_as_it_is() -> None:
    assert run(Novelty(["kind"], first=1, rate=0), [{"a": 1}, {"a": 1}]) == [{"a": 1}, {"a": 1}]


def test_what_json_cannot_hold_is_a_dead_letter() -> None:
    assert told(run(Novelty(["kind"], into=""), [{"kind": {1}}, {"kind": 1}])) == ["bad_type", {"kind": 1}]


def test_a_kind_that_was_long_not_seen_is_new_again_and_one_that_was_is_not() -> None:
    stage = Novelty(["kind"], first=1, rate=0, max_keys=8, into="")
    events = [{"kind": kind} for n in range(40) for kind in ("usual", n)]
    assert run(stage, events) == [events[0], *events[1::2]]
    assert run(stage, [{"kind": 0}, {"kind": 39}, {"kind": "usual"}]) == [{"kind": 0}]


@given(
    st.lists(st.builds(lambda kind: {"kind": kind}, st.integers(0, 9)), max_size=80),
    st.lists(st.integers(0, 9), max_size=9),
    st.integers(1, 8),
    st.integers(0, 3),
)
def test_batches_and_restarts_make_no_difference(events: list[Event], sizes: list[int], keys: int, rate: int) -> None:
    check_batches_make_no_difference(lambda: Novelty(["kind"], 2, rate, keys), events, sizes)


def test_it_needs_a_field() -> None:
    with pytest.raises(ValueError, match="group_by: is empty: name at least one field"):
        Novelty([])
