"""Any line as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines


@dataclass
class Raw:
    """``{"message": the line}``, a terminal's colours included; never fails."""

    plain: ClassVar[bool] = True
    verbatim: ClassVar[bool] = True

    def parse(self, lines: Lines) -> list[Event | Fail]:
        return [{"message": line} for line in lines.texts]
