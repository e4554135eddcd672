"""Standard output at the pace of the events: when each comes out, and that all do, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from tailrace.pipeline.errors import Retry
from tailrace.pipeline.outgoing import Outgoing
from tailrace.pipeline.stage import Write
from tailrace.pipeline.testing.doubles import FakeClock
from tailrace.stages.outputs.pace import LONGEST_WAIT, PacedStdout
from tailrace.stages.write.stdout import Stdout

from ..inside import adjust


class Stand:
    """A paced output into a pipe; time passes only by the waits it asks for."""

    def __init__(self, reader: int, factor: float) -> None:
        self.clock = FakeClock()
        self.sink = PacedStdout(factor=factor, clock=self.clock)
        self._reader = reader
        self._began = self.clock()

    def play(self, *events: dict[str, Any]) -> list[tuple[float, bytes]]:
        """(seconds since the beginning, what came out then), one for each payload."""
        out = []
        for payload in self.sink.encode(list(events)):
            while True:
                try:
                    self.sink.deliver(Outgoing(payload.destination, payload.data))
                    break
                except Retry as retry:
                    assert retry.expected, "waiting for its time is no trouble"
                    assert retry.delay
                    assert retry.delay <= LONGEST_WAIT
                    self.clock.advance(retry.delay)
            out.append((self.clock() - self._began, os.read(self._reader, 1 << 16)))
        return out


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    reader, writer = os.pipe()
    adjust(monkeypatch.setattr, standard_output=writer)
    yield reader
    os.close(writer)
    os.close(reader)


def at(second: int, **fields: Any) -> dict[str, Any]:
    return {"timestamp": f"2020-01-01T00:{second // 60:02}:{second % 60:02}Z", **fields}


def test_sink_fits_the_protocol() -> None:
    assert isinstance(PacedStdout(), Write)


def test_events_come_out_when_their_time_has_come_counted_from_the_first(pipe: int) -> None:
    played = Stand(pipe, factor=1.0).play(at(10), at(13), at(13, a=1), at(300))
    assert [when for when, _ in played] == [0.0, 3.0, 290.0]
    assert played[1][1].count(b"\n") == 2, "those of the same second come out together"


def test_a_factor_makes_time_pass_faster_or_slower(pipe: int) -> None:
    assert [when for when, _ in Stand(pipe, factor=10.0).play(at(0), at(5))] == [0.0, 0.5]
    assert [when for when, _ in Stand(pipe, factor=0.5).play(at(0), at(5))] == [0.0, 10.0]


def test_an_event_whose_time_has_passed_comes_out_at_once_and_holds_back_nobody(pipe: int) -> None:
    played = Stand(pipe, factor=1.0).play(at(10), at(20), at(5), at(21))
    assert [when for when, _ in played] == [0.0, 10.0, 10.0, 11.0]


def test_an_event_without_a_time_comes_out_with_the_one_before_it(pipe: int) -> None:
    stand = Stand(pipe, factor=1.0)
    lost: list[dict[str, Any]] = [{"timestamp": 1.5}, {"timestamp": "soon"}, {"time": "2020-13-01T00:00:00Z"}, {}]
    assert [when for when, _ in stand.play(*lost, at(0), *lost, at(2), *lost)] == [0.0, 0.0, 0.0, 2.0, 2.0]


def test_time_is_read_from_time_where_there_is_no_timestamp_and_zones_count(pipe: int) -> None:
    events = [
        {"timestamp": "no time", "time": "2020-01-01T02:00:00+02:00"},
        {"time": "2020-01-01t00:00:01.999999999z"},
        {"timestamp": "2020-01-01 00:00:03", "time": "2030-01-01T00:00:00Z"},
    ]
    assert [when for when, _ in Stand(pipe, factor=1.0).play(*events)] == [0.0, 1.0, 3.0]


def test_the_start_is_that_of_the_first_event_of_all_not_of_each_piece(pipe: int) -> None:
    stand = Stand(pipe, factor=1.0)
    assert stand.play(at(0))[-1][0] == 0.0
    assert stand.play(at(7))[-1][0] == 7.0


def test_order_and_content_are_those_of_full_speed(pipe: int) -> None:
    events = [at(second, n=n) for n, second in enumerate([5, 3, 3, 9, 9, 1, 10])] + [{"n": 99}]
    (whole,) = Stdout().encode(events)
    assert b"".join(data for _, data in Stand(pipe, factor=1.0).play(*events)) == whole.data
    assert list(PacedStdout().encode([])) == []
