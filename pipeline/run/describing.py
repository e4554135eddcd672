"""A configuration in the words of those who watch it run."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.config.environment import as_written
from tailrace.pipeline.escape import escape
from tailrace.pipeline.run.memory import memory_ceiling
from tailrace.pipeline.settings import Config
from tailrace.pipeline.telemetry.board import Description, StageView

from tailrace.version import __version__


def description(config: Config, steps: Sequence[Step], started: float, loaded: float, files: int = 0) -> Description:
    """``started``: when the process was, and ``loaded``: when the configuration, in seconds since the epoch. ``files``:
    how many are followed."""
    workers = config.pipeline.workers
    if any(step.memory is not None for step in steps):
        workers = min(workers, 1)
    whens = {spec.label: as_written(spec.when) for spec in config.stages}  # what a reference stands for may be a secret
    stages = tuple(
        StageView(
            "sink" if step.role == "write" else step.role,
            step.label,
            _use(config, step),
            step.sink_id,
            tuple(map(as_written, step.only)),
            whens.get(step.label),
            str(getattr(step.stage, "guarantee", "")) if step.role == "write" else "",
        )
        for step in steps
    )
    ceiling = sum(size for _, size in memory_ceiling(config, [step.stage for step in steps], workers, files))
    return Description(
        config.pipeline.name, __version__, os.getpid(), escape(str(config.path)), escape(config.pipeline.state_dir),
        config.source.use, started, max(workers, 1), stages, ceiling, config.dead_letters.max_bytes,
        config.dead_letters.when_full, config.status.listen or "", config.digest, loaded,
    )  # fmt: skip


def _use(config: Config, step: Step) -> str:
    return next((spec.use for spec in config.stages if spec.label == step.label), step.label)
