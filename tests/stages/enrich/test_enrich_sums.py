"""The stages that add up: aggregate, metric, first_seen, and dedupe with a count."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from math import inf
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.enrich.aggregate import Aggregate
from tailrace.stages.enrich.dedupe import Dedupe
from tailrace.stages.enrich.first_seen import FirstSeen
from tailrace.stages.enrich.metric import Metric

START = 1_800_000_000


def at(seconds: float, **fields: Any) -> Event:
    return {"timestamp": START + seconds, **fields}


class Sum:
    """A stage as the engine uses it, with its totals as the state gives them back."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self.stage = make()
        self.totals: dict[str, Any] = {}

    def add(self, *events: Event) -> list[Any]:
        """One batch; what goes on."""
        self.stage.locate(origin(now=START))
        entries: list[Any] = self.stage.process(copy.deepcopy(list(events)))
        added, _ = self.stage.added()
        self.stage.merge(self.totals, orjson.loads(orjson.dumps(added)))
        return [entry.code if isinstance(entry, Fail) else entry for entry in entries]

    def close(self, until: float = inf) -> list[Event]:
        return [event for _, event in self.named(until)]

    def named(self, until: float = inf) -> list[tuple[str, Event]]:
        return list(self.stage.close(self.totals, until if until == inf else START + until))

    def restart(self) -> None:
        self.stage, self.totals = self._make(), orjson.loads(orjson.dumps(self.totals))


def test_aggregate_adds_up_by_window_and_group() -> None:
    values = {
        "n": "count", "sized": "count(size)", "bytes": "sum(size)", "least": "min(size)", "most": "max(size)",
        "mean": "avg(size)", "median": "p50(size)",
    }  # fmt: skip
    one = Sum(lambda: Aggregate(["user", "status"], 60.0, values))
    assert one.add(at(0, user="ann", status=200, size=1), at(59.9, user="ann", status=200, size=0.5)) == []
    one.add(at(1, user="ann", status=200), at(1, user="ann", status="200", size=7), at(60, user=None, size=4))
    assert one.close(69.9) == []
    first, other = one.close(70)
    assert first == {
        "timestamp": "2027-01-15T08:00:00Z", "window_end": "2027-01-15T08:01:00Z", "user": "ann", "status": "200",
        "n": 1, "sized": 1, "bytes": 7, "least": 7, "most": 7, "mean": 7.0, "median": pytest.approx(7, rel=0.02),
    }  # fmt: skip
    assert (other["n"], other["sized"], other["bytes"], other["least"], other["most"]) == (3, 2, 1.5, 0.5, 1)
    one.restart()
    (last,) = one.close()
    assert (last["user"], last["status"], last["n"], last["timestamp"]) == (None, None, 1, "2027-01-15T08:01:00Z")
    one.add(at(1, user="bob"))
    ((name, late),) = one.named()
    assert late["late"] is True
    assert name == '2027-01-15T08:00:00Z:["bob",null].1'
    assert late["bytes"] is late["least"] is late["mean"] is late["median"] is None


def test_what_aggregate_cannot_add_up_is_a_dead_letter_and_counts_for_nothing() -> None:
    one = Sum(lambda: Aggregate(["user"], values={"n": "count", "bytes": "sum(size)"}, required=True, keep=True))
    good = at(0, user="ann", size=1)
    bad = [
        at(0, user="ann", size="1"), at(0, user="ann", size=True), at(0, user="ann", size=float("nan")), at(0, size=1),
        {"timestamp": "noon", "user": "ann"}, {"timestamp": 10**30, "user": "ann"}, at(0, user="x" * 2000),
        at(0, user={1, 2}),
    ]  # fmt: skip
    codes = ["bad_type"] * 3 + ["missing_field"] + ["bad_timestamp"] * 2 + ["too_large", "bad_type"]
    given_ = [good, *bad]
    one.stage.locate(origin(now=START))
    entries = one.stage.process(given_)
    assert [entry.code if isinstance(entry, Fail) else entry for entry in entries] == [good, *codes]
    one.stage.merge(one.totals, one.stage.added()[0])
    assert [(event["n"], event["bytes"]) for event in one.close()] == [(1, 1)]


def test_groups_beyond_the_most_are_one() -> None:
    one = Sum(lambda: Aggregate(["user"], max_groups=2))
    for number in range(5):
        one.add(at(0, user=f"user {number}"))
    events = one.close()
    assert [(event["user"], event["count"], event.get("overflow")) for event in events] == [
        (None, 3, True), ("user 0", 1, None), ("user 1", 1, None),
    ]  # fmt: skip


def test_mistakes_in_aggregate_are_all_told() -> None:
    with pytest.raises(ValueError, match="values") as told:
        Aggregate(["user", "user", "late"], values={"a": "sum", "user": "count", "b": "mode(x)", "": "count"})
    keys = [line.partition(":")[0] for line in str(told.value).splitlines()]
    assert keys == ["by[1]", "by[2]", "values.a", "values.user", "values.b", "values."]
    with pytest.raises(ValueError, match="values: is empty"):
        Aggregate(values={})


EVENTS = st.lists(
    st.builds(at, st.integers(0, 200), user=st.sampled_from(["a", "b", None]), size=st.floats(-1e9, 1e9) | st.none()),
    max_size=30,
)


@settings(max_examples=40)
@given(EVENTS, st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_order_the_batches_and_restarts_make_no_difference(
    events: list[Event], size: int, chance: random.Random
) -> None:
    makes: list[Callable[[], Any]] = [
        lambda: Aggregate(["user"], values={"n": "count", "sum": "sum(size)", "max": "max(size)", "p": "p90(size)"}),
        lambda: Metric("m", "histogram", "size", ["user"], [0.0, 10.0, 1e6]),
        lambda: Metric("m", "gauge", "size", ["user"]),
        lambda: FirstSeen(["user"], ["size"]),
        lambda: Dedupe(["user"], mode="count"),
    ]
    for make in makes:
        whole, parts = Sum(make), Sum(make)
        whole.add(*events)
        shuffled = chance.sample(events, len(events))
        for start in range(0, len(shuffled), size):
            parts.add(*shuffled[start : start + size])
            parts.restart()
        assert parts.named() == whole.named()


def test_first_seen_reports_what_was_never_there_with_its_count_and_place() -> None:
    one = Sum(lambda: FirstSeen(["kind"], ["file", "offset"]))
    one.add(at(9, kind="a", file="f", offset=7), at(1, kind="a", file="f", offset=3), at(2, kind="b"), at(3, other=1))
    events = one.close(10)
    assert events == [
        {"timestamp": "2027-01-15T08:00:01Z", "kind": "a", "file": "f", "offset": 3, "count": 2, "first_seen": True},
        {"timestamp": "2027-01-15T08:00:02Z", "kind": "b", "count": 1, "first_seen": True},
    ]
    one.restart()
    one.add(at(11, kind="a"), at(12, kind="c"))
    assert [event["kind"] for event in one.close()] == ["c"]


def test_first_seen_forgets_what_has_not_come_for_the_longest_time() -> None:
    one = Sum(lambda: FirstSeen(["kind"], max_known=3))
    for hour, kind in enumerate("abcad"):
        one.add(at(hour * 3600, kind=kind))
        one.close()
    one.restart()
    one.add(*(at(6 * 3600, kind=kind) for kind in "abcd"))
    assert [event["kind"] for event in one.close()] == ["b"]


def test_a_counter_goes_on_and_a_gauge_has_the_latest() -> None:
    counter, gauge = Sum(lambda: Metric("c", labels=["m"])), Sum(lambda: Metric("g", "gauge", "v"))
    counter.add(at(0, m="GET"), at(1, m="GET"), at(2, m="PUT"))
    gauge.add(at(5, v=2), at(1, v=9))
    assert [(event["labels"], event["value"]) for event in counter.close()] == [({"m": "GET"}, 2), ({"m": "PUT"}, 1)]
    counter.restart()
    counter.add(at(61, m="GET"))
    assert counter.close() == [
        {"timestamp": "2027-01-15T08:02:00Z", "metric": "c", "kind": "counter", "labels": {"m": "GET"}, "value": 3}
    ]
    assert [event["value"] for event in gauge.close()] == [2]
    assert counter.close() == [], "what has not changed is not told again"


def test_a_histogram_counts_what_is_not_above_each_limit() -> None:
    one = Sum(lambda: Metric("h", "histogram", "v", buckets=[0.1, 1, 5]))
    assert one.add(at(0, v=0.1), at(0, v=1.5), at(0, v=7), at(0), at(0, v="x")) == ["bad_type"]
    (event,) = one.close()
    assert (event["count"], event["sum"]) == (3, 8.6)
    assert event["buckets"] == {"0.1": 1, "1": 1, "5": 2, "+Inf": 3}


def test_series_beyond_the_most_are_one_and_counters_never_go_back() -> None:
    one = Sum(lambda: Metric("c", value="v", labels=["user"], max_series=2))
    assert one.add(at(0, user="a", v=1), at(0, user="b", v=1), at(0, user="c", v=-1)) == ["bad_type"]
    one.close()
    one.add(at(70, user="c", v=2), at(70, user="d", v=3), at(70, user="a", v=1))
    last = {event["labels"]["user"]: event["value"] for event in one.close()}
    assert last == {None: 5, "a": 2}


def shown(one: Sum) -> dict[str, Any]:
    """What /metrics would show, by labels."""
    events = list(one.stage.exposed(one.totals))
    found = {orjson.dumps(event["labels"]).decode(): event for event in events}
    assert len(found) == len(events)
    return found


def test_what_is_shown_has_the_windows_that_are_open() -> None:
    one = Sum(lambda: Metric("h", "histogram", "v", labels=["m"], buckets=[1, 5]))
    assert shown(one) == {}
    one.add(at(0, m="GET", v=0.5), at(61, m="GET", v=3))
    one.close(75)
    one.add(at(125, m="GET", v=9), at(125, m="PUT", v=1))
    assert shown(one)['{"m":"GET"}'] == {
        "metric": "h", "kind": "histogram", "labels": {"m": "GET"}, "count": 3, "sum": 12.5,
        "buckets": {"1": 1, "5": 2, "+Inf": 3},
    }  # fmt: skip
    one.restart()
    assert shown(one)['{"m":"PUT"}']["count"] == 1


def test_of_a_gauge_the_latest_is_shown() -> None:
    one = Sum(lambda: Metric("g", "gauge", "v"))
    one.add(at(5, v=2), at(70, v=3), at(1, v=9))
    assert [event["value"] for event in shown(one).values()] == [3]


@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(0, 300), st.sampled_from("abcdef"), st.integers(0, 9)), max_size=6), max_size=8
    ),
    closes=st.lists(st.one_of(st.none(), st.integers(0, 400)), min_size=8, max_size=8),
    kind=st.sampled_from(["counter", "gauge", "histogram"]),
)
@settings(max_examples=60)
def test_what_is_shown_is_what_closing_everything_comes_to_and_counters_never_go_back(
    batches: list[list[tuple[int, str, int]]], closes: list[int | None], kind: Any
) -> None:
    one = Sum(lambda: Metric("m", kind, "v", labels=["user"], max_series=3))
    before: dict[str, Any] = {}
    for batch, until in zip(batches, closes, strict=False):
        one.add(*(at(second, user=user, v=value) for second, user, value in batch))
        if until is not None:
            one.close(until)
        told = shown(one)
        later = copy.deepcopy(one)
        later.close()
        assert shown(later) == told
        if until is not None and kind == "counter":
            kept = {labels: event for labels, event in before.items() if labels in told}
            assert all(told[labels]["value"] >= event["value"] for labels, event in kept.items())
            before = {labels: event for labels, event in told.items() if len(told) <= 3}


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"metric": "tailrace_lines_read_total"}, "metric"), ({"labels": ["__name__"]}, "labels[0]"),
        ({"labels": ["m", "le"], "kind": "histogram", "value": "v"}, "labels[1]"),
    ],
)  # fmt: skip
def test_a_name_that_would_make_metrics_unreadable_is_refused(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match="found") as told:
        Metric(**{"metric": "m", **options})
    assert str(told.value).startswith(key)
    Metric("m", labels=["le"])  # of a counter it is as good as any


def test_mistakes_in_metric_are_all_told() -> None:
    with pytest.raises(ValueError, match="metric") as told:
        Metric("9 lives", "gauge", labels=["a.b", "c", "c"], buckets=[2, 1])
    keys = [line.partition(":")[0] for line in str(told.value).splitlines()]
    assert keys == ["metric", "value", "labels[0]", "labels[2]", "buckets"]


def test_dedupe_with_a_count_gives_the_first_with_how_often_it_came() -> None:
    one = Sum(lambda: Dedupe(["m"], 60.0, mode="count", required=True))
    assert one.add(at(2, m="x", n=2), at(1, m="x", n=1), at(70, m="x", n=3), at(3)) == ["missing_field"]
    first, second = one.close()
    assert first == at(1, m="x", n=1, repeats={
        "count": 2, "first": "2027-01-15T08:00:01Z", "last": "2027-01-15T08:00:02Z",
    })  # fmt: skip
    assert second["repeats"]["count"] == 1
    one.add(at(4, m="x", n=4))
    assert one.close()[0]["repeats"]["late"] is True


@pytest.mark.parametrize("make", [
    lambda: Aggregate(["m"]), lambda: Metric("m", labels=["m"]), lambda: FirstSeen(["m"]),
    lambda: Dedupe(["m"], mode="count"),
])  # fmt: skip
def test_an_event_that_is_refused_does_not_move_the_time_windows_close_by(make: Callable[[], Any]) -> None:
    one = Sum(make)
    assert one.add(at(3, m="x"), {"timestamp": "9999-12-31T00:00:00Z", "m": "x"}) == ["bad_timestamp"]
    assert one.stage.added()[1] == START + 3
    one.add()
    assert one.stage.added()[1] is None
