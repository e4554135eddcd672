"""Dead letters through the chain again, touching nothing: what would come of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.run.assembly import Lent, assemble
from tailrace.pipeline.run.replay import NoState
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.source.redrive import Job
from tailrace.pipeline.state.dead_letters import DeadLetter, Filter, Letters
from tailrace.pipeline.state.store import Commit
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.stages.defaults import STANDARD_OUTPUT


class Nothing:
    """A source that has nothing."""

    changed = False

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


class _Kept(NoState):
    """What fails is remembered, as long as it lasts."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[DeadLetter] = []

    def commit(self, commit: Commit) -> None:
        self.letters += commit.dead_letters


def run_dry(
    config: Config, letters: Letters, wanted: Filter, *, log: Any
) -> tuple[Mapping[str, Any], list[DeadLetter]]:
    """Events go to standard output. What came of the letters (see ``Job.progress``), and those that failed again."""
    stages = [spec for spec in config.stages if spec.role != "write"]
    stages.append(StageSpec(STANDARD_OUTPUT, STANDARD_OUTPUT, "write", {}, id="standard output"))
    config = replace(config, stages=tuple(stages))
    job = Job(1, wanted, 1 << 62, letters.count(wanted))
    kept = _Kept()
    lent = Lent(
        Nothing(), kept, Counters(), {}, _Quiet(log), Waker(), set(), letters.between, deque([job])
    )  # fmt: skip
    run = assemble(config, build_steps(config), lent, workers=0, on_turn=lambda _: None, redrive_only=True)
    outcome = run(lambda _: None, lambda: None)
    if not outcome.complete and not outcome.closed:
        log.error("redrive.stopped", why=outcome.message)
    return job.progress(), kept.letters


class _Quiet:
    """What fails is told at the end, and not line by line."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def warning(self, event: str, /, **fields: Any) -> None:
        if event != "line.dead":
            self._log.warning(event, **fields)
