"""Lines that are meant to yield no event: a stage's ``Skip``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tailrace.pipeline.batch import Event, Fail, Lines, Skip
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.parsed import ParsedField, ParsedInto
from tailrace.pipeline.chain.step import Step

from .chain_kit import balance, events, messages, raws, run
from .engine_kit import Moody, steps, to_sink

DATA = b"#one\nfirst\n#two\nparse-fail\nsecond\n"


@dataclass
class Headed:
    """Lines with headers among them, which begin with ``#``."""

    shared: bool = False

    def parse(self, lines: Lines) -> list[Event | Fail | Skip]:
        header = Skip("header")
        return [self._entry(line, header if self.shared else Skip("header")) for line in lines]

    def _entry(self, line: str, header: Skip) -> Event | Fail | Skip:
        if line.startswith("#"):
            return header
        if "parse-raise" in line:
            raise ValueError("asked to")
        return Fail("no_match", "asked to") if "parse-fail" in line else {"message": line}


def headed(*others: Any, stage: Any = None, **options: Any) -> Chain:
    first = Step("parse.headed", "parse", stage or Headed(), **options)
    return Chain([first, *(Step("enrich.it", "enrich", other) for other in others), to_sink(0)], "a.log")


@pytest.mark.parametrize("shared", [False, True])
def test_a_skipped_line_is_filtered_by_its_reason_and_the_others_keep_their_places(shared: bool) -> None:
    made = run(headed(stage=Headed(shared)), DATA)
    assert messages(made) == ["first", "second"]
    assert raws(made, DATA) == [b"parse-fail"]
    assert made.tally.filtered == {"parse.headed\0header": 2}
    assert balance(made) == (5, 5)


@pytest.mark.parametrize("on_error", ["keep", "drop"])
def test_a_skipped_line_is_no_error(on_error: Any) -> None:
    made = run(headed(on_error=on_error), b"#one\nfirst\n")
    assert messages(made) == ["first"]
    assert made.tally.filtered == {"parse.headed\0header": 1}


def test_a_piece_of_skipped_lines_is_all_filtered() -> None:
    made = run(headed(Moody()), b"#one\n#two\n")
    assert (made.tally.lines, made.tally.filtered, made.payloads) == (2, {"parse.headed\0header": 2}, [])


def test_later_stages_find_the_line_of_an_event_behind_a_skipped_one() -> None:
    data = b"#one\nfail\n#two\nnew dup\nlast\n"
    made = run(headed(Moody()), data)
    assert raws(made, data) == [b"fail"]
    assert messages(made) == ["new dup", "new dup", "last"]
    assert balance(made) == (6, 6)


def test_a_line_that_raises_among_skipped_ones_costs_itself_alone() -> None:
    data = DATA + b"parse-raise\n#three\n"
    made = run(headed(), data)
    assert messages(made) == ["first", "second"]
    assert raws(made, data) == [b"parse-fail", b"parse-raise"]
    assert made.tally.filtered == {"parse.headed\0header": 3}


def test_an_enrichment_may_skip_too() -> None:
    class Quiet:
        def process(self, events: list[Event]) -> list[Event | Skip]:
            return [Skip("too quiet") if "quiet" in event["message"] else event for event in events]

    data = b"one\nquiet\nfail\n"
    made = run(Chain(steps(Quiet(), Moody()), "a.log"), data)
    assert messages(made) == ["one"]
    assert raws(made, data) == [b"fail"]
    assert made.tally.filtered == {"stage0\0too quiet": 1}
    assert balance(made) == (3, 3)


def test_an_event_whose_field_is_skipped_is_left_out() -> None:
    made = run(Chain(steps(ParsedField(Headed(), "message", "", overwrite=True)), "a.log"), b"#one\nfirst\n")
    assert events(made) == [{"message": "first"}]
    assert made.tally.filtered == {"stage0\0header": 1}


def test_what_a_parser_skips_is_put_into_no_field() -> None:
    made = run(headed(Moody(), stage=ParsedInto(ParsedInto(Headed(), "message"), "message")), b"#one\n#two\n")
    assert (made.payloads, made.dead) == ([], [])
    assert made.tally.filtered == {"parse.headed\0header": 2}
