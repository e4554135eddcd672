"""What parsers of a fixed form have in common: whoever uses them may have fields converted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tailrace.pipeline.batch import Lines
from tailrace.pipeline.keys import Problems
from tailrace.stages.values.conversion import Kind, OnBadType, Types
from tailrace.stages.values.times import DEFAULT_FORMATS


@dataclass
class Typed:
    """A parse stage that derives from this has a method ``events`` in place of ``parse``. Times that ``types`` makes of
    text are in its ``timezone``, if it has that key."""

    types: dict[str, Kind] = field(default_factory=dict, kw_only=True)
    on_bad_type: OnBadType = field(default="error", kw_only=True)
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS), kw_only=True)

    def __post_init__(self) -> None:
        problems = Problems()
        with problems.of(""):
            self._types = Types(self.types, self.on_bad_type, self.time_formats, getattr(self, "timezone", "UTC"))
        problems.check()

    def events(self, lines: Lines) -> list[Any]:
        """As ``parse`` of a stage."""
        raise NotImplementedError

    def parse(self, lines: Lines) -> list[Any]:
        entries = self.events(lines)
        if self.types:
            self._types.locate(lines.origin)
            self._types.convert(entries)
        return entries
