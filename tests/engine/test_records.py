"""Records of several lines in a worker: what a parser is given, and what a dead letter points at."""

from __future__ import annotations

from typing import Any

import pytest
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.records import FramedRecords, records_of
from tailrace.pipeline.encoding import UTF8, encoding
from tailrace.pipeline.framing import Framer, Multiline
from tailrace.pipeline.testing.doubles import origin
from tailrace.pipeline.work.layout import read_result
from tailrace.pipeline.work.ring import Geometry, Ring
from tailrace.pipeline.work.worker import DONE, PIECE, Work

from .chain_kit import chain, messages, run
from .engine_kit import steps
from .test_encodings import chunk_of

FRAMER = Framer(Multiline(start="^R"))
TEXT = "\ufeffR one\r\n  \x1b[31mmore\x1b[0m\r\n\r\nR\n\n\nR parse-fail\n  of it \u00fc\nR last\n  line"


def framed(name: str = "a.log") -> Chain:
    one = chain(name=name)
    for step in one.steps:
        step.framer = FRAMER
    return one


@pytest.mark.parametrize("name", ["utf-8", "utf-16-le", "utf-32-be"])
def test_a_record_is_one_text_and_its_dead_letter_is_the_whole_of_it(name: str) -> None:
    one, data = framed(), TEXT.encode(name)
    one.encoding = encoding(name)
    made = run(one, data, start=0, base=300)
    assert messages(made) == ["R one\n  more", "R", "R last\n  line"]
    assert made.tally.lines == 4
    (dead,) = made.dead
    assert data[dead.offset - 300 :][: dead.length].decode(name) == "R parse-fail\n  of it \u00fc"
    places = records_of(data, 0, one.encoding, FRAMER, verbatim=False).places
    assert [data[at:].decode(name).removeprefix("\ufeff")[:6] for at in places] == [
        "R one\r",
        "R\n\n\nR ",
        "R pars",
        "R last",
    ]


def test_empty_records_and_records_with_bytes_that_are_no_text() -> None:
    data = b"\n\n  x\nR \xff\n  y\nR fine\n z\n"
    records = records_of(data, 0, UTF8, FRAMER, verbatim=False)
    assert isinstance(records, FramedRecords)
    assert list(records.lines(origin(places=records.places))) == ["\n\n  x", "R \ufffd\n  y", "R fine\n z"]
    assert records.invalid == [1]
    blank = records_of(b"\n\n", 0, UTF8, FRAMER, verbatim=False)
    assert (blank.total, blank.empty, blank.filled) == (1, 1, False)


@pytest.mark.parametrize("careful", [False, True])
def test_a_slot_is_worked_off_record_by_record_whatever_their_size(careful: bool) -> None:
    """Also where a record is longer than a piece, and where a stage raises."""
    long = "R long\n" + "  x\n" * (PIECE // 3)
    text = "R one\n  more\n" * 50 + long + "R parse-raise\n  more\n" + "R two\n  more\n" * 5000
    data = text.encode()
    ring = Ring.create(Geometry(1, 1 << 20, 1 << 22))
    try:
        slot = ring.slots[0]
        slot.input[: len(data)] = data
        chained = steps()
        for step in chained:
            step.framer = Framer(Multiline(start="^R", max_lines=1_000_000))
        work = Work(chained, 5.0)
        slot.ask(chunk_of(data, "utf-8"), 0, careful_until=len(data) if careful else 0)
        work.begin(slot)
        while work.step() != DONE:
            pass
        result = read_result(slot.output, slot.progress[1])
        assert result.tally.lines == 50 + 1 + 1 + 5000
        (dead,) = result.dead
        assert data[dead.offset :][: dead.length] == b"R parse-raise\n  more"
        out: Any = b"".join(bytes(payload.data) for payload in result.payloads)
        assert out.count(b'"R one\\n  more"') == 50
        assert out.count(b'"R two\\n  more"') == 5000
        assert long.rstrip().replace("\n", "\\n").encode() in out
    finally:
        ring.close()
