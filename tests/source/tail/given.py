"""In place of what the watchdog says."""

from __future__ import annotations


class Given:
    """Hints that a test gives."""

    def __init__(self) -> None:
        self.paths: set[bytes] = set()

    def start(self) -> None: ...

    def take(self) -> set[bytes]:
        taken, self.paths = self.paths, set()
        return taken

    def check(self) -> None: ...

    def stop(self) -> None: ...
