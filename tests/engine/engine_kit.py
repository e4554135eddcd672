"""Stages that misbehave on request, and shorthands to build the engine's parts from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import orjson
from tailrace.pipeline.batch import Event, Fail, Lines, Origin
from tailrace.pipeline.chain.attempt import LostTrackError
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.run.bridge import Commit
from tailrace.pipeline.run.engine import Engine, Outcome, Settings, Waker
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.source import JSON
from tailrace.pipeline.stage import Guarantee, Mark
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.telemetry.counters import Counters, Key
from tailrace.pipeline.testing.doubles import MemorySink, origin
from tailrace.pipeline.work.layout import DeadLine, Made
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

    def encode(self, events: list[Event]) -> Iterable[tuple[str, bytes]]:
        for event in events:
            if "bad-encode" in event["message"]:
                raise TypeError("cannot be encoded")
            yield event.get("to", "out"), orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


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
    return Step(f"write.{name}", "write", sink, sink=number, sink_id=name, **options)


def located(places: Any) -> Origin:
    return origin(places=places)


def run(chain: Chain, data: bytes, start: int = 0, base: int = 0) -> Made:
    """A piece as the worker runs it: at once, or line by line where that is needed."""
    try:
        return chain.run(data, located, start, base)
    except LostTrackError:
        return by_line(chain, data, start, base)


def by_line(chain: Chain, data: bytes, start: int = 0, base: int = 0) -> Made:
    return together([chain.run_line(line, located, start + at, base + at) for at, line in lines_of(data)])


def lines_of(data: bytes) -> list[tuple[int, bytes]]:
    """(offset, line with its newline) of each line."""
    found, at = [], 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        found.append((at, data[at:end]))
        at = end
    return found


def together(parts: Iterable[Made]) -> Made:
    whole = Made()
    for part in parts:
        whole.payloads += part.payloads
        whole.dead += part.dead
        whole.tally.lines += part.tally.lines
        for name in ("written", "made", "filtered"):
            sums = getattr(whole.tally, name)
            for key, value in getattr(part.tally, name).items():
                sums[key] = sums.get(key, 0) + value
    return whole


def output(made: Made, sink: int = 0, destination: str = "out") -> bytes:
    return b"".join(p.data for p in made.payloads if p.sink == sink and p.destination == destination)


def events(made: Made, sink: int = 0) -> list[Event]:
    return [orjson.loads(line) for line in output(made, sink).splitlines()]


def messages(made: Made, sink: int = 0) -> list[str]:
    return [event["message"] for event in events(made, sink)]


def raws(made: Made, data: bytes) -> list[bytes]:
    """The bytes each dead letter points at."""
    return [data[dead.offset : dead.offset + dead.length] for dead in made.dead]


def errors(made: Made) -> list[str]:
    return [dead.error for dead in made.dead]


def brief(dead: DeadLine) -> tuple[int, int, str, str]:
    return dead.offset, dead.length, dead.stage, dead.error


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
        self.cursors: dict[int, JSON] = {}
        self.kept: dict[str, dict[str, Mark]] = {}
        self.failures: dict[str, list[BaseException]] = {}
        self.closed = False

    def _called(self, method: str) -> None:
        if self.failures.get(method):
            raise self.failures[method].pop(0)

    def register(self, cursors: Sequence[JSON]) -> list[int]:
        self._called("register")
        streams = range(len(self.cursors) + 1, len(self.cursors) + 1 + len(cursors))
        self.cursors |= zip(streams, cursors, strict=True)
        return list(streams)

    def announce(self, sink: str, marks: Sequence[Mark]) -> None:
        self._called("announce")
        self.kept.setdefault(sink, {}).update({mark.destination: mark for mark in marks})

    def commit(self, commit: Commit) -> None:
        self._called("commit")
        self.commits.append(commit)
        self.letters += commit.dead_letters
        self.cursors |= commit.cursors
        for sink, marks in commit.marks.items():
            self.kept.setdefault(sink, {}).update({mark.destination: mark for mark in marks})

    def marks(self) -> dict[str, list[Mark]]:
        return {sink: list(marks.values()) for sink, marks in self.kept.items()}

    def close(self) -> None:
        self.closed = True


class Pipeline:
    """An engine put together of doubles and real parts: ``stages`` are StageSpecs of enrich stages, or ready ones
    (then ``workers`` must be 0). Sinks are called "out", "out1" ..."""

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
        **options: Any,
    ) -> None:
        self.source, self.store, self.log, self.counters = source, store or MemoryStore(), Log(), Counters()
        self.sinks = list(sinks) or [MemorySink()]
        self.ring = Ring.create(Geometry(slots, chunk_bytes, 2 * chunk_bytes * len(self.sinks)))
        names = ["out", *(f"out{number}" for number in range(1, len(self.sinks)))]
        self._on_turn = on_turn
        if workers or parse:
            config = self._config(stages, names, parse)
            data = config.to_json()
            self._steps = build_steps(config)
        else:
            some = [stage for stage in stages if not (isinstance(stage, Step) and stage.role == "write")]
            self._steps = steps(*some, *(to_sink(n, sink) for n, sink in enumerate(self.sinks)), sink=False)
        if workers:

            def hire() -> Worker:
                return Process("tailrace.pipeline.work.worker", self.ring, data, line_timeout, worker_memory)
        else:
            work = Work(self._steps, line_timeout)

            def hire() -> Worker:
                return Inline(work, self.ring)

        self.waker = Waker()
        settings = Settings(workers, task_timeout, commit_interval, commit_bytes, shutdown_timeout, **options)
        writes = list(zip(names, self.sinks, strict=True))
        self.engine = Engine(
            settings, source, self.store, writes, self.ring, hire, self.counters, durable or {}, self.log, self.waker,
            self._turn,
        )  # fmt: skip

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
            return self.engine.run(lambda: self.source.open(self.store.cursors, 0.0))
        finally:
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
