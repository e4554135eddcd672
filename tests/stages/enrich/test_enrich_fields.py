"""The stages that take fields away or give them other names: keep, remove, rename."""

from __future__ import annotations

import pytest
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.enrich.keep import Keep
from tailrace.stages.enrich.remove import Remove
from tailrace.stages.enrich.rename import Rename
from tailrace.stages.values import fields
from tailrace.stages.values.fields import FieldPatterns


def test_remove_takes_named_fields_and_globs() -> None:
    stage = Remove(["user", "http_*", "x?", "[ab]1", "gone"])
    event = {"user": 1, "http_a": 2, "http_": 3, "xy": 4, "xyz": 5, "a1": 6, "c1": 7, "User": 8}
    assert stage.process([event, {"user": 1}, {}]) == [{"xyz": 5, "c1": 7, "User": 8}, {}, {}]


def test_keep_takes_all_but_named_fields_and_globs_and_keeps_their_order() -> None:
    stage = Keep(["b", "http_*", "a", "gone"])
    events: list[Event] = [{"a": 1, "x": 2, "http_y": 3, "b": 4}, {"x": 1}]
    result = stage.process(events)
    assert result == [{"a": 1, "http_y": 3, "b": 4}, {}]
    assert list(result[0]) == ["a", "http_y", "b"]
    assert result[0] is events[0]


def test_dot_in_a_name_is_only_a_dot() -> None:
    assert Remove(["a.c"]).process([{"a.c": 1, "abc": 2}]) == [{"abc": 2}]


def test_remembered_shapes_stay_few_however_many_events_bring() -> None:
    patterns = FieldPatterns(["a*"])
    for number in range(fields.SHAPES * 2 + 5):
        assert patterns["a", f"b{number}", f"ac{number}"] == ("a", f"ac{number}")
    assert len(patterns) <= fields.SHAPES
    wide = tuple(f"a{number}" for number in range(fields.SHAPE_NAMES + 1))
    assert patterns[wide] == wide
    assert wide not in patterns


@pytest.mark.parametrize("stage", [Keep, Remove])
def test_empty_list_or_name_is_refused(stage: type[Keep] | type[Remove]) -> None:
    with pytest.raises(ValueError, match="`fields` is empty"):
        stage([])
    with pytest.raises(ValueError, match="a name that is not empty"):
        stage(["a", ""])


def test_rename_moves_values_and_skips_what_is_not_there() -> None:
    stage = Rename({"a": "b", "gone": "c"})
    assert stage.process([{"a": 1, "x": 2}, {"x": 3}]) == [{"x": 2, "b": 1}, {"x": 3}]


def test_rename_swaps_and_rotates() -> None:
    assert Rename({"a": "b", "b": "a"}).process([{"a": 1, "b": 2}, {"a": 1}]) == [{"a": 2, "b": 1}, {"b": 1}]
    assert Rename({"a": "b", "b": "c", "c": "a"}).process([{"a": 1, "b": 2, "c": 3}]) == [{"b": 1, "c": 2, "a": 3}]


def test_rename_to_a_name_that_is_taken_is_a_fail_and_changes_nothing() -> None:
    stage = Rename({"a": "b", "x": "y"})
    events: list[Event] = [{"a": 1, "b": 2, "x": 3}, {"a": 1}]
    fail, other = stage.process(events)
    assert isinstance(fail, Fail)
    assert fail.code == "field_exists"
    assert "'a' to 'b'" in fail.why
    assert fail.event is events[0] == {"a": 1, "b": 2, "x": 3}
    assert other == {"b": 1}


def test_taken_name_does_not_matter_without_the_field() -> None:
    assert Rename({"a": "b"}).process([{"b": 2}]) == [{"b": 2}]


def test_overwrite_replaces() -> None:
    assert Rename({"a": "b"}, overwrite=True).process([{"a": 1, "b": 2}]) == [{"b": 1}]


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        ({}, ["is empty"]),
        ({"a": ""}, ["needs a name"]),
        ({"a": "a"}, ["fields.a: this is the field's name already"]),
        ({"a": "c", "b": "c", "d": "d"}, ["fields.b: 'c' is the new name of 'a' already", "fields.d: this is"]),
    ],
)
def test_bad_renames_are_refused(names: dict[str, str], problems: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        Rename(names)
    for problem in problems:
        assert problem in str(caught.value)
