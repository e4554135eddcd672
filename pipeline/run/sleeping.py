"""The one place where the main loop sleeps."""

from __future__ import annotations

import select
from collections.abc import Iterable

from tailrace.pipeline.run.waker import Waker


def sleep(seconds: float, waker: Waker, descriptors: Iterable[int]) -> None:
    """Until one of these is readable, somebody calls the waker, or the time is over. Negative ones are none."""
    poll = select.poll()
    poll.register(waker.fd, select.POLLIN)
    for descriptor in descriptors:
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
    poll.poll(max(1, round(seconds * 1000)))
    waker.clear()
