"""Sinks that the state knows and the configuration no longer has, or has as something else under the same id."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from tailrace.pipeline.chain.loader import build
from tailrace.pipeline.config.load import load_written
from tailrace.pipeline.errors import ConfigError, TailraceError
from tailrace.pipeline.outgoing import About
from tailrace.pipeline.run.commit import most_uncommitted
from tailrace.pipeline.run.memory import shape_of
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.settings import Config
from tailrace.pipeline.sinks.checked import checked_paths
from tailrace.pipeline.sinks.crew import describe
from tailrace.pipeline.stage import Closes, Connects, Discards, Marks
from tailrace.pipeline.state.store import State


class GoneSinks:
    """What they wrote beyond their marks is taken back a last time, and then they are forgotten. ConfigError: a sink's
    id belongs to another one, whose marks nobody else understands and which cannot be built any more."""

    def __init__(self, config: Config, state: State, log: Any, hanging: Collection[str] = ()) -> None:
        """``hanging``: ids of those that may still write, which are left alone."""
        self._config, self._state, self._log = config, state, log
        self._present = {spec.id: spec.use for spec in config.stages if spec.role == "write"}
        self._sinks: dict[str, Any] = {}  # by id; None: it has no marks
        marks = state.marks()
        for name, record in state.sinks().items():
            if self._present.get(name) == record.use or (name in hanging and name not in self._present):
                continue
            try:
                self._sinks[name] = (
                    build(load_written(record.use, record.options, config), config.directory)
                    if marks.get(name)
                    else None
                )
            except ConfigError as error:
                if name in self._present:
                    raise ConfigError([self._taken(name, record.use, str(error))]) from error
                self._stays(name, error)

    def __contains__(self, name: str) -> bool:
        return name in self._sinks

    def paths(self) -> set[str]:
        """Their files, which are no source."""
        marks = self._state.marks()
        found: set[str] = set()
        for name, sink in self._sinks.items():
            try:
                found.update(paths_of(name, sink, marks.get(name, {})))
            except ConfigError as error:
                self._stays(name, error)
        return found

    def discard(self, *, may_cut: bool) -> None:
        """Before anything is read, and before the sinks that have their ids are entered in the state. TailraceError:
        one whose id another has now could not let go."""
        for name, sink in self._sinks.items():
            try:
                self._discard(name, sink, may_cut=may_cut)
            except (Exception, SystemExit) as error:  # a sink that nobody wants any more ends no start
                if name in self._present:
                    use = self._state.sinks()[name].use
                    raise TailraceError(self._taken(name, use, describe(error))) from error
                self._stays(name, error)
            else:
                self._state.forget(name)

    def _discard(self, name: str, sink: Any, *, may_cut: bool) -> None:
        if not isinstance(sink, Discards):
            return
        if isinstance(sink, Connects):
            shape = shape_of(self._config, self._config.pipeline.workers)
            most = most_uncommitted(self._config.pipeline.commit_bytes, shape.output_bytes)
            sink.connect(About(name, most, self._say(name)))
        sink.discard(self._state.marks().get(name, {}), may_cut)
        if isinstance(sink, Closes):
            sink.close()

    def _taken(self, name: str, use: str, why: str) -> str:
        return (
            f'the id "{name}" is used by {self._present[name]} now, and what {use} wrote under that id beyond its last '
            f"commit cannot be taken back: {why}; put that right, or give the new stage another id"
        )

    def _stays(self, name: str, error: BaseException) -> None:
        self._log.error(
            "sink.gone", sink=name, why=str(error) if isinstance(error, ConfigError) else describe(error),
            notice="it is not in the configuration any more, and what it wrote beyond its last commit cannot be taken "
            "back: its outputs stay as they are, and their marks in the state; the next start tries again",
        )  # fmt: skip

    def _say(self, name: str) -> Callable[[str], None]:
        return lambda notice: self._log.warning("sink.notice", sink=name, notice=notice)


def paths_of(name: str, sink: Any, marks: Marks) -> Sequence[str]:
    """A sink's files. ConfigError: its class cannot say."""
    try:
        return checked_paths(sink, marks)
    except Exception as error:
        raise ConfigError(
            [f"{name}: its files are not known, and could be read as a source: {describe(error)}"]
        ) from error


def say_removed(before: Config, now: Config, outcome: Outcome, hanging: Collection[str], log: Any) -> None:
    """What became of the sinks that this configuration does not have; ``outcome`` is that of the run before."""
    stay = {spec.id for spec in now.stages if spec.role == "write"}
    for spec in before.stages:
        if spec.role != "write" or spec.id in stay:
            continue
        held = outcome.held.get(spec.id, 0)
        if not held:
            log.info("sink.removed", sink=spec.id, notice="it has everything that was read for it")
            continue
        notice = (
            "what it was given since the last commit is not in it, or may be in it although it is taken back: bytes of "
            "output, and lines read since then"
        )
        if spec.id in hanging:
            notice += ". It hangs in a call and may still write: what is behind its last commit is taken back later"
        log.warning(
            "sink.removed", sink=spec.id, bytes=held, lines=int(outcome.counters.total("lines_pending")),
            why=outcome.message, notice=notice,
        )  # fmt: skip
