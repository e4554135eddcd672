"""What the addresses of the status server answer, and what they make of odd requests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.state.letters import Filter, Letters
from tailrace.pipeline.status.api import SHARE, Answer, Api, RefusedError, filter_body
from tailrace.pipeline.telemetry.board import Description
from tailrace.pipeline.telemetry.snapshot import (
    BatchState,
    FileState,
    Listing,
    ProcessMemory,
    RingState,
    SinkState,
    WorkerState,
)
from tailrace.pipeline.testing.doubles import FakeClock

from .server_kit import Asked, board, letter, running, store

WANTS: dict[str, type | tuple[type, ...]] = {
    "now": float, "name": str, "version": str, "pid": int, "config": str, "state_dir": str, "started": float,
    "state": str, "ready": bool, "reasons": list, "totals": dict, "rates": dict, "pending": dict, "lag": dict,
    "commit": dict, "ring": dict, "memory": dict, "latency": dict, "bottleneck": (dict, type(None)), "flow": list,
    "stages": list, "sinks": list, "patterns": list, "files": dict, "workers": list, "batches": list,
    "dead_letters": dict, "redrive": (dict, type(None)), "listen": (str, type(None)),
    "reload": (dict, type(None)), "config_digest": str, "config_loaded": float,
}  # fmt: skip


def api(home: Path, *letters: Any, **options: Any) -> Api:
    return Api(board(), Asked(), Letters(store(home, *letters)), **options)


def of(answer: Answer) -> Any:
    return orjson.loads(answer.body)


def refused(call: Any, *arguments: Any) -> int:
    with pytest.raises(RefusedError) as caught:
        call(*arguments)
    assert str(caught.value)
    return caught.value.status


def test_status_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    status = of(api(tmp_path, letter()).status({}))
    assert set(status) == set(WANTS)
    for name, kind in WANTS.items():
        assert isinstance(status[name], kind) or (kind is float and isinstance(status[name], int)), name
    assert status["totals"]["lines_read"] == 10
    groups = status["dead_letters"].pop("groups")
    assert [(one["stage"], one["error"], one["count"]) for one in groups] == [("parse.json", "bad_json", 1)]
    assert status["dead_letters"]["count"] == 1


def test_what_the_snapshot_holds_is_told_whole(tmp_path: Path) -> None:
    one = api(tmp_path)
    file = FileState("/logs/a.log", "a.log", 1, 10, 12, 2, 0.5, "unreadable", "Permission denied", {"seen": 12})
    one.board.publish(
        running(
            lines_pending=3, bytes_pending=30, oldest_pending=1.5, files={"/logs/a.log": 30},
            sinks={"out": SinkState(61.0, "disk full")}, waiting={"out": 4}, ring=RingState(4, 1, 1, 1, 1, 4096),
            workers=(WorkerState(7, "working", 3, "/logs/a.log", 0.5, 9, 90, 4.5),),
            slowest=(BatchState(3, 7, "/logs/a.log", 0, 100, 1.0, 3.5, 9, 1),),
            memory=(ProcessMemory(1, "main", 100), ProcessMemory(7, "worker", 50)),
            listing=Listing(2, 1, 2, 0.5, (file,)),
        )
    )  # fmt: skip
    status = of(one.status({}))
    assert status["pending"] == {"lines": 3, "bytes": 30, "seconds": 1.5}
    assert status["lag"] == {"bytes": 2, "seconds": 0.5}
    assert status["ring"] == {"slots": 4, "free": 1, "waiting": 1, "working": 1, "through": 1, "bytes": 4096}
    assert status["memory"]["bytes"] == 4096 + 150
    assert status["files"]["rows"][0]["pending_bytes"] == 30
    assert status["workers"][0]["file"] == "a.log"
    assert status["batches"][0]["seconds"] == 2.5
    assert status["bottleneck"] == {"id": "sink:out", "why": "down for 61s: disk full"}
    assert status["ready"] is False
    assert [words.split(" ")[0] for words in status["reasons"]] == ["sink", "/logs/a.log"]


def test_what_needs_attention_makes_it_not_unready(tmp_path: Path) -> None:
    one = api(tmp_path, letter(line=b"x" * 1000))
    one.board.about = Description(letters_max=1200, letters_when_full="block")
    status = of(one.status({}))
    assert (status["ready"], len(status["reasons"])) == (True, 1)
    assert "full" in status["reasons"][0]
    assert one.ready({}).status == 200
    one.board.publish(running(phase="blocked"))
    assert one.ready({}).status == 503
    assert of(one.status({}))["dead_letters"]["full"] is True


def test_before_the_first_snapshot_nothing_is_wrong_but_that_it_starts(tmp_path: Path) -> None:
    one = api(tmp_path)
    one.board = type(one.board)()
    assert of(one.health({})) == {"ok": False, "reason": "starting"}
    assert of(one.status({}))["now"] > 1.7e9
    assert [words.partition(":")[0] for words in of(one.ready({}))["reasons"]] == ["it is starting"]
    assert "tailrace_ingestion_paused 0\n" in one.metrics({}).body.decode()


def test_many_letters_are_counted_seldom_and_after_each_change(tmp_path: Path) -> None:
    clock = FakeClock()
    asked: list[float] = []

    class Slow(Letters):
        def stats(self, wanted: Filter) -> list[tuple[str, str, int, int, float, float]]:
            asked.append(clock.now)
            clock.advance(0.5)
            return super().stats(wanted)

    one = Api(board(), Asked(), Slow(store(tmp_path, letter())), clock)
    for _ in range(3):
        one.status({})
        one.metrics({})
    assert asked == [1000.0]
    clock.advance(0.5 / SHARE - 1)
    one.status({})
    assert len(asked) == 1
    clock.advance(2)
    one.status({})
    assert len(asked) == 1, "nothing was looked at since"
    one.board.publish(replace(one.board.snapshot, at=one.board.snapshot.at + 1))
    one.status({})
    assert len(asked) == 2
    one.drop({"all": True})
    one.status({})
    assert len(asked) == 3


def test_letters_of_a_commit_that_the_snapshot_has_not_seen_are_not_told(tmp_path: Path) -> None:
    one = api(tmp_path, letter(), letter(), letter(), clock=FakeClock())
    for last, count in ((2, 2), (0, 0), (3, 3)):
        one.board.publish(replace(one.board.snapshot, at=one.board.snapshot.at + 1, last_letter=last))
        assert of(one.status({}))["dead_letters"]["count"] == count


def test_what_a_reload_changes_about_letters_is_told_at_once(tmp_path: Path) -> None:
    one = api(tmp_path, letter(), clock=FakeClock())
    assert of(one.status({}))["dead_letters"]["max_bytes"] == 0
    one.board.about = Description(letters_max=4096, letters_when_full="drop_oldest")
    assert of(one.status({}))["dead_letters"]["max_bytes"] == 4096


# Letters.


def test_letters_come_newest_first_and_page_by_page(tmp_path: Path) -> None:
    one = api(tmp_path, *(letter(line=b"%d" % n) for n in range(5)), letter("no_match"))
    page = of(one.list_letters({"limit": "2", "error": "bad_json"}))
    assert (page["count"], [row["line"] for row in page["letters"]]) == (5, ["4", "3"])
    page = of(one.list_letters({"limit": "2", "error": "bad_json", "before": str(page["letters"][-1]["id"])}))
    assert [row["line"] for row in page["letters"]] == ["2", "1"]
    assert of(one.list_letters({"stage": "no such"})) == {"count": 0, "letters": []}


def test_a_line_is_shown_printable_and_not_too_long(tmp_path: Path) -> None:
    hostile = b"\x1b[31m\x00\xff\xe2\x80\xae" + "ü".encode() + b"x" * 10_000
    (row,) = of(api(tmp_path, letter(line=hostile)).list_letters({}))["letters"]
    assert row["line"].isprintable()
    assert "ü" in row["line"]
    assert (len(row["line"]), row["length"], row["cut"]) == (2000, len(hostile), False)


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "-1"}, {"limit": "501"}, {"limit": "x"}, {"limit": "1.5"}, {"limit": "٣"},
     {"limit": "9" * 5000}, {"limit": "0" * 19 + "1999999"}, {"before": str(1 << 63)}, {"before": "NaN"}],
)  # fmt: skip
def test_odd_numbers_are_refused(tmp_path: Path, query: dict[str, str]) -> None:
    assert refused(api(tmp_path).list_letters, query) == 400


@pytest.mark.parametrize("query", [{"duration": "nan"}, {"duration": "inf"}, {"interval": "0"}, {"duration": "1e9"},
                                   {"interval": "soon"}, {"limit": "1000001"}])  # fmt: skip
def test_odd_taps_are_refused(tmp_path: Path, query: dict[str, str]) -> None:
    assert refused(api(tmp_path).tap, query) == 400


def test_seconds_may_have_a_unit(tmp_path: Path) -> None:
    one = api(tmp_path)
    one.tap({"duration": "2m", "interval": "0.25", "stage": "parse.json", "when": "a == 1", "limit": "7"})
    assert one.actions.done == [("tap", ("parse.json", "a == 1", 7, 0.25, 120.0))]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"all": False}, {"all": True, "stage": "a"}, {"all": 1}, {"stages": "a"}, {"stage": 1}, {"stage": None},
        {"ids": ["1"]}, {"ids": [True]}, {"ids": [-1]}, {"ids": [1 << 70]}, {"ids": 1}, {"since": True},
        {"since": "now"}, {"since": float("nan")}, {"since": float("inf")}, {"since": -1}, {"since": 1 << 80},
        {"until": -1}, {"until": 1.0}, {"until": True}, {"until": 1 << 62}, {"until": float("nan")},
    ],
)  # fmt: skip
@pytest.mark.parametrize("action", ["drop", "redrive"])
def test_a_filter_that_is_none_drops_nothing(tmp_path: Path, body: dict[str, Any], action: str) -> None:
    """Not even one of which SQLite would make no filter at all."""
    one = api(tmp_path)
    assert refused(getattr(one, action), body) == 400
    assert one.actions.done == []  # type: ignore[attr-defined]


def test_a_filter_comes_through_as_it_was_meant(tmp_path: Path) -> None:
    one = api(tmp_path)
    wanted = Filter("parse.json", "bad_json", 1.5e9, (3, 4), 9)
    for meant in (wanted, Filter(), Filter(ids=()), Filter(until=3), Filter(since=0)):
        one.drop(json.loads(json.dumps(filter_body(meant))))
        assert one.actions.done.pop() == ("drop", meant)  # type: ignore[attr-defined]
    one.drop({"stage": "\ud800"})
    assert one.actions.done.pop()[1].stage == "\\ud800"  # type: ignore[attr-defined]


def test_until_spares_the_letters_that_came_later(tmp_path: Path) -> None:
    letters = Letters(store(tmp_path, *(letter(line=b"%d" % n) for n in range(4))))
    newest = letters.newest(Filter(), 1)[0].id
    assert letters.ids(Filter(error="bad_json", until=newest - 2)) == [newest - 3, newest - 2]
    assert letters.count(Filter(until=newest)) == 4


@pytest.mark.parametrize("file", ["", "a.log", "./a.log", "/a\0b", "/\ud800", 1, None])
def test_a_file_is_an_absolute_path(tmp_path: Path, file: object) -> None:
    one = api(tmp_path)
    assert refused(one.forget, {"file": file}) == 400
    assert refused(one.move, {"file": "/a", "to": file}) == 400
    assert one.actions.done == []  # type: ignore[attr-defined]


def test_a_file_whose_name_is_no_text_can_be_named(tmp_path: Path) -> None:
    one = api(tmp_path)
    assert json.loads(one.forget({"file": "/logs/\udcff.log"}).body) == {"file": "/logs/\udcff.log"}


def test_letters_that_cannot_be_read_are_an_error_in_words(tmp_path: Path) -> None:
    one = Api(board(), Asked(), Letters(str(tmp_path)))
    with pytest.raises(TailraceError, match="no state file"):
        one.metrics({})
