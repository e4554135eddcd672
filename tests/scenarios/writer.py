"""A program that logs: it appends numbered lines to a file and rotates it by rename, in a thread of its own."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

BAD_EVERY = 50  # each so manieth line is broken


class Writer:
    """Writes until it is told to stop: ``burst`` lines, the last write of which begins inside a line, then a pause.

    Line ``n`` of the writer ``who`` is ``{"n": n, "who": who, "text": "xx..."}`` with ``n % 97`` characters of text.
    """

    def __init__(
        self, path: Path, *, rotate_every: int = 4_000, burst: int = 100, pause: float = 0.001, who: str = ""
    ) -> None:
        self.path = path
        self.who = who
        self.written = 0  # lines
        self.bad: list[bytes] = []
        self.rotations = 0
        self.kept = 0  # rotated files that are still there
        self._rotate_every = rotate_every
        self._burst = burst
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    @property
    def good(self) -> int:
        return self.written - len(self.bad)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._stop.is_set():
            with self.path.open("ab", buffering=0) as file:
                for _ in range(self._rotate_every // self._burst):
                    data = b"".join(self._line(self.written + n) for n in range(self._burst))
                    self.written += self._burst
                    middle = len(data) // 2
                    file.write(data[:middle])  # a half line for a moment
                    file.write(data[middle:])
                    if self._stop.wait(self._pause):
                        return
            self._rotate()

    def _line(self, number: int) -> bytes:
        if number % BAD_EVERY == BAD_EVERY - 1:
            line = b'{"broken %s": %d' % (self.who.encode(), number)
            self.bad.append(line)
            return line + b"\n"
        return json.dumps({"n": number, "who": self.who, "text": "x" * (number % 97)}).encode() + b"\n"

    def _rotate(self) -> None:
        for n in range(self.kept, 0, -1):
            os.rename(f"{self.path}.{n}", f"{self.path}.{n + 1}")
        os.rename(self.path, f"{self.path}.1")
        self.kept += 1
        self.rotations += 1
