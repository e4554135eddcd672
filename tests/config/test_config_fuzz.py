"""Whatever stands in the file, loading ends in values or in ConfigError."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tailrace.pipeline.chain.loader import built_in, resolve
from tailrace.pipeline.config.engine_tables import KEYS
from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.settings import Config

SCALARS = st.one_of(
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=True).replace("\\ud", "x")),
    st.sampled_from(["${A}", "${B}", "${B:-3}", "1MiB", "5s", "a == 1", "out/{source}", "../x", "logs/x.log", "**", ""])
    .map(json.dumps),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["true", "false", "nan", "-inf", "1.5", "1979-05-27T07:32:00Z", "07:32:00", "1979-05-27"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["a", "path", "x"]), inner, max_size=2).map(
            lambda table: "{ " + ", ".join(f"{key} = {item}" for key, item in table.items()) + " }"
        ),
    ),
    max_leaves=5,
)
USES = [
    "stubs:Line", "stubs:Some", "stubs:Needs", "stubs:Place", "stubs:Reserved", "stubs:Unresolved", "stubs:Out",
    "stubs:Console", "stubs:Nested", "stubs:function", "stubs:STUBS", "stubs:None", "nowhere:X", "enrich.set",
    "enrich.filter", "a.b",
]  # fmt: skip
OWN_KEYS = [
    "use", "only", "when", "on_error", "id", "field", "limit", "ratio", "on", "mode", "names", "values", "numbers",
    "pair", "number", "place", "color", "path", "keep", "drop", "expr", "unknown",
    "inner", "inners", "either", "table",
]  # fmt: skip


def table_of(header: str, keys: list[str]) -> st.SearchStrategy[str]:
    return st.dictionaries(st.sampled_from(keys), VALUES, max_size=4).map(
        lambda pairs: "\n".join([header, *(f"{key} = {value}" for key, value in pairs.items())])
    )


ENGINE = [table_of(f"[{name}]", [*keys, "unknown"]) for name, keys in KEYS.items()]
STAGE = st.sampled_from(USES).flatmap(lambda use: table_of(f"[[stages]]\nuse = {json.dumps(use)}", OWN_KEYS[1:]))
LOOSE = st.sampled_from(["stages", "source", "pipeline", "log", "x"]).flatmap(
    lambda name: VALUES.map(lambda value: f"{name} = {value}")
)
DOCUMENTS = st.tuples(
    st.lists(LOOSE, max_size=1),
    st.lists(st.sampled_from(range(len(ENGINE))), unique=True)
    .flatmap(lambda chosen: st.tuples(*(ENGINE[index] for index in chosen))),
    st.lists(STAGE | table_of("[[stages]]", OWN_KEYS), max_size=4),
).map(lambda parts: "\n".join(line for part in parts for line in part))  # fmt: skip


def load_or_refuse(file: Path) -> None:
    try:
        config = load(file, environ={"A": "5"})
    except ConfigError as error:
        assert error.problems
        assert all(problem.startswith(str(file)) for problem in error.problems)
        assert not any("building it failed" in problem for problem in error.problems), (
            "a stage that raises no ValueError"
        )
    else:
        assert Config.from_json(config.to_json()).to_json() == config.to_json()


@given(text=DOCUMENTS)
@settings(max_examples=150)
def test_any_values_anywhere_give_values_or_problems(directory: Path, text: str) -> None:
    file = directory / "config.toml"
    file.write_text('[source]\npaths = ["logs/*.log"]\n' + text if "[source]" not in text else text)
    load_or_refuse(file)


def one_stage(use: str) -> st.SearchStrategy[str]:
    """A table of a stage that comes with tailrace, with its own keys only."""
    keys = [*inspect.signature(resolve(use, "")).parameters, "when"]
    return table_of(f'[source]\npaths = ["logs/*.log"]\n[[stages]]\nuse = "{use}"', keys)


@given(text=st.sampled_from(built_in()).flatmap(one_stage))
@settings(max_examples=150)
def test_any_values_of_a_stages_keys_give_values_or_problems(directory: Path, text: str) -> None:
    file = directory / "config.toml"
    file.write_text(text)
    load_or_refuse(file)


@given(data=st.binary(max_size=60) | st.text(alphabet="[]{}=\"'\n,.#a1 \\$\r\t", max_size=40).map(str.encode))
@example(b"a = [")
@example(b'a = "\\')
@example(b"a = {\n")
@settings(max_examples=300)
def test_any_bytes_give_problems(directory: Path, data: bytes) -> None:
    file = directory / "config.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError):
        load(file, environ={})
