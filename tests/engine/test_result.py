"""What a worker writes into a slot's output is read back as it was; an outcome that does not fit leaves no trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.chain.outcome import DeadLine, Encoded, Made, Tally, clean, columns, fields_text
from tailrace.pipeline.work.layout import ResultWriter, most_records, read_result

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTS = st.dictionaries(TEXT, st.integers(0, 1 << 40), max_size=3)
COLUMNS = st.lists(st.tuples(*[st.integers(0, 1 << 31)] * 4), min_size=1, max_size=4).map(
    lambda rows: columns(*zip(*rows, strict=True))
)
PAYLOADS = st.builds(
    Encoded,
    st.integers(0, 3),
    st.sampled_from(["a", "b", "out/\udcff", "ü"]),
    st.binary(max_size=60),
    st.none() | COLUMNS,
)
CHANGES = st.dictionaries(
    TEXT, st.tuples(st.dictionaries(TEXT, st.integers(0, 9) | TEXT, max_size=2), st.lists(TEXT, max_size=2)), max_size=2
)
DEAD = st.builds(
    DeadLine, st.integers(0, 1 << 31), st.integers(0, 1 << 31), TEXT, TEXT, TEXT, st.none() | TEXT, st.none() | TEXT
)
TALLIES = st.builds(
    Tally, st.integers(0, 1 << 40), COUNTS, COUNTS, COUNTS, st.dictionaries(TEXT, st.floats(0, 1e6), max_size=2)
)
MADE = st.builds(Made, st.lists(PAYLOADS, max_size=5), st.lists(DEAD, max_size=3), TALLIES, CHANGES)


def joined(payloads: list[Encoded]) -> list[Encoded]:
    """Neighbours of one destination put together, where records are not told apart."""
    out: list[Encoded] = []
    for payload in payloads:
        last = out[-1] if out else None
        alike = last is not None and (last.sink, last.destination) == (payload.sink, payload.destination)
        if last is not None and alike and last.columns is None and payload.columns is None:
            last.data = bytes(last.data) + bytes(payload.data)
        else:
            out.append(replace(payload))
    return out


@settings(max_examples=50)
@given(st.lists(MADE, max_size=8), st.integers(0, 3000))
def test_whatever_fits_is_read_back_and_the_rest_leaves_no_trace(outcomes: list[Made], size: int) -> None:
    output = memoryview(bytearray(size))
    writer = ResultWriter(output)
    assert writer.empty
    taken = [made for made in outcomes if writer.put(made)]
    result = read_result(output, writer.record_bytes)

    expected = joined([payload for made in taken for payload in made.payloads])
    assert [replace(payload, data=bytes(payload.data)) for payload in result.payloads] == expected
    expected_changes: list[Any] = [
        {name: list(change) for name, change in made.changes.items()} for made in taken if made.changes
    ]
    assert result.changes == expected_changes
    assert result.dead == [dead for made in taken for dead in made.dead]
    assert result.tally == sum((made.tally for made in taken), Tally())
    assert result.tally.lines == sum(made.tally.lines for made in taken)
    for name in ("written", "made", "filtered", "seconds"):
        whole = sum(sum(getattr(made.tally, name).values()) for made in taken)
        assert sum(getattr(result.tally, name).values()) == pytest.approx(whole)
    assert writer.empty == (not taken)


def test_an_outcome_that_does_not_fit_is_taken_back_wholly_and_a_smaller_one_still_fits() -> None:
    output = memoryview(bytearray(1000))
    writer = ResultWriter(output)
    assert writer.put(Made([Encoded(0, "out", b"first")]))
    before = writer.record_bytes
    too_much = Made([Encoded(0, "out", b"x" * 400), Encoded(0, "out", b"y" * 600)])
    assert not writer.put(too_much)
    assert writer.record_bytes == before
    assert writer.put(Made([Encoded(0, "out", b"second")]))
    assert [bytes(payload.data) for payload in read_result(output, writer.record_bytes).payloads] == [b"firstsecond"]


def test_payloads_and_records_never_overlap_when_the_output_is_filled_to_the_last_byte() -> None:
    made = Made([Encoded(0, "out", b"p" * 10)], tally=Tally(lines=1))
    probe = ResultWriter(memoryview(bytearray(1000)))
    probe.put(made)
    needed = probe.record_bytes + 10
    for size, fits in ((needed, True), (needed - 1, False)):
        output = memoryview(bytearray(size))
        writer = ResultWriter(output)
        assert writer.put(made) is fits


def test_case_054_only_what_the_progress_word_vouches_for_is_read() -> None:
    """A worker that dies between a record and its progress word: the record is not seen."""
    output = memoryview(bytearray(1000))
    writer = ResultWriter(output)
    writer.put(Made([Encoded(0, "out", b"first")]))
    vouched = writer.record_bytes
    writer.put(Made([Encoded(0, "out", b"second")], dead=[DeadLine(1, 2, "s", "e", "w")]))
    result = read_result(output, vouched)
    assert [bytes(payload.data) for payload in result.payloads] == [b"first"]
    assert result.dead == []


def test_fields_that_json_cannot_hold_are_told_by_their_repr() -> None:
    nested: dict[str, Any] = {}
    nested["self"] = nested
    events: list[Any] = [{"s": "\ud800"}, nested, {"object": object()}, {b"key": 1}]
    for event in events:
        text = fields_text(event)
        assert text.encode()
        assert text[0] in '{"'


def test_case_082_fields_with_an_integer_of_any_length_are_told_as_json() -> None:
    assert fields_text({"n": 1 << 80, "t": "é"}) == f'{{"n":{1 << 80},"t":"é"}}'


def test_clean_text_can_be_encoded() -> None:
    assert clean("a\ud800b").encode() == b"a\\ud800b"


def test_an_output_takes_only_so_many_records_so_that_reading_them_back_is_bounded() -> None:
    output = memoryview(bytearray(4 << 20))
    writer = ResultWriter(output)
    limit = most_records(len(output))
    assert limit == 16384
    tiny = Encoded(0, "o", b"x")
    assert not writer.put(Made([tiny] * (limit + 1)))
    assert writer.put(Made([tiny] * (limit - 1), [DeadLine(0, 1, "s", "e", "w")]))
    assert not writer.put(Made([tiny]))
    assert writer.put(Made(tally=Tally(lines=1))), "events that were filtered need no room"
