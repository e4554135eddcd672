"""A file's row as JSON, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.source import CursorError
from tailrace.pipeline.source.tail.position import Position

numbers = st.integers(0, 2**64 - 1)
names = st.text(max_size=20).filter(lambda text: text.isprintable())
ledgers = st.dictionaries(names, st.integers() | st.lists(st.integers()), max_size=3)


@given(
    st.builds(
        Position, numbers, names, st.binary(max_size=40), numbers, numbers, numbers, numbers, names, numbers, names,
        numbers, st.booleans(), ledgers,
    )
)  # fmt: skip
def test_a_position_is_exactly_the_same_after_it_was_json(position: Position) -> None:
    text = json.dumps(position.to_json())
    assert Position.from_json(position.file_id, json.loads(text)) == position


def test_what_people_look_for_stands_at_the_top() -> None:
    position = Position(7, "a.log", b"/logs/a\xff.log", 1, 2, 30, 4, "ab", 5, "cd", 60, True, {"seen": 60})
    shown = position.to_json()
    assert (shown["path"], shown["path_hex"]) == ("/logs/a\\xff.log", b"/logs/a\xff.log".hex())
    assert (shown["name"], shown["offset"], shown["size"], shown["ended"]) == ("a.log", 30, 60, True)
    assert shown["ledger"] == {"seen": 60}
    assert "path_hex" not in Position(7, "ü", "/ü".encode(), 1, 2, 30, 4, "ab", 5, "cd", 60).to_json()


def good() -> dict[str, Any]:
    return Position(1, "a.log", b"/a.log", 1, 2, 3, 4, "ab", 5, "cd", 60).to_json()


@pytest.mark.parametrize(
    "cursor",
    [
        None,
        7,
        [],
        "text",
        {},
        {"partition": 3, "offset": 17},
        good() | {"offset": "3"},
        good() | {"offset": None},
        good() | {"path": 5},
        good() | {"path_hex": "zz"},
        good() | {"path": "\ud800"},
        good() | {"ledger": ""},
    ],
)
def test_a_cursor_of_something_else_is_refused(cursor: Any) -> None:
    with pytest.raises(CursorError, match="the cursor of stream 9"):
        Position.from_json(9, cursor)
