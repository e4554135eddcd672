"""``enrich.limit_cardinality``: lets a field have so many different values, and no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from tailrace.pipeline.batch import Event, Fail, Origin
from tailrace.pipeline.keys import Duration, Problems, Whole
from tailrace.pipeline.stage import Memory
from tailrace.stages.values.identity import check_names, identity, short
from tailrace.stages.values.moments import SECOND, USUAL, Moments
from tailrace.stages.values.recent import Recent


@dataclass
class LimitCardinality:
    """Let the first ``value_limit`` different values of each of ``fields`` through; put it before a sink or a metric
    that pays for each new value. Any other value is replaced by ``replacement``, or with ``action = "drop"`` the event
    is left out (counted as filtered).

    With ``group_by`` each group of events, by the values of these fields, has its own values. With ``window`` all
    values are forgotten at each multiple of it since 1970 (UTC); else the first values stay for ever. The time is what
    the field says that ``time`` names; an event without it, and all of them with ``time = ""``, has the time at which
    its file was read (in a replay: was last written). An event of the window before counts in the current one, one of
    an earlier window begins anew. ``1`` and ``"1"`` differ; null or a field that is not there is no value.

    ``max_tracked_keys`` bounds how many fields in how many groups are remembered; beyond it those go that have not been
    seen for longest. Each takes 20 bytes of ``pipeline.stage_memory`` for each value.

    Fails: ``bad_timestamp``, ``bad_type`` (JSON cannot hold it).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.limit_cardinality"
        fields = ["path"]
        value_limit = 2
        group_by = ["host"]

    Lines::

        {"host": "web1", "path": "/cart"}
        {"host": "web1", "path": "/pay"}
        {"host": "web1", "path": "/.env"}
        {"host": "web1", "path": "/cart"}
        {"host": "web2", "path": "/.env"}
    """

    plain: ClassVar[bool] = True
    needs_places: ClassVar[bool] = False
    memory: ClassVar[Memory] = Memory()

    fields: list[str]  # each has its own values
    value_limit: Annotated[int, Whole(1, 10_000, "all of them are written anew when one is added")] = 500
    action: Literal["replace", "drop"] = "replace"  # replaces a value beyond the limit, or drops its event
    replacement: str = "other"  # stands in place of a value beyond the limit
    group_by: list[str] = field(default_factory=list)  # fields whose values make a group
    window: Annotated[float, Duration("0s", "365d", "0 is no window")] = 0.0
    max_tracked_keys: Annotated[int, Whole(1, 1_000_000, "each takes 20 bytes for each value")] = 1000
    time: str = USUAL  # the field with the time; of an event without `timestamp` also `time`, as parse.combined has it

    def __post_init__(self) -> None:
        problems = Problems()
        check_names("fields", self.fields, problems, '["path", "user"]')
        if self.group_by:
            check_names("group_by", self.group_by, problems, '["service"]')
        for name in set(self.fields).intersection(self.group_by):
            problems.add("group_by", f"{name!r} is one of `fields`: within its group it has one value only")
        problems.check()
        self._moments = Moments(self.time)
        self._tracked = Recent(max(self.max_tracked_keys, len(self.fields)))
        self._window = round(self.window * SECOND)
        self._keys = {name: short(b"%b=" % name.encode()) for name in self.fields}  # without a group
        self._clock = 0.0

    def locate(self, origin: Origin) -> None:
        self._clock = origin.clock

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = []
        self._tracked.open(self.memory)
        self._sets: dict[str, tuple[list[str], set[str]]] = {}  # by key: its values, as the list they are kept in
        for event in events:
            code = "bad_timestamp"
            try:
                window = self._moments.of(event, self._clock) // self._window if self._window else 0
                code = "bad_type"
                values = self._values(event)
            except ValueError as error:
                entries.append(Fail(code, str(error), event))
                continue
            beyond = [name for name, key, value in values if not self._fits(key, value, window)]
            if beyond and self.action == "drop":
                continue
            for name, key, value in values:
                if name in beyond:
                    event[name] = self.replacement
                else:
                    self._add(key, value, window)
            entries.append(event)
        self._tracked.close()
        return entries

    def _values(self, event: Event) -> list[tuple[str, str, str]]:
        """(field, key of the field in its group, key of its value) of each field that has a value. ValueError."""
        named = [name for name in self.fields if event.get(name) is not None]
        group = identity(event, self.group_by) if self.group_by else b""
        keys = {name: short(b"%b=%b" % (name.encode(), group)) for name in named} if group else self._keys
        return [(name, keys[name], short(identity(event, [name]))) for name in named]

    def _fits(self, key: str, value: str, window: int) -> bool:
        self._tracked.renew(key)
        _, values, found = self._state(key, window)
        return value in found or len(values) < self.value_limit

    def _add(self, key: str, value: str, window: int) -> None:
        current, values, found = self._state(key, window)
        if value not in found:
            values.append(value)
            found.add(value)
            self._tracked.put(key, [current, values])

    def _state(self, key: str, window: int) -> tuple[int, list[str], set[str]]:
        """The window that counts, and its values."""
        current, kept = self._tracked.get(key) or (window, [])
        if not current - 1 <= window <= current:
            current, kept = window, []
        values, found = self._sets.get(key, (None, None))
        if values is not kept or values is None or found is None:
            values, found = list(kept), set(kept)
            self._sets[key] = (values, found)
        return current, values, found
