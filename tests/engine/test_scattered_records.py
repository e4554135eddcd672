"""Records whose parts stand between those of another output of the same container: joined by stream, each once."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Origin
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.records import records_of
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.encoding import UTF8
from tailrace.pipeline.framing import Framer, Multiline
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.cri import Cri

from .engine_kit import to_sink

FRAMER = Framer(Multiline(preset="cri"))


def cri(stream: str, tag: str, text: str) -> bytes:
    return f"2026-02-02T10:30:45.1Z {stream} {tag} {text}\n".encode()


DATA = b"".join(
    [
        cri("stdout", "F", "before"),
        cri("stdout", "P", "one, "),
        cri("stderr", "F", "between"),
        cri("stdout", "P", "two, "),
        cri("stderr", "P", "begun "),
        cri("stdout", "F", "three"),
        cri("stderr", "F", "and done"),
        cri("stdout", "F", "behind"),
    ]
)
MESSAGES = ["before", "one, two, three", "between", "begun and done", "behind"]


def where(places: Any) -> Origin:
    return origin(places=places)


def test_parts_are_joined_by_stream_in_the_order_in_which_their_records_begin() -> None:
    records = records_of(DATA, 100, UTF8, FRAMER, verbatim=False)
    events: list[Any] = Cri().parse(records.lines(where(records.places)))
    assert [event["message"] for event in events] == MESSAGES
    places = [100 + DATA.index(text) for text in (b"2026", b"2026-02-02T10:30:45.1Z stdout P one")]
    assert list(records.places)[:2] == places
    begin = places[1] - 100
    joined = b"".join([cri("stdout", "P", "one, "), cri("stdout", "P", "two, "), cri("stdout", "F", "three")])
    assert records.scattered(begin) == joined.removesuffix(b"\n")
    assert records.lengths([begin]) == [len(joined) - 1]
    assert records.scattered(0) is None


def test_a_chunk_ends_only_where_no_part_is_open() -> None:
    ends = [at + 1 for at, byte in enumerate(DATA) if byte == 10]
    closed = [FRAMER.closed(DATA[:end], UTF8) for end in ends]
    assert closed == [0, *[ends[0]] * 5, ends[0], ends[6]], "the last line may go on, as far as anybody knows"
    assert FRAMER.first(DATA[ends[0] :], UTF8) == ends[6] - ends[0]


LINES = st.lists(
    st.tuples(st.sampled_from(["stdout", "stderr"]), st.sampled_from(["F", "P"]), st.integers(0, 99)), max_size=30
)


@given(LINES, st.randoms(use_true_random=False))
def test_the_records_are_the_same_wherever_chunks_are_cut(lines: list[Any], chance: random.Random) -> None:
    data = b"".join(cri(stream, tag, f"{number} ") for stream, tag, number in lines)
    whole = records_of(data, 0, UTF8, FRAMER, verbatim=False)
    expected = list(zip(whole.places, whole.lines(where(whole.places)).records, strict=True)) if data else []
    found: list[Any] = []
    at = stop = 0
    while at < len(data):
        stop = data.find(b"\n", min(len(data) - 1, stop + chance.randint(0, 120))) + 1
        cut = stop - at if stop == len(data) else FRAMER.closed(data[at:stop], UTF8)
        if cut:
            some = records_of(data[at : at + cut], at, UTF8, FRAMER, verbatim=False)
            found += zip(some.places, some.lines(where(some.places)).records, strict=True)
            at += cut
    assert found == expected


class Picky:
    def process(self, events: list[Any]) -> list[Any]:
        for event in events:
            if "two" in event["message"]:
                raise ValueError("no two")
        return events


@pytest.mark.parametrize("whole", [True, False])
def test_a_dead_letter_has_all_its_bytes_and_the_others_go_on(whole: bool) -> None:
    steps = [Step("parse.cri", "parse", Cri()), Step("picky", "enrich", Picky()), to_sink(0)]
    for step in steps:
        step.framer = FRAMER
    chain = Chain(steps, "a.log")
    made = chain.run(DATA, where, 0, 0) if whole else chain.run_line(DATA, where, 0, 0)
    written = [orjson.loads(line)["message"] for one in made.payloads for line in bytes(one.data).splitlines()]
    assert Counter(written) == Counter(MESSAGES) - Counter(["one, two, three"])
    (dead,) = made.dead
    assert (
        dead.raw
        == b"".join([cri("stdout", "P", "one, "), cri("stdout", "P", "two, "), cri("stdout", "F", "three")])[:-1]
    )
