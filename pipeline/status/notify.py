"""Tells the service manager how the daemon is: sd_notify(3) of systemd, which others understand, too."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from time import clock_gettime_ns

PATIENCE = 1.0  # seconds that whoever listens may take
_MONOTONIC = 1  # CLOCK_MONOTONIC of Linux, by which systemd tells whether a reload is the one that it asked for


class Notify:
    """Silent where nobody listens. ``tick`` from the main loop: while that turns, the daemon lives."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        process, microseconds = environ.get("WATCHDOG_PID", ""), environ.get("WATCHDOG_USEC", "")
        ours = not process or process == str(os.getpid())
        allowed = int(microseconds) if microseconds.isdigit() and ours else 0
        self._interval = allowed / 2e6 or None  # half of that, in seconds
        self._fed = float("-inf")

    def ready(self) -> None:
        """The source is open: all files were looked at."""
        self._say("READY=1")

    def reloading(self) -> None:
        self._say(f"RELOADING=1\nMONOTONIC_USEC={clock_gettime_ns(_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def tick(self, now: float) -> None:
        if self._interval is not None and now - self._fed >= self._interval:
            self._fed = now
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as channel:  # it may be there next time
            channel.settimeout(PATIENCE)
            channel.sendto(text.encode(), address)
