"""Waiting for what another process or thread does: the one place in the tests that polls, always under a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE = 60.0  # seconds a condition may take to come true: far more than it needs on a machine that is not busy
PAUSE = 0.005  # seconds between two looks

Value = TypeVar("Value")


def until(condition: Callable[[], Value], what: str, deadline: float = DEADLINE) -> Value:
    """The condition's value as soon as it is true; AssertionError, saying what was waited for, at the deadline."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:g} s in vain for: {what}")
        pause.wait(PAUSE)
    return value
