"""A daemon: a configuration with its state and the files it tails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from tailrace.pipeline.chain.loader import build
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.config.load import load_written
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.outgoing import About
from tailrace.pipeline.run.assembly import Configure, run_engine
from tailrace.pipeline.run.commit import most_uncommitted
from tailrace.pipeline.run.engine import Outcome
from tailrace.pipeline.run.memory import shape_of
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.settings import Config
from tailrace.pipeline.sinks.checked import checked_paths
from tailrace.pipeline.source import CursorError
from tailrace.pipeline.stage import Closes, Connects, Discards
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
    from tailrace.pipeline.source.tail.hints import Hints
    from tailrace.pipeline.source.tail.tail import Tail, watched

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
        gone = GoneSinks(config, state, steps, log)
        outputs = gone.paths()
        for step in steps:
            outputs.update(_paths(step.sink_id, step.stage, state))
        state.enter_sinks(
            {spec.id: SinkRecord(spec.use, spec.written) for spec in config.stages if spec.role == "write"}
        )
        waker = Waker()
        hints = None if until_eof else Hints(watched(config.tail), waker, log)
        source = Tail(
            config.tail,
            state.register,
            key_prefix=state.id,
            ours=_ours(config, outputs),
            log=log,
            counters=counters,
            hints=hints,
            until_eof=until_eof,
            last_line=last_line,
        )
    except BaseException:
        state.close()
        raise

    def start() -> None:
        if hints is not None:
            hints.start()
        try:
            source.open(state.cursors(), time.monotonic())
        except CursorError as error:
            raise refusal(state.path, str(error)) from error
        gone.discard(may_cut=not source.missing)

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
    )
    if until_eof:
        outcome.unread = source.unread()
    return outcome


class GoneSinks:
    """Sinks that the state knows and the configuration no longer has: what they wrote beyond their marks is taken back
    a last time, and then they are forgotten."""

    def __init__(self, config: Config, state: State, steps: Sequence[Step], log: Any) -> None:
        self._config, self._state, self._log = config, state, log
        present = {step.sink_id for step in steps if step.role == "write"}
        self._sinks: dict[str, Any] = {}
        for name, record in state.sinks().items():
            if name not in present:
                try:
                    self._sinks[name] = build(load_written(record.use, record.options, config), config.directory)
                except ConfigError as error:
                    self._stays(name, str(error), "cannot be built to let go of its outputs")

    def paths(self) -> set[str]:
        """Their files, which are no source."""
        found: set[str] = set()
        for name, sink in self._sinks.items():
            try:
                found.update(_paths(name, sink, self._state))
            except ConfigError as error:
                self._stays(name, str(error), "cannot say which files are its own")
        return found

    def discard(self, *, may_cut: bool) -> None:
        """Before anything is read."""
        shape = shape_of(self._config, self._config.pipeline.workers)
        most = most_uncommitted(self._config.pipeline.commit_bytes, shape.output_bytes)
        marks = self._state.marks()
        for name, sink in self._sinks.items():
            if isinstance(sink, Discards):
                try:
                    if isinstance(sink, Connects):
                        sink.connect(About(name, most, self._say(name)))
                    sink.discard(marks.get(name, {}), may_cut)
                    if isinstance(sink, Closes):
                        sink.close()
                except (Exception, SystemExit) as error:
                    self._stays(name, f"{type(error).__name__}: {error}", "could not let go of its outputs")
                    continue
            self._state.forget(name)

    def _stays(self, name: str, why: str, what: str) -> None:
        """A sink that nobody wants any more keeps no other from its work."""
        self._log.error(
            "sink.gone", sink=name, why=why,
            notice=f"it is not in the configuration any more, and {what}: they stay as they are, and their marks in "
            "the state; the next start tries again",
        )  # fmt: skip

    def _say(self, name: str) -> Callable[[str], None]:
        return lambda notice: self._log.warning("sink.notice", sink=name, notice=notice)


def _paths(name: str, sink: Any, state: State) -> Sequence[str]:
    """A sink's files, as of the state. ConfigError: its class cannot say."""
    try:
        return checked_paths(sink, state.marks().get(name, {}))
    except Exception as error:
        why = f"its files are not known, and could be read as a source: {type(error).__name__}: {error}"
        raise ConfigError([f"{name}: {why}"]) from error


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
