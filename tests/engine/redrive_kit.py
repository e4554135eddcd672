"""Dead letters in a state, and an engine that sends them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tailrace.pipeline.source.redrive import Job
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.store import Commit, State
from tailrace.pipeline.testing.doubles import ListSource

from .engine_kit import Pipeline


def opened(home: Path, max_bytes: int = 1 << 20, when_full: Literal["block", "drop_oldest"] = "block") -> State:
    state = State(str(home / "state"), max_bytes=max_bytes, when_full=when_full, config="")
    state.open()
    return state


def letter(at: int, raw: bytes, stage: str = "parse.lines", **more: Any) -> DeadLetter:
    known: dict[str, Any] = {"stream": 1, "event_id": f"test-1:{at}", "clock": 1.0, "year_bound": 1.0, **more}
    return DeadLetter(
        5.0, stage, "bad", "why", file="a.log", path="/a.log", offset=at, raw=raw,
        **{"length": len(raw), **known},
    )  # fmt: skip


def letters(count: int, word: str = "", **more: Any) -> list[DeadLetter]:
    """Of every other line."""
    return [letter(200 * n, b"%d %s%s" % (n, word.encode(), b"x" * 50), **more) for n in range(count)]


def put(home: Path, some: Sequence[DeadLetter], **options: Any) -> None:
    state = opened(home, **options)
    state.commit(Commit({}, {}, some, {}))
    state.close()


def rows(home: Path, columns: str = "id, attempts, stage, error") -> list[tuple[Any, ...]]:
    state = opened(home)
    found = state._db.execute(f"SELECT {columns} FROM dead_letters ORDER BY id").fetchall()  # noqa: S608  (ours)
    state.close()
    return found


def over(home: Path, *stages: Any, data: bytes = b"", max_bytes: int = 1 << 20, **options: Any) -> Pipeline:
    state = opened(home, max_bytes)
    return Pipeline(
        ListSource({"a.log": data}, state.register), *stages, store=state, durable=dict(state.counters().values),
        **options,
    )  # fmt: skip


def sent_again(home: Path, *stages: Any, **options: Any) -> tuple[Pipeline, Job]:
    """All letters, to the end."""
    pipeline = over(home, *stages, **options)
    job = pipeline.redrive()
    assert pipeline.run().complete
    assert not job.running
    return pipeline, job
