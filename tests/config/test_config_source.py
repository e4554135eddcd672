"""Which keys [source] has follows from the dataclass that its `use` names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.settings import Config, SourceSettings

Load = Callable[..., Config]
Problems = Callable[..., list[str]]

OWN = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated
from tailrace.pipeline.keys import Duration
from tailrace.pipeline.settings import SourceSettings

@dataclass(slots=True, frozen=True)
class Queue(SourceSettings):
    topics: tuple[str, ...] = ()
    wait: Annotated[float, Duration("1ms", "1h", "an idle queue is asked so often")] = 1.0

    def __post_init__(self):
        if "bad" in self.topics:
            raise ValueError(f"topics[{self.topics.index('bad')}]: there is no such topic")

class Plain:
    pass
"""


@pytest.fixture(autouse=True)
def own(directory: Path) -> None:
    (directory / "own.py").write_text(OWN)


def test_a_source_of_the_users_own_has_its_own_keys(load_text: Load) -> None:
    config = load_text(
        '[source]\nuse = "own:Queue"\ntopics = ["a", "b"]\nwait = "500ms"\nmax_line_bytes = "4KiB"\n'
        '[[stages]]\nuse = "stubs:Line"\n'
    )
    assert type(config.source).__name__ == "Queue"
    assert (config.source.use, config.source.max_line_bytes) == ("own:Queue", 4096)
    assert (config.source.topics, config.source.wait) == (("a", "b"), 0.5)  # type: ignore[attr-defined]
    assert Config.from_json(config.to_json()).source == SourceSettings("own:Queue", 4096)
    with pytest.raises(ConfigError, match='found use = "own:Queue"; this command can only read with use = "tail"'):
        _ = config.tail


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            'use = "tial"',
            'config.toml:2: [source]: key "use": there is no source "tial"; did you mean "tail"? '
            "(known: journal, stdin, tail)",
        ),
        ("use = 5", 'config.toml:2: [source]: key "use": found 5, expected the name of a source, for example "tail"'),
        ('use = "own:Plain"', 'key "use": own:Plain is not a source: expected a dataclass derived from SourceSettings'),
        ('use = "own:Quue"', 'key "use": "Quue" does not exist in '),
        ('use = "own:"', 'key "use": "own:" is not a name of your own; expected "module:Name"'),
        (
            'use = "own:Queue"\npaths = ["a"]',
            'config.toml:3: [source]: key "paths": unknown key '
            "(known: use, max_line_bytes, encoding, errors, multiline, topics, wait)",
        ),
        (
            'use = "own:Queue"\ntopics = [\n"a",\n"bad"]',
            'config.toml:5: [source]: key "topics[1]": there is no such topic',
        ),
        ('use = "own:Queue"\nmax_line_bytes = "1B"', 'expected a size from "256B" to "64MiB": a longer line becomes a'),
    ],
)
def test_a_wrong_source_says_what_was_expected(problems: Problems, table: str, problem: str) -> None:
    found = problems(f"[source]\n{table}\n")
    assert len(found) == 1, found
    assert problem in found[0]
