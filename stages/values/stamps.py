"""Times of RFC 3339, many at once, from programs that stamp each line: in UTC, with nanoseconds, none twice."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Any

from tailrace.stages.values.conversion import Column
from tailrace.stages.values.times import BAD_TIMESTAMP, Times

_MOST_MINUTES = 4096  # that are remembered

_IN_UTC = re.compile(
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):[0-5][0-9](?:\.[0-9]{1,9})?Z$", re.MULTILINE
).findall


class Stamps:
    """``stamps(texts)`` are the times in UTC, each as text, or a ``Fail`` where one is none; then ``failed`` is set
    until the next call.

    A time that is in UTC already stays as it is; that its minute exists has been seen once."""

    def __init__(self) -> None:
        self._column = Column(Times(("rfc3339",)), BAD_TIMESTAMP)
        self._minutes: set[str] = set()
        self.failed = False

    def known(self, minutes: Set[str]) -> bool:
        """Whether each of these, such as ``2026-02-02T10:30``, has been seen; then a time of it in UTC is as it is."""
        return self._minutes.issuperset(minutes)

    def __call__(self, texts: list[str]) -> list[Any]:
        self.failed = False
        joined = "\n".join(texts)
        minutes = _IN_UTC(joined)
        usual = len(minutes) == len(texts) == joined.count("\n") + 1
        if usual and self._minutes.issuperset(minutes):
            return texts
        column = self._column
        times = [column[text] for text in texts]
        self.failed = column.take_failed()
        if usual and not self.failed:
            if len(self._minutes) >= _MOST_MINUTES:
                self._minutes.clear()
            self._minutes.update(minutes)
        return times
