"""The one place that knows all parts and wires them: a daemon with its state, or a replay without any."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from tailrace.pipeline.batch import Position
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.run.bridge import Bridge, Commit
from tailrace.pipeline.run.commit import DEAD_BYTES, LETTER_COST, Store, most_uncommitted
from tailrace.pipeline.run.engine import Engine, Outcome, Settings, Waker
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.source import Source
from tailrace.pipeline.stage import Mark, Write
from tailrace.pipeline.state.schema import SCHEMA_VERSION
from tailrace.pipeline.state.store import State
from tailrace.pipeline.telemetry.counters import Counters, Key
from tailrace.pipeline.work.layout import most_records
from tailrace.pipeline.work.process import Inline, Process, Worker
from tailrace.pipeline.work.ring import Geometry, Ring, geometry
from tailrace.pipeline.work.worker import PIECE, Work, settle_memory

WORKER_BASE = 24 << 20  # bytes: interpreter, stages and one piece's events
MAIN_BASE = 32 << 20  # bytes: interpreter, configuration, watcher, the database's cache
FILE_COST = 8 << 10  # bytes: what is kept of a file that is followed, and of an output
FEWEST_FILES = 1000
RECORD_COST = 400  # bytes: a payload that waits for its sink
LINE_COST = 64  # bytes that the stages that come with tailrace make at most of one byte (parse.logfmt of `a=b c=d`)
TEXT_COST = 4  # bytes that a byte of UTF-8 takes at most as text

Configure = Callable[[Engine], None]
"""Told the engine before it runs: the command line connects signals to it."""


class NoState:
    """A replay's store: file ids count up, nothing is kept."""

    def __init__(self) -> None:
        self._ids = 0

    def register(self, positions: Sequence[Position]) -> list[int]:
        first = self._ids + 1
        self._ids += len(positions)
        return list(range(first, self._ids + 1))

    def announce(self, sink: str, marks: Sequence[Mark]) -> None: ...

    def commit(self, commit: Commit) -> None: ...

    def marks(self) -> Mapping[str, Sequence[Mark]]:
        return {}

    def close(self) -> None: ...


def shape_of(config: Config, workers: int) -> Geometry:
    sinks = sum(spec.role == "write" for spec in config.stages)
    return geometry(config.pipeline.chunk_bytes, config.source.max_line_bytes, workers, sinks)


def memory_ceiling(config: Config, files: int = 0) -> list[tuple[str, int]]:
    """What the processes can take together at most, in bytes, part by part; ``files``: how many there are to follow."""
    settings = config.pipeline
    workers = settings.workers
    shape = shape_of(config, workers)
    records = most_records(shape.output_bytes)
    # A release is made while less than DEAD_BYTES wait; two cuts can have letters, the outstanding one and the next.
    release = records * LETTER_COST + TEXT_COST * shape.output_bytes + shape.input_bytes
    count = max(files, FEWEST_FILES)
    parts = [
        (f"ring: {shape.slots} slots", shape.total),
        ("results that wait for their sinks", shape.slots * records * RECORD_COST),
        ("main process", MAIN_BASE),
        (f"{count:,} files and their outputs, {FILE_COST >> 10} KiB each", count * FILE_COST),
        ("dead letters that wait for a commit", 2 * (DEAD_BYTES + release)),
    ]
    if workers:
        parts.append((f"{workers} workers: interpreter and stages", workers * WORKER_BASE))
        parts.append((f"{workers} workers: their own data (pipeline.worker_memory)", workers * settings.worker_memory))
    else:
        longest = max(PIECE, config.source.max_line_bytes)
        parts.append((f"stages: {LINE_COST} times the longest line (source.max_line_bytes)", LINE_COST * longest))
    return parts


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
        store = Bridge(state)
        steps = build_steps(config)
        _let_go_of_old_outputs(config, store, steps, log)
        waker = Waker()
        hints = None if until_eof else Hints(watched(config.tail), waker, log)
        source = Tail(
            config.tail,
            store.register,
            ours=_ours(config, state),
            log=log,
            counters=counters,
            hints=hints,
            until_eof=until_eof,
            last_line=last_line,
        )
    except BaseException:
        state.close()
        raise
    durable = dict(state.counters().values)

    def start() -> None:
        if hints is not None:
            hints.start()
        source.open(store.positions(), time.monotonic())

    outcome = _run(
        config,
        steps,
        source,
        store,
        counters,
        durable,
        settings.workers,
        log,
        waker,
        configure,
        on_turn,
        start,
        until_eof,
        give_up,
    )
    outcome.books = source.balances()
    if until_eof:
        outcome.unread = source.unread()
    return outcome


def run_replay(
    config: Config,
    source: Source,
    *,
    log: Any,
    counters: Counters,
    workers: int,
    keep_sinks: bool = False,
    pace: float | None = None,
    configure: Configure,
    on_turn: Callable[[float], None],
) -> Outcome:
    """Run recorded input through the same chain, touching no state; events go to standard output once.

    ``pace``: so many seconds of the events' own time pass in one of ours; None: as fast as it can. At a pace, what
    has not come out is given up at once when the engine is stopped. It is for standard output only.
    """
    assert pace is None or not keep_sinks
    if not keep_sinks:
        stages = [spec for spec in config.stages if spec.role != "write"]
        use, options = (
            ("write.stdout", {}) if pace is None else ("tailrace.stages.outputs.pace:PacedStdout", {"factor": pace})
        )
        stages.append(StageSpec(use, "write.stdout", "write", options, id="standard output"))
        config = replace(config, stages=tuple(stages))
    if pace is not None:
        config = replace(config, pipeline=replace(config.pipeline, shutdown_timeout=0.0))
    steps = build_steps(config)
    store = NoState()
    waker = Waker()

    def start() -> None:
        source.open([], time.monotonic())

    return _run(config, steps, source, store, counters, {}, workers, log, waker, configure, on_turn, start)


def _run(
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
    give_up: float | None = None,
) -> Outcome:
    settings = config.pipeline
    shape = shape_of(config, workers)
    ring = Ring.create(shape)
    writes = [(step.sink_id, cast(Write, step.stage)) for step in steps if step.role == "write"]
    for _, write in writes:
        if hasattr(write, "most_uncommitted"):
            write.most_uncommitted = most_uncommitted(settings.commit_bytes, shape.output_bytes)
    if workers:
        data = config.to_json()

        def hire() -> Worker:
            return Process("tailrace.pipeline.work.worker", ring, data, settings.line_timeout, settings.worker_memory)
    else:
        work = Work(steps, settings.line_timeout)

        def hire() -> Worker:
            return Inline(work, ring)

    engine = Engine(
        Settings(
            workers,
            settings.task_timeout,
            settings.commit_interval,
            settings.commit_bytes,
            settings.shutdown_timeout,
            until_eof,
            give_up,
        ),
        source,
        store,
        writes,
        ring,
        hire,
        counters,
        durable,
        log,
        waker,
        on_turn,
    )
    configure(engine)
    settle_memory()
    try:
        return engine.run(start)
    finally:
        ring.close()


def _ours(config: Config, state: State) -> Callable[[bytes], bool]:
    """Whether a path is one of our own outputs or state files."""
    state_dir = os.path.realpath(os.fsencode(config.pipeline.state_dir)) + b"/"

    def ours(path: bytes) -> bool:
        real = os.path.realpath(path)
        return real.startswith(state_dir) or os.fsdecode(real) in state.outputs

    return ours


def _let_go_of_old_outputs(config: Config, store: Bridge, steps: Sequence[Step], log: Any) -> None:
    """Outputs of sinks that the configuration no longer has are cut back to their marks a last time."""
    from tailrace.stages.write.file import File

    present = {step.sink_id for step in steps if step.role == "write"}
    most = most_uncommitted(config.pipeline.commit_bytes, shape_of(config, config.pipeline.workers).output_bytes)
    for sink, marks in store.marks().items():
        if sink not in present:
            old = File(path=marks[0].path)
            old.most_uncommitted = most
            old.recover(marks)
            old.close()
            for notice in old.notices:
                log.warning("sink.notice", sink=sink, notice=notice)
            store.state.forget(sink)


def _raise_file_limit() -> None:
    """Every file that is tailed keeps a descriptor; the soft limit is only a default."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
