"""A daemon: the state and the source, which last, and one run of a configuration after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import time as wall
from typing import Any, Protocol

from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.run.assembly import Configure, Lent, Run, assemble
from tailrace.pipeline.run.control import Control
from tailrace.pipeline.run.describing import description
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.run.gone import GoneSinks, paths_of
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.run.reload import Reload
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.settings import Config
from tailrace.pipeline.source import Balances, CursorError, HandsOver, Source, Unreadable, Whole
from tailrace.pipeline.source.building import Surroundings, build, cursors_of
from tailrace.pipeline.state.dead_letters import Filter
from tailrace.pipeline.state.file import SinkRecord, refusal
from tailrace.pipeline.state.schema import SCHEMA_VERSION
from tailrace.pipeline.state.store import State
from tailrace.pipeline.status.api import Actions
from tailrace.pipeline.status.requests import Requests
from tailrace.pipeline.status.tapping import Taps
from tailrace.pipeline.telemetry.board import Board
from tailrace.pipeline.telemetry.counters import Counters


class Serves(Protocol):
    """What others ask through; see ``status.server``."""

    def start(self, address: str | None) -> None: ...
    def listen(self, address: str | None) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True, frozen=True)
class Prepared:
    """A configuration whose stages could be built."""

    config: Config
    steps: Sequence[Step]


class Daemon:
    """``run`` returns when it is stopped; ``until_eof``: when all that is there is done, or no sink has taken anything
    for ``give_up`` seconds. All is called from one thread, but for ``stop`` and ``reload.ask``."""

    def __init__(
        self,
        config: Config,
        *,
        log: Any,
        counters: Counters,
        until_eof: bool = False,
        give_up: float | None = None,
        last_line: bool = False,
        configure: Configure,
        on_turn: Callable[[float], None],
        reload: Reload | None = None,
        server: Callable[[Board, Actions], Serves] | None = None,
        redrive: Filter | None = None,
    ) -> None:
        """``server``: makes what others ask through. ``redrive``: only these dead letters are sent through the chain
        again, and nothing is read."""
        self._config, self._log, self._counters = config, log, counters
        self._until_eof, self._give_up, self._last_line = until_eof, give_up, last_line
        self._configure, self._on_turn, self._reload = configure, on_turn, reload
        self._waker = Waker()
        self._make_server, self._redrive_only = server, redrive
        self._server: Serves | None = None
        self._board = Board()
        self._started = wall()
        self._requests = Requests(self._waker)
        self._taps = Taps(self._requests)
        self._outputs: set[str] = set()  # paths of all that was ever written to in this process
        self._engine: Engine | None = None
        self._stop_asked = False
        self._next: Prepared | None = None  # what the run that is ending makes room for
        self._before: Config | None = None  # the configuration that made room, until the workers have built the new one

    def stop(self) -> None:
        """From any thread or signal handler."""
        self._stop_asked = True
        if self._engine is not None:
            self._engine.stop()

    def redriven(self) -> Mapping[str, Any] | None:
        """What has come of the dead letters that were last asked for."""
        return self._control.redrive_progress()

    def run(self) -> Outcome:
        raise_file_limit()
        settings, letters = self._config.pipeline, self._config.dead_letters
        self._state = state = State(
            settings.state_dir, max_bytes=letters.max_bytes, when_full=letters.when_full, config=self._config.digest
        )
        state.open()
        try:
            if state.upgraded_from is not None:
                self._log.info("state.upgraded", file=str(state.path), schema=SCHEMA_VERSION, was=state.upgraded_from)
            return self._run_all()
        finally:
            state.close()

    def _run_all(self) -> Outcome:
        self._board.durable = self._durable = dict(self._state.counters().values)
        self._control = Control(
            self._state, self._requests, self._reload, self._taps, self._spared, lambda: self._config, self._counters,
            self._log, self._waker,
        )  # fmt: skip
        if self._redrive_only is not None:
            self._control.begin_redrive(self._redrive_only)
        prepared = Prepared(self._config, build_steps(self._config))
        gone = self._gone(prepared)
        self._source = self._build_source(self._config)
        try:
            if self._make_server is not None:
                self._server = self._make_server(self._board, self._control)
                self._server.start(self._config.status.listen)
            outcome = self._run(self._assemble(prepared), prepared, gone, first=True)
            while self._next is not None and not self._stop_asked and not outcome.closed:
                outcome = self._change(prepared, outcome)
                prepared = Prepared(self._config, ())
        finally:
            if self._server is not None:
                self._server.close()
            self._source.close()
        outcome.balances = self._source.balances() if isinstance(self._source, Balances) else ()
        if self._until_eof and isinstance(self._source, Unreadable):
            outcome.unread = self._source.unread()
        return outcome

    # One run.

    def _assemble(self, prepared: Prepared) -> Run:
        lent = Lent(
            self._source, self._state, self._counters, self._durable, self._log, self._waker, self._outputs,
            self._control.fetch, self._control.jobs, self._board.publish, self._taps.sampled, state=self._state.id,
        )  # fmt: skip
        return assemble(
            prepared.config,
            prepared.steps,
            lent,
            workers=prepared.config.pipeline.workers,
            on_turn=self._turn,
            until_eof=self._until_eof,
            give_up=self._give_up,
            redrive_only=self._redrive_only is not None,
        )

    def _run(self, run: Run, prepared: Prepared, gone: GoneSinks, *, first: bool, behind: bool = False) -> Outcome:
        """``first``: the source is to be opened. ``behind``: what outputs hold beyond the last commit can be made
        again: this source has just read it."""

        def start() -> None:
            if first:
                self._open_source(prepared.config)
            may_cut = behind or not (isinstance(self._source, Whole) and self._source.missing)
            gone.discard(may_cut=may_cut)
            sinks = [spec for spec in prepared.config.stages if spec.role == "write"]
            self._state.enter_sinks({spec.id: SinkRecord(spec.use, spec.written) for spec in sinks})

        self._engine = run.engine
        self._taps.attach(run.ring.tap, run.labels)
        self._board.about = description(prepared.config, prepared.steps, self._started)
        if self._stop_asked:
            run.engine.stop()
        return run(self._configure, start, behind=behind)

    def _gone(self, prepared: Prepared) -> GoneSinks:
        """The sinks that the state has and this configuration does not; and all outputs become known."""
        gone = GoneSinks(prepared.config, self._state, self._log)
        self._outputs |= gone.paths()
        marks = self._state.marks()
        for step in prepared.steps:
            if step.role == "write":
                known = {} if step.sink_id in gone else marks.get(step.sink_id, {})
                self._outputs.update(paths_of(step.sink_id, step.stage, known))
        return gone

    def _build_source(self, config: Config, kept: Mapping[int, int] | None = None) -> Source:
        return build(
            config.source,
            Surroundings(
                self._state.register, self._state.id, ours(config, self._outputs), self._log, self._counters,
                self._waker, config.pipeline.chunk_bytes, self._until_eof, self._last_line, kept or {},
            ),
        )  # fmt: skip

    def _open_source(self, config: Config) -> None:
        try:
            self._source.open(cursors_of(config.source.use, self._state.cursors()), time.monotonic())
        except CursorError as error:
            raise refusal(self._state.path, str(error)) from error

    def _spared(self) -> frozenset[int]:
        """Dead letters that are on their way."""
        return frozenset() if self._engine is None else self._engine.spared

    # From one run to the next.

    def _turn(self, now: float) -> None:
        self._on_turn(now)
        self._control.serve(now, self._config.dead_letters.max_age)
        if self._next is not None or self._stop_asked:
            return
        assert self._engine is not None
        if self._requests.waiting:
            self._next = Prepared(self._config, build_steps(self._config))
            self._engine.hand_over(leave_source=not isinstance(self._source, HandsOver))
        if self._reload is None:
            return
        if self._before is not None:
            if self._engine.ready:
                self._reload.accept(self._before, self._config)
                self._before = None
            return
        config = self._reload.look(now, self._config)
        if config is None:
            return
        try:
            prepared = Prepared(config, build_steps(config))
            GoneSinks(config, self._state, self._log)
            if self._server is not None:
                self._server.listen(config.status.listen)
        except TailraceError as error:
            self._reload.reject(getattr(error, "problems", None) or [str(error)])
            return
        self._next = prepared
        self._engine.hand_over(leave_source=not (self._keeps_source(config) or self._hands_over(config)))

    def _keeps_source(self, config: Config) -> bool:
        same_chunks = config.pipeline.chunk_bytes == self._config.pipeline.chunk_bytes
        return same_chunks and config.source == self._config.source

    def _hands_over(self, config: Config) -> bool:
        return config.source.use == self._config.source.use and isinstance(self._source, HandsOver)

    def _change(self, before: Prepared, outcome: Outcome) -> Outcome:
        """The next run. What only shows when it is put together takes everything back to the configuration before."""
        assert self._next is not None
        prepared, self._next = self._next, None
        if prepared.config is self._config:  # somebody changes the state by hand
            return self._go_on(prepared)
        assert self._reload is not None
        self._say_removed(prepared.config, outcome)
        keeps = self._keeps_source(prepared.config)
        try:
            gone = self._gone(prepared)
            if not keeps:
                self._exchange_source(prepared.config)
            run = self._assemble(prepared)
        except TailraceError as error:
            self._reload.reject(getattr(error, "problems", None) or [str(error)])
            prepared = Prepared(before.config, build_steps(before.config))
            gone = self._gone(prepared)
            if not keeps:
                self._exchange_source(prepared.config)
            run = self._assemble(prepared)
        else:
            self._before = self._config
        self._config = prepared.config
        letters = prepared.config.dead_letters
        self._state.limit_letters(letters.max_bytes, letters.when_full, prepared.config.digest)
        return self._run(run, prepared, gone, first=not keeps, behind=True)

    def _go_on(self, prepared: Prepared) -> Outcome:
        """With the same configuration, when that is done which had to wait for the end of the run."""
        self._requests.serve_between()
        gone = self._gone(prepared)
        self._exchange_source(prepared.config)
        return self._run(self._assemble(prepared), prepared, gone, first=True, behind=True)

    def _exchange_source(self, config: Config) -> None:
        kept: Mapping[int, int] = {}
        if self._hands_over(config) and isinstance(self._source, HandsOver):
            kept = self._source.hand_over()
        else:
            self._source.close()
        self._source = self._build_source(config, kept)

    def _say_removed(self, config: Config, outcome: Outcome) -> None:
        """What became of the sinks that the next configuration does not have."""
        stay = {spec.id for spec in config.stages if spec.role == "write"}
        for spec in self._config.stages:
            if spec.role != "write" or spec.id in stay:
                continue
            held = outcome.held.get(spec.id, 0)
            if held:
                self._log.warning(
                    "sink.removed", sink=spec.id, bytes=held, lines=int(outcome.counters.total("lines_pending")),
                    why=outcome.message, notice="what it was given since the last commit is not in it, or may be in it "
                    "although it is taken back: bytes of output, and lines read since then",
                )  # fmt: skip
            else:
                self._log.info("sink.removed", sink=spec.id, notice="it has everything that was read for it")


def run_daemon(config: Config, **options: Any) -> Outcome:
    """See ``Daemon``."""
    return Daemon(config, **options).run()


def ours(config: Config, outputs: set[str]) -> Callable[[bytes], bool]:
    """Whether a path is one of our own outputs or state files."""
    state_dir = os.path.realpath(os.fsencode(config.pipeline.state_dir)) + b"/"

    def is_ours(path: bytes) -> bool:
        real = os.path.realpath(path)
        return real.startswith(state_dir) or os.fsdecode(real) in outputs

    return is_ours


def raise_file_limit() -> None:
    """Every file that is tailed keeps a descriptor; the soft limit is only a default."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
