"""Those who look at events on their way: what they are given, what they are told was left out, and that none is waited
for. And what others ask of the engine's thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from tailrace.pipeline.errors import StateError, TailraceError
from tailrace.pipeline.status import tapping
from tailrace.pipeline.status.requests import BusyError, Requests
from tailrace.pipeline.status.tapping import LONGEST_WHEN, MOST_TAPS, MOST_WAITING, PER_INTERVAL, Tapped, Taps
from tailrace.pipeline.work.asked import AREA_BYTES, Area, Request

from ..waiting import until
from .server_kit import refused

LABELS = ("parse.json", "enrich.set", "write.file")


class Engine:
    """In place of the engine: one thread that serves at each turn, and workers that say what a test lets them say."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.requests = Requests(self._asked.set)
        self.taps = Taps(self.requests)
        self.now = 100.0
        self.attach(*LABELS)
        self._pool = ThreadPoolExecutor(MOST_TAPS + 2)

    def attach(self, *labels: str) -> None:
        self.area = Area(memoryview(bytearray(AREA_BYTES)))
        self.taps.attach(self.area, labels)

    def open(self, stage: str = "", when: str = "", limit: int = 0, interval: float = 1.0,
             duration: float | None = None) -> Tapped:  # fmt: skip
        future = self.asks(lambda: self.taps.open(stage, when, limit, interval, duration))
        tapped: Tapped = self.served(future)
        self.taps.tick(self.now)
        return tapped

    def asks(self, what: Callable[[], Any]) -> Future[Any]:
        """From another thread."""
        return self._pool.submit(what)

    def served(self, future: Future[Any]) -> Any:
        while not future.done():
            self._asked.wait(0.01)
            self._asked.clear()
            self.requests.serve()
        return future.result()

    def say(self, number: int, *texts: str, left: int = 0, failed: str = "") -> None:
        """A worker has sampled these."""
        self.taps.sampled([{"tap": number, "events": list(texts), "left": left, "failed": failed}])

    def tick(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.taps.tick(self.now)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(tapping, "HEARTBEAT", 0.0)
    made = Engine()
    yield made
    made.close()


def taken(tapped: Tapped) -> list[Any]:
    """What is there now."""
    found = []
    while line := next(tapped):
        found.append(json.loads(line))
    return found


# Taps.


def test_nobody_asks_the_workers_for_anything_until_somebody_looks(engine: Engine) -> None:
    engine.tick()
    assert engine.area.version == 0
    tapped = engine.open("parse.json", "status >= 500")
    assert engine.area.version > 0
    assert engine.area.requests() == [Request(1, "parse.json", "status >= 500")]
    tapped.close()
    engine.tick()
    assert engine.area.version == 0


def test_each_gets_its_own_events_as_they_are(engine: Engine) -> None:
    one, other = engine.open("parse.json"), engine.open()
    engine.say(1, '{"stage":"parse.json","event":{"a":1},"id":"x"}')
    engine.say(2, '{"b":1}', '{"b":2}')
    engine.say(3, '{"c":1}')  # of one that is closed by now
    assert taken(one) == [{"stage": "parse.json", "event": {"a": 1}, "id": "x"}]
    assert taken(other) == [{"b": 1}, {"b": 2}]


def test_what_is_beyond_a_hundred_in_an_interval_is_left_out_and_counted(engine: Engine) -> None:
    tapped = engine.open(interval=2.0)
    engine.say(1, *["1"] * (PER_INTERVAL - 1), left=7)
    engine.tick()
    assert not engine.area.requests()[0].enough
    engine.say(1, "2", "3", "3")
    engine.tick()
    assert engine.area.requests()[0].enough  # workers only count from now on
    engine.say(1, left=30)
    assert taken(tapped) == [1] * (PER_INTERVAL - 1) + [2]
    engine.tick(1.9)
    assert taken(tapped) == []
    engine.tick(0.2)
    assert taken(tapped) == [{"dropped": 39}]
    assert not engine.area.requests()[0].enough
    engine.say(1, "4")
    engine.tick(2.1)
    assert taken(tapped) == [4]


def test_that_an_expression_fails_is_told_once(engine: Engine) -> None:
    tapped = engine.open()
    for why in ("", "TypeError: no", "TypeError: no"):
        engine.say(1, failed=why)
    assert taken(tapped) == [{"failed": "TypeError: no"}]


def test_nobody_who_does_not_read_takes_memory(engine: Engine) -> None:
    tapped = engine.open()
    event = json.dumps("x" * 10_000)
    for _ in range(50):
        engine.say(1, *[event] * 20)
        engine.tick(1.1)
    events = [one for one in taken(tapped) if isinstance(one, str)]
    assert MOST_WAITING <= len(events) * len(event) < MOST_WAITING + 2 * len(event)
    engine.tick(1.1)
    engine.say(1, event)
    engine.tick(1.1)
    last = taken(tapped)
    assert last[-1] != event  # it had room again
    (note,) = [one for one in last if isinstance(one, dict)]
    assert 0 < note["dropped"] < 50 * 20


def test_notes_do_not_pile_up(engine: Engine) -> None:
    tapped = engine.open()
    for _ in range(1000):
        engine.say(1, left=1)
        engine.tick(1.1)
    notes = taken(tapped)
    assert len(notes) == 1
    engine.tick(1.1)
    notes += taken(tapped)
    assert sum(note["dropped"] for note in notes) == 1000


def test_limit_and_duration_end_it(engine: Engine) -> None:
    tapped = engine.open(limit=3)
    engine.say(1, left=2)
    engine.say(1, "1", "2", "3", "4")
    engine.tick(1.1)
    assert [json.loads(next(tapped)) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(StopIteration):
        next(tapped)
    with pytest.raises(StopIteration):
        next(engine.open(duration=0.0))


def test_a_reload_goes_on_with_taps_of_stages_that_stay_and_ends_the_others(engine: Engine) -> None:
    stays, goes, all_of_it = engine.open("parse.json"), engine.open("enrich.set"), engine.open()
    engine.say(1, "1")
    engine.say(2, "2")
    engine.attach("parse.json", "write.file")
    engine.tick()
    assert [one.number for one in engine.area.requests()] == [1, 3]
    assert taken(stays) == [1]
    assert taken(all_of_it) == []
    assert json.loads(next(goes)) == 2
    with pytest.raises(StopIteration):
        next(goes)
    engine.say(1, "3")
    assert taken(stays) == [3]


def test_the_workers_of_the_next_run_are_asked_too(engine: Engine) -> None:
    tapped = engine.open()
    engine.attach(*LABELS)
    assert engine.area.version == 0
    engine.tick()
    assert [one.number for one in engine.area.requests()] == [1]
    engine.say(1, "1")
    assert taken(tapped) == [1]


def test_who_may_not_look_is_told_why(engine: Engine) -> None:
    assert "there is no stage 'parse.csv'" in refused(lambda: engine.open("parse.csv"))
    assert "when:" in refused(lambda: engine.open(when="import os"))
    assert "longer" in refused(lambda: engine.open(when="a" * (LONGEST_WHEN + 1)))
    for _ in range(MOST_TAPS):
        engine.open()
    assert "looking already" in refused(engine.open)


def test_expressions_that_have_no_room_are_refused_and_end_nothing(engine: Engine) -> None:
    """They are put into shared memory of a fixed size by the engine's own thread."""
    wide = f"name == '{'ж' * (LONGEST_WHEN - 20)}'"
    opened = 0
    with pytest.raises(TailraceError, match="too long"):
        for _ in range(MOST_TAPS):
            engine.open("parse.json", wide)
            opened += 1
    assert opened >= 1
    engine.tick(1.1)
    assert [one.when for one in engine.area.requests()] == [wide] * opened


# Requests.


def test_a_request_is_done_in_the_engines_thread_and_its_error_is_raised_in_the_other(engine: Engine) -> None:
    assert engine.served(engine.asks(lambda: engine.requests.call(threading.get_ident))) == threading.get_ident()

    def fail() -> None:
        raise StateError("the disk is full")

    assert refused(lambda: engine.served(engine.asks(lambda: engine.requests.call(fail)))) == "the disk is full"


def test_what_is_given_up_is_not_done_later() -> None:
    done: list[int] = []
    requests = Requests(lambda: None, patience=0.0)
    with pytest.raises(BusyError, match="busy"):
        requests.call(lambda: done.append(1))
    requests.serve()
    assert done == []


def test_what_has_begun_is_waited_for() -> None:
    """Else whoever asks for a re-drive is told that nothing was done, and it is."""
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(20)
        return "done"

    requests = Requests(lambda: None, patience=0.02)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(lambda: requests.call(slow))
        until(lambda: not requests._queue.empty(), "it is asked for")
        served = pool.submit(requests.serve)
        assert begun.wait(20)
        with pytest.raises(TimeoutError):
            asked.result(0.1)  # its patience is over
        go_on.set()
        assert asked.result(20) == "done"
        served.result(20)


def test_what_waits_for_the_end_of_a_run_is_done_then_or_refused() -> None:
    requests = Requests(lambda: None)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(lambda: requests.call(lambda: 1, between=True))
        until(lambda: requests.waiting, "it is asked for")
        requests.serve()
        assert not asked.done()
        requests.serve_between()
        assert asked.result(20) == 1
        asked = pool.submit(lambda: requests.call(lambda: 1, between=True))
        until(lambda: requests.waiting, "it is asked for")
        requests.refuse_between(TailraceError("the next run could not begin"))
        assert refused(lambda: asked.result(20)) == "the next run could not begin"


def test_an_end_in_the_middle_is_told_to_the_one_who_asked() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    requests = Requests(lambda: None)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(lambda: requests.call(interrupted))
        until(lambda: not requests._queue.empty(), "it is asked for")
        with pytest.raises(KeyboardInterrupt):
            requests.serve()
        with pytest.raises(KeyboardInterrupt):
            asked.result(20)
