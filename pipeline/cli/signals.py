"""What signals mean to a running pipeline: the first one ends it in order, the second one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)


def connect(stop: Callable[[], None]) -> None:
    """From now on TERM or INT calls ``stop``; a second one leaves the process at once with code 1, nothing committed
    (workers end with their parent)."""
    asked = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(1)
        asked = True
        stop()

    for number in ENDING:
        signal.signal(number, handle)
