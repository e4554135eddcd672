"""Any line as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines


@dataclass
class Raw:
    """``{"message": the line}``, a terminal's colours included; never fails.

    Example::

        [[stages]]
        use = "parse.raw"

        [[stages]]
        use = "enrich.filter"
        keep = "'refused' in message"

    Lines::

        connection from 192.0.2.7 accepted
        connection from 192.0.2.9 refused
    """

    plain: ClassVar[bool] = True
    verbatim: ClassVar[bool] = True

    def parse(self, lines: Lines) -> list[Event | Fail]:
        return [{"message": line} for line in lines.texts]
