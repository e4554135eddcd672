"""A command in a terminal of its own: what it writes there, keys for it, and how it leaves the terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass, field
from typing import Any, Self

from .conftest import COMMAND

DEADLINE = 30.0  # seconds for what is waited for
ENTER, LEAVE, SHOW_CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """``with`` it: the command runs, and sees a terminal so wide and high."""

    arguments: tuple[str, ...]
    columns: int = 80
    lines: int = 24
    environment: dict[str, str] = field(default_factory=dict)
    text: str = ""  # all that it wrote so far

    def __enter__(self) -> Self:
        self._main, self._its = pty.openpty()
        self.resize(self.columns, self.lines)
        self._before = termios.tcgetattr(self._its)
        environment = {**os.environ, "TERM": "xterm-256color", **self.environment}
        for name in ("COLUMNS", "LINES", *([] if "NO_COLOR" in self.environment else ["NO_COLOR"])):
            environment.pop(name, None)
        its = self._its
        self.process = subprocess.Popen(
            [*COMMAND, *self.arguments], stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._main)
        os.close(self._its)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    def until(self, wanted: str, after: int = 0) -> int:
        """Wait until it has written this behind the first ``after`` characters; where that ends."""
        end = time.monotonic() + DEADLINE
        while (at := self.text.find(wanted, after)) < 0:
            assert time.monotonic() < end, f"waited in vain for {wanted!r} in {self.text[after:]!r}"
            self._read(0.1)
        return at + len(wanted)

    def ends(self) -> int:
        """Its exit code."""
        end = time.monotonic() + DEADLINE
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end: {self.text[-2000:]!r}"
            self._read(0.02)
        while self._read(0.0):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._main], [], [], seconds)[0]:
            return False
        self.text += os.read(self._main, 1 << 16).decode(errors="replace")
        return True

    @property
    def restored(self) -> bool:
        """The terminal is as it was: its modes, its first screen, its cursor."""
        after: list[Any] = termios.tcgetattr(self._its)
        shown = self.text.rfind(LEAVE) >= self.text.rfind(ENTER)
        return after == self._before and shown and self.text.rfind("\x1b[?25l") <= self.text.rfind(SHOW_CURSOR)

    @property
    def rows(self) -> list[str]:
        """Its lines, without colours."""
        return _SEQUENCE.sub("", self.text).replace("\r\n", "\n").splitlines()
