"""Urgent files first, by their share of the bytes; nobody starves, and within a class the files take turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from tailrace.pipeline.source.tail.turns import SHARE

from .tail_stand import numbered

Make = Callable[..., Any]


@pytest.fixture
def rig(stand: Make) -> Any:
    rig = stand(priority=["error*", "a*"], buffer=1100)
    for name in ("bulk.log", "bulk2.log", "a.log", "error.log"):
        rig.write(name, numbered(0, 3000))
    return rig.start()


def turns(rig: Any, count: int) -> list[str]:
    return [rig.read().name for _ in range(count)]


def test_the_more_urgent_has_the_larger_share_and_all_have_some(rig: Any) -> None:
    counts = Counter(turns(rig, 2 * (SHARE * SHARE + SHARE + 1)))
    assert abs(counts["error.log"] - 2 * SHARE * SHARE) <= 3
    assert abs(counts["a.log"] - 2 * SHARE) <= 2
    assert counts["bulk.log"] + counts["bulk2.log"] >= 1


def test_one_that_may_have_no_slot_now_holds_up_nobody_and_loses_nothing(rig: Any) -> None:
    urgent = next(file.file_id for file in rig.running._registry.living.values() if file.name == "error.log")
    names = {rig.read(lambda stream: stream == urgent).name for _ in range(30)}
    assert names == {"a.log", "bulk.log", "bulk2.log"}
    assert "error.log" in turns(rig, 3)


def test_a_class_that_had_nothing_to_read_does_not_make_up_for_it(rig: Any) -> None:
    turns(rig, 100)
    rig.write("error-new.log", numbered(0, 3000))
    rig.poll(1)
    seen = Counter(turns(rig, 60))
    assert seen["a.log"] >= 3, "the newcomer shares with the other urgent one"


def test_everything_arrives_once(rig: Any) -> None:
    rig.run(1)
    for name in ("bulk.log", "bulk2.log", "a.log", "error.log"):
        assert "".join(rig.lines(name)) == numbered(0, 3000)
    rig.check_balances()
