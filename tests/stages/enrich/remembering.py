"""Runs stages that remember, as the engine does: batch by batch, with restarts between them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.chain.stateful import Room, StageMemory
from tailrace.pipeline.testing.doubles import origin


def run(stage: Any, events: Sequence[Event], *, now: float = 1000.0) -> list[Any]:
    """One batch; a stage that has no memory yet gets one."""
    if not isinstance(stage.memory, StageMemory):
        stage.memory = StageMemory(Room(1 << 20))
    if hasattr(stage, "locate"):
        stage.locate(origin(now=now))
    given = copy.deepcopy(list(events))
    entries: list[Any] = stage.process(given.copy())
    assert {id(entry) for entry in entries if not isinstance(entry, Fail)} <= set(map(id, given)), "the same dicts"
    stage.memory.keep()
    return entries


def told(entries: list[Any]) -> list[Any]:
    """The events as they are, and the codes of those that failed."""
    return [entry.code if isinstance(entry, Fail) else entry for entry in entries]


def check_batches_make_no_difference(make: Callable[[], Any], events: Sequence[Event], sizes: Sequence[int]) -> None:
    """The result and what is remembered are those of one batch, if the events come in batches of these sizes, each with
    a fresh stage that has the memory in another order, and some batches are tried in vain before."""
    whole = make()
    expected = told(run(whole, events))
    memory: dict[str, Any] = {}
    found: list[Any] = []
    at = 0
    for number, size in enumerate((*sizes, len(events))):
        stage = make()
        stage.memory = StageMemory(Room(1 << 20))
        stage.memory.restore(memory)
        batch = events[at : at + size]
        if number % 2:
            run_in_vain(stage, batch)
        found += told(run(stage, batch))
        items = list(orjson.loads(orjson.dumps(dict(stage.memory))).items())
        random.Random(number).shuffle(items)  # noqa: S311
        memory = dict(items)
        at += size
    assert found == expected
    assert memory == dict(whole.memory)


def run_in_vain(stage: Any, events: Sequence[Event]) -> None:
    if hasattr(stage, "locate"):
        stage.locate(origin(now=1000.0))
    stage.process(copy.deepcopy(list(events)))
    stage.memory.roll_back()
