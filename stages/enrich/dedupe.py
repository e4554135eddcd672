"""``enrich.dedupe``: lets an event through once, and leaves out those that repeat it within a time."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from orjson import dumps
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Duration, Problems, Whole
from tailrace.pipeline.stage import Memory
from tailrace.stages.values.identity import check_names, identity, short
from tailrace.stages.values.moments import SECOND, USUAL, Moments
from tailrace.stages.values.recent import Recent
from tailrace.stages.values.windows import Windowed, rfc3339


@dataclass
class Dedupe(Windowed):
    """Drop an event (counted as filtered) if one with the same values in ``fields`` went through less than ``window``
    before it, or after it where lines come out of order. A repeat does not make the window longer.

    ``1`` and ``"1"``, null and a field that is not there differ. An event with none of the fields goes through, or is a
    dead letter (``missing_field``) if ``required``. The time is what the field says that ``time`` names, so that a
    replay drops the same events; an event without it, and all of them with ``time = ""``, has the time at which its
    file was read (in a replay: was last written). The event that went through goes through again if it comes back with
    its ``event_id``, as a dead letter that is sent again does: put enrich.origin before.

    With ``mode = "first"`` the stage remembers ``max_keys`` events, about 100 bytes of ``pipeline.stage_memory`` each;
    beyond that it forgets those that went through longest ago. The chain runs in one worker then.

    With ``mode = "count"`` time is cut into windows, and of those of one window that have the same values the first one
    comes out when the window is over, with a field ``repeats``: an object with ``count`` (1 if there was no other) and
    the times of the ``first`` and the ``last``. It enters the chain behind this stage, under the stage's name instead
    of a file's; see enrich.aggregate, also for ``late``. What comes later still gives one more, with ``late: true`` in
    ``repeats``. Beyond ``pipeline.stage_memory`` all windows are over at once. The chain may run in any number of
    workers.

    Fails: ``missing_field``, ``bad_timestamp``, ``bad_type`` (JSON cannot hold a value).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.dedupe"
        fields = ["host", "message"]
        window = "10s"

    Lines::

        {"timestamp": "2026-02-02T10:30:45Z", "host": "web1", "message": "disk full"}
        {"timestamp": "2026-02-02T10:30:46Z", "host": "web1", "message": "disk full"}
        {"timestamp": "2026-02-02T10:30:47Z", "host": "web2", "message": "disk full"}
        {"timestamp": "2026-02-02T10:30:55Z", "host": "web1", "message": "disk full"}
        {"timestamp": "at noon", "host": "web1", "message": "disk full"}
    """

    plain: ClassVar[bool] = True
    fields: list[str]  # what repeats have in common
    window: Annotated[float, Duration("1ms", "365d", "an event is remembered for so long")] = 60.0
    max_keys: Annotated[int, Whole(1, 10_000_000, "each takes about 100 bytes of pipeline.stage_memory")] = 50_000
    mode: Literal["first", "count"] = "first"  # the first goes through at once, or with their count after the window
    late: Annotated[float, Duration("0s", "30d", "a window waits so long for what comes out of order")] = (
        10.0  # `count`
    )
    time: str = USUAL  # the field with the time; of an event without `timestamp` also `time`, as parse.combined has it
    event_id: str = "event_id"  # the field that enrich.origin writes
    required: bool = False  # an event with none of `fields` is a dead letter

    def __post_init__(self) -> None:
        problems = Problems()
        check_names("fields", self.fields, problems, '["host", "message"]')
        problems.check()
        self._times = Moments(self.time)
        self._window = round(self.window * SECOND)
        self._open(self.window, self.late)
        self.summing = self.mode == "count"
        if not self.summing:
            self.memory = Memory()
            self._seen = Recent(self.max_keys)

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = []
        found: list[tuple[str, int, Event]] = []
        seen = None if self.summing else self._seen
        if seen is not None:
            seen.open(self.memory)
        for event in events:
            try:
                text = identity(event, self.fields)
            except ValueError as error:
                entries.append(Fail("bad_type", str(error), event))
                continue
            if not text:
                entries.append(_missing(self.fields, event) if self.required else event)
                continue
            try:
                moment = self._times.of(event, self._clock)
            except ValueError as error:
                entries.append(Fail("bad_timestamp", str(error), event))
                continue
            if seen is None:
                found.append((short(text), moment, event))
            elif self._is_first(seen, short(text), moment, event):
                entries.append(event)
        if seen is None:
            return entries + self._fold(found)
        seen.close()
        return entries

    def _fold(self, found: list[tuple[str, int, Event]]) -> list[Event | Fail]:
        self._begin()
        entries: list[Event | Fail] = []
        for text, moment, event in found:
            try:
                key = self._windows.key(moment, text)
            except ValueError as error:
                entries.append(Fail("bad_timestamp", str(error), event))
                continue
            one = [1, moment, moment, event]
            self._added[key] = self._combined(self._added[key], one) if key in self._added else one
            self._moments.append(moment)
        return entries

    def _combined(self, one: list[Any], other: list[Any]) -> list[Any]:
        """Their count, the times of the first and the last, and the first."""
        first = min(one, other, key=lambda some: (some[1], dumps(some[3])))
        return [one[0] + other[0], first[1], max(one[2], other[2]), first[3]]

    def close(self, totals: MutableMapping[str, Any], until: float) -> Iterable[tuple[str, Event]]:
        for closed in self._windows.close(totals, until):
            count, first, last, event = closed.value
            repeats = {"count": count, "first": rfc3339(first), "last": rfc3339(last)}
            yield closed.name, event | {"repeats": repeats | ({"late": True} if closed.late else {})}

    def _is_first(self, seen: Recent, key: str, moment: int, event: Event) -> bool:
        before = seen.get(key)
        name = event.get(self.event_id)
        if before is not None and abs(moment - before[0]) < self._window:
            return name is not None and name == before[1]
        seen.put(key, [moment, name if type(name) is str else None])
        return True


def _missing(fields: list[str], event: Event) -> Fail:
    return Fail("missing_field", f"the event has none of the fields {', '.join(fields)}", event)
