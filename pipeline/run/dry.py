"""Dead letters through the chain again, touching nothing: what would come of them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

from tailrace.pipeline.batch import Chunk, Event
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.outgoing import Outgoing, Payload
from tailrace.pipeline.run.assembly import Configure, assemble
from tailrace.pipeline.run.lent import Lent
from tailrace.pipeline.run.replay import NoState
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.settings import Config, StageSpec, TailSettings
from tailrace.pipeline.source import CursorError
from tailrace.pipeline.source.building import cursors_of
from tailrace.pipeline.source.redrive import Job
from tailrace.pipeline.source.tail.cursor import written_as
from tailrace.pipeline.source.tail.position import Position
from tailrace.pipeline.stage import Guarantee, Write
from tailrace.pipeline.state.file import known_memory, known_streams
from tailrace.pipeline.state.letters import Filter, Letters
from tailrace.pipeline.state.store import Commit
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.stages.defaults import STANDARD_OUTPUT


@dataclass(slots=True)
class Kind:
    """Letters that would fail again in one stage, with one error."""

    stage: str
    error: str
    why: str  # of the first
    count: int = 0


@dataclass(slots=True)
class Dry:
    """What would come of the letters."""

    job: Job
    failed: Sequence[Kind]
    closed: bool = False  # nobody reads the events any more
    message: str = ""  # why it did not come to its end


class Nothing:
    """A source that has nothing; of the state's files it knows the encoding."""

    changed = False

    def __init__(self, config: Config) -> None:
        self._configured = encoding(config.source.encoding)
        self._cursors: Mapping[int, Any] = {}
        if isinstance(config.source, TailSettings):
            self._cursors = cursors_of(config.source.use, known_streams(config.pipeline.state_dir)[1])

    def written_in(self, stream: int) -> str | None:
        try:
            file = Position.from_json(stream, self._cursors[stream])
            if file.ended or not file.path:
                return None
            descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (KeyError, CursorError, OSError):
            return None
        try:
            same = os.fstat(descriptor).st_ino == file.inode
            return written_as(descriptor, self._configured).name if same else None
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def open(self, remembered: Mapping[int, Any], now: float) -> None: ...
    def poll(self, now: float) -> float:  # noqa: ARG002
        return 1.0

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:  # noqa: ARG002
        return None

    def released(self, chunk: Chunk, done: int, data: memoryview, dead: int = 0) -> None: ...
    def cut(self) -> dict[int, Any]:
        return {}

    def committed(self, cursors: Mapping[int, Any]) -> None: ...
    def retired(self) -> list[int]:
        return []

    def rewind(self) -> None: ...
    def leave(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class Tried:
    """In a sink's place: its events are encoded, and go nowhere."""

    guarantee: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE

    stage: Write

    def __post_init__(self) -> None:
        if (locate := getattr(self.stage, "locate", None)) is not None:
            self.locate = locate

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        for _ in self.stage.encode(events):
            pass
        return []

    def deliver(self, batch: Outgoing) -> None: ...


@dataclass
class _Told(NoState):
    """Remembers what stages do, and what fails, as long as it lasts."""

    remembered: Mapping[str, Mapping[str, bytes]]
    failed: dict[tuple[str, str], Kind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def memory(self) -> Mapping[str, Mapping[str, bytes]]:
        return self.remembered

    def commit(self, commit: Commit) -> bool:
        for letter in commit.dead_letters:
            kind = self.failed.setdefault((letter.stage, letter.error), Kind(letter.stage, letter.error, letter.why))
            kind.count += 1
        return False


def run_dry(config: Config, letters: Letters, wanted: Filter, *, log: Any, configure: Configure) -> Dry:
    """Events go to standard output, once each."""
    end = StageSpec(STANDARD_OUTPUT, "standard output", "write", {}, id="standard output")
    config = replace(config, stages=(*config.stages, end))
    *steps, last = build_steps(config)
    steps = [_tried(step) if step.role == "write" else step for step in steps]
    newest = letters.newest(wanted, 1)  # a daemon may add others meanwhile
    job = Job(1, wanted, newest[0].id if newest else 0, letters.count(wanted))
    told = _Told(known_memory(config.pipeline.state_dir))
    lent = Lent(
        Nothing(config), told, Counters(), {}, _Quiet(log), Waker(), set(), letters.between, deque([job])
    )  # fmt: skip
    steps = [*steps, replace(last, looks_on=True)]
    run = assemble(config, steps, lent, workers=0, on_turn=lambda _: None, redrive_only=True)
    outcome = run(configure, lambda: None)
    return Dry(job, list(told.failed.values()), outcome.closed, outcome.message)


def _tried(step: Step) -> Step:
    return replace(step, stage=Tried(cast(Write, step.stage)), told_apart=False)


class _Quiet:
    """What fails is told at the end, and not line by line."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def warning(self, event: str, /, **fields: Any) -> None:
        if event != "line.dead":
            self._log.warning(event, **fields)
