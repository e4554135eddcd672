"""A replay: recorded input through the same chain, touching no state."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.run.assembly import Configure, assemble
from tailrace.pipeline.run.lent import Lent
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.source import Source
from tailrace.pipeline.stage import Marks
from tailrace.pipeline.state.store import Commit
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.stages.defaults import PACED_OUTPUT, STANDARD_OUTPUT


class NoState:
    """A replay's store: stream numbers count up, nothing is kept."""

    def __init__(self) -> None:
        self._streams = 0

    def register(self, cursors: Sequence[Any]) -> list[int]:
        first = self._streams + 1
        self._streams += len(cursors)
        return list(range(first, self._streams + 1))

    def announce(self, sink: str, marks: Marks) -> None: ...

    def commit(self, commit: Commit) -> bool:  # noqa: ARG002
        return False

    def marks(self) -> Mapping[str, Marks]:
        return {}

    def memory(self) -> Mapping[str, Mapping[str, bytes]]:
        return {}


def run_replay(
    config: Config,
    source: Source,
    *,
    log: Any,
    counters: Counters,
    workers: int,
    keep_sinks: bool = False,
    pace: float | None = None,
    state: str = "replay",
    configure: Configure,
    on_turn: Callable[[float], None],
) -> Outcome:
    """Run recorded input through the same chain, touching no state; events go to standard output once.

    ``pace``: so many seconds of the events' own time pass in one of ours; None: as fast as it can. At a pace, what
    has not come out is given up at once when the engine is stopped. It is for standard output only. ``state``: what the
    ids of what stages sum up begin with.
    """
    assert pace is None or not keep_sinks
    if not keep_sinks:
        stages = [spec for spec in config.stages if spec.role != "write"]
        use, options = (STANDARD_OUTPUT, {}) if pace is None else (PACED_OUTPUT, {"factor": pace})
        stages.append(StageSpec(use, STANDARD_OUTPUT, "write", options, id="standard output"))
        config = replace(config, stages=tuple(stages))
    if pace is not None:
        config = replace(config, pipeline=replace(config.pipeline, shutdown_timeout=0.0))

    def start() -> None:
        source.open({}, time.monotonic())

    lent = Lent(source, NoState(), counters, {}, log, Waker(), set(), state=state)
    try:
        return assemble(config, build_steps(config), lent, workers=workers, on_turn=on_turn)(configure, start)
    finally:
        source.close()
