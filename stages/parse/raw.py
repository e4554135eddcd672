"""Any line as it is."""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.pipeline.batch import Event, Fail


@dataclass
class Raw:
    """``{"message": the line}``; never fails."""

    def parse(self, text: str) -> list[Event | Fail]:
        return [{"message": line} for line in text.split("\n")]
