"""A daemon: a configuration with its state and its source."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.run.assembly import Configure, run_engine
from tailrace.pipeline.run.gone import GoneSinks, paths_of
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.settings import Config
from tailrace.pipeline.source import CursorError, Unreadable, Whole
from tailrace.pipeline.source.building import Surroundings, build, cursors_of
from tailrace.pipeline.state.file import SinkRecord, refusal
from tailrace.pipeline.state.schema import SCHEMA_VERSION
from tailrace.pipeline.state.store import State
from tailrace.pipeline.telemetry.counters import Counters


def run_daemon(
    config: Config,
    *,
    log: Any,
    counters: Counters,
    until_eof: bool = False,
    give_up: float | None = None,
    last_line: bool = False,
    configure: Configure,
    on_turn: Callable[[float], None],
) -> Outcome:
    """Run the configuration until it is stopped; ``until_eof``: until all that is there is done, or no sink has taken
    anything for ``give_up`` seconds, with ``last_line`` also an unterminated last line."""
    _raise_file_limit()
    settings = config.pipeline
    state = State(
        settings.state_dir,
        max_bytes=config.dead_letters.max_bytes,
        when_full=config.dead_letters.when_full,
        config=config.digest,
    )
    state.open()
    try:
        if state.upgraded_from is not None:
            log.info("state.upgraded", file=str(state.path), schema=SCHEMA_VERSION, was=state.upgraded_from)
        steps = build_steps(config)
        gone = GoneSinks(config, state, log)
        outputs = gone.paths()
        for step in steps:
            if step.role == "write":
                marks = {} if step.sink_id in gone else state.marks().get(step.sink_id, {})
                outputs.update(paths_of(step.sink_id, step.stage, marks))
        waker = Waker()
        source = build(
            config.source,
            Surroundings(
                state.register, state.id, _ours(config, outputs), log, counters, waker, settings.chunk_bytes, until_eof,
                last_line,
            ),
        )  # fmt: skip
    except BaseException:
        state.close()
        raise

    def start() -> None:
        try:
            source.open(cursors_of(config.source.use, state.cursors()), time.monotonic())
        except CursorError as error:
            raise refusal(state.path, str(error)) from error
        gone.discard(may_cut=not (isinstance(source, Whole) and source.missing))
        state.enter_sinks(
            {spec.id: SinkRecord(spec.use, spec.written) for spec in config.stages if spec.role == "write"}
        )

    outcome = run_engine(
        config,
        steps,
        source,
        state,
        counters,
        dict(state.counters().values),
        settings.workers,
        log,
        waker,
        configure,
        on_turn,
        start,
        until_eof,
        outputs,
        give_up,
        state.id,
    )
    if until_eof and isinstance(source, Unreadable):
        outcome.unread = source.unread()
    return outcome


def _ours(config: Config, outputs: set[str]) -> Callable[[bytes], bool]:
    """Whether a path is one of our own outputs or state files."""
    state_dir = os.path.realpath(os.fsencode(config.pipeline.state_dir)) + b"/"

    def ours(path: bytes) -> bool:
        real = os.path.realpath(path)
        return real.startswith(state_dir) or os.fsdecode(real) in outputs

    return ours


def _raise_file_limit() -> None:
    """Every file that is tailed keeps a descriptor; the soft limit is only a default."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
