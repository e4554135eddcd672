"""Puts the parts of a run together: ring, workers, sinks, loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from tailrace.pipeline.chain.stateful import Remembered
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import exposed, memories
from tailrace.pipeline.run.accounting import Omitting
from tailrace.pipeline.run.commit import Store, most_uncommitted
from tailrace.pipeline.run.engine import Engine, Settings
from tailrace.pipeline.run.memory import shape_of
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.settings import Config
from tailrace.pipeline.sinks.crew import Crew, Sink
from tailrace.pipeline.source import Source
from tailrace.pipeline.stage import Write
from tailrace.pipeline.sums.sums import sums_of
from tailrace.pipeline.telemetry.counters import Counters, Key
from tailrace.pipeline.work.dispatch import Dispatch
from tailrace.pipeline.work.limits import settle_memory
from tailrace.pipeline.work.process import Inline, Process, Worker
from tailrace.pipeline.work.ring import Ring
from tailrace.pipeline.work.worker import Work

Configure = Callable[[Engine], None]
"""Told the engine before it runs: the command line connects signals to it."""


def run_engine(
    config: Config,
    steps: Sequence[Step],
    source: Source,
    store: Store,
    counters: Counters,
    durable: dict[Key, float],
    workers: int,
    log: Any,
    waker: Waker,
    configure: Configure,
    on_turn: Callable[[float], None],
    start: Callable[[], None],
    until_eof: bool = False,
    outputs: set[str] | None = None,
    give_up: float | None = None,
    state: str = "replay",
) -> Outcome:
    """``start`` opens the source. With stages that remember, one worker does all the work. ``outputs`` is added to when
    a sink begins another file. ``state``: what the ids of what stages sum up begin with."""
    settings = config.pipeline
    remembering = bool(memories(steps))
    workers = min(workers, 1) if remembering else workers  # the ring has slots for so many
    shape = shape_of(config, workers)
    ring = Ring.create(shape)
    sinks = [Sink(step.sink_id, step.label, cast(Write, step.stage)) for step in steps if step.role == "write"]
    crew = Crew(sinks, most_uncommitted(settings.commit_bytes, shape.output_bytes), counters, log, waker)
    remembered = Remembered(store.memory(), memories(steps))
    if workers:
        data = config.to_json()

        def hire() -> Worker:
            return Process(
                "tailrace.pipeline.work.worker", ring, data, settings.line_timeout, settings.worker_memory,
                remembered.values(),
            )  # fmt: skip
    else:
        work = Work(steps, settings.line_timeout)

        def hire() -> Worker:
            work.restore(remembered.values())
            return Inline(work, ring)

    dispatch = Dispatch(
        ring, max(workers, 1), hire, settings.task_timeout, counters, log, remembered if remembering else None
    )
    omitting = Omitting(exposed(steps)) if config.dead_letters.raw == "omit" else None
    engine = Engine(
        Settings(
            settings.commit_interval, settings.commit_bytes, settings.shutdown_timeout, until_eof, give_up, omitting
        ),
        source,
        store,
        crew,
        dispatch,
        remembered,
        sums_of(config, steps, state, shape.input_bytes, log),
        counters,
        durable,
        log,
        waker,
        on_turn,
        set() if outputs is None else outputs,
    )
    configure(engine)
    settle_memory()
    try:
        return engine.run(start)
    finally:
        ring.close()
