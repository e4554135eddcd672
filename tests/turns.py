"""Tests marked `alone` have the machine to themselves, also where pytest runs others in parallel (``-n 2``)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DOOR = Path(__file__)  # held by the one who waits for the room, so that nobody slips in before
ROOM = Path(__file__).parent  # shared by all tests but those that must be alone in it


@contextmanager
def turn(*, alone: bool, door: Path = DOOR, room: Path = ROOM) -> Iterator[None]:
    """Waits until the test may run."""
    at_door, in_room = (os.open(path, os.O_RDONLY) for path in (door, room))
    try:
        fcntl.flock(at_door, fcntl.LOCK_EX)
        fcntl.flock(in_room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(at_door, fcntl.LOCK_UN)
        yield
    finally:
        fcntl.flock(in_room, fcntl.LOCK_UN)  # a child that was forked meanwhile may have it, too
        os.close(in_room)
        os.close(at_door)
