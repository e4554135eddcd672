"""Log files that grow, rotate and go, as a source (idea 5)."""

from __future__ import annotations

from typing import cast

from tailrace.pipeline.settings import SourceSettings
from tailrace.pipeline.settings import TailSettings as Settings
from tailrace.pipeline.source import Source
from tailrace.pipeline.source.building import Surroundings

__all__ = ["Settings", "build"]


def build(settings: SourceSettings, about: Surroundings) -> Source:
    from tailrace.pipeline.source.tail.hints import Hints
    from tailrace.pipeline.source.tail.tail import Tail, watched

    tail = cast(Settings, settings)
    hints = None if about.until_eof else Hints(watched(tail), about.wake, about.log)
    return Tail(
        tail,
        about.register,
        key_prefix=about.key_prefix,
        ours=about.ours,
        log=about.log,
        counters=about.counters,
        hints=hints,
        until_eof=about.until_eof,
        chunk_bytes=about.chunk_bytes,
        last_line=about.last_line,
        kept=about.kept,
    )
