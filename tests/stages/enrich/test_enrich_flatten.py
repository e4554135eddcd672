from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.enrich.flatten import Flatten


def flat(stage: Flatten, event: Event) -> Any:
    (entry,) = stage.process([event])
    assert entry is event or isinstance(entry, Fail)
    return entry


def test_members_take_the_place_of_their_object() -> None:
    event = {"a": 1, "user": {"id": 7, "name": {"first": "Ann", "last": None}}, "z": [1, {"b": 2}]}
    result = flat(Flatten(), event)
    assert list(result.items()) == [
        ("a", 1),
        ("user.id", 7),
        ("user.name.first", "Ann"),
        ("user.name.last", None),
        ("z", [1, {"b": 2}]),
    ]
    assert flat(Flatten(separator="__"), {"a": {"b": {"c": 1}}}) == {"a__b__c": 1}


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ("keep", {"t": [1, {"b": 2}], "o.t": [[3]]}),
        ("index", {"t.0": 1, "t.1.b": 2, "o.t.0.0": 3}),
        ("json", {"t": '[1,{"b":2}]', "o.t": "[[3]]"}),
    ],
)
def test_arrays_stay_or_are_numbered_or_become_text(arrays: Any, expected: Event) -> None:
    assert flat(Flatten(arrays=arrays), {"t": [1, {"b": 2}], "o": {"t": [[3]]}}) == expected


def test_what_is_empty_stays() -> None:
    assert flat(Flatten(), {"a": {}, "b": {"c": {}, "d": []}}) == {"a": {}, "b.c": {}, "b.d": []}
    assert flat(Flatten(arrays="index"), {"a": [], "b": [[]]}) == {"a": [], "b.0": []}
    assert flat(Flatten(), {}) == {}


def test_max_depth_is_how_many_levels_go() -> None:
    event = {"a": {"b": {"c": {"d": 1}}, "e": [[1]]}}
    assert flat(Flatten(max_depth=1), event.copy()) == {"a.b": {"c": {"d": 1}}, "a.e": [[1]]}
    assert flat(Flatten(max_depth=2), event.copy()) == {"a.b.c": {"d": 1}, "a.e": [[1]]}
    assert flat(Flatten(max_depth=2, arrays="index"), event.copy()) == {"a.b.c": {"d": 1}, "a.e.0": [1]}


def test_only_the_fields_that_are_meant() -> None:
    event = {"http_a": {"x": 1}, "http_b": {"x": 2}, "other": {"x": 3}, "user": {"http_c": {"x": 4}}}
    assert flat(Flatten(fields=["http_*"]), event) == {
        "http_a.x": 1,
        "http_b.x": 2,
        "other": {"x": 3},
        "user": {"http_c": {"x": 4}},
    }


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"a.b": 1, "a": {"b": 2}}, "a.b"),
        ({"a": {"b": 2}, "a.b": 1}, "a.b"),
        ({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c"),
        ({"a": {"b": {}}, "a.b": {}}, "a.b"),
    ],
)
def test_a_name_for_two_values_is_a_dead_letter_with_the_event_as_it_was(event: Event, name: str) -> None:
    before = repr(event)
    fail = flat(Flatten(), event)
    assert (fail.code, repr(fail.event)) == ("field_exists", before)
    assert f"two values would get the name {name!r}" in fail.why


def test_one_event_that_fails_does_not_keep_the_others() -> None:
    good, plain = {"a": {"b": 1}}, {"c": 1}
    entries = Flatten(arrays="json").process([{"x": [{1}]}, good, plain])
    assert isinstance(entries[0], Fail)
    assert (entries[0].code, entries[1:]) == ("bad_type", [{"a.b": 1}, {"c": 1}])
    assert entries[1] is good


def test_hostile_depth_is_no_recursion_error() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = {"a": deep}
    (name,) = flat(Flatten(), {"a": deep})
    assert name == ".".join("a" * 101)


VALUES = st.recursive(
    st.integers() | st.none() | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), VALUES, max_size=4))
def test_a_flat_event_holds_all_values_and_no_object_that_is_not_empty(event: Event) -> None:
    expected = dict(leaves("", event))
    assert flat(Flatten(arrays="index"), event) == expected


def leaves(path: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict | list) or (path and not value):
        return [(path, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [leaf for name, inner in items for leaf in leaves(f"{path}.{name}" if path else str(name), inner)]


def test_empty_lists_and_names_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("`fields` is empty")):
        Flatten(fields=[])
