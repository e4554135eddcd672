"""The files that a configuration was read from: itself, and the user's modules beside it.

They are looked at, which sees through an editor's rename, a symbolic link that is switched and a clock that is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from tailrace.pipeline.chain import own
from tailrace.pipeline.config.load import digest
from tailrace.pipeline.settings import Config

Look = tuple[int, int, int]
"""Modification time, size and inode."""

ANOTHER: Look = (-1, -1, -1)  # as no file looks


class Watch:
    def __init__(self) -> None:
        self._seen: dict[str, Look | None] = {}

    def accepted(self, config: Config) -> None:
        """This one was read."""
        self._note(config, {})
        path = str(config.path)
        self._seen[path] = _if_holds(path, lambda data: digest(data) == config.digest)

    def refused(self, config: Config, seen: Look | None, tried: Mapping[str, bytes | None]) -> None:
        """Another one was read after ``seen``, and this one goes on. ``tried``: the other one's modules with their
        texts; None: it has looked for that file in vain."""
        self._note(config, tried)
        self._seen[str(config.path)] = seen

    def _note(self, config: Config, tried: Mapping[str, bytes | None]) -> None:
        """What has changed since it was read looks like no file."""
        texts = {**own.texts_of(str(config.directory)), **tried}
        self._seen = {path: _if_holds(path, text.__eq__) for path, text in texts.items()}

    def changed(self) -> bool:
        """Whether a file is another than was read. One that is not there now is being replaced."""
        return any((now := look(path)) is not None and now != seen for path, seen in self._seen.items())


def look(path: str) -> Look | None:
    """None: it is not there."""
    try:
        st = os.stat(path)
    except OSError:
        return None
    return st.st_mtime_ns, st.st_size, st.st_ino


def _if_holds(path: str, expected: Callable[[bytes], object]) -> Look | None:
    """How it looks, if it holds what is expected."""
    seen = look(path)  # first: what comes between the two is noticed later
    try:
        with open(path, "rb") as file:
            return seen if expected(file.read()) is True else ANOTHER
    except OSError:
        return None
