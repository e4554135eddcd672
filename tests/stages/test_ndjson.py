"""Events as JSON lines, and which field it is that JSON cannot hold."""

from __future__ import annotations

from typing import Any

import pytest
from tailrace.pipeline.errors import Reject
from tailrace.stages.outputs.ndjson import to_lines


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"n": value}
    return value


def test_each_event_is_a_line() -> None:
    assert to_lines([{"a": 1}, {"b": "\n"}]) == b'{"a":1}\n{"b":"\\n"}\n'


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ({"fine": 1, "count": 2**64}, "the field count: Integer exceeds 64-bit range"),
        ({"user": {"name": "x", "ids": [1, 2, -(2**64)]}}, "the field user.ids[2]: Integer exceeds"),
        ({"text": "a\udcffb"}, "the field text: str is not valid UTF-8"),
        ({"deep": nested(300)}, "the field deep"),
        ({"keys": {1: 2}}, "the field keys: Dict key must be str"),
        ({"thing": object()}, "the field thing: Type is not JSON serializable: object"),
        ({1: 2}, "the event: Dict key must be str"),
    ],
)
def test_the_field_at_fault_is_named(event: dict[Any, Any], place: str) -> None:
    with pytest.raises(Reject) as caught:
        to_lines([{"fine": 1}, event])
    assert caught.value.code == "rejected"
    assert str(caught.value).startswith(f"JSON cannot hold {place}")
