"""What a stage remembers: a bounded mapping whose changes are taken with a piece's result, or not at all.

The worker has the one that the stage uses. The parent keeps a copy of what was taken, as JSON, for the commit and for
the worker that replaces a dead one.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn

import orjson
from tailrace.pipeline.chain.outcome import Changes
from tailrace.pipeline.errors import MemoryFull

_MISSING: Any = object()


class Room:
    """How much all stages of a chain may remember together, in bytes of keys and JSON values."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        if size > 0 and self.used + size > self.limit:
            raise MemoryFull(
                f"the stages remember {self.used} bytes of {self.limit} (pipeline.stage_memory): delete keys that are "
                "no longer needed, or raise the limit"
            )
        self.used += size


class StageMemory(MutableMapping[str, Any]):
    """One stage's. Values are JSON values; lists and dicts come out read-only."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._values: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._undo: list[tuple[str, Any, int]] = []  # key, what it held, its size

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a key of a stage's memory is a text, not {type(key).__name__}")
        size = _size(key, value)
        before = self._sizes.get(key, 0)
        self._room.take(size - before)
        self._undo.append((key, self._values.get(key, _MISSING), before))
        self._values[key], self._sizes[key] = _frozen(value), size

    def __delitem__(self, key: str) -> None:
        value = self._values.pop(key)
        size = self._sizes.pop(key)
        self._undo.append((key, value, size))
        self._room.take(-size)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def savepoint(self) -> int:
        return len(self._undo)

    def roll_back(self, savepoint: int = 0) -> None:
        """Take back what changed since the savepoint, or since ``keep``."""
        while len(self._undo) > savepoint:
            key, value, size = self._undo.pop()
            self._room.used += size - self._sizes.get(key, 0)
            if value is _MISSING:
                self._values.pop(key, None)
                self._sizes.pop(key, None)
            else:
                self._values[key], self._sizes[key] = value, size

    def changes(self) -> tuple[dict[str, Any], list[str]]:
        """What changed since ``keep``: new values by key, and deleted keys. Empty when nothing did."""
        keys = {key for key, _, _ in self._undo}
        new = {key: self._values[key] for key in keys if key in self._values}
        return (new, sorted(keys - new.keys())) if keys else ({}, [])

    def keep(self) -> None:
        """The piece was taken: what it changed stays."""
        self._undo.clear()

    def restore(self, values: Mapping[str, Any]) -> None:
        """Hold exactly these. They were taken once, so they are now, whatever the limit is and others still hold."""
        self._room.used -= sum(self._sizes.values())
        self._values = {key: _frozen(value) for key, value in values.items()}
        self._sizes = {key: _size(key, value) for key, value in values.items()}
        self._room.used += sum(self._sizes.values())
        self.keep()


class Remembered:
    """The parent's copy: by stage and key, JSON as bytes."""

    def __init__(self, stages: Mapping[str, Mapping[str, bytes]], labels: Container[str]) -> None:
        self._labels = labels
        self.restore(stages)

    def restore(self, stages: Mapping[str, Mapping[str, bytes]]) -> None:
        """Hold exactly these, of the stages that remember."""
        self._stages = {stage: dict(values) for stage, values in stages.items() if stage in self._labels}

    def apply(self, changes: Changes) -> dict[str, dict[str, bytes | None]]:
        """Take these in; the same as a commit wants them (None: deleted)."""
        taken: dict[str, dict[str, bytes | None]] = {}
        for stage, (new, deleted) in changes.items():
            values = self._stages.setdefault(stage, {})
            # Copied: what orjson returns holds 4 KiB for as long as it lives, however short it is.
            texts = {key: bytes(memoryview(orjson.dumps(value))) for key, value in new.items()}
            values.update(texts)
            for key in deleted:
                values.pop(key, None)
            taken[stage] = {**texts, **dict.fromkeys(deleted)}
        return taken

    def values(self) -> dict[str, dict[str, Any]]:
        """For a fresh worker."""
        return {stage: {key: orjson.loads(text) for key, text in kept.items()} for stage, kept in self._stages.items()}


def _size(key: str, value: Any) -> int:
    return len(key) + len(orjson.dumps(value))


def _refuse(*_args: Any, **_named: Any) -> NoReturn:
    raise TypeError("a value in a stage's memory is read-only: assign a new one to its key")


class _FrozenDict(dict[str, Any]):
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse


class _FrozenList(list[Any]):
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse


def _frozen(value: Any) -> Any:
    """A read-only copy: what is changed in place would be in no commit."""
    if isinstance(value, dict):
        return _FrozenDict((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return _FrozenList(_frozen(item) for item in value)
    return value
