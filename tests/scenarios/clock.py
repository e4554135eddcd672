"""A clock of the day that can be stepped for a daemon alone: the machine's own is left in peace."""

from __future__ import annotations

import os
from pathlib import Path

DAY = 86_400
_SITE = '''"""Imported by the interpreter at its start: time.time() is moved by the seconds in the file `step`."""

import pathlib
import time

_time, _step = time.time, pathlib.Path(__file__).with_name("step")
time.time = lambda: _time() + float(_step.read_text())
'''


class StepClock:
    """Start the daemon with ``before`` and its processes follow ``step``."""

    def __init__(self, home: Path) -> None:
        self._directory = home / "clock"
        self._directory.mkdir()
        self._site = self._directory / "sitecustomize.py"
        self._site.write_text(_SITE)
        self.before = ("env", f"PYTHONPATH={self._directory}{os.pathsep}{os.getcwd()}")
        self.step(0)

    def add(self, code: str) -> None:
        """Something else for the daemon's processes to run at their start."""
        with self._site.open("a") as file:
            file.write(code)

    def step(self, seconds: float) -> None:
        """From now on the clock is so far off."""
        new = self._directory / "new"
        new.write_text(str(seconds))
        new.replace(self._directory / "step")
