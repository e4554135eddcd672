"""The whole terminal for a while: a picture that is drawn again and again, single keys, and everything as it was
afterwards, whatever ends it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text
from tailrace.pipeline.cli.screen.layout import Line

Draw = Callable[[int, int], Sequence[Line]]
"""From columns and lines to what to draw."""

_LEAVING = b"qQ"


class Terminal:
    """``with`` it: standard output is a terminal. TERM and HUP end the block in order, as ``SystemExit``; Ctrl-Z gives
    the terminal back until the command goes on."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stdout, highlight=False)
        self._keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else -1
        self._undo = contextlib.ExitStack()
        self._screen = contextlib.ExitStack()  # what is undone while somebody else has the terminal
        self._suspended = False

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            self._wakes = _wakes(undo)
            handlers: dict[int, Callable[[int, FrameType | None], Any]] = {
                signal.SIGTERM: _end, signal.SIGHUP: _end, signal.SIGTSTP: self._suspend,
                signal.SIGWINCH: lambda *_: None,
            }  # fmt: skip
            for number, handler in handlers.items():
                undo.callback(signal.signal, number, signal.signal(number, handler))
            undo.callback(self._give)
            self._take()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def draw(self, picture: Draw) -> None:
        width, height = self._console.size
        lines = [Text.assemble(*one) for one in picture(width, height)]
        self._live.update(Text("\n", no_wrap=True, overflow="crop").join(lines), refresh=True)

    def leaves(self, seconds: float) -> bool:
        """Wait so long, or until there is something to do: whether somebody wants to leave."""
        watched = [self._wakes, *([self._keys] if self._keys >= 0 else [])]
        ready, _, _ = select.select(watched, [], [], max(0.0, seconds))
        if self._wakes in ready:
            os.read(self._wakes, 512)
        if self._suspended:
            self._suspended = False
            self._stand_back()
        if self._keys not in ready:
            return False
        try:
            pressed = os.read(self._keys, 512)
        except OSError:
            pressed = b""
        return not pressed or bool(set(pressed) & set(_LEAVING))  # nothing: the terminal has gone

    def _take(self) -> None:
        with contextlib.ExitStack() as undo:
            if self._keys >= 0:
                undo.callback(_restore, self._keys, termios.tcgetattr(self._keys))
                tty.setcbreak(self._keys, termios.TCSANOW)
            self._live = Live(
                console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            undo.enter_context(_shown(self._live))
            self._screen = undo.pop_all()

    def _give(self) -> None:
        self._screen.close()

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        self._suspended = True

    def _stand_back(self) -> None:
        """Stop as Ctrl-Z asks; this returns when somebody continues the process."""
        self._give()
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, ours)
        self._take()


@contextlib.contextmanager
def _shown(live: Live) -> Iterator[None]:
    try:
        live.start()
        yield
    finally:
        with contextlib.suppress(OSError):  # the terminal has gone
            live.stop()


def _restore(keys: int, attributes: list[Any]) -> None:
    with contextlib.suppress(OSError, termios.error):  # as above
        termios.tcsetattr(keys, termios.TCSANOW, attributes)


def _wakes(undo: contextlib.ExitStack) -> int:
    """A descriptor that can be read from when a signal has come."""
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        undo.callback(os.close, descriptor)
        os.set_blocking(descriptor, False)
    undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writing, warn_on_full_buffer=False))
    return reading


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
