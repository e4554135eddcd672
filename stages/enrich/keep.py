"""``enrich.keep``: takes all fields out of events but those that are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline.batch import Event
from tailrace.stages.values.fields import FieldPatterns


@dataclass
class Keep:
    """Keep the named fields, in the order they have in the event; an event without any of them becomes empty.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.keep"
        fields = ["time", "http_*"]

    Lines::

        {"time": "2026-02-02T10:30:45Z", "http_method": "GET", "http_status": 200, "pid": 412, "thread": "main"}
    """

    plain: ClassVar[bool] = True

    fields: list[str]  # names or globs: "timestamp", "http_*"

    def __post_init__(self) -> None:
        self._others = FieldPatterns(self.fields, others=True)

    def process(self, events: list[Event]) -> list[Event]:
        others = self._others
        for event in events:  # each stays the same dict: by it the engine knows its line
            for name in others[tuple(event)]:
                del event[name]
        return events
