"""parse.csv, with columns of the configuration."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Fail, Lines
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.csv import Csv

from .conftest import plain
from .hostile_lines import lines_like

ABC = ["a", "b", "c"]


def one(line: str, **options: Any) -> Any:
    (entry,) = Csv(**{"columns": ABC, **options}).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


@pytest.mark.parametrize(
    ("options", "line", "values"),
    [
        ({}, "1,two,", ["1", "two", ""]),
        ({}, '"x, y","say ""hi""",""', ["x, y", 'say "hi"', ""]),
        ({}, 'a"b, "c",\u2028', ['a"b', ' "c"', "\u2028"]),
        ({}, "a,b,\0", ["a", "b", "\0"]),
        ({"delimiter": "\t"}, "1,2\t3\t'4'", ["1,2", "3", "'4'"]),
        ({"delimiter": ";", "quote": "'"}, "'1;2';\"3;4", ["1;2", '"3', "4"]),
        ({"quote": ""}, 'say "hi,",x', ['say "hi', '"', "x"]),
        ({"delimiter": "^", "quote": "|"}, "|x^||y|^]^", ["x^|y", "]", ""]),
        ({}, f"1,{'x' * 200_000},3", ["1", "x" * 200_000, "3"]),
    ],
)
def test_values_become_fields(options: dict[str, Any], line: str, values: list[str]) -> None:
    assert one(line, **options) == dict(zip(ABC, values, strict=True))


def test_record_of_several_lines_may_have_them_in_quotes() -> None:
    lines = Lines.of([b'1,"two\nlines",3', b"1,two\nlines,3", b"4,5,6"], origin(places=[0, 20, 40]))
    assert [plain(entry) for entry in Csv(columns=ABC).parse(lines)] == [
        {"a": "1", "b": "two\nlines", "c": "3"},
        ("fail", "no_match", "a line break that is not in quotes at column 6: '\\nlines,3'"),
        {"a": "4", "b": "5", "c": "6"},
    ]


def test_more_values_than_columns() -> None:
    assert one("1,2,3,4,5") == ("no_match", "expected 3 columns, found 5: '1,2,3,4,5'")
    assert one("1,2,3,4,5", extra="keep") == {"a": "1", "b": "2", "c": "3", "extra": ["4", "5"]}
    assert one("1,2,3,4,5", extra="drop") == {"a": "1", "b": "2", "c": "3"}


def test_fewer_values_than_columns() -> None:
    assert one("1,2") == ("no_match", "expected 3 columns, found 2: '1,2'")
    assert one("1", missing="null") == {"a": "1", "b": None, "c": None}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('1,"two,3', "a quote is not closed; it begins at column 3: '\"two,3'"),
        ('"1"x,2,3', "expected ',' after the closing quote at column 4: 'x,2,3'"),
        ("1,2\r3,4", "a line break that is not in quotes at column 4: '\\r3,4'"),
    ],
)
def test_line_that_is_no_row_tells_where_and_takes_no_other_with_it(line: str, why: str) -> None:
    before, failed, after = Csv(columns=ABC).parse(of(f'1,2,3\n{line}\n4,"5",6'))
    assert plain(failed) == ("fail", "no_match", why)
    assert [before, after] == [{"a": "1", "b": "2", "c": "3"}, {"a": "4", "b": "5", "c": "6"}]


def test_types_convert_and_an_empty_value_is_null_then() -> None:
    types = {"a": "int", "b": "string"}
    assert one("1,,", types=types) == {"a": 1, "b": "", "c": ""}
    assert one(",x,", types=types) == {"a": None, "b": "x", "c": ""}
    assert one("x,,", types=types) == ("bad_type", "a: 'x' is not an int")
    assert one("x,,", types=types, on_bad_type="null") == {"a": None, "b": "", "c": ""}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": []}, "name the `columns`, such as"),
        ({"columns": ["a", ""]}, r"columns\[1\]: is empty"),
        ({"columns": ["a", "a"]}, r"columns\[1\]: 'a' is there already"),
        ({"delimiter": ""}, "delimiter: found '', expected one character"),
        ({"delimiter": "||"}, "delimiter: found"),
        ({"delimiter": "\n"}, "delimiter: found"),
        ({"quote": ","}, "quote: found ',', expected one character, not the delimiter"),
        ({"columns": ["user"], "types": {"usr": "int"}}, "types.usr: is none of the columns; did you mean 'user'"),
        ({"types": {"zzz": "int"}}, "types.zzz: is none of the columns; they are a, b, c"),
    ],
)
def test_options_that_cannot_work_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"(?m)^{message}"):
        Csv(**{"columns": ABC, **options})


@settings(max_examples=400)
@given(
    st.sampled_from([{}, {"extra": "keep", "missing": "null"}, {"quote": ""}, {"delimiter": ";", "quote": "'"}]),
    lines_like('1,"x, y",z', "a;'b';c", '"""",",",', '1,"2', "1,2"),
)
def test_batch_equals_line_by_line(
    same_line_by_line: Callable[[Parse, list[str]], None], options: dict[str, Any], lines: list[str]
) -> None:
    same_line_by_line(Csv(columns=ABC, types={"a": "int"}, on_bad_type="string", **options), lines)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=3, max_size=3))
def test_what_was_written_comes_back(values: list[str]) -> None:
    out = StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow(values)
    lines = Lines.of([out.getvalue().encode()], origin())
    assert Csv(columns=ABC).parse(lines) == [dict(zip(ABC, values, strict=True))]


@pytest.mark.parametrize("line", ['"' * 100_001, '"a' * 50_000, "," * 100_000, '"",' * 30_000 + '"', "x" * 100_000])
def test_hostile_line_takes_linear_time(line: str) -> None:
    started = time.process_time()
    Csv(columns=ABC).parse(of(line))
    assert time.process_time() - started < 1.0
