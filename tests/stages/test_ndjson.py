"""Events as JSON lines, and which field it is that JSON cannot hold."""

from __future__ import annotations

import enum
import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import Reject
from tailrace.stages.outputs.ndjson import to_lines


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"n": value}
    return value


def test_each_event_is_a_line() -> None:
    assert to_lines([{"a": 1}, {"b": "\n"}]) == b'{"a":1}\n{"b":"\\n"}\n'


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ({"user": {"name": "x", "ids": [1, 2**64, {3}]}}, "the field user.ids[2]: Type is not JSON serializable: set"),
        ({"fine": 2**64, "count": 10**4300}, "the field count: Exceeds the limit (4300 digits)"),
        ({"text": "a\udcffb"}, "the field text: str is not valid UTF-8"),
        ({"deep": nested(300)}, "the field deep"),
        ({"keys": {1: 2}}, "the field keys: Dict key must be str"),
        ({"thing": object()}, "the field thing: Type is not JSON serializable: object"),
        ({1: 2}, "the event: Dict key must be str"),
    ],
)
def test_the_field_at_fault_is_named(event: dict[Any, Any], place: str) -> None:
    with pytest.raises(Reject) as caught:
        to_lines([{"fine": 1}, event])
    assert caught.value.code == "rejected"
    assert str(caught.value).startswith(f"JSON cannot hold {place}")


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**4299, [2**64, {"n": -(2**70)}], (2**64,)])
def test_case_082_an_integer_of_any_length_is_written_with_all_its_digits(number: Any, plain: bool) -> None:
    lines = to_lines([{"n": 1}, {"n": number, "t": "x"}], plain)
    assert lines == b'{"n":1}\n' + json.dumps({"n": number, "t": "x"}, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize("plain", [True, False])
def test_what_no_json_number_is_becomes_null(plain: bool) -> None:
    assert to_lines([{"a": math.nan, "b": [-math.inf]}], plain) == b'{"a":null,"b":[null]}\n'


class Level(enum.Enum):
    INFO = "info"


class Text(str):
    __slots__ = ()


ODD = [
    *(b"x", {1}, frozenset(), Decimal(1), {1: 2}, {b"k": 1}, {Text("k"): 1}, object(), "\udc80", nested(255), 1j),
    *(
        datetime(2026, 1, 2, tzinfo=UTC),
        UUID(int=1),
        Level.INFO,
        Text("x"),
        (1, {2: 3}),
        bytearray(b"x"),
        memoryview(b"x"),
    ),
]


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("big", [{}, {"big": 2**64}], ids=["", "beside a big integer"])
def test_other_types_are_taken_or_refused_as_orjson_does(value: Any, big: dict[str, Any]) -> None:
    try:
        expected = orjson.loads(orjson.dumps({"value": value}))
    except TypeError:
        with pytest.raises(Reject):
            to_lines([{"value": value, **big}])
    else:
        assert json.loads(to_lines([{"value": value, **big}])) == {**expected, **big}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=3))
def test_strict_readers_find_the_same_values_and_no_line_depends_on_its_neighbours(events: list[Any]) -> None:
    for plain in (True, False):
        lines = to_lines(events, plain)
        assert [json.loads(line, parse_constant=pytest.fail) for line in lines.splitlines(True)] == events
        assert lines == b"".join(to_lines([event], plain) for event in events)
        mixed = to_lines([{"n": 10**4000}, *events], plain)
        assert mixed.endswith(b"\n" + lines)


SET = 'use = "enrich.set"\n'
CONFIG = """
[source]
use = "tail"
paths = ["*.log"]
[[stages]]
use = "parse.json"
{stages}
[[stages]]
use = "write.file"
path = "out/x.ndjson"
"""


@pytest.mark.parametrize(
    ("stages", "plain"),
    [
        ("", True),
        (SET + "values = { a = [{ b = 1.5 }], t = 2026-01-02T00:00:00Z }", True),
        ('use = "enrich.origin"', True),
        (SET + "expr = { c = \"f'{x}' + str(y > 2) + z[1:].upper()\" }", True),
        *((SET + f'expr = {{ c = "{text}" }}', False) for text in ("x or {1}", "{1: 2}", "[[x]]", "(x, y)")),
        ('use = "own_stages:same"', False),
    ],
)
def test_a_sink_is_told_whether_events_can_hold_other_types_than_those_of_json(
    tmp_path: Path, stages: str, plain: bool
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(stages=stages and f"[[stages]]\n{stages}"))
    (tmp_path / "own_stages.py").write_text("def same(event):\n    return event\n")
    *_, write = build_steps(load(config))
    assert write.stage.given_plain is plain  # type: ignore[union-attr]
