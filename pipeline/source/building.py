"""The source that a configuration's settings are for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tailrace.pipeline.source as built_in
from tailrace.pipeline.settings import SourceSettings
from tailrace.pipeline.source import JSON, Register, Source
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.log import Log

DEFAULT = "tail"


@dataclass(slots=True, frozen=True)
class Surroundings:
    """What a source is given beside its settings."""

    register: Register
    key_prefix: str  # what the keys of streams begin with; the number of the stream follows
    ours: Callable[[bytes], bool]  # whether a path is one of our own outputs or state files
    log: Log
    counters: Counters
    wake: Callable[[], None]  # there is something to be read; from any thread
    chunk_bytes: int
    until_eof: bool = False  # it is to come to an end
    last_line: bool = False  # an unterminated last line is a line, too
    kept: Mapping[int, int] = field(
        default_factory=dict
    )  # open descriptors by stream, of a source that this one follows


def build(settings: SourceSettings, surroundings: Surroundings) -> Source:
    """Of a source that comes with tailrace, its module has a function ``build``; of the user's own, its settings."""
    own: Any = getattr(settings, "build", None)
    if own is not None:
        made: Source = own(surroundings)
        return made
    module: Any = importlib.import_module(f"{built_in.__name__}.{settings.use}")
    source: Source = module.build(settings, surroundings)
    return source


def cursors_of(use: str, cursors: Mapping[int, JSON]) -> dict[int, JSON]:
    """Those of this source: others than the tailer say in their cursors whose they are. What another one was at before
    the configuration changed stays in the state."""
    return {stream: one for stream, one in cursors.items() if _source_of(one) == use}


def _source_of(cursor: JSON) -> str:
    return str(cursor.get("source", DEFAULT)) if isinstance(cursor, dict) else DEFAULT
