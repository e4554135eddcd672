"""Parse stages that read a field, or make one; records that hold newlines; colours in what a parser is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.parsed import ParsedField, ParsedInto
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.combined import Combined
from tailrace.stages.parse.json import Json
from tailrace.stages.parse.logfmt import Logfmt
from tailrace.stages.parse.raw import Raw
from tailrace.stages.parse.regex import Regex
from tailrace.stages.parse.syslog import Syslog

from ..configuration import configuration
from .chain_kit import raws, run


def parsed(events: list[Event], stage: Any = None, into: str = "", *, overwrite: bool = True) -> list[Any]:
    step = ParsedField(stage or Json(), "log", into, overwrite=overwrite)
    step.locate(origin(places=range(len(events))))
    return step.process(events)


def codes(entries: list[Any]) -> list[str]:
    return [entry.code for entry in entries if isinstance(entry, Fail)]


def test_what_a_field_holds_goes_to_the_top_level_and_takes_the_place_of_what_is_there() -> None:
    event = {"log": '{"a":\n1,"time":"inner"}', "time": "outer"}
    assert parsed([dict(event)]) == [{**event, "a": 1, "time": "inner"}]
    assert parsed([dict(event)], overwrite=False) == [{**event, "a": 1}]
    assert parsed([{"log": '{"pid":null,"new":null}', "pid": 7}]) == [
        {"log": '{"pid":null,"new":null}', "pid": 7, "new": None}
    ]


def test_what_a_field_holds_may_become_a_field_also_the_same_one() -> None:
    assert parsed([{"log": "{}", "x": 1}], into="x") == [{"log": "{}", "x": {}}]
    assert parsed([{"log": "{}", "x": 1}], into="x", overwrite=False) == [{"log": "{}", "x": 1}]
    assert parsed([{"log": '{"a":1}'}], into="log") == [{"log": {"a": 1}}]


def test_each_field_that_cannot_be_parsed_fails_alone_and_with_its_event() -> None:
    events: list[Event] = [{}, {"log": None}, {"log": 7}, {"log": ""}, {"log": "\x1b[0m"}, {"log": "{}"}, {"log": "no"}]
    entries = parsed(events)
    assert codes(entries) == [*["missing_field"] * 2, "bad_type", *["missing_field"] * 2, "no_match"]
    assert entries[5] == {"log": "{}"}
    assert [entry.event for entry in entries if isinstance(entry, Fail)] == [*events[:5], events[6]]
    assert entries[6].why.startswith("field 'log': not JSON")


class Numbers:
    """A parser of a user's that gives what is no event."""

    def parse(self, lines: Lines) -> list[Any]:
        return [7 for _ in lines]


def test_nonsense_of_a_parser_of_ones_own_is_a_dead_letter() -> None:
    assert codes(parsed([{"log": "x"}], Numbers())) == ["bad_result"]


LONG = '1.2.3.4 - - [17/May/2015:10:05:03 +0200] "GET / HTTP/1.1" 200 5 "-" "two\nlines"'


@pytest.mark.parametrize(
    ("stage", "record", "field", "value"),
    [
        (Json(), '{"a":\n"b"}', "a", "b"),
        (Json(big_int="string"), '{"a":\n123456789012345678901}', "a", "123456789012345678901"),
        (Logfmt(), 'a="b\nc"', "a", "b\nc"),
        (Raw(), "one\ntwo", "message", "one\ntwo"),
        (Regex(r"^(?<first>\w+)\n(?<rest>.*)"), "one\ntwo", "rest", "two"),
        (Regex(patterns=["(?<no>none)", r"(?s)^o(?<rest>.*)"]), "one\ntwo", "rest", "ne\ntwo"),
        (Syslog(), "Mar 27 13:06:56 host app[1]: it\nfailed", "message", "it\nfailed"),
        (Combined(), LONG, "agent", "two\nlines"),
    ],
)
def test_a_record_that_holds_a_newline_is_one_record(stage: Any, record: str, field: str, value: str) -> None:
    """Whatever stands around it."""
    for records in ([record], [record, record]):
        entries = stage.parse(Lines.of([text.encode() for text in records], origin(now=1.5e9)))
        assert [entry[field] for entry in entries] == [value] * len(records)


def test_lines_in_one_text_are_refused_where_a_record_holds_a_newline() -> None:
    lines = Lines.of([b"one\ntwo", b"three"], origin(places=[0, 8]))
    assert (len(lines), list(lines), lines.records) == (2, ["one\ntwo", "three"], [b"one\ntwo", b"three"])
    for name in ("text", "data"):
        with pytest.raises(ValueError, match="take the records one by one"):
            getattr(lines, name)
    assert lines.part(1, 1).text == "three"
    assert lines.ended == [b"one\ntwo\n", b"three"]


def test_a_terminals_colours_are_no_part_of_a_line_and_the_dead_letter_has_them() -> None:
    data = b"\x1b[1;31mlevel\x1b[0m=\x1b[32merror\x1b[0m\n\x1b[0m\n\x1b]0;title\x07nothing\n"
    made = run(Chain([Step("parse.logfmt", "parse", Logfmt(), own=False)], "a.log"), data)
    assert raws(made, data) == [b"\x1b]0;title\x07nothing"]
    assert made.tally.filtered["source\0empty line"] == 1
    assert [dead.offset for dead in made.dead] == [data.index(b"\x1b]")]
    (entry,) = parsed([{"log": "a=\x1b[31mred\x1b[0m"}], Logfmt())
    assert entry["a"] == "red"


def test_what_takes_lines_verbatim_has_the_colours() -> None:
    assert Raw.verbatim
    assert ParsedInto(Raw(), "x").verbatim
    assert parsed([{"log": "\x1b[31mred"}], Raw()) == [{"log": "\x1b[31mred", "message": "\x1b[31mred"}]


def config(tmp_path: Path, *stages: Any) -> Any:
    (tmp_path / "config.toml").write_text(configuration(*stages, "write.stdout"))
    return load(tmp_path / "config.toml")


def test_the_keys_of_a_parse_stage_that_reads_a_field(tmp_path: Path) -> None:
    field = {"use": "parse.json", "field": "log", "into": "log", "overwrite": False, "when": "log"}
    loaded = config(tmp_path, "parse.raw", {"use": "enrich.set", "values": {"a": 1}}, field)
    assert [stage.role for stage in loaded.stages] == ["parse", "enrich", "enrich", "write"]
    assert loaded.stages[2].field == loaded.stages[2].into == "log"
    assert not loaded.stages[2].overwrite
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, {"use": "parse.raw", "overwrite": True, "when": "x", "into": "a"})
    whys = "\n".join(caught.value.problems)
    assert "without `field` there is nothing to overwrite" in whys
    assert "a parse stage takes no `when`" in whys
