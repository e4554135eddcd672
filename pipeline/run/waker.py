"""Ends the engine's sleep; may be called from any thread and from a signal handler."""

from __future__ import annotations

import os


class Waker:
    """``fd`` is readable after a call, until ``clear``."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __call__(self) -> None:
        try:
            os.write(self._write, b"!")
        except BlockingIOError:
            return  # there are thousands of calls in it already

    def clear(self) -> None:
        try:
            os.read(self.fd, 65536)
        except BlockingIOError:
            return
