"""A chunk on its way through the ring."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.work.ring import NONE, Slot


@dataclass(slots=True, eq=False)
class Task:
    """One chunk on its way through the ring."""

    number: int  # the batch id of the logs
    slot: Slot
    chunk: Chunk
    begin: int = 0  # input offset of what is still to do
    done: int = 0  # input offset up to which the worker got
    through: bool = False  # the worker is finished with it, wholly or in part
    released: bool = False  # with the sinks
    sinks: int = 0  # how many sinks still have to write of it
    careful_until: int = 0
    condemned: int = NONE
    stage: int = 0
    cause: str = ""
    fresh: bool = False  # must be given to a fresh worker: it killed the one before
    kills: Counter[int] = field(default_factory=Counter)  # input offset of a line: fresh workers it killed
    hung: str = ""  # why we killed the worker that is at it
    pid: int = 0
    started: float = 0.0
    ended: float = 0.0  # when the worker was through with it
    word: tuple[int, int] = (0, 0)  # the header's words when last looked at, and since when
    since: float = 0.0
    read: float = 0.0  # when it was filled
    memory: list[dict[str, dict[str, bytes | None]]] = field(default_factory=list)  # what stages changed in theirs

    def take_memory(self) -> list[dict[str, dict[str, bytes | None]]]:
        """What stages have changed in their memories, for the commit."""
        memory, self.memory = self.memory, []
        return memory
