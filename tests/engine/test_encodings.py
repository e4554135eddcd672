"""Pieces in other encodings than UTF-8, and bytes that are no text: what stages see, and what dead letters point at."""

from __future__ import annotations

import pytest
from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.chain.records import Records
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.testing.doubles import ListSource
from tailrace.pipeline.work.layout import read_result
from tailrace.pipeline.work.ring import Geometry, Ring
from tailrace.pipeline.work.worker import DONE, Work

from .chain_kit import brief, chain, messages, run
from .engine_kit import Pipeline, steps

TEXT = "\ufeffone \u0a0a\r\n\n\x1b[31m\x1b[0m\nparse-fail \u00fc\nthree"


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_case_034_wide_characters(name: str) -> None:
    one, data = chain(), TEXT.encode(name)
    one.encoding = encoding(name)
    made = run(one, data, start=0, base=700)
    assert messages(made) == ["one \u0a0a", "three"]
    assert made.tally.filtered == {"source\0empty line": 2}
    (dead,) = made.dead
    assert data[dead.offset - 700 :][: dead.length].decode(name) == "parse-fail \u00fc"
    places = list(Records(data, 0, encoding(name)).places)
    assert [data[at:].decode(name)[:5] for at in places] == ["\ufeffone ", "parse", "three"]


@pytest.mark.parametrize("name", ["utf-16-le", "utf-32-be", "latin-1"])
def test_lines_are_found_one_by_one_where_a_stage_raises(name: str) -> None:
    text = "".join(f"line {number} \u00fc\n" for number in range(3)) + "parse-raise\nlast \u00fc\n"
    data = text.encode(name)
    ring = Ring.create(Geometry(1, 1 << 16, 1 << 16))
    try:
        slot = ring.slots[0]
        slot.input[: len(data)] = data
        work = Work(steps(), 5.0)
        slot.ask(chunk_of(data, name), 0, careful_until=len(data))
        work.begin(slot)
        while work.step() != DONE:
            pass
        assert slot.progress[0] == len(data)
        result = read_result(slot.output, slot.progress[1])
        text = b"".join(bytes(payload.data) for payload in result.payloads).decode()
        assert [line for line in text.splitlines() if "\u00fc" in line] == text.splitlines()
        assert (text.count("\n"), len(result.dead)) == (4, 1)
    finally:
        ring.close()


def chunk_of(data: bytes, name: str) -> Chunk:
    return Chunk(1, "t-1", "a.log", "/a.log", 0, len(data), len(data), 0.0, 0.0, encoding=encoding(name).name)


def test_lines_with_bytes_that_are_no_text_are_counted_and_replaced() -> None:
    made = run(chain(), b"caf\xe9\n\nfine \xc3\xbc\ncut \xe2\x82\n")
    assert messages(made) == ["caf\ufffd", "fine \u00fc", "cut \ufffd"]
    assert made.tally.invalid == 2


def test_case_034_such_lines_are_dead_letters_where_they_are_forbidden() -> None:
    one = chain()
    one.steps[0].strict = True
    made = run(one, b"caf\xe9\n\nfine \xc3\xbc\ncut \xe2\x82\n")
    assert messages(made) == ["fine \u00fc"]
    assert [brief(dead) for dead in made.dead] == [
        (0, 4, "parse.lines", "bad_encoding"), (14, 6, "parse.lines", "bad_encoding"),
    ]  # fmt: skip
    assert 'source.errors = "error"' in made.dead[0].why


def test_they_are_said_once_a_file_and_counted_as_lines() -> None:
    pipeline = Pipeline(ListSource({"a.log": b"caf\xe9\n" * 90, "b.log": b"fine\n"}, chunk_bytes=64))
    assert pipeline.run().complete
    (said,) = pipeline.log.fields("file.invalid_bytes")
    assert said["file"].endswith("a.log")
    assert "source.encoding" in said["notice"]
    assert pipeline.counters.total("lines_invalid_bytes") == 90
