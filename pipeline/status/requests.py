"""What others ask of a daemon that only the engine's thread may do: it is done there, between two turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from tailrace.pipeline.errors import TailraceError

T = TypeVar("T")
PATIENCE = 20.0  # seconds
LONG_PATIENCE = 60.0  # a run that ends waits for its sinks


class BusyError(TailraceError):
    """Nobody came to do it."""


class _Request:
    def __init__(self, what: Callable[[], Any]) -> None:
        self.what = what
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.given_up = False


class Requests:
    """``call`` from any thread but the engine's, which calls ``serve``."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._queue: SimpleQueue[_Request] = SimpleQueue()
        self._between: SimpleQueue[_Request] = SimpleQueue()

    def call(self, what: Callable[[], T], *, between: bool = False) -> T:
        """What it gives, or raises. ``between``: it is to be done between two runs, and one ends for that. BusyError:
        the engine's thread does something else for too long."""
        request = _Request(what)
        (self._between if between else self._queue).put(request)
        self._wake()
        if not request.done.wait(LONG_PATIENCE if between else PATIENCE):
            request.given_up = True
            raise BusyError("the daemon is busy changing its configuration, or is ending: try again")
        if request.error is not None:
            raise request.error
        result: T = request.result
        return result

    def serve(self) -> None:
        _serve(self._queue)

    @property
    def waiting(self) -> bool:
        """Something is to be done between two runs."""
        return not self._between.empty()

    def serve_between(self) -> None:
        _serve(self._between)


def _serve(queue: SimpleQueue[_Request]) -> None:
    while True:
        try:
            request = queue.get_nowait()
        except Empty:
            return
        if request.given_up:
            continue
        try:
            request.result = request.what()
        except Exception as error:  # it is for the one who asked
            request.error = error
        request.done.set()
