"""That a run is to end: who asked for it, until when, and what the log says of it."""

from __future__ import annotations

from typing import Any

from tailrace.pipeline.config.units import format_duration
from tailrace.pipeline.telemetry.snapshot import Snapshot


class Ending:
    """``stop`` and ``hand_over`` may be called from any thread or signal handler."""

    def __init__(self) -> None:
        self.asked = False
        self.hands_over = False  # it ends for another run to go on
        self.leaves_source = True  # nobody goes on with the source
        self._why = ""  # it hands over
        self.deadline: float | None = None  # monotonic seconds; None: it has not begun

    def stop(self) -> None:
        self.asked = self.leaves_source = True

    def hand_over(self, why: str, *, leave_source: bool) -> None:
        self._why = why
        self.leaves_source = self.leaves_source if self.asked else leave_source
        self.asked = self.hands_over = True

    def stay(self) -> None:
        """It is not to end after all."""
        self.asked = self.hands_over = False
        self.deadline, self.leaves_source = None, True

    @property
    def begun(self) -> bool:
        return self.deadline is not None

    @property
    def phase(self) -> str:
        """As a snapshot names it; empty: the run goes on."""
        if not self.begun:
            return ""
        return "reloading" if self.hands_over else "stopping"

    def overdue(self, now: float) -> bool:
        return self.deadline is not None and now > self.deadline

    def begin(self, now: float, timeout: float) -> None:
        """Nothing is read from now on."""
        self.deadline = now + timeout

    def say(self, log: Any, look: Snapshot, timeout: float, waited_for: str) -> None:
        """What it waits for: a person at a terminal wants to know at once."""
        notice = {}
        if look.sinks or look.bytes_pending:
            again = "" if self.hands_over else "; press Ctrl-C (or send the signal) again to leave at once"
            wait = f"waiting up to {format_duration(timeout)} (pipeline.shutdown_timeout) for "
            notice["notice"] = f"{wait}{waited_for or 'what was read'}{again}"
        event = "pipeline.changing" if self.hands_over else "pipeline.stopping"
        say = log.warning if look.sinks else log.info
        why = {"why": self._why} if self.hands_over else {}
        say(event, **why, pending=look.lines_pending, pending_bytes=look.bytes_pending, **notice)
