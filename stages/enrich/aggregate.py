"""``enrich.aggregate``: counts, sums, extremes and percentiles over windows of time, by group."""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, NamedTuple

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Duration, Problems, Whole
from tailrace.stages.values.accumulators import Need, check_number
from tailrace.stages.values.grouping import Grouping
from tailrace.stages.values.moments import USUAL
from tailrace.stages.values.sketch import number, quantile
from tailrace.stages.values.windows import OVERFLOW, Windowed, rfc3339

_FUNCTION = re.compile(r"(?P<name>count|sum|min|max|avg|p(?P<percent>\d{1,2}(?:\.\d{1,3})?))(?:\((?P<field>[^()]+)\))?")
_EXPECTED = 'expected "count", "count(FIELD)", "sum(FIELD)", "min(FIELD)", "max(FIELD)", "avg(FIELD)" or "p95(FIELD)"'
_OWN = ("timestamp", "window_end", "late", "overflow")  # fields of a result


class _Value(NamedTuple):
    """One field of the result: what is added up for it, by index, and which share of a sketch is asked for."""

    name: str
    kind: str
    needs: Sequence[int]
    share: float = 0.0

    def of(self, sums: Sequence[Any]) -> Any:
        first = sums[self.needs[0]]
        if first is None or self.kind in ("count", "min", "max"):
            return first
        if self.kind == "quantile":
            return quantile(first, self.share)
        return number(first) if self.kind == "sum" else number(first) / sums[self.needs[1]]


@dataclass
class Aggregate(Windowed):
    """Add up the events of each window of time, in groups of those with the same values in the fields ``by``; one event
    for each group comes out when its window is over. The events themselves end here, unless ``keep``.

    ``values`` says what to add up: ``count``, of the events, or ``count(FIELD)``, of those that have the field;
    ``sum(FIELD)``, which is exact, also of floats, in whatever order they come; ``min``, ``max``, ``avg``; ``p95`` and
    other percentiles, within 2 %. An event without the field, or with null there, does not count for that value; one
    that has something else than a finite number there is a dead letter and counts for nothing. A value of which there
    was nothing is null.

    A result has the fields ``by``, those of ``values``, ``timestamp``, where the window begins, and ``window_end``. It
    enters the chain behind this stage, under the stage's name instead of a file's (for ``only`` and ``{source}``), with
    an id made of the stage's name, the window and the group.

    The time is what the field says that ``time`` names; an event without it, and all of them with ``time = ""``, has
    the time at which its file was read (in a replay: was last written). A window is over when every file that is being
    read is ``late`` beyond its end; files of which nothing more is there do not count, and when there is nothing more
    in any of them, the clock on the wall does. What belongs to a window that is over gives one more result with
    ``late: true``, so results of one window and group can always be added up. At the end of ``replay`` and of
    ``run --until-eof`` every window is over; when the daemon is stopped, none is: it goes on with the next start.

    A window has at most ``max_groups`` groups; all further ones are added up together, with null in the fields ``by``
    and ``overflow: true``. Beyond ``pipeline.stage_memory`` all windows are over at once.

    Sums are part of the commit: after a crash and a restart they are those of an uninterrupted run.

    Fails: ``bad_type`` (no finite number; JSON cannot hold a group's value), ``bad_timestamp``, ``too_large`` (the
    values of a group take more than 1 KiB), ``missing_field`` (only if ``required``).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.aggregate"
        by = ["user"]
        window = "1m"
        values = { requests = "count", bytes = "sum(size)", slowest = "max(seconds)" }

    Lines::

        {"timestamp": "2026-02-02T10:30:45Z", "user": "ann", "size": 512, "seconds": 0.25}
        {"timestamp": "2026-02-02T10:30:52Z", "user": "bob", "size": 2048, "seconds": 0.5}
        {"timestamp": "2026-02-02T10:30:59Z", "user": "ann", "size": 100}
        {"timestamp": "2026-02-02T10:31:00Z", "user": "ann", "size": 100, "seconds": 0.1}
        {"timestamp": "2026-02-02T10:31:02Z", "user": "ann", "size": "much"}
    """

    plain: ClassVar[bool] = True

    by: list[str] = field(default_factory=list)  # the fields that events of one group have in common
    window: Annotated[float, Duration("1s", "365d", "a window ends so long after it began, counted from 1970")] = 60.0
    values: dict[str, str] = field(default_factory=lambda: {"count": "count"})  # fields of the result
    late: Annotated[float, Duration("0s", "30d", "a window waits so long for what comes out of order")] = 10.0
    max_groups: Annotated[int, Whole(1, 1_000_000, "each takes about 300 bytes while its window is open")] = 10_000
    time: str = USUAL  # the field with the time; of an event without `timestamp` also `time`, as parse.combined has it
    keep: bool = False  # the events go on as well
    required: bool = False  # an event that lacks one of the fields `by` is a dead letter

    def __post_init__(self) -> None:
        problems = Problems()
        self._needs: list[Need] = []
        self._values: list[_Value] = []
        for index, name in enumerate(self.by):
            if not name:
                problems.add(f"by[{index}]", "expected a name that is not empty")
            elif name in _OWN:
                problems.add(f"by[{index}]", f"every result has a field {name!r} of its own: enrich.rename yours")
            elif name in self.by[:index]:
                problems.add(f"by[{index}]", f"names the field {name!r} again")
        if not self.values:
            problems.add("values", 'is empty: say what to add up, for example { count = "count" }')
        for name, text in self.values.items():
            key = f"values.{name}"
            if not name or name in _OWN or name in self.by:
                problems.add(key, f"the result has a field {name!r} already: choose another name")
            with problems.of(key):
                self._values.append(self._value(name, text))
        problems.check()
        self._open(self.window, self.late, self.max_groups)
        self._grouping = Grouping(self.by, self.time, self._windows, required=self.required)
        self._numbers = sorted({need.field for need in self._needs if need.kind != "count"})

    def _value(self, name: str, text: str) -> _Value:
        found = _FUNCTION.fullmatch(text)
        if not found or (found["name"] != "count" and not found["field"]):
            raise ValueError(f"found {text!r}, {_EXPECTED}")
        of, kind = found["field"] or "", found["name"]
        if found["percent"]:
            return _Value(name, "quantile", [self._need("sketch", of)], float(found["percent"]) / 100)
        if kind == "avg":
            return _Value(name, kind, [self._need("sum", of), self._need("count", of)])
        return _Value(name, kind, [self._need(kind, of)])

    def _need(self, kind: str, of: str) -> int:
        need = Need(kind, of)
        if need not in self._needs:
            self._needs.append(need)
        return self._needs.index(need)

    def process(self, events: list[Event]) -> list[Event | Fail]:
        self._begin()
        groups: dict[str, list[Event]] = {}
        entries: list[Event | Fail] = []
        for event in events:
            entry = self._assign(event, groups)
            if entry is not None:
                entries.append(entry)
        self._added = {key: [need.of(some) for need in self._needs] for key, some in groups.items()}
        return entries

    def _assign(self, event: Event, groups: dict[str, list[Event]]) -> Event | Fail | None:
        """Put the event into its group; what goes on in its place, if anything."""
        try:
            for name in self._numbers:
                check_number(name, event.get(name))
        except ValueError as error:
            return Fail("bad_type", str(error), event)
        found = self._grouping.of(event, self._clock)
        if isinstance(found, Fail):
            return found
        moment, key = found
        groups.setdefault(key, []).append(event)
        self._moments.append(moment)
        return event if self.keep else None

    def _combined(self, one: list[Any], other: list[Any]) -> list[Any]:
        return [need.combine(*pair) for need, *pair in zip(self._needs, one, other, strict=True)]

    def close(self, totals: MutableMapping[str, Any], until: float) -> Iterable[tuple[str, Event]]:
        for closed in self._windows.close(totals, until):
            result: Event = {
                "timestamp": rfc3339(closed.start),
                "window_end": rfc3339(closed.start + self._windows.width),
                **self._grouping.values(closed.group),
            }
            result |= {value.name: value.of(closed.value) for value in self._values}
            result |= {"late": True} if closed.late else {}
            result |= {"overflow": True} if closed.group == OVERFLOW else {}
            yield closed.name, result
