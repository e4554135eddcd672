"""What signals mean to a running pipeline.

TERM and INT end it: the first in order, the second at once. So does a terminal that closes, in order, unless `nohup`
was used. Other HUPs ask for a reload, where there is one; else they are logged and passed over, as are USR1 and USR2.
CONT asks how it stands.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tailrace.pipeline.telemetry.log import Logger

ENDING = (signal.SIGTERM, signal.SIGINT)
PASSED_OVER = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
ASKING = signal.SIGCONT
_NOTICES = {
    signal.SIGHUP: "a run that is to end uses the configuration that it began with",
    signal.SIGUSR1: "it has no meaning here",
    signal.SIGUSR2: "it has no meaning here",
}


class Signals:
    """Made at the start of a command: from then on no signal of ``PASSED_OVER`` ends the process. ``tick`` is a step: a
    handler must not log, for it may have interrupted the log."""

    def __init__(self) -> None:
        self.terminal_closed = False
        self._terminals = _terminals()
        self._arrived: deque[int] = deque()  # and not told yet
        self._stop: Callable[[], None] | None = None
        self._reload: Callable[[], None] | None = None
        self._tell: Callable[[], None] | None = None
        self._wake: Callable[[], None] = lambda: None
        self._asked = False
        self._under_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        for number in PASSED_OVER:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._pass_over)

    def connect(
        self,
        stop: Callable[[], None],
        reload: Callable[[], None] | None = None,
        tell: Callable[[], None] | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """From now on TERM or INT calls ``stop``; a second one leaves the process at once with code 1, nothing
        committed (workers end with their parent). A terminal that has closed since the start calls it now. HUP calls
        ``reload``, CONT ``tell``; ``wake``: there is something for ``tick``."""
        self._stop, self._reload, self._tell, self._wake = stop, reload, tell, wake
        if tell is not None:
            signal.signal(ASKING, self._pass_over)
        if reload is not None:
            signal.signal(signal.SIGHUP, self._pass_over)
        for number in ENDING:
            signal.signal(number, self._end)
        if self.terminal_closed:
            self._ask()

    def tick(self, log: Logger) -> None:
        """Tell what has arrived."""
        while self._arrived:
            number = signal.Signals(self._arrived.popleft())
            if number == signal.SIGHUP and self.terminal_closed:
                log.warning(
                    "terminal.closed", notice="stopping in order; `nohup` or a service manager keeps it running"
                )
            elif number == signal.SIGHUP and self._reload is not None:
                log.info("config.reload_asked", signal=number.name)
                self._reload()
            elif number == ASKING and self._tell is not None:
                self._tell()
            else:
                log.info("signal.ignored", signal=number.name, notice=_NOTICES[number])

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            os._exit(1)
        self._ask()

    def _pass_over(self, number: int, _frame: FrameType | None) -> None:
        self._arrived.append(number)
        self._wake()
        if number == signal.SIGHUP and not self._under_nohup and not self._terminals <= _terminals():
            self.terminal_closed = True
            if not self._asked:
                self._ask()

    def _ask(self) -> None:
        if self._stop is not None:
            self._asked = True
            self._stop()


def _terminals() -> set[str | int]:
    """The terminals that are there: standard streams, and the one that controls this process."""
    found: set[str | int] = {descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)}
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:  # there is none
        return found
    return found | {"/dev/tty"}
