from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.chain.stateful import Room, StageMemory
from tailrace.pipeline.errors import MemoryFull
from tailrace.stages.values.recent import Recent

KEYS = st.sampled_from("abcdefghijklmnop")


@given(st.integers(1, 12), st.lists(st.tuples(KEYS, st.sampled_from(["put", "renew", "get"])), max_size=120))
def test_it_is_bounded_and_holds_what_was_put_last_and_its_books_are_right(
    limit: int, steps: list[tuple[str, str]]
) -> None:
    memory: dict[str, Any] = {}
    recent = Recent(limit)
    put: dict[str, int] = {}
    for number, (key, what) in enumerate(steps):
        recent.open(memory)
        if what == "put":
            recent.put(key, [number])
            put[key] = number
            assert recent.get(key) == [number], "what was just put is there"
        elif what == "renew":
            recent.renew(key)
        found = recent.get(key)
        assert found is None or found == [put[key]]
        recent.close()
        kept = {key for key in memory if not key.startswith("#")}
        assert len(kept) <= limit
        first, last, count = memory.get("#", (0, 0, 0))
        blocks = [memory.get(f"#{block}", []) for block in range(first, last + 1)]
        listed = [(key, first + at) for at, block in enumerate(blocks) for key in block]
        assert sorted(listed) == sorted((key, memory[key][0]) for key in kept), "each key in the block that it names"
        assert count == len(kept)
        assert len(memory) <= len(kept) + 1 + last - first + 1, "no block is left behind"


def test_what_is_used_stays_however_many_come() -> None:
    memory: dict[str, Any] = {}
    recent = Recent(1000)
    recent.open(memory)
    recent.put("used", [1])
    for number in range(20_000):
        recent.put(f"k{number}", [])
        recent.renew("used")
    recent.close()
    assert memory["used"][2:] == [1]
    assert memory["k19999"]
    assert 700 <= sum(not key.startswith("#") for key in memory) <= 1000


def test_a_lower_limit_is_kept_as_soon_as_a_key_comes() -> None:
    memory: dict[str, Any] = {}
    for limit, keys in ((1000, range(900)), (10, range(900, 901))):
        recent = Recent(limit)
        recent.open(memory)
        for number in keys:
            recent.put(f"k{number}", [])
        recent.close()
    assert sum(not key.startswith("#") for key in memory) <= 10
    assert "k900" in memory


def test_a_limit_that_is_too_high_says_so() -> None:
    recent = Recent(1000)
    recent.open(StageMemory(Room(100)))
    for number in range(20):
        recent.put(f"k{number}", [])
    with pytest.raises(MemoryFull, match=r"pipeline.stage_memory.*fewer: it may have 1000, and holds 20"):
        recent.close()


def test_a_batch_needs_no_more_room_than_what_is_remembered_after_it() -> None:
    most = 1 << 20
    for _ in range(2):  # the second time with just the room that was taken
        room = Room(most)
        memory, recent, used = StageMemory(room), Recent(8), 0
        for batch in range(20):
            recent.open(memory)
            for number in range(10):
                recent.put(f"k{batch * 10 + number:03}", [])
            recent.close()
            used = max(used, room.used)
        most = used


def test_nothing_is_written_when_nothing_changes() -> None:
    memory: dict[str, Any] = {}
    recent = Recent(10)
    recent.open(memory)
    recent.put("a", [1])
    recent.close()

    class Closed(dict[str, Any]):
        def __setitem__(self, *_: Any) -> None:
            raise AssertionError("written")

    recent.open(Closed(memory))
    recent.renew("a")
    assert (recent.get("a"), recent.get("b")) == ([1], None)
    recent.close()
