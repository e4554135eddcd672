"""``enrich.dedupe``: lets an event through once, and leaves out those that repeat it within a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from tailrace.pipeline.batch import Event, Fail, Origin
from tailrace.pipeline.keys import Duration, Problems, Whole
from tailrace.pipeline.stage import Memory
from tailrace.stages.values.identity import check_names, identity, short
from tailrace.stages.values.moments import SECOND, USUAL, Moments
from tailrace.stages.values.recent import Recent


@dataclass
class Dedupe:
    """Drop an event (counted as filtered) if one with the same values in ``fields`` went through less than ``window``
    before it, or after it where lines come out of order. A repeat does not make the window longer.

    ``1`` and ``"1"``, null and a field that is not there differ. An event with none of the fields goes through, or is a
    dead letter (``missing_field``) if ``required``. The time is what the field says that ``time`` names, so that a
    replay drops the same events; an event without it, and all of them with ``time = ""``, has the time at which its
    file was read (in a replay: was last written). The event that went through goes through again if it comes back with
    its ``event_id``, as a dead letter that is sent again does: put enrich.origin before.

    The stage remembers ``max_keys`` events, about 100 bytes of ``pipeline.stage_memory`` each; beyond that it forgets
    those that went through longest ago.

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
    needs_places: ClassVar[bool] = False
    memory: ClassVar[Memory] = Memory()

    fields: list[str]  # what repeats have in common
    window: Annotated[float, Duration("1ms", "365d", "an event is remembered for so long")] = 60.0
    max_keys: Annotated[int, Whole(1, 10_000_000, "each takes about 100 bytes of pipeline.stage_memory")] = 50_000
    time: str = USUAL  # the field with the time; of an event without `timestamp` also `time`, as parse.combined has it
    event_id: str = "event_id"  # the field that enrich.origin writes
    required: bool = False  # an event with none of `fields` is a dead letter

    def __post_init__(self) -> None:
        problems = Problems()
        check_names("fields", self.fields, problems, '["host", "message"]')
        problems.check()
        self._moments = Moments(self.time)
        self._seen = Recent(self.max_keys)
        self._window = round(self.window * SECOND)
        self._clock = 0.0

    def locate(self, origin: Origin) -> None:
        self._clock = origin.clock

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = []
        self._seen.open(self.memory)
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
                moment = self._moments.of(event, self._clock)
            except ValueError as error:
                entries.append(Fail("bad_timestamp", str(error), event))
                continue
            if self._is_first(short(text), moment, event):
                entries.append(event)
        self._seen.close()
        return entries

    def _is_first(self, key: str, moment: int, event: Event) -> bool:
        seen = self._seen.get(key)
        name = event.get(self.event_id)
        if seen is not None and abs(moment - seen[0]) < self._window:
            return name is not None and name == seen[1]
        self._seen.put(key, [moment, name if type(name) is str else None])
        return True


def _missing(fields: list[str], event: Event) -> Fail:
    return Fail("missing_field", f"the event has none of the fields {', '.join(fields)}", event)
