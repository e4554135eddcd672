"""``enrich.remove``: takes fields out of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline.batch import Event
from tailrace.stages.values.fields import FieldPatterns


@dataclass
class Remove:
    """Remove the named fields; one that is not there is no error.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.remove"
        fields = ["password", "debug_*"]

    Lines::

        {"user": "ann", "password": "hunter2", "debug_sql": "SELECT 1", "status": 200}
        {"user": "bob", "status": 401}
    """

    plain: ClassVar[bool] = True

    fields: list[str]  # names or globs: "user", "http_*"

    def __post_init__(self) -> None:
        self._patterns = FieldPatterns(self.fields)

    def process(self, events: list[Event]) -> list[Event]:
        meant = self._patterns
        for event in events:
            for name in meant[tuple(event)]:
                del event[name]
        return events
