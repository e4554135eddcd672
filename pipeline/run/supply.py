"""The source of a daemon: it outlasts runs, and another one follows it where its settings change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from tailrace.pipeline.settings import Config, SourceSettings
from tailrace.pipeline.source import CursorError, HandsOver, Source, Whole
from tailrace.pipeline.source.building import Surroundings, build, cursors_of
from tailrace.pipeline.state.file import refusal
from tailrace.pipeline.state.store import State
from tailrace.pipeline.telemetry.counters import Counters


class Supply:
    """``outputs``: paths of all that is ours, which are no source."""

    def __init__(
        self,
        config: Config,
        state: State,
        outputs: set[str],
        log: Any,
        counters: Counters,
        wake: Callable[[], None],
        *,
        until_eof: bool,
        last_line: bool,
    ) -> None:
        self._state, self._outputs, self._log, self._counters, self._wake = state, outputs, log, counters, wake
        self._until_eof, self._last_line = until_eof, last_line
        self._kept: Mapping[int, int] = {}  # what the source before has left
        self._build(config)

    def _build(self, config: Config) -> None:
        self.source: Source = build(
            config.source,
            Surroundings(
                self._state.register, self._state.id, ours(config, self._outputs), self._log, self._counters,
                self._wake, config.pipeline.chunk_bytes, self._until_eof, self._last_line,
                self._kept,
            ),
        )  # fmt: skip
        self._config, self._kept = config, {}
        self._open, self._opened = True, False

    def open(self) -> None:
        """Once. StateError: the state holds something that is not this source's."""
        if self._opened:
            return
        self._opened = True
        try:
            self.source.open(cursors_of(self._config.source.use, self._state.cursors()), time.monotonic())
        except CursorError as error:
            raise refusal(self._state.path, str(error)) from error

    @property
    def whole(self) -> bool:
        """Whether all that was not committed can be read again."""
        return not (isinstance(self.source, Whole) and self.source.missing)

    def goes_on_with(self, config: Config) -> bool:
        """Whether nothing of it is left behind with this configuration."""
        return keeps_source(self._config, config) or self._hands_over_to(config)

    def _hands_over_to(self, config: Config) -> bool:
        return config.source.use == self._config.source.use and isinstance(self.source, HandsOver)

    def follow(self, config: Config) -> None:
        """As this configuration has it."""
        if not (self._open and keeps_source(self._config, config)):
            self.renew(config)

    def renew(self, config: Config) -> None:
        """From what the state holds."""
        if self._open and self._hands_over_to(config) and isinstance(self.source, HandsOver):
            self._kept = self.source.hand_over()
        elif self._open:
            self.source.close()
        self._open = False
        self._build(config)

    def close(self) -> None:
        if self._open:
            self.source.close()
        for descriptor in self._kept.values():
            os.close(descriptor)


def keeps_source(before: Config, now: Config) -> bool:
    """Whether the source goes on as it is. One that no other can follow does, also if its class was imported anew."""
    one, other = before.source, now.source
    same = one == other or (not one.resumes and _values(one) == _values(other))
    return same and before.pipeline.chunk_bytes == now.pipeline.chunk_bytes


def _values(settings: SourceSettings) -> dict[str, Any]:
    return {one.name: getattr(settings, one.name) for one in fields(settings)}


def ours(config: Config, outputs: set[str]) -> Callable[[bytes], bool]:
    """Whether a path is one of our own outputs or state files."""
    state_dir = os.path.realpath(os.fsencode(config.pipeline.state_dir)) + b"/"

    def is_ours(path: bytes) -> bool:
        real = os.path.realpath(path)
        return real.startswith(state_dir) or os.fsdecode(real) in outputs

    return is_ours
