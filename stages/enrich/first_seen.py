"""``enrich.first_seen``: what was never seen before, such as a new template, as an event."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Duration, Problems, Whole
from tailrace.stages.values.grouping import Grouping
from tailrace.stages.values.identity import check_names, short
from tailrace.stages.values.moments import SECOND, USUAL
from tailrace.stages.values.windows import Closed, Windowed, rfc3339

_OWN = ("timestamp", "first_seen", "count")
_KNOWN = "k"  # what the key of something known begins with
_HOUR = 3600 * SECOND


@dataclass
class FirstSeen(Windowed):
    """Report each combination of values in ``fields`` that was not there before: one event, with these fields, the
    fields ``about`` of the first event that has it, when that was (``timestamp``), how often it came in its first
    ``window`` of time (``count``), and ``first_seen: true``. The events themselves end here, unless ``keep``.

    Behind enrich.template it reports messages of a new kind. With enrich.origin before it, the report has the place of
    the first one. The report comes when the window is over (see enrich.aggregate, also for ``late`` and ``time``), and
    enters the chain behind this stage, under the stage's name instead of a file's.

    ``max_known`` combinations are remembered, over restarts, and about 25 bytes of ``pipeline.stage_memory`` each;
    beyond that, those are forgotten that have not come for the longest time, to the hour. An event that has none of
    ``fields`` is let go, or a dead letter if ``required``.

    Fails: ``bad_timestamp``, ``bad_type`` (JSON cannot hold a value), ``too_large`` (the values of ``fields`` take more
    than 1 KiB), ``missing_field`` (only if ``required``).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.origin"
        host = ""
        event_id = ""

        [[stages]]
        use = "enrich.template"
        field = "msg"

        [[stages]]
        use = "enrich.first_seen"

    Lines::

        {"timestamp": "2026-02-02T10:30:45Z", "msg": "order 7 paid"}
        {"timestamp": "2026-02-02T10:30:46Z", "msg": "order 8 paid"}
        {"timestamp": "2026-02-02T10:30:47Z", "msg": "cannot reach 192.0.2.7"}
        {"timestamp": "2026-02-02T10:31:45Z", "msg": "order 9 paid"}
    """

    plain: ClassVar[bool] = True

    fields: list[str] = field(default_factory=lambda: ["template_id"])  # what is new or known
    about: list[str] = field(
        default_factory=lambda: ["template", "file", "offset"]
    )  # of the first event, in the report
    window: Annotated[float, Duration("1s", "1d", "the report comes after it")] = 10.0
    late: Annotated[float, Duration("0s", "1d", "a window waits so long for what comes out of order")] = 0.0
    max_known: Annotated[int, Whole(1, 10_000_000, "each takes about 25 bytes of pipeline.stage_memory")] = 100_000
    time: str = USUAL  # the field with the time; of an event without `timestamp` also `time`, as parse.combined has it
    keep: bool = False  # the events go on as well
    required: bool = False  # an event that has none of `fields` is a dead letter

    def __post_init__(self) -> None:
        problems = Problems()
        check_names("fields", self.fields, problems, '["template_id"]')
        for key, names in (("fields", self.fields), ("about", self.about)):
            for index, name in enumerate(names):
                if name in _OWN or (key == "about" and name in self.fields):
                    problems.add(f"{key}[{index}]", f"the report has a field {name!r} already")
        problems.check()
        self._open(self.window, self.late)
        self._grouping = Grouping(self.fields, self.time, self._windows)
        self._known = -1  # how many; not counted yet

    def process(self, events: list[Event]) -> list[Event | Fail]:
        self._begin()
        added, entries = self._added, list[Event | Fail]()
        for event in events:
            if all(event.get(name) is None for name in self.fields):
                if self.required:
                    why = f"the event has none of the fields {', '.join(self.fields)}"
                    entries.append(Fail("missing_field", why, event))
                elif self.keep:
                    entries.append(event)
                continue
            found = self._grouping.of(event, self._clock)
            if isinstance(found, Fail):
                entries.append(found)
                continue
            moment, key = found
            self._moments.append(moment)
            seen = added.get(key)
            if seen is None or moment <= seen[1]:
                about = {name: event[name] for name in self.about if event.get(name) is not None}
                added[key] = [1, moment, about] if seen is None else self._combined(seen, [1, moment, about])
            else:
                seen[0] += 1
            if self.keep:
                entries.append(event)
        return entries

    def _combined(self, one: list[Any], other: list[Any]) -> list[Any]:
        first = min(one, other, key=lambda seen: (seen[1], repr(seen[2])))
        return [one[0] + other[0], *first[1:]]

    def close(self, totals: MutableMapping[str, Any], until: float) -> Iterable[tuple[str, Event]]:
        new: list[Closed] = []
        for closed in self._windows.close(totals, until):
            key, hour = _KNOWN + short(closed.group.encode()), closed.value[1] // _HOUR
            before = totals.get(key)
            if before is None or hour > before:
                totals[key] = hour
            if before is None:
                new.append(closed)
        self._forget(totals, len(new))
        return map(self._report, new)

    def _report(self, closed: Closed) -> tuple[str, Event]:
        count, moment, about = closed.value
        report = {"timestamp": rfc3339(moment), **self._grouping.values(closed.group), **about}
        return closed.name, report | {"count": count, "first_seen": True}

    def _forget(self, totals: MutableMapping[str, Any], new: int) -> None:
        """So many more are known; if those are too many, a tenth more than need be is forgotten."""
        self._known = sum(key[0] == _KNOWN for key in totals) if self._known < 0 else self._known + new
        if self._known > self.max_known:
            known = sorted((hour, key) for key, hour in totals.items() if key[0] == _KNOWN)
            for _, key in known[: self._known - self.max_known + self.max_known // 10]:
                del totals[key]
                self._known -= 1
