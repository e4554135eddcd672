"""Between an engine that still knows marks by their fields, and a state to which they are opaque.

To be removed: once sinks give marks as JSON, ``State`` is the store and
``state.store.Commit`` the commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tailrace.pipeline.stage import Mark
from tailrace.pipeline.state import store
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.file import refusing
from tailrace.pipeline.telemetry.counters import Counters, Key


@dataclass(slots=True)
class Commit:
    """All that one commit writes."""

    cursors: Mapping[int, Any]  # those that changed
    marks: Mapping[str, Sequence[Mark]]  # sink id: marks that changed
    dead_letters: Sequence[DeadLetter]
    counters: Mapping[Key, float]
    retired: Sequence[int] = ()  # file ids whose rows may go


class Bridge:
    """An open state, in the engine's terms. What it hides: ``state``."""

    def __init__(self, state: store.State) -> None:
        self.state = state
        self._enter_outputs(*self.marks().values())

    def marks(self) -> dict[str, list[Mark]]:
        with refusing(self.state.path):
            known = self.state.marks().items()
            return {sink: [mark_from_json(*mark) for mark in marks.items()] for sink, marks in known}

    def counters(self) -> Counters:
        return self.state.counters()

    def register(self, cursors: Sequence[Any]) -> list[int]:
        return self.state.register(cursors)

    def announce(self, sink: str, marks: Sequence[Mark]) -> None:
        self._enter_outputs(marks)
        self.state.announce(sink, marks_to_json(marks))

    def commit(self, commit: Commit) -> None:
        self._enter_outputs(*commit.marks.values())
        marks = {sink: marks_to_json(some) for sink, some in commit.marks.items()}
        self.state.commit(store.Commit(commit.cursors, marks, commit.dead_letters, commit.counters, commit.retired))

    def close(self) -> None:
        self.state.close()

    def _enter_outputs(self, *marks: Sequence[Mark]) -> None:
        self.state.outputs.update(mark.path for some in marks for mark in some)


def marks_to_json(marks: Sequence[Mark]) -> dict[str, Any]:
    values = (asdict(mark) for mark in marks)
    return {value.pop("destination"): value for value in values}


def mark_from_json(destination: str, value: Any) -> Mark:
    return Mark(destination, **value)
