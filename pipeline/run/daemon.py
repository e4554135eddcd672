"""A daemon: the state and the source, which last, and one run of a configuration after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from time import time as wall
from typing import Any, Protocol

from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.run.assembly import Configure, Run, assemble
from tailrace.pipeline.run.control import Control
from tailrace.pipeline.run.describing import description
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.run.gone import GoneSinks, paths_of, say_removed
from tailrace.pipeline.run.lent import Lent
from tailrace.pipeline.run.lingering import Lingering, in_the_way
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.run.reload import Reload, problems_of
from tailrace.pipeline.run.supply import Supply
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.settings import Config
from tailrace.pipeline.source import Balances, Unreadable
from tailrace.pipeline.state.file import SinkRecord
from tailrace.pipeline.state.letters import Filter
from tailrace.pipeline.state.schema import SCHEMA_VERSION
from tailrace.pipeline.state.store import State
from tailrace.pipeline.status.api import Actions
from tailrace.pipeline.status.requests import Requests
from tailrace.pipeline.status.tapping import Taps
from tailrace.pipeline.telemetry.board import Board
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.work.limits import raise_file_limit

Refuse = Callable[[Sequence[str]], None]
"""Told what is wrong, in words."""


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
        self._started = self._loaded = wall()
        self._requests = Requests(self._waker)
        self._taps = Taps(self._requests)
        self._outputs: set[str] = set()  # paths of all that was ever written to in this process
        self._down: dict[str, float] = {}  # since when sinks cannot write
        self._lingering = Lingering()
        self._engine: Engine | None = None
        self._stop_asked = False
        self._next: Prepared | None = None  # what the run that is ending makes room for
        self._before: tuple[Config, Outcome] | None = None  # what made room and how it ended, until the next has begun

    def stop(self) -> None:
        """From any thread or signal handler."""
        self._stop_asked = True
        if self._engine is not None:
            self._engine.stop()

    def wake(self) -> None:
        """The next turn begins now. From any thread or signal handler."""
        self._waker()

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
        began = monotonic()
        prepared = Prepared(self._config, build_steps(self._config))
        gone = self._gone(prepared)
        self._supply = Supply(
            self._config, self._state, self._outputs, self._log, self._counters, self._waker,
            until_eof=self._until_eof, last_line=self._last_line,
        )  # fmt: skip
        try:
            if self._make_server is not None:
                self._server = self._make_server(self._board, self._control)
                self._server.start(self._config.status.listen)
            outcome = self._run(self._assemble(prepared), prepared, gone)
            while self._next is not None and not self._stop_asked and not outcome.closed:
                outcome = self._change(self._next, outcome)
        finally:
            if self._server is not None:
                self._server.close()
            self._supply.close()
        outcome.seconds = monotonic() - began
        source = self._supply.source
        outcome.balances = source.balances() if isinstance(source, Balances) else ()
        if self._until_eof and isinstance(source, Unreadable):
            outcome.unread = source.unread()
        return outcome

    # One run.

    def _assemble(self, prepared: Prepared) -> Run:
        lent = Lent(
            self._supply.source, self._state, self._counters, self._durable, self._log, self._waker, self._outputs,
            self._control.fetch, self._control.jobs, self._board.publish, self._taps.sampled, self._state.id,
            lambda: self._state.letters.last, self._down,
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

    def _run(self, run: Run, prepared: Prepared, gone: GoneSinks, *, behind: bool = False) -> Outcome:
        """``behind``: what outputs hold beyond the last commit can be made again: this process has just read it."""

        def start() -> None:
            self._supply.open()
            gone.discard(may_cut=behind or self._supply.whole)
            sinks = [spec for spec in prepared.config.stages if spec.role == "write"]
            self._state.enter_sinks({spec.id: SinkRecord(spec.use, spec.written) for spec in sinks})

        self._engine = run.engine
        self._taps.attach(run.ring.tap, run.labels)
        self._board.begin(description(prepared.config, prepared.steps, self._started, self._loaded))
        if self._stop_asked:
            run.engine.stop()
        try:
            return run(self._configure, start, behind=behind)
        except Exception:
            if self._before is not None:
                run.engine.take_back()
            raise
        finally:
            self._lingering.add(run.engine.left, prepared.config)

    def _gone(self, prepared: Prepared) -> GoneSinks:
        """The sinks that the state has and this configuration does not; and all outputs become known."""
        gone = GoneSinks(prepared.config, self._state, self._log, self._lingering.names)
        self._outputs |= gone.paths()
        marks = self._state.marks()
        for step in prepared.steps:
            if step.role == "write":
                known = {} if step.sink_id in gone else marks.get(step.sink_id, {})
                self._outputs.update(paths_of(step.sink_id, step.stage, known))
        return gone

    def _spared(self) -> set[int]:
        """Dead letters that are on their way."""
        return set() if self._engine is None else self._engine.spared

    # From one run to the next.

    def _turn(self, now: float) -> None:
        self._on_turn(now)
        self._control.serve(now, self._config.dead_letters.max_age)
        assert self._engine is not None
        if self._stop_asked:
            return
        if self._next is not None:
            self._look_at_those_that_hang(self._next.config, now)
        elif self._before is not None:
            self._look_whether_it_has_begun(*self._before)
        elif self._requests.waiting:
            self._prepare(self._config, self._refuse_request)
        elif self._reload is None:
            return
        elif (config := self._reload.look(now, self._config)) is not None:
            self._prepare(config, self._reload.reject)

    def _look_whether_it_has_begun(self, before: Config, outcome: Outcome) -> None:
        assert self._engine is not None
        assert self._reload is not None
        if self._engine.ready:
            self._before = None
            say_removed(before, self._config, outcome, self._lingering.names, self._log)
            self._reload.accept(self._config)

    def _prepare(self, config: Config, refuse: Refuse) -> None:
        """End the run for this one, if that can be built."""
        assert self._engine is not None
        try:
            self._next = Prepared(config, build_steps(config))
            GoneSinks(config, self._state, self._log, self._lingering.names)
            if self._server is not None:
                self._server.listen(config.status.listen)
        except Exception as error:  # also of a user's module
            self._next = None
            refuse(problems_of(error))
        else:
            by_hand = config is self._config
            why = "the state is to be changed by hand" if by_hand else "the configuration has changed or was read anew"
            self._engine.hand_over(why, leave_source=not self._supply.goes_on_with(config))

    def _refuse_request(self, problems: Sequence[str]) -> None:
        self._requests.refuse_between(TailraceError("\n".join(problems)))

    def _look_at_those_that_hang(self, coming: Config, now: float) -> None:
        """When the time is up the run ends without what a sink has not taken. But not while that sink may still write
        where the next run would write, too."""
        assert self._engine is not None
        why = in_the_way(self._engine.held_up(now), self._config, coming)
        if not why:
            return
        self._next = None
        self._engine.stay()
        if self._stop_asked:  # since the turn began
            self._engine.stop()
        if coming is self._config or self._reload is None:
            self._refuse_request([why])
        else:
            self._go_back(self._reload, [why])

    def _change(self, prepared: Prepared, outcome: Outcome) -> Outcome:
        """The next run. What only shows when it begins takes everything back to the configuration before."""
        self._next = None
        if prepared.config is self._config:  # somebody changes the state by hand
            self._requests.serve_between()
            self._supply.renew(prepared.config)
            return self._begin(prepared)
        assert self._reload is not None
        before, loaded = self._config, self._loaded
        self._before, self._loaded = (before, outcome), wall()
        try:
            return self._begin(prepared)
        except Exception as error:  # likewise
            if self._before is None:
                raise
            problems = problems_of(error)
        self._before, self._config, self._loaded = None, before, loaded
        self._go_back(self._reload, problems)
        return self._begin(Prepared(before, build_steps(before)))

    def _go_back(self, reload: Reload, problems: Sequence[str]) -> None:
        reload.reject(problems)
        try:
            if self._server is not None:
                self._server.listen(self._config.status.listen)
        except TailraceError as error:  # somebody else has taken the address
            self._log.error("status.failed", address=self._config.status.listen, why=str(error))

    def _begin(self, prepared: Prepared) -> Outcome:
        if why := self._lingering.in_the_way_of(prepared.config):
            raise TailraceError(f"{why}; the next start goes on from the last commit")
        gone = self._gone(prepared)
        self._supply.follow(prepared.config)
        run = self._assemble(prepared)
        self._config = prepared.config
        letters = prepared.config.dead_letters
        self._state.limit_letters(letters.max_bytes, letters.when_full, prepared.config.digest)
        return self._run(run, prepared, gone, behind=True)


def run_daemon(config: Config, **options: Any) -> Outcome:
    """See ``Daemon``."""
    return Daemon(config, **options).run()
