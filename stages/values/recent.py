"""Keys that a stage remembers, with a bound: beyond it those go that have not been used for longest.

All of it is in the stage's memory, also in which order the keys came: what a restart goes on with is the same. A key's
value is ``[block, used, ...state]``. Blocks list the keys in the order in which they came, a few hundred each:
``#0``, ``#1`` ...; ``#`` holds the numbers of the first and the last one, and how many keys there are. The first block
goes as a whole. Those of its keys that were used since they came begin anew at the end; the others are forgotten.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from tailrace.pipeline.errors import MemoryFull

Mapping = MutableMapping[str, Any]
State = list[Any]

BLOCK = 256  # keys: a whole block is written anew for each batch that brings a new key
_ABOUT = "#"  # no key begins with it: they are digests in base64


class Recent:
    """At most ``limit`` keys. ``open`` begins a batch and ``close`` writes what it has changed, each key once.

    What is remembered after a number of events does not depend on how they were split into batches.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._block_size = max(1, min(BLOCK, limit // 4))

    def open(self, memory: Mapping) -> None:
        self._memory = memory
        self._first: int
        self._last: int
        self._count: int
        self._first, self._last, self._count = self._about = tuple(memory.get(_ABOUT, (0, 0, 0)))
        self._blocks: dict[int, list[str]] = {}  # that were read or made; the last one is where keys are added
        self._open: dict[str, list[Any] | None] = {}  # entries that were read or made; None: there is none
        self._changed: set[str] = set()
        self._changed_blocks: set[int] = set()

    def get(self, key: str) -> State | None:
        """The key's state: a copy. What is done to it counts once it is put back."""
        entry = self._entry(key)
        return None if entry is None else entry[2:]

    def put(self, key: str, state: State) -> None:
        entry = self._entry(key)
        if entry is None:
            if self._count >= self._limit:
                self._make_room()
            self._count += 1
            self._open[key] = [self._append(key), self._last, *state]
        else:
            entry[1:] = (self._last, *state)
        self._changed.add(key)

    def renew(self, key: str) -> None:
        """The key is used, and its state stays as it is."""
        entry = self._entry(key)
        if entry is not None and entry[1] != self._last:
            entry[1] = self._last
            self._changed.add(key)

    def close(self) -> None:
        """MemoryFull: the limit is too high for what all stages together may remember."""
        try:
            self._write(self._memory)
        except MemoryFull as error:
            why = f"{error}; or let this stage remember fewer: it may have {self._limit}, and holds {self._count}"
            raise MemoryFull(why) from error

    def _write(self, memory: Mapping) -> None:
        new = {key: self._open[key] for key in self._changed}
        new |= {f"{_ABOUT}{number}": self._blocks[number] or None for number in self._changed_blocks}
        about = (self._first, self._last, self._count)
        if about != self._about:
            new[_ABOUT] = list(about)
        for key, value in new.items():
            if value is None:
                memory.pop(key, None)
        for key, value in new.items():  # in the room that the others have left
            if value is not None:
                memory[key] = value

    def _entry(self, key: str) -> list[Any] | None:
        try:
            return self._open[key]
        except KeyError:
            found = self._memory.get(key)
            entry = self._open[key] = None if found is None else list(found)
            return entry

    def _block(self, number: int) -> list[str]:
        if number not in self._blocks:
            self._blocks[number] = list(self._memory.get(f"{_ABOUT}{number}", ()))
        return self._blocks[number]

    def _append(self, key: str) -> int:
        """The number of the block that the key is in from now on."""
        block = self._block(self._last)
        if len(block) >= self._block_size:
            self._last += 1
            block = self._block(self._last)
        block.append(key)
        self._changed_blocks.add(self._last)
        return self._last

    def _make_room(self) -> None:
        while self._count >= self._limit:
            number = self._first
            keys = self._block(number)
            self._blocks[number] = []
            self._changed_blocks.add(number)
            self._first += 1
            self._last = max(self._last, self._first)
            for key in keys:
                entry = self._entry(key)
                if entry is not None and entry[1] > number:
                    entry[0] = self._append(key)
                    entry[1] = entry[0]
                else:
                    self._open[key] = None
                    self._count -= 1
                self._changed.add(key)
