"""Whatever fails, and however often the engine dies or goes back: once the stages are mended and the dead letters are
sent again, each sink has what it would have if nothing had ever failed, and the sums add up."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from tailrace.pipeline.batch import Event, Fail, Lines, Origin
from tailrace.pipeline.chain.stateful import Room, StageMemory
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.delivery import Batch, Request
from tailrace.pipeline.outgoing import Outgoing, Verdicts
from tailrace.pipeline.state.store import State
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.summary import balances
from tailrace.pipeline.testing.doubles import BatchSink, CrashError, ListSource, MemorySink

from ..inside import adjust
from .engine_kit import MemoryStore, Pipeline

LINES = 120
NAMES = "abcd"
WORDS = [
    "parse-fail", "parse-raise", "drop:b", "dup:a", "dup:b", "dup:a dup:c", "fail:a", "fail:c", "raise:b", "raise:d",
    "dup:a fail:b@1", "dup:a fail:b@0", "dup:a fail:c@1 fail:d@0", "dup:b dup:c raise:d@01", "dup:a drop:c@0 fail:d@1",
    "refuse:out1", "dup:a refuse:out1@1", "dup:a fail:c@0 refuse:out1@1", "fail:d refuse:out1", "reject:out",
    "dup:b reject:out1@1 refuse:out1@0",
]  # fmt: skip


class World:
    """Where things fail until somebody mends them."""

    def __init__(self) -> None:
        self.mended = False

    def asks(self, event: Event, what: str) -> bool:
        """Whether the event's message has this word, for all parts of the line or for this one."""
        words = event["message"].split()
        return what in words or f"{what}@{event['part']}" in words

    def fails(self, event: Event, what: str) -> bool:
        return not self.mended and self.asks(event, what)


class Parser:
    def __init__(self, world: World) -> None:
        self._world = world

    def parse(self, lines: Lines) -> list[Event | Fail]:
        events = [{"message": line, "part": ""} for line in lines]
        if any(self._world.fails(event, "parse-raise") for event in events):
            raise ValueError("asked to raise")
        return [Fail("no_match", "asked to") if self._world.fails(event, "parse-fail") else event for event in events]


class Place:
    def locate(self, origin: Origin) -> None:
        self._origin = origin

    def process(self, events: list[Event]) -> list[Event]:
        for event, place in zip(events, self._origin.places, strict=True):
            event["id"] = f"{self._origin.key}:{place}"
        return events


class Wordy:
    def __init__(self, name: str, world: World) -> None:
        self._name, self._world = name, world

    def process(self, events: list[Event]) -> list[Event | Fail]:
        out: list[Event | Fail] = []
        for event in events:
            if self._world.fails(event, f"raise:{self._name}"):
                raise ValueError("asked to raise")
            if self._world.fails(event, f"fail:{self._name}"):
                out.append(Fail("bad", "asked to fail", event))
            elif self._world.asks(event, f"dup:{self._name}"):
                part = event["part"]
                event["part"] = f"{part}0"
                out += [event, {**event, "part": f"{part}1"}]
            elif not self._world.asks(event, f"drop:{self._name}"):
                out.append(event)
        return out


class Once:
    """Remembers all events, and lets none pass that it has seen."""

    memory: Any

    def process(self, events: list[Event]) -> list[Event]:
        new = []
        for event in events:
            key = f"{event['message'].split()[0]}/{event['part']}"
            if key not in self.memory:
                self.memory[key] = 1
                new.append(event)
        return new


class File(MemorySink):
    world: World

    def encode(self, events: list[Event]) -> Any:
        _reject(self.world, events, "reject:out")
        return super().encode(events)


class Server(BatchSink):
    world: World

    def encode(self, events: list[Event]) -> Any:
        _reject(self.world, events, "reject:out1")
        return super().encode(events)

    def answer(self, batch: Outgoing) -> Verdicts | None:
        events = [orjson.loads(batch.record(index)) for index in range(len(batch))]
        refused = [index for index, event in enumerate(events) if self.world.fails(event, "refuse:out1")]
        return Verdicts([(index, "rejected", "asked to refuse") for index in refused], [], delay=0.0)


def _reject(world: World, events: list[Event], word: str) -> None:
    if any(world.fails(event, word) for event in events):
        raise ValueError("asked to reject")


class Story:
    """One chain, its two sinks, and the lives of the engine over them. ``seed`` decides everything."""

    def __init__(self, home: Path, seed: int) -> None:
        self.dice = dice = random.Random(seed)  # noqa: S311  (no secret)
        self._home, self.world = home, World()
        self._names = dice.sample(NAMES, k=dice.randrange(1, 5))
        self._order = dice.sample(range(len(self._names) + 3), k=len(self._names) + 3)
        data = {
            name: "".join(f"{n} {dice.choice(WORDS) if dice.random() < 0.4 else ''}\n" for n in numbers).encode()
            for name, numbers in (("a.log", range(LINES)), ("b.log", range(LINES, 2 * LINES)))
        }
        self._data = data
        self.file, self.server = self.sinks()
        self._options: dict[str, Any] = {
            "chunk_bytes": dice.choice([2048, 65536]), "commit_bytes": dice.choice([300, 1 << 20]),
            "commit_interval": dice.choice([0.0, 0.01]),
        }  # fmt: skip
        self._chunk_bytes = dice.choice([60, 1000])

    def sinks(self) -> tuple[File, Server]:
        concurrency = self.dice.choice([1, 3])
        server = Server(batch=Batch(max_events=self.dice.choice([1, 50])), request=Request(concurrency=concurrency))
        file = File()
        file.world = server.world = self.world
        server.verdict = server.answer
        return file, server

    def pipeline(self, store: Any, *sinks: Any, **options: Any) -> Pipeline:
        once = Once()
        once.memory = memory = StageMemory(Room(1 << 20))
        stages = [Place(), Step("once", "enrich", once, memory=memory)]
        stages += [Step(name, "enrich", Wordy(name, self.world)) for name in self._names]
        source = ListSource(self._data, getattr(store, "register", None), chunk_bytes=self._chunk_bytes)
        return Pipeline(
            source, *stages, store=store, sinks=sinks, arrange=self._arrange, **{**self._options, **options}
        )

    def _arrange(self, steps: list[Step]) -> list[Step]:
        """The first two stay where they are, the others stand in any order."""
        first, rest = steps[:2], steps[2:]
        first[0].stage = Parser(self.world)
        return [*first, *(rest[index] for index in self._order)]

    def expected(self) -> tuple[Counter[bytes], dict[str, set[bytes]]]:
        """As if nothing had ever failed."""
        before, self.world.mended = self.world.mended, True
        file, server = self.sinks()
        outcome = self.pipeline(MemoryStore(), file, server).run()
        assert outcome.complete
        assert not outcome.counters.total("dead_letters")
        self.world.mended = before
        return _written(file, server)

    def live(self, turns: int | None = None, *, redrive: bool = False, trouble: float = 0.0) -> Pipeline | None:
        """One life of the engine; None: it died after so many turns."""
        state = State(str(self._home / "state"), max_bytes=1 << 30, when_full="block", config="")
        state.open()
        left = turns

        def turn(_: Pipeline) -> None:
            nonlocal left
            if left is not None:
                left -= 1
                if left < 0:
                    raise CrashError
            if self.dice.random() < trouble:
                self.file.failures["sync"] = [OSError("no")]

        pipeline = self.pipeline(
            state, self.file, self.server, durable=dict(state.counters().values), on_turn=turn
        )  # fmt: skip
        if redrive:
            pipeline.redrive()
        try:
            outcome = pipeline.run()
        except CrashError:
            return None
        assert outcome.complete, outcome.message
        return pipeline

    def written(self) -> tuple[Counter[bytes], dict[str, set[bytes]]]:
        return _written(self.file, self.server)

    def look(self) -> tuple[list[tuple[Any, ...]], Any]:
        """The letters: (id, attempts, stage, event id); and the counters."""
        state = State(str(self._home / "state"), max_bytes=1 << 30, when_full="block", config="")
        state.open()
        rows = state._db.execute("SELECT id, attempts, stage, event_id FROM dead_letters ORDER BY id").fetchall()
        counters = state.counters()
        state.close()
        return rows, counters


def _written(file: MemorySink, server: BatchSink) -> tuple[Counter[bytes], dict[str, set[bytes]]]:
    return Counter(file.lines()), {name: set(records) for name, records in server.records.items()}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.001, longest_rewind=0.002, most_rewinds=1 << 30)
    adjust(monkeypatch.setattr, first_backoff=0.001, longest_backoff=0.002)


def adds_up(counters: Counters, pipeline: Pipeline) -> bool:
    laws = balances(counters, pipeline.specs)
    assert all(law.holds for law in laws), [str(law) for law in laws]
    return True


@pytest.mark.parametrize("seed", range(16))
def test_case_099_mended_and_sent_again_each_sink_has_everything_once(tmp_path: Path, seed: int) -> None:
    story = Story(tmp_path, seed)
    dice = story.dice
    expected = story.expected()
    while (pipeline := story.live(dice.randrange(300) if dice.random() < 0.5 else None)) is None:
        pass
    letters, counters = story.look()
    assert len(letters) > 10
    assert adds_up(counters, pipeline)
    if dice.random() < 0.5:  # what failed still fails: the same rows, each with one more attempt
        before = story.written()
        assert story.live(redrive=True, trouble=dice.choice([0.0, 0.1])) is not None
        again, counters = story.look()
        assert [(number, attempts + 1, *rest) for number, attempts, *rest in letters] == again
        assert story.written() == before
        assert adds_up(counters, pipeline)
    story.world.mended = True
    while story.live(dice.randrange(300) if dice.random() < 0.7 else None, redrive=True) is None:
        pass
    letters, counters = story.look()
    assert letters == []
    assert story.written() == expected
    assert counters.total("lines_read") == 2 * LINES
    assert adds_up(counters, pipeline)
