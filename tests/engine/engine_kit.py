"""Stages that misbehave on request, and shorthands to build the engine's parts from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import orjson
from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.chain.stateful import Remembered
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import build_steps, memories, to_json
from tailrace.pipeline.outgoing import Payload
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.run.lent import Lent, Settings
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.sinks.crew import Crew, Sink
from tailrace.pipeline.source.redrive import Job, Redrive
from tailrace.pipeline.stage import Guarantee, Marks
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.letters import Filter, Letter
from tailrace.pipeline.state.store import Commit, State
from tailrace.pipeline.sums.sums import Sums, sums_of
from tailrace.pipeline.telemetry.counters import Counters, Key
from tailrace.pipeline.testing.doubles import MemorySink
from tailrace.pipeline.work.dispatch import Dispatch
from tailrace.pipeline.work.process import Inline, Process, Worker
from tailrace.pipeline.work.ring import Geometry, Ring
from tailrace.pipeline.work.worker import Work

Entries = list[Event | Fail]


class LineParser:
    """Parses a line to its text; lines with a word of ``parse-...`` misbehave."""

    def parse(self, lines: Lines) -> Entries:
        out: Entries = []
        for line in lines:
            if "parse-raise" in line:
                raise ValueError("parse raised")
            out.append(Fail("no_match", "does not match") if "parse-fail" in line else {"message": line})
        return out


class Moody:
    """Does to each event what its message asks for."""

    def process(self, events: list[Event]) -> Entries:
        out: Entries = []
        for event in events:
            message = event["message"]
            if "raise" in message:
                raise RuntimeError("asked to raise")
            if "exit" in message:
                raise SystemExit(3)
            if "interrupt" in message:
                raise KeyboardInterrupt
            if "fail-new" in message:
                out.append(Fail("bad", "asked to fail", event=dict(event)))
            elif "fail" in message:
                out.append(Fail("bad", "asked to fail", event=event))
            elif "dup" in message:
                out += [event, {**event, "copy": True}]
            elif "new" in message:
                out.append({**event})
            elif "drop" not in message:
                out.append(event)
        return out


class Each:
    """A function over each event, as a stage of whole lists."""

    def __init__(self, function: Callable[[Event], Any]) -> None:
        self._function = function

    def process(self, events: list[Event]) -> Entries:
        return [self._function(event) for event in events]


class Json:
    """A sink as the worker sees it: NDJSON to "out", or to the event's ``to``."""

    guarantee: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        for event in events:
            if "bad-encode" in event["message"]:
                raise TypeError("cannot be encoded")
            yield Payload(event.get("to", "out"), orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))


def steps(*stages: Any, sink: bool = True) -> list[Step]:
    """Lines, these stages (or ready steps) and one sink called "out"."""
    made = [Step("parse.lines", "parse", LineParser())]
    for number, stage in enumerate(stages):
        made.append(stage if isinstance(stage, Step) else Step(f"stage{number}", "enrich", stage))
    if sink:
        made.append(to_sink(0))
    return made


def to_sink(number: int, stage: Any = None, **options: Any) -> Step:
    name = "out" if number == 0 else f"out{number}"
    sink: Any = stage or Json()  # only what the worker needs of a sink
    told_apart = getattr(sink, "batch", None) is not None
    return Step(f"write.{name}", "write", sink, sink=number, sink_id=name, told_apart=told_apart, **options)


class Log:
    """Remembers what is said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, Any]]] = []

    def is_enabled_for(self, level: str) -> bool:
        return level == "debug"

    def debug(self, event: str, /, **fields: Any) -> None:
        self.said.append(("debug", event, fields))

    def info(self, event: str, /, **fields: Any) -> None:
        self.said.append(("info", event, fields))

    def warning(self, event: str, /, **fields: Any) -> None:
        self.said.append(("warning", event, fields))

    def error(self, event: str, /, **fields: Any) -> None:
        self.said.append(("error", event, fields))

    def fields(self, event: str) -> list[dict[str, Any]]:
        return [fields for _, name, fields in self.said if name == event]


class MemoryStore:
    """A store that keeps everything in memory and can be told to fail: ``failures`` by method, first one first."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.letters: list[DeadLetter] = []
        self.cursors: dict[int, Any] = {}
        self.kept: dict[str, dict[str, Any]] = {}
        self.remembered: dict[str, dict[str, bytes]] = {}
        self.failures: dict[str, list[BaseException]] = {}

    def _called(self, method: str) -> None:
        if self.failures.get(method):
            raise self.failures[method].pop(0)

    def register(self, cursors: Sequence[Any]) -> list[int]:
        self._called("register")
        streams = list(range(len(self.cursors) + 1, len(self.cursors) + 1 + len(cursors)))
        self.cursors |= dict(zip(streams, cursors, strict=True))
        return streams

    def announce(self, sink: str, marks: Marks) -> None:
        self._called("announce")
        self.kept.setdefault(sink, {}).update(marks)

    def commit(self, commit: Commit) -> bool:
        self._called("commit")
        self.commits.append(commit)
        self.letters += commit.dead_letters
        self.cursors |= commit.cursors
        for sink, marks in commit.marks.items():
            self.kept.setdefault(sink, {}).update(marks)
        for stage, changes in commit.memory.items():
            values = self.remembered.setdefault(stage, {})
            values |= {key: value for key, value in changes.items() if value is not None}
            for key in [key for key, value in changes.items() if value is None]:
                values.pop(key, None)
        return False

    def marks(self) -> dict[str, dict[str, Any]]:
        return self.kept

    def memory(self) -> dict[str, dict[str, bytes]]:
        return self.remembered


class Pipeline:
    """An engine put together of doubles and real parts: ``stages`` are StageSpecs of enrich stages, or ready ones
    (then ``workers`` must be 0). Sinks are called "out", "out1" ... and stand at the end, or where ``arrange`` puts
    them."""

    def __init__(
        self,
        source: Any,
        *stages: Any,
        store: Any = None,
        sinks: Sequence[Any] = (),
        workers: int = 0,
        slots: int = 4,
        chunk_bytes: int = 1 << 16,
        line_timeout: float = 1.0,
        task_timeout: float = 20.0,
        worker_memory: int = 256 << 20,
        commit_interval: float = 0.0,
        commit_bytes: int = 64 << 20,
        shutdown_timeout: float = 10.0,
        durable: dict[Key, float] | None = None,
        on_turn: Callable[[Pipeline], None] | None = None,
        parse: StageSpec | None = None,
        arrange: Callable[[list[Step]], list[Step]] = lambda steps: steps,
        several_lines: bool = False,
        **options: Any,
    ) -> None:
        self.source, self.store, self.log, self.counters = source, store or MemoryStore(), Log(), Counters()
        self.sinks = list(sinks) or [MemorySink()]
        self.ring = Ring.create(Geometry(slots, chunk_bytes, 2 * chunk_bytes * len(self.sinks)))
        names = ["out", *(f"out{number}" for number in range(1, len(self.sinks)))]
        self._on_turn = on_turn
        if workers or parse:
            config = self._config(stages, names, parse)
            data = to_json(config)
            self._steps = build_steps(config)
        else:
            some = [stage for stage in stages if not (isinstance(stage, Step) and stage.role == "write")]
            self._steps = arrange(steps(*some, *(to_sink(n, sink) for n, sink in enumerate(self.sinks)), sink=False))
        remembering = bool(memories(self._steps))
        remembered = Remembered(self.store.memory(), memories(self._steps))
        if workers:

            def hire() -> Worker:
                module = "tailrace.pipeline.work.worker"
                return Process(module, self.ring, data, line_timeout, worker_memory, remembered.values())
        else:
            work = Work(self._steps, line_timeout, self.ring.tap)

            def hire() -> Worker:
                work.restore(remembered.values())
                return Inline(work, self.ring)

        self.waker = Waker()
        self.jobs: deque[Job] = deque()
        writes = [Sink(name, f"write.{name}", write) for name, write in zip(names, self.sinks, strict=True)]
        self.crew = Crew(writes, None, self.counters, self.log, self.waker)
        dispatch = Dispatch(
            self.ring, max(workers, 1), hire, task_timeout, self.counters, self.log,
            remembered if remembering else None,
        )  # fmt: skip
        settings = Settings(commit_interval, commit_bytes, shutdown_timeout, **options)
        self.engine = Engine(
            settings, Lent(source, self.store, self.counters, durable or {}, self.log, self.waker, set()), self.crew,
            dispatch, remembered, self._sums(stages),
            Redrive(self.jobs, self._letters, self._steps, several_lines=several_lines), self._turn,
        )  # fmt: skip

    def redrive(self, wanted: Filter = Filter()) -> Job:  # noqa: B008  (it is frozen)
        """Send dead letters of the state again; before the run, or in it from ``on_turn``."""
        count, last = self.state.letters.count(wanted)
        job = Job(len(self.jobs) + 1, wanted, last, count)
        self.jobs.append(job)
        return job

    @property
    def state(self) -> State:
        """The store, if it is a real one."""
        assert isinstance(self.store, State)
        return self.store

    @property
    def specs(self) -> list[StageSpec]:
        """The chain, as ``balances`` is told it."""
        return [StageSpec(step.label, step.label, step.role, {}, id=step.sink_id) for step in self._steps]

    def _letters(self, wanted: Filter, last: int, until: int, limit: int) -> list[Letter]:
        return self.store.letters.between(wanted, last, until, limit) if isinstance(self.store, State) else []

    def _sums(self, stages: Sequence[Any]) -> Sums:
        config = self._config([stage for stage in stages if isinstance(stage, StageSpec)], [], None)
        return sums_of(config, self._steps, "test", 1 << 16, self.log)

    @staticmethod
    def _config(stages: Sequence[Any], names: Sequence[str], parse: StageSpec | None) -> Config:
        first = parse or StageSpec("tests.engine.engine_stages:LineParser", "parse.lines", "parse", {})
        last = [
            StageSpec("tailrace.pipeline.testing.doubles:MemorySink", f"write.{name}", "write", {}, id=name)
            for name in names
        ]
        here = Path(__file__).parents[2]
        return Config(here / "config.toml", here, "digest", (first, *stages, *last))

    def _turn(self, _now: float) -> None:
        if self._on_turn is not None:
            self._on_turn(self)

    @property
    def worker_pids(self) -> list[int]:
        return [worker.pid for worker in self.engine._dispatch.workers]  # a test may look

    def run(self) -> Outcome:
        try:
            cursors = self.store.cursors() if isinstance(self.store, State) else self.store.cursors
            return self.engine.run(lambda: self.source.open(cursors, 0.0))
        finally:
            self.source.close()
            if isinstance(self.store, State):
                self.store.close()
            self.ring.close()

    def dead(self) -> list[tuple[int, str, bytes]]:
        """(offset, error, raw) of each committed dead letter."""
        return [(letter.offset, letter.error, letter.raw) for letter in self.store.letters]


def enrich_spec(name: str, **options: Any) -> StageSpec:
    return StageSpec(f"tests.engine.engine_stages:{name}", f"enrich.{name.lower()}", "enrich", options)


def numbered(count: int, **special: str) -> bytes:
    """Lines "0" ... each with its number; ``line_5="exit"`` adds a word to one."""
    words = {int(key.removeprefix("line_")): word for key, word in special.items()}
    return "".join(f"{n} {words[n]}\n" if n in words else f"{n}\n" for n in range(count)).encode()


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


DATA = numbered(2000)


def out(sink: MemorySink) -> bytes:
    """What the sink holds as the source's lines."""
    return b"".join(line.removeprefix(b'{"message":"').removesuffix(b'"}') + b"\n" for line in sink.lines())


def law(counters: Any) -> bool:
    count = counters.total
    return bool(
        count("lines_read") + count("events_made")
        == count("events_written") + count("events_filtered") + count("dead_letters")
    )
