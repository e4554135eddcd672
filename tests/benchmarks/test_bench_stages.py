"""The bare loops that parsers are rated against make the same events."""

from __future__ import annotations

import pytest
from tailrace.pipeline.batch import Lines

from benchmarks.stage_lines import PARSERS
from benchmarks.stages import RATED, given, stage, texts


@pytest.mark.parametrize("name", PARSERS)
def test_a_bare_loop_makes_the_events_of_the_parser(name: str) -> None:
    line, bare, options = PARSERS[name]
    (piece,), (text,) = given(line, 1), texts(line, 1)
    assert stage(f"parse.{name.partition(' ')[0]}", **options).parse(Lines(*piece)) == bare(text)


def test_every_parser_that_has_a_bar_is_rated() -> None:
    assert {"parse.grok", "multiline", "enrich.redact", "enrich.geoip", "enrich.template"} <= RATED.keys()
