from __future__ import annotations

import pytest
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.enrich.filter import Filter


def test_keep_lets_on_what_is_true() -> None:
    events: list[Event] = [{"status": 200}, {"status": 301}, {"status": 500}]
    assert Filter(keep="status != 301").process(events) == [{"status": 200}, {"status": 500}]


def test_drop_lets_on_what_is_not_true() -> None:
    events: list[Event] = [{"a": 0}, {"a": "x"}, {"a": None}, {"a": []}, {}]
    assert Filter(drop="a").process(events) == [{"a": 0}, {"a": None}, {"a": []}, {}]
    assert Filter(keep="a").process(events) == [{"a": "x"}]


def test_comparison_that_makes_no_sense_is_false() -> None:
    assert Filter(keep="status < 500").process([{}, {"status": 200}]) == [{"status": 200}]
    assert Filter(drop="status < 500").process([{}, {"status": 200}]) == [{}]


@pytest.mark.parametrize("stage", [Filter(keep="a // 2"), Filter(drop="not (a // 2)")])
def test_error_is_a_fail_and_filters_nothing(stage: Filter) -> None:
    events: list[Event] = [{"a": 4}, {"a": None}, {"a": 1}, {"a": 6}]
    first, fail, last = stage.process(events)
    assert (first, last) == ({"a": 4}, {"a": 6})
    assert isinstance(fail, Fail)
    assert fail.code == "raised"
    assert fail.event is events[1]
    assert "TypeError" in fail.why


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "nothing to filter by"),
        ({"keep": "a", "drop": "b"}, "exclude each other"),
        ({"keep": "a +"}, "not a Python expression"),
        ({"drop": ""}, "is empty"),
    ],
)
def test_bad_configuration_is_refused(options: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Filter(**options)
