from __future__ import annotations

from typing import Any

import pytest
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.enrich.set import Set


def test_constants_of_any_type_are_set() -> None:
    values = {"env": "demo", "n": 1, "f": 2.5, "yes": True, "list": [1, {"a": [2]}], "table": {"x": {"y": "z"}}}
    assert Set(values=values).process([{"a": 1, "env": "old"}]) == [{"a": 1, **values}]


def test_expressions_are_set() -> None:
    stage = Set(expr={"class": "status // 100", "text": "f'{method} {status}'"})
    assert stage.process([{"status": 404, "method": "GET"}]) == [
        {"status": 404, "method": "GET", "class": 4, "text": "GET 404"}
    ]


def test_all_right_hand_sides_see_the_event_as_it_came_in() -> None:
    stage = Set(values={"c": 9}, expr={"a": "b", "b": "a", "d": "c"})
    assert stage.process([{"a": 1, "b": 2, "c": 3}]) == [{"a": 2, "b": 1, "c": 9, "d": 3}]


def test_lists_and_tables_are_not_shared_between_events_or_with_the_configuration() -> None:
    values: dict[str, Any] = {"list": [1, {"a": [2]}], "table": {"x": {"y": "z"}}}
    first, second = Set(values=values).process([{}, {}])
    assert isinstance(first, dict)
    first["list"][1]["a"].append(3)
    first["table"]["x"]["y"] = "changed"
    assert second == {"list": [1, {"a": [2]}], "table": {"x": {"y": "z"}}} == values


def test_missing_field_is_none() -> None:
    assert Set(expr={"a": "missing"}).process([{}]) == [{"a": None}]


def test_failing_expression_is_a_fail_for_that_event_and_leaves_it_alone() -> None:
    stage = Set(values={"env": "demo"}, expr={"ok": "1", "class": "status // 100"})
    events: list[Event] = [{"status": 200}, {"status": None}, {"status": 404}, {"status": "x"}]
    entries = stage.process(list(events))
    assert entries[0] == {"status": 200, "ok": 1, "class": 2, "env": "demo"}
    assert entries[2] == {"status": 404, "ok": 1, "class": 4, "env": "demo"}
    for index in (1, 3):
        fail = entries[index]
        assert isinstance(fail, Fail)
        assert fail.code == "raised"
        assert fail.why.startswith("expr.class: TypeError: ")
        assert fail.event is events[index]
    assert events[1] == {"status": None}
    assert entries[0] is events[0]


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({}, ["nothing to set"]),
        ({"values": {"a": 1}, "expr": {"a": "1"}}, ["expr.a: this field has a constant in `values` already"]),
        ({"values": {"": 1}}, ["needs a name"]),
        ({"expr": {"a": "1 +", "b": "open('x')", "": "1"}}, ["expr.a: ", "expr.b: no function", "needs a name"]),
    ],
)
def test_bad_configuration_names_every_problem(options: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        Set(**options)
    for problem in problems:
        assert problem in str(caught.value)
