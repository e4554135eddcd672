"""``enrich.metric``: a counter, a gauge or a histogram, made of events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Duration, Problems, Whole
from tailrace.stages.values.accumulators import check_number
from tailrace.stages.values.grouping import Grouping
from tailrace.stages.values.moments import USUAL
from tailrace.stages.values.sketch import number, plus, total
from tailrace.stages.values.windows import OVERFLOW, Windowed, rfc3339

_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OURS = "tailrace_"
_TOTAL = "t"  # what the key of a running total begins with


@dataclass
class Metric(Windowed):
    """Keep one number, or the numbers of a histogram, for each combination of values in the fields ``labels``, as
    Prometheus does, and give it as an event after each ``every`` of time in which it changed. The events themselves end
    here, unless ``keep``.

    ``kind``: a ``counter`` adds up the field ``value``, which is not negative, or counts events if there is no
    ``value``; a ``gauge`` has the latest ``value``; a ``histogram`` counts how many are not above each of ``buckets``.
    Counters and histograms go on over restarts and never go back. An event without the field ``value``, or with null
    there, does not count.

    A result has ``timestamp`` (the end of that time), ``metric``, ``kind``, ``labels``, and ``value``; that of a
    histogram has ``count``, ``sum`` and ``buckets``, each with what is in the smaller ones, too. It enters the chain
    behind this stage, under the stage's name instead of a file's. When it comes: see ``window`` at enrich.aggregate,
    also for ``late`` and ``time``.

    Beyond ``max_series`` combinations all further ones are one, with null as each label.

    Fails: ``bad_type`` (no number, or a negative one for a counter; JSON cannot hold a label), ``bad_timestamp``,
    ``too_large`` (the labels take more than 1 KiB).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.metric"
        metric = "http_request_seconds"
        kind = "histogram"
        value = "seconds"
        labels = ["method"]
        buckets = [0.1, 1]

    Lines::

        {"timestamp": "2026-02-02T10:30:45Z", "method": "GET", "seconds": 0.05}
        {"timestamp": "2026-02-02T10:30:46Z", "method": "GET", "seconds": 0.5}
        {"timestamp": "2026-02-02T10:31:47Z", "method": "GET", "seconds": 3}
        {"timestamp": "2026-02-02T10:31:48Z", "method": "PUT", "seconds": "fast"}
    """

    plain: ClassVar[bool] = True

    metric: str  # its name: letters, digits, "_" and ":", such as "http_requests_total"
    kind: Literal["counter", "gauge", "histogram"] = "counter"
    value: str = ""  # the field with the number; without one, a counter counts events
    labels: list[str] = field(default_factory=list)  # fields; their values tell the series apart
    buckets: list[float] = field(default_factory=lambda: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])
    every: Annotated[float, Duration("1s", "1d", "a series that has changed gives an event")] = 60.0
    late: Annotated[float, Duration("0s", "1d", "it waits so long for what comes out of order")] = 10.0
    max_series: Annotated[int, Whole(1, 1_000_000, "each takes about 300 bytes of pipeline.stage_memory")] = 10_000
    time: str = USUAL  # the field with the time; of an event without `timestamp` also `time`, as parse.combined has it
    keep: bool = False  # the events go on as well

    def __post_init__(self) -> None:
        problems = Problems()
        if not _NAME.fullmatch(self.metric):
            problems.add(
                "metric", f'found {self.metric!r}, expected letters, digits, "_" and ":", with no digit in front'
            )
        if self.metric.startswith(OURS):
            problems.add("metric", f"found {self.metric!r}: what begins with {OURS!r} tells of the pipeline itself")
        if self.kind != "counter" and not self.value:
            problems.add("value", f"a {self.kind} needs the name of a field with a number")
        for index, name in enumerate(self.labels):
            why = ""
            if not _LABEL.fullmatch(name) or name in self.labels[:index]:
                why = 'letters, digits and "_", with no digit in front, and each once'
            elif name.startswith("__") or (name == "le" and self.kind == "histogram"):
                why = "a name that Prometheus does not keep for itself"
            if why:
                problems.add(f"labels[{index}]", f"found {name!r}, expected {why}; enrich.rename gives it another name")
        if not self.buckets or sorted(set(self.buckets)) != self.buckets:
            problems.add("buckets", "expected at least one number, each larger than the one before")
        problems.check()
        self._open(self.every, self.late)
        self._grouping = Grouping(self.labels, self.time, self._windows)
        self._series = -1  # how many; not counted yet

    def process(self, events: list[Event]) -> list[Event | Fail]:
        self._begin()
        entries: list[Event | Fail] = []
        series: dict[str, list[tuple[int, Any]]] = {}
        for event in events:
            value = event.get(self.value) if self.value else 1
            found = None if value is None else self._place(event, value)
            if isinstance(found, Fail):
                entries.append(found)
                continue
            if found is not None:
                moment, key = found
                series.setdefault(key, []).append((moment, value))
                self._moments.append(moment)
            if self.keep:
                entries.append(event)
        self._added = {key: self._of(some) for key, some in series.items()}
        return entries

    def _place(self, event: Event, value: Any) -> tuple[int, str] | Fail:
        try:
            check_number(self.value, value)
        except ValueError as error:
            return Fail("bad_type", str(error), event)
        if self.kind == "counter" and value < 0:
            return Fail("bad_type", f"field {self.value!r}: a counter never goes back, found {value}", event)
        return self._grouping.of(event, self._clock)

    def _of(self, some: list[tuple[int, Any]]) -> list[Any]:
        """Of one series: a counter's sum; a gauge's latest moment and value; the sum and what is in each bucket."""
        if self.kind == "gauge":
            return list(max(some))
        values = [value for _, value in some]
        if self.kind == "counter":
            return [total(values)]
        return [total(values), len(values), *(sum(value <= limit for value in values) for limit in self.buckets)]

    def _combined(self, one: list[Any], other: list[Any]) -> list[Any]:
        if self.kind == "gauge":
            return max(one, other)
        return [plus(one[0], other[0]), *(a + b for a, b in zip(one[1:], other[1:], strict=True))]

    def close(self, totals: MutableMapping[str, Any], until: float) -> Iterable[tuple[str, Event]]:
        for closed in self._windows.close(totals, until):
            group = self._with_room(totals, closed.group)
            key = f"{_TOTAL}{group}"
            before = totals.get(key)
            now = totals[key] = closed.value if before is None else self._combined(before, closed.value)
            yield (
                closed.name,
                {
                    "timestamp": rfc3339(closed.start + self._windows.width),
                    "metric": self.metric,
                    "kind": self.kind,
                    "labels": self._grouping.values(group),
                    **self._shown(now),
                },
            )

    def exposed(self, totals: Mapping[str, Any]) -> Iterator[Event]:
        """Of each series the running total, with those of the windows that are open, as if these were closed now."""
        now: dict[str, list[Any]] = {key[1:]: value for key, value in totals.items() if key[0] == _TOTAL}
        for group, value in self._windows.open(totals):
            place = group if group in now or len(now) < self.max_series else OVERFLOW
            now[place] = self._combined(now[place], value) if place in now else value
        about = {"metric": self.metric, "kind": self.kind}
        return ({**about, "labels": self._grouping.values(group), **self._shown(one)} for group, one in now.items())

    def _with_room(self, totals: MutableMapping[str, Any], group: str) -> str:
        if self._series < 0:
            self._series = sum(key[0] == _TOTAL for key in totals)
        if f"{_TOTAL}{group}" in totals:
            return group
        if self._series >= self.max_series:
            return OVERFLOW
        self._series += 1
        return group

    def _shown(self, now: list[Any]) -> Event:
        if self.kind == "gauge":
            return {"value": now[1]}
        if self.kind == "counter":
            return {"value": number(now[0])}
        buckets = {f"{limit:g}": count for limit, count in zip(self.buckets, now[2:], strict=True)}
        return {"count": now[1], "sum": number(now[0]), "buckets": buckets | {"+Inf": now[1]}}
