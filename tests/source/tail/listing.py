"""Listing directories with something that happens in the middle of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


class Scandir:
    """In place of ``os.scandir``: does something once, before or after one directory is listed."""

    def __init__(self, directory: Any, when: str, act: Callable[[], object]) -> None:
        self._real = os.scandir
        self._directory, self._when, self._act = os.fsencode(directory), when, act
        self.acted = False

    def __call__(self, directory: bytes) -> Any:
        mine = not self.acted and directory == self._directory
        self.acted |= mine
        if mine and self._when == "before":
            self._act()
        found: Any = self._real(directory)
        if mine and self._when == "after":
            with found:
                found = Listed(list(found))
            self._act()
        return found


class Listed(list[Any]):
    def __enter__(self) -> Listed:
        return self

    def __exit__(self, *_: object) -> None: ...
