"""Tables inside of a stage's table are dataclasses; sizes, durations and bounds are declared in the types of fields."""
# ruff: noqa: E501 - messages stand here as they are shown

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tailrace.pipeline.chain.loader import build
from tailrace.pipeline.construct import construct
from tailrace.pipeline.delivery import Batch, Request, RetryPolicy
from tailrace.pipeline.settings import Config

Load = Callable[..., Config]
Problems = Callable[..., list[str]]

SOURCE = '[source]\npaths = ["logs/*.log"]\n'
STAGE = SOURCE + '[[stages]]\nuse = "sinks:Sink"\n'

SINKS = """
from __future__ import annotations
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from tailrace.pipeline.delivery import Batch, RetryPolicy
from tailrace.pipeline.keys import Duration, FilePath, Matching, Problems, Size, Text, Whole

Wait = Annotated[float, Duration("10ms", "1m", "the server closes idle connections")]

@dataclass(slots=True, frozen=True)
class Basic:
    user: Annotated[str, Text()]
    password: str = ""
    key_file: Annotated[str, FilePath()] | None = None

@dataclass(slots=True, frozen=True)
class Token:
    token: str

@dataclass
class Rule:
    field: str
    every: Wait = 1.0
    tags: list[str] = field(default_factory=list)

    def __post_init__(self):
        if self.field == "bad":
            raise ValueError("field: may not be bad")

@dataclass
class Sink:
    batch: Batch = field(default_factory=Batch)
    retry: RetryPolicy | None = None
    auth: Basic | Token | None = None
    rules: list[Rule] = field(default_factory=list)
    named: dict[str, Rule] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    sizes: tuple[Annotated[int, Size("1B", "1GiB", "it must fit")], ...] = ()
    pause: Wait | Literal["never"] = "never"
    level: Annotated[int, Whole(0, 9, "as gzip has it")] = 6
    where: Annotated[str, Matching("[a-z]+", "expected small letters")] = "here"
    values: dict[str, Any] = field(default_factory=dict)
    first: int = 1
    second: int = 1

    def __post_init__(self):
        problems = Problems()
        with problems.of("first"):
            if self.first < 1:
                raise ValueError("expected at least 1")
        if self.second < 1:
            problems.add("second", "expected at least 1")
        problems.check()

    def process(self, events): return events
"""

WHOLE = (
    STAGE
    + """
batch = { max_events = 500, timeout = "1500ms" }
auth = { token = "x" }
waits = { a = "1s" }
sizes = ["1KiB", "2KiB"]
pause = "2s"
level = 9
values = { batch = { max_events = 1 } }
[stages.retry]
initial_backoff = "500ms"
[[stages.rules]]
field = "a"
[[stages.rules]]
field = "b"
every = "1m"
tags = ["x"]
[stages.named.one]
field = "c"
"""
)


@pytest.fixture(autouse=True)
def sinks(directory: Path) -> None:
    (directory / "sinks.py").write_text(SINKS)


def test_nested_tables_and_units_are_plain_values_that_build_the_stage(load_text: Load) -> None:
    config = load_text(WHOLE)
    assert config.stages[0].options == {
        "batch": {"max_events": 500, "timeout": 1.5},
        "auth": {"token": "x"},
        "waits": {"a": 1.0},
        "sizes": [1024, 2048],
        "pause": 2.0,
        "level": 9,
        "values": {"batch": {"max_events": 1}},
        "retry": {"initial_backoff": 0.5},
        "rules": [{"field": "a"}, {"field": "b", "every": 60.0, "tags": ["x"]}],
        "named": {"one": {"field": "c"}},
    }
    config = Config.from_json(config.to_json())
    stage = build(config.stages[0], config.directory)
    assert stage.batch == Batch(max_events=500, timeout=1.5)
    assert stage.retry == RetryPolicy(initial_backoff=0.5)
    assert (type(stage.auth).__name__, stage.auth.token) == ("Token", "x")
    assert [
        (type(rule).__name__, rule.field, rule.every, rule.tags) for rule in [*stage.rules, stage.named["one"]]
    ] == [
        ("Rule", "a", 1.0, []),
        ("Rule", "b", 60.0, ["x"]),
        ("Rule", "c", 1.0, []),
    ]
    assert stage.sizes == (1024, 2048)
    assert stage.values == {"batch": {"max_events": 1}}


def test_without_mistakes_neither_the_check_nor_a_worker_needs_pydantic(load_text: Load, directory: Path) -> None:
    config = load_text(WHOLE)
    check = f"from tailrace.pipeline.config.load import load; load({str(directory / 'config.toml')!r})"
    worker = (
        "from tailrace.pipeline.settings import Config; from tailrace.pipeline.chain.loader import build\n"
        "config = Config.from_json(sys.stdin.buffer.read()); build(config.stages[0], config.directory)"
    )
    for code in (check, worker):
        told = f"import sys\n{code}\nprint('pydantic' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", told], input=config.to_json(), capture_output=True, check=True)
        assert done.stdout.decode() == "False\n"


def test_each_nested_mistake_is_told_at_once_with_its_own_line_and_path(problems: Problems) -> None:
    assert problems(
        STAGE
        + """
batch = { max_evnts = 500, timeout = 1 }
auth = { user = "", pasword = "x" }
waits = { a = "1s", b = "1h" }
sizes = ["1KiB",
  5]
pause = "nevr"
level = 10
where = "X"
[stages.retry]
initial_backoff = "5m"
[[stages.rules]]
every = true
[[stages.rules]]
field = "bad"
tags = ["x", 1]
[stages.named]
one = 5
two = { field = "a", every = "1ms" }
"""
    ) == [
        'config.toml:6: [[stages]] #1 sinks:Sink: key "batch.max_evnts": unknown key; did you mean "max_events"? (known: '
        "max_events, max_bytes, timeout)",
        'config.toml:6: [[stages]] #1 sinks:Sink: key "batch.timeout": found 1, which has no unit; for that many seconds '
        'write "1s"',
        'config.toml:7: [[stages]] #1 sinks:Sink: key "auth.user": found "", expected a string that is not empty',
        'config.toml:7: [[stages]] #1 sinks:Sink: key "auth.pasword": unknown key; did you mean "password"? (known: user, '
        "password, key_file)",
        'config.toml:8: [[stages]] #1 sinks:Sink: key "waits.b": found "1h", expected a duration from "10ms" to "1m": the '
        "server closes idle connections",
        'config.toml:10: [[stages]] #1 sinks:Sink: key "sizes[1]": found 5, which has no unit; for that many bytes write '
        '"5B"',
        'config.toml:11: [[stages]] #1 sinks:Sink: key "pause": found "nevr", expected a duration such as "30s" or "never"',
        'config.toml:12: [[stages]] #1 sinks:Sink: key "level": found 10, expected a whole number from 0 to 9: as gzip has '
        "it",
        'config.toml:13: [[stages]] #1 sinks:Sink: key "where": found "X", expected small letters',
        'config.toml:15: [[stages]] #1 sinks:Sink: key "retry.initial_backoff": is 300 s, expected at most '
        "max_backoff, 60 s",
        'config.toml:16: [[stages]] #1 sinks:Sink: key "rules[0]": missing key "field" (a string)',
        'config.toml:17: [[stages]] #1 sinks:Sink: key "rules[0].every": found true, expected a duration with its unit, for '
        'example "30s"',
        'config.toml:19: [[stages]] #1 sinks:Sink: key "rules[1].field": may not be bad',
        'config.toml:20: [[stages]] #1 sinks:Sink: key "rules[1].tags[1]": found 1, expected a string',
        'config.toml:22: [[stages]] #1 sinks:Sink: key "named.one": found 5, expected a table (keys: field, every, tags)',
        'config.toml:23: [[stages]] #1 sinks:Sink: key "named.two.every": found "1ms", expected a duration from "10ms" to '
        '"1m": the server closes idle connections',
    ]


def test_one_mistake_that_a_stage_finds_itself_does_not_hide_another(problems: Problems) -> None:
    found = problems(STAGE + 'first = 0\nsecond = 0\n[[stages.rules]]\nfield = "bad"\n')
    assert found == [
        'config.toml:5: [[stages]] #1 sinks:Sink: key "first": expected at least 1',
        'config.toml:6: [[stages]] #1 sinks:Sink: key "second": expected at least 1',
        'config.toml:8: [[stages]] #1 sinks:Sink: key "rules[0].field": may not be bad',
    ]


def test_variables_feed_nested_values(load_text: Load) -> None:
    text = STAGE + 'level = "${N}"\nbatch = { max_events = "${N}", timeout = "${N}s" }\n'
    assert load_text(text, {"N": "7"}).stages[0].options == {
        "level": 7,
        "batch": {"max_events": 7, "timeout": 7.0},
    }


def test_a_path_is_relative_to_the_configuration(load_text: Load, problems: Problems, directory: Path) -> None:
    text = STAGE + 'auth = { user = "x", key_file = "%s" }\n'
    assert load_text(text % "keys/../a.pem").stages[0].options["auth"]["key_file"] == str(directory / "a.pem")
    assert load_text(text % "/etc/a.pem").stages[0].options["auth"]["key_file"] == "/etc/a.pem"
    (found,) = problems(text % "~/a.pem")
    assert found.endswith(
        'key "auth.key_file": found "~/a.pem", expected a path; "~" is not expanded: write "${HOME}/a.pem"'
    )


def test_the_tables_of_every_network_sink_have_their_defaults() -> None:
    assert (Batch(), Request(), RetryPolicy()) == (
        Batch(max_events=1000, max_bytes=1 << 20, timeout=1.0),
        Request(timeout=30.0, concurrency=1),
        RetryPolicy(initial_backoff=1.0, max_backoff=60.0, attempts=0),
    )
    with pytest.raises(ValueError, match=r"initial_backoff: is 61 s, expected at most max_backoff, 60 s"):
        replace(RetryPolicy(), initial_backoff=61.0)
    assert construct(Batch, {"max_events": 1}) == Batch(max_events=1)


def test_a_sinks_fields_that_the_engine_goes_by_are_what_it_expects(directory: Path, problems: Problems) -> None:
    (directory / "own.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Own:\n"
        '    batch: int = 100\n    request: str = "GET"\n    retry: int = 3\n\n    def write(self, events): ...\n'
    )
    found = problems(SOURCE + '[[stages]]\nuse = "own:Own"\n')
    assert len(found) == 3
    assert 'its field "batch" is of the type int' in found[0]
    assert "expected a tailrace.pipeline.delivery.Batch; give yours another name" in found[0]
