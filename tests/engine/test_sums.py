"""Sums over events: the same whatever workers, crashes and rewinds there are, and each result once."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.state.store import State
from tailrace.pipeline.sums.results import Results
from tailrace.pipeline.testing.doubles import ListSource, MemorySink

from ..inside import adjust
from .engine_kit import Pipeline, law
from .state_kit import through_crashes

PARSE = StageSpec("parse.json", "parse.json", "parse", {})
NAMES = ("ann", "bob", "cy")
PER_USER = {"by": ["user"], "window": 60.0, "values": {"count": "count", "sum": "sum(n)"}}


def data(count: int, *, step: float = 1.0, bad: bool = False) -> bytes:
    return b"".join(
        b'{"timestamp":%f,"user":"%s","n":%s}\n'
        % (1_700_000_000 + n * step, NAMES[n % 3].encode(), b'"x"' if bad and n % 7 == 3 else b"%d.5" % n)
        for n in range(count)
    )


def aggregate(label: str = "enrich.aggregate", **options: Any) -> StageSpec:
    return StageSpec("enrich.aggregate", label, "enrich", PER_USER | options)


def pipeline(source: ListSource, *stages: StageSpec, **options: Any) -> Pipeline:
    return Pipeline(source, *(stages or (aggregate(),)), parse=PARSE, **options)


def results(sink: MemorySink) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in sink.lines()]


def by_window(events: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter({(one["timestamp"], one["user"]): one["count"] for one in events})


def whole(count: int, *, bad: bool = False) -> list[dict[str, Any]]:
    one = pipeline(ListSource({"a.log": data(count, bad=bad), "b.log": data(count)}))
    assert one.run().complete
    return results(one.sinks[0])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("bad", [False, True])
def test_sums_are_the_same_with_any_number_of_workers(workers: int, bad: bool) -> None:
    files = {"a.log": data(3000, bad=bad), "b.log": data(3000)}
    one = pipeline(ListSource(files, chunk_bytes=5000), workers=workers)
    assert one.run().complete
    events = results(one.sinks[0])
    assert events == sorted(events, key=lambda event: (event["timestamp"], event["user"]))
    assert sum(event["count"] for event in events) == 6000 - (429 if bad else 0)
    assert sorted(map(repr, events)) == sorted(map(repr, whole(3000, bad=bad)))
    assert not any("late" in event for event in events)
    assert law(one.counters)


@pytest.mark.parametrize("word", ["exit", "kill"])
def test_a_worker_that_dies_takes_nothing_and_gives_nothing_twice(word: str) -> None:
    moody = StageSpec("tests.engine.engine_stages:Doomed", "doomed", "enrich", {})
    text = data(2000).replace(b'"user":"cy","n":500.5', b'"user":"cy","die":"%s","n":500.5' % word.encode())
    one = pipeline(
        ListSource({"a.log": text, "b.log": data(900)}, chunk_bytes=3000), aggregate(keep=True), moody, workers=2
    )
    assert one.run().complete
    sums = [event for event in results(one.sinks[0]) if "window_end" in event]
    assert sum(event["count"] for event in sums) == 2899, "the line that is given up is not counted"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_rewind_and_a_restart_go_on_from_the_last_commit(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.01)
    sink = MemorySink()

    def make(source: ListSource, store: State) -> Pipeline:
        barriers = count(1)

        def fail(method: str) -> None:
            if method == "sync" and next(barriers) == 3:  # before the first one, nothing may be summed up yet
                raise OSError("a failed fsync")

        sink.before = fail
        return pipeline(source, store=store, sinks=[sink], workers=workers)

    files = {"a.log": data(3000), "b.log": data(3000)}
    through_crashes(tmp_path / "state", files, make, crashes=(40_000, 90_000, 150_000), chunk_bytes=700)
    assert sorted(map(repr, results(sink))) == sorted(map(repr, whole(3000)))


def test_windows_close_while_more_is_read_but_not_before_every_file_is_that_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adjust(monkeypatch.setattr, sums_looked_at=0.0)
    seen: list[tuple[int, int]] = []

    def look(one: Pipeline) -> None:
        seen.append((one.source.read_bytes, len(one.sinks[0].lines())))

    fast, slow = data(3000), data(3000, step=1.0)
    one = pipeline(ListSource({"a.log": fast, "b.log": slow}, chunk_bytes=700), on_turn=look)
    assert one.run().complete
    size = len(fast) + len(slow)
    assert any(written > 0 and read < size for read, written in seen), "some came out before the end"
    assert not any("late" in event for event in results(one.sinks[0]))


def test_a_slower_file_holds_the_windows_open(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, sums_looked_at=0.0)
    one = pipeline(ListSource({"a.log": data(3000, step=3.0), "b.log": data(3000)}, chunk_bytes=700))
    assert one.run().complete
    assert not any("late" in event for event in results(one.sinks[0]))


def test_results_are_read_once_they_are_durable() -> None:
    some = Results(-1, "sum", "key", 2, 1000)
    buffer = memoryview(bytearray(1000))
    never = lambda _stream: False  # noqa: E731  short
    for number in range(3):
        some.put(f"name {number}", {"n": number})
    assert some.read(buffer, never) is None
    rows = some.cut()
    assert some.read(buffer, never) is None
    some.committed()
    assert some.read(buffer, lambda stream: stream == -1) is None
    chunk = some.read(buffer, never)
    assert chunk is not None
    assert bytes(buffer[: chunk.length]) == b'{"n":0}\n{"n":1}\n{"n":2}\n'
    assert chunk.event_id(8) == "key:name 1"
    assert some.original(8, 7) == b'{"n":1}'
    some.released(chunk, 16)
    assert some.waiting
    gone = some.cut()
    assert set(gone.values()) == {None}
    assert list(gone) == list(rows)[:2]
    some.committed()
    some.released(chunk, 24)
    assert not some.waiting
    again = Results(-1, "sum", "key", 2, 1000)
    again.restore({key: value for key, value in rows.items() if value is not None and key not in gone})
    chunk = again.read(buffer, never)
    assert chunk is not None
    assert (chunk.start, bytes(buffer[: chunk.length])) == (16, b'{"n":2}\n')


def test_a_result_that_no_slot_can_hold_ends_the_run() -> None:
    with pytest.raises(TailraceError, match=r"raise pipeline\.chunk_bytes"):
        Results(-1, "sum", "key", 2, 1000).put("name", {"n": "x" * 1000})


def test_a_file_that_is_far_behind_holds_the_windows_open(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, sums_looked_at=0.0)
    new = data(300, step=61.0).replace(b"17000", b"17100")
    one = pipeline(ListSource({"new.log": new, "old.log": data(3000)}, chunk_bytes=700))
    assert one.run().complete
    assert not any("late" in event for event in results(one.sinks[0]))


def test_results_of_one_sum_are_summed_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, sums_looked_at=0.0)
    hours = aggregate("hours", window=3600.0, values={"count": "sum(count)"}, late=0.0)
    one = pipeline(ListSource({"a.log": data(9000)}, chunk_bytes=700), aggregate(), hours, workers=2)
    assert one.run().complete
    assert Counter(event["user"] for event in results(one.sinks[0])) == {"ann": 3, "bob": 3, "cy": 3}
    assert sum(event["count"] for event in results(one.sinks[0])) == 9000
    assert not any("late" in event for event in results(one.sinks[0]))
    assert law(one.counters)


def test_what_is_open_is_kept_when_the_daemon_is_stopped() -> None:
    def stop(one: Pipeline) -> None:
        if one.source.read_bytes == len(text):
            one.engine.stop()

    text = data(30)
    one = pipeline(ListSource({"a.log": text}, ends=False), on_turn=stop)
    assert one.run().complete
    assert results(one.sinks[0]) == []
    again = pipeline(ListSource({"a.log": text + data(60)[len(text) :]}), store=one.store)
    assert again.run().complete
    assert sum(event["count"] for event in results(again.sinks[0])) == 60
    assert not any("late" in event for event in results(again.sinks[0]))


def test_sums_of_other_options_are_written_as_they_are(tmp_path: Path) -> None:
    state = State(str(tmp_path / "state"), max_bytes=1 << 20, when_full="block", config="")
    state.open()
    text = data(60)
    first = ListSource({"a.log": text}, state.register, ends=False)

    def stop(one: Pipeline) -> None:
        if one.source.read_bytes == len(text):
            one.engine.stop()

    one = pipeline(first, store=state, on_turn=stop)
    one.engine.run(partial(first.open, {}, 0.0))
    one.ring.close()
    state.close()
    state.open()
    second = ListSource({"a.log": text + data(90)[len(text) :]}, state.register)
    other = pipeline(second, aggregate(values={"n": "count"}), store=state)
    other.engine.run(partial(second.open, state.cursors(), 0.0))
    other.ring.close()
    state.close()
    events = results(other.sinks[0])
    assert sum(event.get("count", 0) for event in events) == 60, "those that were open before"
    assert sum(event.get("n", 0) for event in events) == 30
    assert other.log.fields("sums.closed")


def test_beyond_their_memory_sums_come_in_several_results(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, sums_looked_at=0.0)
    text = b"".join(b'{"timestamp":%d,"user":"user %d"}\n' % (1_700_000_000 + n, n) for n in range(3000)) * 2
    one = pipeline(ListSource({"a.log": text}, chunk_bytes=3000), aggregate(window=86400.0, values={"count": "count"}))
    one.engine._sums._room = 20_000
    assert one.run().complete
    events = results(one.sinks[0])
    assert sum(event["count"] for event in events) == 6000
    assert any("late" in event for event in events)
    assert one.log.fields("sums.no_room")
