"""What several stages of a chain may not share, and what a sink must say before it may be asked for more."""

from __future__ import annotations

from pathlib import Path

import pytest
from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import ConfigError

STAGES = """
from dataclasses import dataclass, field
from typing import Any, ClassVar
from tailrace.pipeline.delivery import Batch, Request
from tailrace.pipeline.stage import Guarantee, Memory

@dataclass
class Counts:
    memory: ClassVar[Any] = Memory()
    def process(self, events): return events

@dataclass
class Keeps:
    request: Request = field(default_factory=Request)
    batch: Batch = field(default_factory=Batch)
    guarantee: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE
    def encode(self, events): return []
    def deliver(self, batch): return None

@dataclass
class Any_(Keeps):
    ordered: ClassVar[bool] = False
"""


def problems(tmp_path: Path, *stages: str) -> list[str]:
    (tmp_path / "own.py").write_text(STAGES)
    path = tmp_path / "config.toml"
    path.write_text('[source]\npaths = ["*.log"]\n' + "".join(f"[[stages]]\n{stage}\n" for stage in stages))
    try:
        load(str(path))
    except ConfigError as error:
        return [problem.partition("config.toml:")[2] for problem in error.problems]
    return []


def test_stages_that_remember_are_told_apart_by_a_name(tmp_path: Path) -> None:
    counts = 'use = "own:Counts"'
    assert problems(tmp_path, counts, counts) == [
        "5: [[stages]] #2 own:Counts: remembers, as [[stages]] #1 own:Counts does; each keeps what it remembers under "
        'its name; give one of them its own: name = "..."'
    ]
    assert problems(tmp_path, counts, f'{counts}\nname = "second"') == []


@pytest.mark.parametrize("request_", ["request = { concurrency = 4 }", "[stages.request]\nconcurrency = 4"])
def test_several_requests_at_a_time_are_for_sinks_that_keep_no_order(tmp_path: Path, request_: str) -> None:
    assert problems(tmp_path, f'use = "own:Any_"\n{request_}') == []
    (problem,) = problems(tmp_path, f'use = "own:Keeps"\n{request_}')
    line = 5 if request_.startswith("request") else 6
    assert problem == (
        f'{line}: [[stages]] #1 own:Keeps: key "request.concurrency": found 4, expected 1: this sink keeps the order '
        "of events (a class says `ordered: ClassVar[bool] = False` if not)"
    )


def test_two_sinks_may_write_to_different_tables_of_one_database(tmp_path: Path) -> None:
    sink = 'use = "write.sqlite"\npath = "x.db"\n'
    assert problems(tmp_path, sink + 'table = "a"', sink + 'table = "b"', sink) == []
    (problem,) = problems(tmp_path, sink, sink + 'table = "EVENTS"')
    assert problem.endswith("two sinks must not share one unless they differ in `table`")
    (problem,) = problems(tmp_path, sink, 'use = "write.file"\npath = "x.db"')
    assert problem.endswith("two sinks must not share one")
