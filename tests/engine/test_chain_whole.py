"""A whole chain: conditions, sinks, places, and any text in any pieces."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.batch import Origin as Where
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.errors import Reject
from tailrace.pipeline.outgoing import Payload

from .chain_kit import (
    balance,
    brief,
    by_line,
    chain,
    enrich,
    errors,
    events,
    lines_of,
    messages,
    output,
    raws,
    run,
    together,
)
from .engine_kit import Each, Entries, Json, LineParser, Moody, steps, to_sink

# Conditions.


def long(events: list[Event]) -> list[Any]:
    return [len(event["message"]) > 3 for event in events]


def test_a_stage_with_a_condition_keeps_the_order_of_all_events() -> None:
    class Mark:
        def process(self, events: list[Event]) -> Entries:
            out: Entries = []
            for event in events:
                if "drop" not in event["message"]:
                    event["marked"] = True
                    out.append(event)
                if "dupl" in event["message"]:
                    out.append({**event})
            return out

    made = run(chain(enrich(Mark(), when=long)), b"a\nlong1\nlong2\nb\nlong drop\nlong dupl\nc\nlong3\n")
    assert [(event["message"], "marked" in event) for event in events(made)] == [
        ("a", False),
        ("long1", True),
        ("long2", True),
        ("b", False),
        ("long dupl", True),
        ("long dupl", True),
        ("c", False),
        ("long3", True),
    ]
    assert balance(made) == (8, 8)


def test_a_condition_that_raises_for_one_event_costs_that_line_alone() -> None:
    def picky(events: list[Event]) -> list[Any]:
        if any(event["message"] == "picky" for event in events):
            raise ZeroDivisionError
        return [True] * len(events)

    data = b"one\npicky\nthree\n"
    for step in (enrich(Moody(), when=picky), to_sink(0, when=picky)):
        some = steps(step, sink=False) if step.role == "write" else steps(step)
        made = run(Chain(some, "a.log"), data)
        assert messages(made) == ["one", "three"]
        assert raws(made, data) == [b"picky"]
        assert made.dead[0].stage == step.label


def test_events_that_no_sink_wants_are_filtered_as_having_no_route() -> None:
    some = steps(to_sink(0, when=long), to_sink(1, when=lambda some: [e["message"] == "a" for e in some]), sink=False)
    made = run(Chain(some, "a.log"), b"a\nlong\nb\n")
    assert (messages(made), messages(made, sink=1)) == (["long"], ["a"])
    assert made.tally.filtered == {"end of the chain\0no route": 1}


def test_a_chain_without_a_sink_filters_everything() -> None:
    made = run(Chain(steps(sink=False), "a.log"), b"a\nb\n")
    assert made.tally.filtered == {"end of the chain\0no route": 2}


def test_a_file_whose_name_no_sink_fits_is_filtered() -> None:
    made = run(Chain(steps(to_sink(0, only=("*.txt",)), sink=False), "a.log"), b"a\n")
    assert made.tally.filtered == {"end of the chain\0no route": 1}


# Write.


def test_an_event_that_cannot_be_encoded_is_a_dead_letter_of_the_sink() -> None:
    data = b"one\nbad-encode\nthree\n"
    made = run(chain(), data)
    assert messages(made) == ["one", "three"]
    assert raws(made, data) == [b"bad-encode"]
    assert brief(made.dead[0])[2:] == ("write.out", "raised")
    assert balance(made) == (3, 3)


def test_an_event_that_a_sink_rejects_is_a_dead_letter_with_its_code_and_no_traceback() -> None:
    class Choosy(Json):
        def encode(self, events: list[Event]) -> Iterable[Payload]:
            if any("two" in event["message"] for event in events):
                raise Reject("missing_field", "needs the field 'u'")
            return super().encode(events)

    data = b"one\ntwo\nthree\n"
    made = run(Chain(steps(to_sink(0, Choosy()), sink=False), "a.log"), data)
    assert messages(made) == ["one", "three"]
    (dead,) = made.dead
    assert (dead.error, dead.why, dead.trace) == ("missing_field", "needs the field 'u'", None)


def test_a_sink_gets_the_events_as_they_are_at_its_place() -> None:
    late = Each(lambda event: {**event, "late": True})
    some = steps(to_sink(0), Step("late", "enrich", late), to_sink(1), sink=False)
    made = run(Chain(some, "a.log"), b"one\n")
    assert (events(made, 0), events(made, 1)) == ([{"message": "one"}], [{"message": "one", "late": True}])


@pytest.mark.parametrize("pair", [("out", "text"), ("out", None), (None, b"bytes"), "ab", [7]])
def test_a_sink_that_encodes_to_something_else_than_bytes_kills_nobody(pair: Any) -> None:
    class Wrong(Json):
        def encode(self, _events: list[Event]) -> Iterable[Payload]:
            return pair if isinstance(pair, list) else [Payload(*pair)]

    data = b"one\n"
    made = run(Chain(steps(to_sink(0, Wrong()), sink=False), "a.log"), data)
    assert (made.payloads, raws(made, data), made.dead[0].stage) == ([], [b"one"], "write.out")


# Located stages.


class Origin:
    """Gives each event its line's offset."""

    def locate(self, where: Where) -> None:
        self._offsets = where.places

    def process(self, events: list[Event]) -> list[Event]:
        for event, offset in zip(events, self._offsets, strict=True):
            event["offset"] = offset
            if event["message"] == "raise":
                raise ValueError
        return events


@pytest.mark.parametrize("when", [None, long])
def test_a_located_stage_is_given_the_offset_of_each_of_its_events(when: Any) -> None:
    data = b"first\n\nparse-fail\nno\nraise\nlast\n"
    made = run(chain(enrich(Origin(), when=when)), data, start=1000)
    found = {event["message"]: event.get("offset") for event in events(made)}
    assert found == {"first": 1000, "no": None if when else 1018, "last": 1027}
    assert raws(made, data) == [b"parse-fail", b"raise"]


# All of it at once.

WORDS = [
    "ok", "raise", "drop", "dup", "fail", "fail-new", "new", "exit", "parse-fail", "parse-raise", "bad-encode", "long",
    "dup raise2", "dup drop2", "dup fail2", "new raise2", "new fail2", "",
]  # fmt: skip


ENDS = [b"\n", b"\r\n"]


class Second:
    """Works on what Moody made: the second copy of an event misbehaves alone."""

    def process(self, events: list[Event]) -> Entries:
        out: Entries = []
        for event in events:
            second = event.get("copy") or "new" in event["message"]
            if second and "raise2" in event["message"]:
                raise LookupError("second stage")
            if second and "fail2" in event["message"]:
                out.append(Fail("bad2", "second stage", event=event))
            elif not (second and "drop2" in event["message"]):
                event["stage2"] = True
                out.append(event)
        return out


def moody_chain() -> Chain:
    return Chain(
        [
            Step("parse.lines", "parse", LineParser()),
            Step("moody", "enrich", Moody()),
            Step("second", "enrich", Second(), when=long),
            to_sink(0),
            to_sink(1, when=long),
        ],
        "a.log",
    )


def line_bytes() -> st.SearchStrategy[bytes]:
    text = st.builds(
        lambda word, tail: word.encode() + tail, st.sampled_from(WORDS), st.sampled_from([b"", b" \xff", b"\r"])
    )
    return st.builds(lambda body, end: body + end, text, st.sampled_from(ENDS))


@given(st.lists(line_bytes(), min_size=1, max_size=25), st.lists(st.integers(1, 24), max_size=4), st.booleans())
def test_case_032_any_split_into_pieces_equals_line_by_line_and_nothing_is_lost(
    lines: list[bytes], cuts: list[int], bom: bool
) -> None:
    if bom:
        lines[0] = b"\xef\xbb\xbf" + lines[0]
    data = b"".join(lines)
    borders = sorted({0, len(lines), *(cut for cut in cuts if cut < len(lines))})
    pieces = [b"".join(lines[a:b]) for a, b in pairwise(borders)]
    moody = moody_chain()
    at, parts = 0, []
    for piece in pieces:
        parts.append(run(moody, piece, at, at))
        at += len(piece)
    split, single = together(parts), by_line(moody, data)

    assert output(split) == output(single)
    assert output(split, sink=1) == output(single, sink=1)
    assert sorted(map(brief, split.dead)) == sorted(map(brief, single.dead))
    begins = {offset: len(line) - 1 for offset, line in lines_of(data)}
    assert all(begins[dead.offset] == dead.length for dead in split.dead)
    assert split.tally.written == single.tally.written
    for made in (split, single):
        assert made.tally.lines == len(lines)
        left, right = balance(made)
        assert left == right, made.tally


def test_errors_are_known_by_their_code() -> None:
    assert errors(run(chain(Moody()), b"raise\nfail\nparse-fail\n")) == ["no_match", "raised", "bad"]
