"""What others ask of a daemon that only the engine's thread may do: it is done there, between two turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from tailrace.pipeline.errors import TailraceError

T = TypeVar("T")
PATIENCE = 20.0  # seconds
LONG_PATIENCE = 60.0  # a run that ends waits for its sinks


class BusyError(TailraceError):
    """Nobody came to do it, and nobody will."""


class _Request:
    def __init__(self, what: Callable[[], Any]) -> None:
        self.what = what
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self._claimed = threading.Lock()

    def claim(self) -> bool:
        """True for the first who asks: the one who does it, or the one who gives it up."""
        return self._claimed.acquire(blocking=False)

    def finish(self) -> None:
        try:
            self.result = self.what()
        except BaseException as error:
            self.error = error  # it is for the one who asked
            if not isinstance(error, Exception):
                raise
        finally:
            self.done.set()


class Requests:
    """``call`` from any thread but the engine's, which calls all else."""

    def __init__(
        self, wake: Callable[[], None], patience: float = PATIENCE, long_patience: float = LONG_PATIENCE
    ) -> None:
        self._wake, self._patience, self._long_patience = wake, patience, long_patience
        self._queue: SimpleQueue[_Request] = SimpleQueue()
        self._between: SimpleQueue[_Request] = SimpleQueue()

    def call(self, what: Callable[[], T], *, between: bool = False) -> T:
        """What it gives, or raises. ``between``: it is to be done between two runs, and one ends for that. BusyError:
        the engine's thread does something else for too long; then it is not done later either."""
        request = _Request(what)
        (self._between if between else self._queue).put(request)
        self._wake()
        if not request.done.wait(self._long_patience if between else self._patience):
            if request.claim():
                raise BusyError("the daemon is busy changing its configuration, or is ending: try again")
            request.done.wait()  # it is being done just now
        if request.error is not None:
            raise request.error
        result: T = request.result
        return result

    def serve(self) -> None:
        for request in _claimed(self._queue):
            request.finish()

    @property
    def waiting(self) -> bool:
        """Something is to be done between two runs."""
        return not self._between.empty()

    def serve_between(self) -> None:
        for request in _claimed(self._between):
            request.finish()

    def refuse_between(self, error: TailraceError) -> None:
        """There will be no end of this run: the next one could not begin."""
        for request in _claimed(self._between):
            request.error = error
            request.done.set()


def _claimed(queue: SimpleQueue[_Request]) -> Iterator[_Request]:
    """Those that nobody has given up."""
    while True:
        try:
            request = queue.get_nowait()
        except Empty:
            return
        if request.claim():
            yield request
