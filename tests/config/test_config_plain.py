"""Values that are plainly of their type are taken as they are; the result is what pydantic's would be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.config.environment import expand
from tailrace.pipeline.config.plain import fits
from tailrace.pipeline.config.problems import Report
from tailrace.pipeline.config.values import convert

HINTS: list[Any] = [
    Any, str, int, float, bool, list, dict, str | None, int | float, float | int, bool | int, str | list[str],
    list[int], list[Any], dict[str, Any], dict[str, str], dict[str, int | str], dict[str, list[float]], dict[int, str],
    Literal["a", "b"], Literal[1, "a"], dict[str, Literal["a"]], tuple[int, str], Annotated[int, "x"], Path,
    list[str] | dict[str, list[str]] | None,
]  # fmt: skip
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "a", "b", "1", "true"]),
    st.just(expand("${A}", {"A": "a"})),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "1"]), inner, max_size=2)
)


@pytest.mark.parametrize("hint", HINTS, ids=str)
@given(value=VALUES)
def test_what_fits_plainly_is_what_pydantic_gives(hint: Any, value: Any) -> None:
    if fits(hint, value):
        report = Report("test", {})
        converted = convert(hint, value, ("key",), report)
        report.check()
        assert repr(converted) == repr(json.loads(json.dumps(value)))


@pytest.mark.parametrize(
    ("hint", "value", "plain"),
    [
        (str, "a", True),
        (int, 1, True),
        (int, True, False),
        (float, 1, False),
        (dict[str, Any], {"a": [1]}, True),
        (dict[str, str], {"a": 1}, False),
        (list[str], ["a"], True),
        (list[str], "a", False),
        (Literal["a", "b"], "c", False),
        (str | None, "a", True),
        (Path, "a", False),
    ],
)
def test_which_values_fit_plainly(hint: Any, value: Any, *, plain: bool) -> None:
    assert fits(hint, value) == plain


def test_a_configuration_without_mistakes_is_loaded_without_pydantic() -> None:
    config = Path(__file__).parents[2] / "config.toml"
    code = f"import sys; from tailrace.pipeline.config.load import load; load({str(config)!r}); "
    code += "print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
