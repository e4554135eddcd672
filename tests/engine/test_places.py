"""Lines keep their place in the file: over pieces, over chunks, and as dead letters."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import orjson
from tailrace.pipeline.batch import Event, Fail, Origin
from tailrace.pipeline.run.commit import Committer
from tailrace.pipeline.sinks.crew import Crew
from tailrace.pipeline.source import Source
from tailrace.pipeline.source.redrive import Redrive
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.sums.sums import Sums
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.testing.doubles import ListSource, MemorySink
from tailrace.pipeline.work.worker import PIECE

from .chain_kit import lines_of
from .engine_kit import Log, MemoryStore, Pipeline


class Place:
    """Tells each event where its line begins; fails those that ask for it."""

    def locate(self, origin: Origin) -> None:
        self._offsets: Sequence[int] = origin.places

    def process(self, events: list[Event]) -> list[Event | Fail]:
        for event, offset in zip(events, self._offsets, strict=True):
            event["offset"] = offset
        return [Fail("bad", "asked to", event=event) if "bad" in event["message"] else event for event in events]


def test_each_line_is_named_by_its_offset_in_the_file_over_pieces_and_chunks() -> None:
    some = [f"{number:06} {'bad' if number % 1000 == 7 else 'good'} {'x' * 40}" for number in range(12_000)]
    data = "".join(f"{line}\n" for line in some).encode()
    chunk = 2 * PIECE + 4096
    assert len(data) > 3 * chunk
    sink = MemorySink()
    source = ListSource({"a.log": data}, chunk_bytes=chunk)
    pipeline = Pipeline(source, Place(), sinks=[sink], chunk_bytes=chunk)
    assert pipeline.run().complete
    places = {line.rstrip(b"\n").decode(): offset for offset, line in lines_of(data)}
    events = [orjson.loads(line) for line in bytes(written(sink)).splitlines()]
    assert [(event["message"], event["offset"]) for event in events] == [
        (line, places[line]) for line in some if "bad" not in line
    ]
    assert sorted(pipeline.dead()) == [(places[line], "bad", line.encode()) for line in some if "bad" in line]


def written(sink: Any) -> bytes:
    return b"".join(bytes(data) for data in sink.files.values())


class NoSource:
    """Has no rows to give."""

    changed = False

    def cut(self) -> dict[int, Any]:
        return {}

    def retired(self) -> list[int]:
        return []

    def committed(self, cursors: Mapping[int, Any]) -> None: ...


def committer(store: MemoryStore, commit_bytes: int = 1 << 20) -> Committer:
    return Committer(
        store,
        cast(Source, NoSource()),
        Crew([], None, Counters(), Log(), lambda: None),
        Sums(()),
        Redrive(deque(), lambda *_: (), ()),
        Counters(),
        {},
        0.0,
        commit_bytes,
    )


def test_what_waited_for_a_commit_is_forgotten_by_a_rewind() -> None:
    store = MemoryStore()
    commit = committer(store)
    letter: Callable[[int], DeadLetter] = lambda at: DeadLetter(0.0, "s", "e", "w", 1, "1", "a", "/a", at, 1, b"x")  # noqa: E731  short
    commit.released("/a", 10, 0.0, [letter(0)])
    commit.forget()
    assert commit.settled
    commit.released("/a", 10, 0.0, [letter(0), letter(2)])
    commit.tick(1.0, final=True)
    assert [one.offset for one in store.letters] == [0, 2]
