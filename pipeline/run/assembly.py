"""Puts the parts of a run together: ring, workers, sinks, loop. What outlives it, the source and the store, is lent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from tailrace.pipeline.chain.stateful import Remembered
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import exposed, memories, to_json
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.run.accounting import Omitting
from tailrace.pipeline.run.commit import most_uncommitted
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.run.lent import Lent, Settings
from tailrace.pipeline.run.memory import shape_of
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.settings import Config
from tailrace.pipeline.sinks.crew import Crew, Sink
from tailrace.pipeline.source import Encoded
from tailrace.pipeline.source.redrive import Redrive
from tailrace.pipeline.stage import Write
from tailrace.pipeline.sums.sums import sums_of
from tailrace.pipeline.work.dispatch import Dispatch
from tailrace.pipeline.work.limits import settle_memory
from tailrace.pipeline.work.process import Inline, Process, Worker
from tailrace.pipeline.work.ring import Ring
from tailrace.pipeline.work.worker import Work

Configure = Callable[[Engine], None]
"""Told the engine before it runs: the command line connects signals to it."""


@dataclass(slots=True, frozen=True)
class Run:
    """Ready to begin; nothing has been started or touched yet."""

    engine: Engine
    ring: Ring
    labels: Sequence[str]  # of the chain's stages

    def __call__(self, configure: Configure, start: Callable[[], None], *, behind: bool = False) -> Outcome:
        """To its end; see ``Engine.run``."""
        try:
            configure(self.engine)
            settle_memory()
            return self.engine.run(start, behind=behind)
        finally:
            self.ring.close()


def assemble(
    config: Config,
    steps: Sequence[Step],
    lent: Lent,
    *,
    workers: int,
    on_turn: Callable[[float], None],
    until_eof: bool = False,
    give_up: float | None = None,
    redrive_only: bool = False,
) -> Run:
    """With stages that remember, one worker does all the work. TailraceError: there is no memory for the ring."""
    settings = config.pipeline
    remembering = bool(memories(steps))
    workers = min(workers, 1) if remembering else workers  # the ring has slots for so many
    shape = shape_of(config, workers)
    ring = Ring.create(shape)
    sinks = [Sink(step.sink_id, step.label, cast(Write, step.stage)) for step in steps if step.role == "write"]
    most = most_uncommitted(settings.commit_bytes, shape.output_bytes)
    crew = Crew(sinks, most, lent.counters, lent.log, lent.waker, lent.down)
    remembered = Remembered(lent.store.memory(), memories(steps))
    if workers:
        data = to_json(config)

        def hire() -> Worker:
            return Process(
                "tailrace.pipeline.work.worker", ring, data, settings.line_timeout, settings.worker_memory,
                remembered.values(),
            )  # fmt: skip
    else:
        work = Work(steps, settings.line_timeout, ring.tap)

        def hire() -> Worker:
            work.restore(remembered.values())
            return Inline(work, ring)

    dispatch = Dispatch(
        ring, max(workers, 1), hire, settings.task_timeout, lent.counters, lent.log, remembered if remembering else None
    )
    omitting = Omitting(exposed(steps)) if config.dead_letters.raw == "omit" else None
    engine = Engine(
        Settings(
            settings.commit_interval,
            settings.commit_bytes,
            settings.shutdown_timeout,
            until_eof,
            give_up,
            omitting,
            redrive_only,
        ),
        lent,
        crew,
        dispatch,
        remembered,
        sums_of(config, steps, lent.state, shape.input_bytes, lent.log),
        _redrive(config, steps, lent),
        on_turn,
    )
    return Run(engine, ring, [step.label for step in steps])


def _redrive(config: Config, steps: Sequence[Step], lent: Lent) -> Redrive:
    def written_in(stream: int) -> str | None:
        return lent.source.written_in(stream) if isinstance(lent.source, Encoded) else None

    configured, several_lines = encoding(config.source.encoding).name, config.source.multiline is not None
    return Redrive(lent.jobs, lent.fetch, steps, written_in, configured=configured, several_lines=several_lines)
