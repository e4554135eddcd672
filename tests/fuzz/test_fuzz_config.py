"""The configuration that comes with tailrace, damaged in any way: loading gives values or a ConfigError."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tailrace.pipeline.chain.steps import build_steps
from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import Config

TEXT = Path(__file__).parents[2].joinpath("config.toml").read_text(encoding="utf-8")
LINES = [line for line in TEXT.splitlines() if line and not line.startswith("#")]
VALUES = [
    "0", "-1", "9" * 30, "true", "[]", "{}", "[[]]", '""', '"${X}"', '"${X:?}"', '"${"', '"\\u0000"', '"../.."',
    '"/"', '"{"', '"a.b:C"', '"(?P<a>"', '"1GiB"', '"99999999999d"', '"é"', "1979-05-27", "inf", "'''", '"parse."',
    '"enrich.__init__"', '"write..file"', '"lambda: 0"', '"().__class__"', '"a if"', "{ a = { a = { a = 1 } } }",
]  # fmt: skip
JUNK = st.sampled_from([*"[]{}=\"'\\#.,\n\0\r\t é", "[[stages]]\n", "[source]\n", "\ufeff", '"""', "x = 1\n"])


@st.composite
def damaged(draw: st.DrawFn) -> str:
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(["drop", "twice", "value", "key", "tear", "swap"]))
        line = lines[at]
        key, equals, _ = line.partition(" = ")
        if how == "drop" and len(lines) > 1:
            del lines[at]
        elif how == "twice":
            lines.insert(at, line)
        elif how == "value" and equals:
            lines[at] = f"{key} = {draw(st.sampled_from(VALUES))}"
        elif how == "key" and equals:
            other = draw(st.sampled_from([one.partition(" = ")[0] for one in LINES if " = " in one]))
            lines[at] = line.replace(key, other)
        elif how == "tear":
            start = draw(st.integers(0, len(line)))
            end = draw(st.integers(start, len(line)))
            lines[at] = line[:start] + draw(JUNK | st.text(max_size=4)) + line[end:]
        elif how == "swap":
            other_at = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other_at] = lines[other_at], lines[at]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


@given(text=damaged())
@example(text="")
@example(text=TEXT)
@example(text=TEXT.replace("config", "\0"))
@example(text=TEXT.replace("= ", "=\ufeff"))
@example(text="workers = 2\r processes")  # taken for a number with a unit, and shown as it was
def test_a_damaged_configuration_gives_values_or_problems(place: Path, text: str) -> None:
    file = place / "config.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        config = load(file, environ={})
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.startswith(str(file)), problem
            assert "Traceback" not in problem
            assert all(line == escape(line) for line in problem.replace("\t", " ").split("\n")), problem
        return
    assert Config.from_json(config.to_json()).to_json() == config.to_json()
    build_steps(config)
