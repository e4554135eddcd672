"""Sinks that are in a call from which they do not come back: nobody else may touch what they write to."""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.pipeline.settings import Config
from tailrace.pipeline.sinks.thread import SinkThread
from tailrace.pipeline.stage import Guarantee


class Lingering:
    """Those of runs that have ended."""

    def __init__(self) -> None:
        self._sinks: list[tuple[SinkThread, Config]] = []

    def add(self, threads: Mapping[str, SinkThread], config: Config) -> None:
        """Those of a run of this configuration."""
        self._sinks += [(thread, config) for thread in threads.values()]

    @property
    def names(self) -> frozenset[str]:
        """Their ids, without those that have come back meanwhile."""
        self._sinks = [one for one in self._sinks if one[0].hangs]
        return frozenset(thread.name for thread, _ in self._sinks)

    def in_the_way_of(self, coming: Config) -> str:
        """Why this configuration cannot begin now; empty: it can."""
        names = self.names
        reasons = [
            in_the_way({thread.name: thread}, config, coming) for thread, config in self._sinks if thread.name in names
        ]
        return "; ".join(filter(None, reasons))


def in_the_way(hanging: Mapping[str, SinkThread], now: Config, coming: Config) -> str:
    """Why ``coming`` cannot take the place of ``now`` while these sinks hang; empty: it can. Only the promise to hold
    each event once is broken by two that write to one thing."""
    targets = {spec.id: _target(spec.options) for spec in now.stages if spec.role == "write"}
    stay = {name for spec in coming.stages if spec.role == "write" for name in (spec.id, _target(spec.options))}
    reasons = [
        f"{name} {thread.hangs_in or 'hangs'}, and may still write: nobody else may write to the same at that time"
        for name, thread in hanging.items()
        if thread.write.guarantee is Guarantee.EXACTLY_ONCE and ({name, targets[name]} - {None}) & stay
    ]
    return "; ".join(reasons)


def _target(options: Mapping[str, object]) -> str | None:
    """Its template, of a sink that writes to files."""
    path = options.get("path")
    return path if isinstance(path, str) else None
