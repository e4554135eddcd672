"""parse.json: what is decided where JSON leaves room."""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Fail, Lines, Origin
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.json import Json

from .hostile_lines import lines_like

BIG = "123456789012345678901234567890"


def one(line: str, **options: Any) -> Any:
    (entry,) = Json(**options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def nested(levels: int) -> str:
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


def test_members_become_fields() -> None:
    assert Json().parse(of('{"a":1,"b":[{"c":null}]}\n {"d":"\\u00e9"} ')) == [{"a": 1, "b": [{"c": None}]}, {"d": "é"}]


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "{",
        '{"a":1}}',
        '{"a":1} {"a":1}',
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":1e999}',
        '{"a":"\\ud800"}',
        '{"a":01}',
        *["\x00", '{"a":"\x01"}', "{'a':1}", "\ufeff", "\ufeffx", "[" * 100_000, "\u2028{}"],
    ],
)
def test_what_is_no_json_fails_and_others_go_on(line: str) -> None:
    before, fail, after = Json().parse(of(f'{{"a":1}}\n{line}\n{{"b":2}}'))
    assert isinstance(fail, Fail)
    assert fail.code in ("no_match", "too_large")
    assert len(fail.why) < 200
    assert [before, after] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("line", ["1", "null", "[1,2]", '"text"', "true", "1.5"])
def test_non_object_fails_or_is_wrapped(line: str) -> None:
    code, why = one(line)
    assert code == "no_match"
    assert "no object" in why
    assert one(line, non_object="wrap") == {"message": json.loads(line)}


def test_byte_order_mark_is_taken_off() -> None:
    assert Json().parse(of('\ufeff{"a":1}\n{"a":2}')) == [{"a": 1}, {"a": 2}]
    assert one(f'\ufeff{{"a":{BIG}}}') == {"a": int(BIG)}
    assert one("\ufeff\ufeff{}")[0] == "no_match"


def test_bytes_that_are_not_utf8_are_replaced_however_many_lines_have_some() -> None:
    lines = [b'{"n":%d,"t":"\xff\xc3"}' % n for n in range(100)] + [
        b'{"t":"\xc3\xa9"}',
        b'{"t":\xff}',
        b'{"\xff":%s}' % BIG.encode(),
    ]
    *many, fine, fail, key = Json().parse(Lines(b"\n".join(lines), of("").origin))
    assert many == [{"n": n, "t": "\ufffd\ufffd"} for n in range(100)]
    assert (fine, key) == ({"t": "é"}, {"\ufffd": int(BIG)})
    assert isinstance(fail, Fail)


def test_text_is_not_made_for_lines_that_are_fine() -> None:
    given = of('{"a":1}\n{"b":"é"}')
    Json().parse(given)
    assert given._text is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"a":tru}', "invalid literal, expected 'true' at column 6: 'tru}'"),
        ('{"a":"é","b" 1}', "unexpected character, expected ':' after key at column 14: '1}'"),
        ('\ufeff{"a":1,}', "trailing comma is not allowed at column 7: ',}'"),
        ('{"a":1}{"b":2}', "unexpected content after document at column 8: '{\"b\":2}'"),
    ],
)
def test_a_line_that_is_no_json_is_told_where_and_what(line: str, why: str) -> None:
    assert one(line) == ("no_match", f"not JSON: {why}")


def test_case_082_last_of_duplicate_keys_wins() -> None:
    assert one('{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", BIG, "-" + BIG, "9" * 400])
@pytest.mark.parametrize("shape", ['{"a":%s}', '{"a":[1,{"b": %s }]}', '{"x":"\\"12","a":%s}'])
def test_case_082_no_digit_of_a_big_integer_is_lost(number: str, shape: str) -> None:
    expected = json.loads(shape % f'"{number}"')
    assert one(shape % number) == json.loads(shape % number)
    assert one(shape % number, big_int="string") == expected
    assert one(shape % number, big_int="error")[0] == "bad_type"
    padded = "\n".join(['{"k":"padding"}'] * 50 + [shape % number] + ['{"k":"padding"}'] * 50)
    assert Json(big_int="string").parse(of(padded))[50] == expected


def test_case_082_an_integer_that_python_would_not_write_fails_unless_it_may_be_text() -> None:
    line = '{"a":-%s}'
    assert one(line % ("9" * 4299)) == {"a": -int("9" * 4299)}
    assert one('{"a":%s}' % ("9" * 4300)) == {"a": int("9" * 4300)}
    code, why = one(line % ("9" * 4301))
    assert code == "bad_type"
    assert "more than 4,300 digits; big_int = 'string'" in why
    assert one(line % ("9" * 4301), big_int="string") == {"a": "-" + "9" * 4301}
    assert one(line % ("9" * 4301), big_int="float")[0] == "no_match"


def test_big_integer_as_a_float_on_demand() -> None:
    assert one(f'{{"a":{BIG}}}', big_int="float") == {"a": float(BIG)}


@pytest.mark.parametrize(
    "value",
    [
        *["18446744073709551615", "-9223372036854775808", f'"{BIG}"', f'"-{BIG}"', f'"\\"{BIG}"'],
        *["0.12345678901234567890123", "12345678901234567890123.0", "1e22", "-0"],
    ],
)
@pytest.mark.parametrize("big_int", ["int", "string", "float", "error"])
def test_other_numbers_and_digits_in_strings_are_left_alone(value: str, big_int: str) -> None:
    assert one(f'{{"a":{value}}}', big_int=big_int) == json.loads(f'{{"a":{value}}}')


@given(st.integers(0, 80), st.integers(-(2**70), 2**70), st.integers(0, 8))
def test_big_integers_are_found_at_every_place(before: int, number: int, after: int) -> None:
    text = f'{{"p":"{"x" * before}","a":{number}}}'
    big = not -(2**63) <= number < 2**64
    assert Json(big_int="string").parse(of("\n".join([text] + ["{}"] * after)))[0] == {
        "p": "x" * before,
        "a": str(number) if big else number,
    }


def test_big_integers_are_found_among_long_ids() -> None:
    parser = Json(big_int="string")
    for text in ('{"id":"9a9999b9999c9999d9999e9999f9"}', '{"id":"9999a9999"}', f'{{"a":{BIG}}}', f'{{"a":"{BIG}"}}'):
        assert parser.parse(of(text)) == [{**json.loads(text), **({"a": str(BIG)} if '"a":' in text else {})}]


def test_case_082_depth_is_bounded() -> None:
    assert one(nested(200)) == json.loads(nested(200))
    assert one(nested(201)) == ("too_large", "nested deeper than max_depth = 200")
    for levels in (200, 900, 1000, 1500):
        assert one('{"a":%s}' % ("[" * levels + "]" * levels))[0] == "too_large"
    assert one('{"a":%s}' % ("[" * 199 + "]" * 199))["a"] != []
    wide = '{"a":[' + "{}," * 500 + "{}]}"
    assert one(wide) == json.loads(wide)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_shortest_line_with_a_level_too_many_is_found(limit: int) -> None:
    levels = '{"":' + "[" * limit + "]" * limit + "}"
    assert one(levels, max_depth=limit)[0] == "too_large"
    assert one("[" * (limit + 1) + "]" * (limit + 1), max_depth=limit, non_object="wrap")[0] == "too_large"
    assert one(levels, max_depth=limit + 1) == json.loads(levels)


def test_deep_line_is_found_among_others() -> None:
    lines = ["x", nested(65), "{}", nested(64), "[" * 65, '{"a":"%s"}' % ("{" * 300)]
    assert [type(entry) for entry in Json(max_depth=64).parse(of("\n".join(lines)))] == [
        Fail,
        Fail,
        *[dict] * 2,
        Fail,
        dict,
    ]


def test_case_082_the_verdict_is_the_same_at_any_depth_of_the_stack() -> None:
    lines = [nested(200), '{"a":%s}' % ("[" * 199 + BIG * 20 + "]" * 199), nested(201), "[" * 500 + "x", "[" * 1500]
    flat = [one(line) for line in lines]

    def at(frames: int, line: str) -> Any:
        return one(line) if frames == 0 else at(frames - 1, line)

    used = len(inspect.stack())
    for free in (120, 150, 250):
        assert [at(sys.getrecursionlimit() - used - free, line) for line in lines] == flat


@pytest.mark.parametrize("max_depth", [0, 201])
def test_max_depth_is_checked(max_depth: int) -> None:
    with pytest.raises(ValueError, match="1 to 200"):
        Json(max_depth=max_depth)


def test_types_convert_fields(at: Callable[[float], Origin]) -> None:
    stage = Json(types={"t": "timestamp", "n": "int"}, time_formats=["%b %d %H:%M:%S"])
    good, bad, absent, no_object = stage.parse(
        of('{"t":"Mar  7 10:00:00","n":"5"}\n{"n":"x"}\n{}\n[]', at(1_450_000_000.0))
    )
    assert good == {"t": "2015-03-07T10:00:00Z", "n": 5}
    assert isinstance(bad, Fail)
    assert (bad.code, bad.why) == ("bad_type", "n: 'x' is not an int")
    assert absent == {}
    assert isinstance(no_object, Fail)
    assert stage.parse(of('{"t":"Mar  7 10:00:00"}', at(1_350_000_000.0))) == [{"t": "2012-03-07T10:00:00Z"}]


@pytest.mark.parametrize(
    "line",
    [
        '[1e999, "' + '\\"' * 50_000,
        "[" + "9" * 100_000 + "]",
        '{"a":[' + f"{BIG}," * 3_000 + f"{BIG}]}}",
        '{"a":' * 20_000,
        "[" * 50_000 + "]" * 50_000,
        '{"a":"' + "9" * 100_000 + '"}',
        "x\n" * 50_000 + "x",
    ],
)
def test_hostile_text_takes_linear_time(line: str) -> None:
    started = time.process_time()
    Json().parse(of(line))
    assert time.process_time() - started < 1.0


SAMPLES = (
    '{"a":1,"b":"x"}',
    f'{{"a":{BIG}}}',
    nested(6),
    "[1]",
    '\ufeff{"a":-12345678901234567890}',
    '{"n":"7"}',
    "1e999",
)


@settings(max_examples=200)
@given(lines_like(*SAMPLES), st.sampled_from(["error", "wrap"]), st.sampled_from(["int", "string", "error"]))
def test_batch_equals_line_by_line(
    same_line_by_line: Callable[[Parse, list[str]], None], lines: list[str], non_object: Any, big_int: Any
) -> None:
    same_line_by_line(Json(non_object, big_int, max_depth=5, types={"n": "int"}), lines)


def of_the_last_release(line: bytes, big_int: str) -> Any:
    """The value, or None for what orjson refuses, of a line without integers of more than 300 digits."""
    text = line.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return None

    def integer(digits: str) -> Any:
        value = int(digits)
        return value if -(2**63) <= value < 2**64 else {"int": value, "string": digits, "float": float(value)}[big_int]

    return json.loads(text, parse_int=integer)


def damaged(draw: st.DrawFn) -> bytes:
    """A line of JSON with a few bytes changed, doubled or lost."""
    line = bytearray(draw(st.sampled_from(TO_DAMAGE)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(line)))
        new = draw(st.sampled_from(PARTS))
        line[at : at + draw(st.integers(0, 2))] = new
    return bytes(line).replace(b"\n", b"")


PARTS = [bytes([n]) for n in b'{}[]",:\\/ \t\x00\x0b\x1f\x7f\x80\xc3\xff09-+.eEuntf'] + [
    *(b"", b"\\ud800", b"\\ude00", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"NaN", b"1e999", BIG.encode(), b'"a":1,'),
]
TO_DAMAGE = [
    b'{"a":1,"b":"x","c":[1.5,-2e3,null,true,false,{"d":"\\u00e9\\n\\ud83d\\ude00"}]}',
    *(
        b'{"a":123456789012345678901}',
        b'["k\\u0041","\xc3\xa9",{}]',
        b' {"x" : [ ] , "y":0.1e-5 } ',
        b'\xef\xbb\xbf{"a":-0}',
    ),
]


@settings(max_examples=1000)
@given(st.composite(damaged)(), st.sampled_from(["int", "string", "float"]))
def test_verdicts_and_values_are_those_of_the_last_release(line: bytes, big_int: Any) -> None:
    (entry,) = Json("wrap", big_int).parse(Lines(line, of("{}").origin))
    expected = of_the_last_release(line, big_int)
    if isinstance(entry, Fail):
        assert (entry.code, expected) == ("no_match", None)
    else:
        assert repr(entry) == repr(expected if isinstance(expected, dict) else {"message": expected})
