"""A directory for a configuration, with stages of the user's own beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.settings import Config

STUBS = """
from __future__ import annotations
import dataclasses
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from tailrace.pipeline.keys import Duration, Whole
from tailrace.pipeline.stage import Guarantee

class Color(Enum):
    RED = "red"

@dataclass
class Line:
    def parse(self, text): return []

@dataclass(slots=True)
class Some:
    field: str = "a"
    limit: int = 1
    ratio: float = 0.5
    on: bool = False
    mode: Literal["fast", "slow"] = "fast"
    names: str | list[str] = ""
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    numbers: dict[str, int] = dataclasses.field(default_factory=dict)
    pair: tuple[int, str] | None = None
    number: int | float = 0
    place: Path | None = None
    color: Color = Color.RED

    def __post_init__(self):
        if self.limit < 1:
            raise ValueError("limit must be at least 1")
        if self.limit == 99:
            raise KeyError("ninety-nine")
    def process(self, events): return events

@dataclass
class Inner:
    a: Annotated[float, Duration("1ms", "1h", "why not")] = 1.0
    x: list[Annotated[int, Whole(0, 9, "why not")]] = dataclasses.field(default_factory=list)
    path: str = ""

    def __post_init__(self):
        if self.path.startswith("."):
            raise ValueError("path: begins with a dot")

@dataclass
class Nested:
    inner: Inner = dataclasses.field(default_factory=Inner)
    inners: list[Inner] = dataclasses.field(default_factory=list)
    either: Inner | str | list[int] | None = None
    table: dict[str, Inner | int] = dataclasses.field(default_factory=dict)
    def process(self, events): return events

@dataclass
class Needs:
    field: str
    ways: list[str]
    def process(self, events): return events

@dataclass
class Place:
    def process(self, events): return events
    def locate(self, batch): pass

@dataclass
class Clocked(Place):
    anywhere: ClassVar[bool] = True

@dataclass
class Reserved:
    when: str = ""
    def process(self, events): return events

@dataclass
class Unresolved:
    a: Nowhere = None
    def process(self, events): return events

@dataclass
class Out:
    path: str
    guarantee: ClassVar[Guarantee] = Guarantee.EXACTLY_ONCE
    def __post_init__(self):
        if ".." in self.path.split("/"):
            raise ValueError(f"the path {self.path!r} has a `..`")
    def encode(self, events): return []
    def announce(self, destinations): return []
    def deliver(self, destination, payload): pass
    def barrier(self): return []
    def recover(self, marks): pass
    def close(self): pass

@dataclass
class Console(Out):
    path: str = dataclasses.field(init=False, default="")

def function(event): return event
"""

Load = Callable[..., Config]


@pytest.fixture
def clean_imports() -> Iterator[None]:
    """Modules and search paths that a test brings in are gone after it."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if not file.startswith((sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]))):
            del sys.modules[name]


@pytest.fixture
def directory(tmp_path: Path, clean_imports: None, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001 - for its end
    (tmp_path / "stubs.py").write_text(STUBS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def load_text(directory: Path) -> Load:
    def load_it(text: str, environ: Mapping[str, str] | None = None) -> Config:
        (directory / "config.toml").write_text(text)
        return load("config.toml", environ=environ or {})

    return load_it


@pytest.fixture
def problems(load_text: Load) -> Callable[..., list[str]]:
    """What is wrong with a configuration; none is an error of the test."""

    def problems_of(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_text(text, environ)
        return caught.value.problems

    return problems_of
