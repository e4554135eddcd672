"""Sums by window of time and group: their keys in a stage's totals, and when a window is complete."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from math import inf
from typing import Any, ClassVar, NamedTuple

from tailrace.pipeline.batch import Origin
from tailrace.stages.values.moments import SECOND

OVERFLOW = ""  # the group of all that come when a window has as many as it may have
_BOUND, _COUNT = "bound", "late"  # in the totals: up to where windows were closed; how many results came too late
_EARLIEST, _LATEST = -62_000_000_000 * SECOND, 253_000_000_000 * SECOND  # in the years 5 and 9987


class Closed(NamedTuple):
    """The sum of one group in a window that is closed."""

    start: int  # microseconds since the epoch
    group: str
    value: Any
    late: int  # of what came when the window was closed already: its number, from 1 on; else 0

    @property
    def name(self) -> str:
        """That no other result of the stage has."""
        return f"{rfc3339(self.start)}:{self.group}{f'.{self.late}' if self.late else ''}"


class Windows:
    """``width`` and ``late`` are microseconds: a window is closed when no event from before its end, and ``late``
    behind it, comes any more. It has ``most`` groups and, with the sums of all others, OVERFLOW."""

    def __init__(self, width: int, late: int, most: int = sys.maxsize) -> None:
        self.width, self._late, self._most = width, late, most
        self._counted: MutableMapping[str, Any] | None = None  # the totals whose groups are counted here
        self._groups: Counter[int] = Counter()  # by window

    def key(self, moment: int, group: str) -> str:
        """ValueError: no calendar has that moment."""
        if not _EARLIEST < moment < _LATEST:
            raise ValueError(f"{moment // SECOND} seconds since the epoch is in no year from 5 to 9987")
        return f"{moment - moment % self.width}:{group}"

    def merge(
        self, totals: MutableMapping[str, Any], added: Mapping[str, Any], combine: Callable[[Any, Any], Any]
    ) -> None:
        for key, value in added.items():
            if key not in totals and (self._counted is totals or len(totals) >= self._most):
                key = self._with_room(totals, key)  # noqa: PLW2901  it is summed up under another
            totals[key] = combine(totals[key], value) if key in totals else value

    def _with_room(self, totals: MutableMapping[str, Any], key: str) -> str:
        """The key, or that of OVERFLOW if the window has as many groups as it may have."""
        self._count(totals)
        start, group = _parts(key)
        if group != OVERFLOW and self._groups[start] >= self._most:
            key = f"{start}:{OVERFLOW}"
        self._groups[start] += key not in totals
        return key

    def _count(self, totals: MutableMapping[str, Any]) -> None:
        if self._counted is not totals:
            self._counted = totals
            self._groups = Counter(start for start, _ in map(_parts, _keys(totals)))

    def open(self, totals: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """(group, value) of each window that is not closed, in the order in which they will be."""
        return ((group, totals[f"{start}:{group}"]) for start, group in sorted(map(_parts, _keys(totals))))

    def close(self, totals: MutableMapping[str, Any], until: float) -> Iterator[Closed]:
        """What is complete, by window and group. It is no longer in the totals."""
        self._count(totals)
        to = until * SECOND - self._late
        if not any(start + self.width <= to for start in self._groups):
            return
        bound = totals.get(_BOUND, -inf)
        complete = sorted(parts for parts in map(_parts, _keys(totals)) if parts[0] + self.width <= to)
        for start, group in complete:
            value = totals.pop(f"{start}:{group}")
            self._groups.pop(start, None)
            late = 0
            if start + self.width <= bound:
                late = totals[_COUNT] = totals.get(_COUNT, 0) + 1
            yield Closed(start, group, value, late)
        totals[_BOUND] = max(bound, complete[-1][0] + self.width)


class Windowed:
    """What stages of sums by window have in common: one derives from this, calls ``_open``, and in ``process`` calls
    ``_begin`` and adds to ``_added`` and ``_moments``."""

    needs_places: ClassVar[bool] = False

    def _open(self, width: float, late: float, most: int = sys.maxsize) -> None:
        """Seconds, as the configuration has them."""
        self._windows = Windows(round(width * SECOND), round(late * SECOND), most)
        self._clock = 0.0
        self._begin()

    def _begin(self) -> None:
        self._added: dict[str, Any] = {}
        self._moments: list[int] = []  # of the events that were added up

    def _combined(self, one: Any, other: Any) -> Any:
        """Of two values of one key."""
        raise NotImplementedError

    def locate(self, origin: Origin) -> None:
        self._clock = origin.clock

    def added(self) -> tuple[Mapping[str, Any], float | None]:
        return self._added, max(self._moments) / SECOND if self._moments else None

    def merge(self, totals: MutableMapping[str, Any], added: Mapping[str, Any]) -> None:
        self._windows.merge(totals, added, self._combined)


def _keys(totals: Mapping[str, Any]) -> Iterator[str]:
    """Those of windows; all others begin with a letter."""
    return (key for key in totals if key[0] in "-0123456789")


def _parts(key: str) -> tuple[int, str]:
    start, _, group = key.partition(":")
    return int(start), group


def rfc3339(moment: int) -> str:
    """Of microseconds since the epoch."""
    seconds, fraction = divmod(moment, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")
    return f"{text}.{fraction:06}".rstrip("0") + "Z" if fraction else f"{text}Z"
