"""What stages remember: bounded, taken with a piece or not at all, committed, given to fresh workers, rolled back."""

from __future__ import annotations

import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tailrace.pipeline.chain.outcome import Changes
from tailrace.pipeline.chain.stateful import Remembered, Room, StageMemory
from tailrace.pipeline.errors import MemoryFull
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.state.store import State
from tailrace.pipeline.testing.doubles import ListSource, MemorySink

from ..inside import adjust
from .engine_kit import Pipeline
from .state_kit import reopened, through_crashes

NAMES = ("ann", "bob", "cy")


@pytest.fixture
def memory() -> StageMemory:
    return StageMemory(Room(1000))


def test_it_is_a_mapping_of_json_values_that_come_out_read_only(memory: StageMemory) -> None:
    memory["a"] = {"n": [1, {"deep": True}]}
    assert memory["a"] == {"n": [1, {"deep": True}]}
    assert dict(memory) == {"a": memory["a"]}
    value = memory["a"]
    for change, *arguments in ((value.update, {"n": 1}), (value["n"].append, 2), (value["n"][1].pop, "deep")):
        with pytest.raises(TypeError, match="read-only: assign a new one"):
            change(*arguments)
    with pytest.raises(TypeError, match="read-only"):
        value["n"] = 1
    with pytest.raises(TypeError):
        memory["b"] = object()
    with pytest.raises(TypeError, match="a text"):
        memory[1] = 1  # type: ignore[index]


def test_it_is_bounded_over_all_stages_and_says_what_to_do() -> None:
    room = Room(100)
    one, other = StageMemory(room), StageMemory(room)
    one["a"] = "x" * 60
    with pytest.raises(MemoryFull, match=r"63 bytes of 100 \(pipeline.stage_memory\)"):
        other["b"] = "y" * 60
    one["a"] = "short"
    other["b"] = "y" * 60
    del other["b"]
    assert room.used == len('a"short"')


def test_what_was_taken_is_restored_whatever_others_hold_and_the_limit_is_now() -> None:
    room = Room(100)
    one, other = StageMemory(room), StageMemory(room)
    other["b"] = "y" * 60
    one.restore({"a": "x" * 60})
    other.restore({})
    assert room.used == len("a" + '"' + "x" * 60 + '"')
    lowered = StageMemory(Room(10))
    lowered.restore({"a": "x" * 60})
    with pytest.raises(MemoryFull):
        lowered["b"] = 1
    lowered["a"] = 1
    lowered["b"] = 1


KEYS, VALUES = st.sampled_from("abc"), st.integers(0, 5) | st.lists(st.integers(0, 1), max_size=2)
STEPS = st.lists(
    st.tuples(st.sampled_from(["set", "set", "del", "save", "back", "keep", "roll"]), KEYS, VALUES), max_size=30
)


@given(STEPS)
@example([("set", "a", 1), ("keep", "a", 0), ("del", "a", 0), ("keep", "a", 0)])
def test_rolling_back_gives_what_was_there_and_changes_make_the_parents_copy_the_same(steps: list[Any]) -> None:
    room = Room(10_000)
    memory, parent = StageMemory(room), Remembered({}, "s")
    kept: dict[str, Any] = {}
    saved: list[tuple[int, dict[str, Any]]] = []
    for what, key, value in steps:
        if what == "set":
            memory[key] = value
        elif what == "del":
            memory.pop(key, None)
        elif what == "save":
            saved.append((memory.savepoint(), dict(memory)))
        elif what == "back" and saved:
            point, then = saved.pop()
            memory.roll_back(point)
            assert dict(memory) == then
        elif what == "keep":
            parent.apply({"s": orjson.loads(orjson.dumps(memory.changes()))})
            memory.keep()
            kept, saved = dict(memory), []
            assert parent.values().get("s", {}) == kept
        elif what == "roll":
            memory.roll_back()
            saved = []
            assert dict(memory) == kept
    assert room.used == sum(len(key) + len(orjson.dumps(value)) for key, value in memory.items())


def test_the_parents_copy_takes_little_more_than_what_it_holds() -> None:
    parent = Remembered({}, "s")
    changes: Changes = {"s": ({str(number): [number, "x" * 20] for number in range(2000)}, [])}
    parent.apply(changes)  # what is allocated once
    tracemalloc.start()
    try:
        taken = parent.apply(changes)
        each = tracemalloc.get_traced_memory()[0] / len(taken["s"])
    finally:
        tracemalloc.stop()
    assert each < 300


def data(count: int, *, bad: str = "", start: int = 0) -> bytes:
    return "".join(
        f"{NAMES[n % 3]} {n}{bad if bad and n % 7 == 3 else ''}\n" for n in range(start, start + count)
    ).encode()


def pipeline(source: ListSource, store: Any = None, **options: Any) -> Pipeline:
    spec = StageSpec("tests.engine.engine_stages:PerUser", "per_user", "enrich", {})
    return Pipeline(source, spec, store=store, parse=PARSE, **options)


PARSE = StageSpec("tests.engine.engine_stages:LineParser", "parse.lines", "parse", {})


def counted(sink: MemorySink) -> list[tuple[str, int]]:
    """(user, how many there were so far) of each event in the order of writing."""
    events = [orjson.loads(line) for line in sink.lines()]
    return [(event["message"].split()[0], event["seen"]) for event in events]


def whole(count: int, *, bad: bool = False) -> dict[str, int]:
    return dict(Counter(NAMES[n % 3] for n in range(count) if not (bad and n % 7 == 3)))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("bad", ["", " raise", " fail"], ids=["good", "raises", "fails"])
def test_case_095_counts_are_those_of_the_records_that_did_not_raise(workers: int, bad: str) -> None:
    one = pipeline(ListSource({"a.log": data(3000, bad=bad)}, chunk_bytes=5000), workers=workers)
    assert one.run().complete
    remembered = {key: orjson.loads(value) for key, value in one.store.remembered["per_user"].items()}
    assert remembered == whole(3000, bad=bad == " raise")
    assert len(one.worker_pids) == 1, "one worker, whatever was asked for"
    if bad != " fail":  # (then the last ones are not written)
        assert dict(counted(one.sinks[0])) == remembered


@pytest.mark.parametrize("word", ["exit", "kill"])
def test_case_095_a_worker_that_dies_takes_nothing_and_gives_nothing_twice(word: str) -> None:
    text = data(2000).replace(b"cy 1001\n", f"cy 1001 {word}\n".encode())
    one = pipeline(ListSource({"a.log": text, "b.log": data(900)}, chunk_bytes=3000), workers=1)
    assert one.run().complete
    remembered = {key: orjson.loads(value) for key, value in one.store.remembered["per_user"].items()}
    expected = Counter(whole(2000)) + Counter(whole(900))
    expected["cy"] -= 1  # the line that is given up
    assert remembered == dict(expected)


def test_a_line_whose_time_is_up_is_not_remembered() -> None:
    text = b"ann 1\nbob 2\ncy 3 slow\nann 4\ncy 5\n"
    one = pipeline(ListSource({"a.log": text}), line_timeout=0.05)
    assert one.run().complete
    assert [(letter.raw, letter.error) for letter in one.store.letters] == [(b"cy 3 slow", "time_budget")]
    assert counted(one.sinks[0]) == [("ann", 1), ("bob", 1), ("ann", 2), ("cy", 1)]
    assert one.store.remembered["per_user"] == {"ann": b"2", "bob": b"1", "cy": b"1"}


@pytest.mark.parametrize("workers", [0, 1])
def test_case_095_a_rewind_and_a_restart_go_on_from_the_last_commit(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.01)
    sink = MemorySink()

    def make(source: ListSource, store: State) -> Pipeline:
        sink.failures["sync"] = [OSError("a failed fsync")]
        return pipeline(source, store, sinks=[sink], workers=workers)

    files = {"a.log": data(3000), "b.log": data(1500)}
    through_crashes(tmp_path / "state", files, make, crashes=(9000, 20_000), chunk_bytes=700)
    again = reopened(tmp_path / "state")
    remembered = {key: orjson.loads(value) for key, value in again.memory()["per_user"].items()}
    again.close()
    assert remembered == dict(Counter(whole(3000)) + Counter(whole(1500)))
    seen = Counter(user for user, _ in counted(sink))
    assert seen == Counter(remembered)
    assert sorted(counted(sink)) == sorted((user, n) for user, count in remembered.items() for n in range(1, count + 1))


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    one = pipeline(ListSource({"a.log": data(10)}))
    one.run()
    assert threading.active_count() <= before
