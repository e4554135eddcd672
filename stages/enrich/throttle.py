"""``enrich.throttle``: lets no more than so many events through in a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from tailrace.pipeline.batch import Event, Fail, Origin
from tailrace.pipeline.keys import Duration, Problems, Whole
from tailrace.pipeline.stage import Memory
from tailrace.stages.values.identity import check_names, identity, short
from tailrace.stages.values.moments import SECOND, USUAL, Moments
from tailrace.stages.values.recent import Recent


@dataclass
class Throttle:
    """Let ``rate`` events through per ``per``, and drop the others (counted as filtered): a token bucket for each value
    of the fields ``key``, which holds ``burst`` tokens, at first all of them. Without ``key`` there is one bucket.

    ``1`` and ``"1"``, null and a field that is not there are different values. The time is what the field says that
    ``time`` names, so that a replay drops the same events, and lines that are read late are no flood. An event without
    it, and all of them with ``time = ""``, has the time at which its file was read; in a replay that is one
    time for a whole file, in which no token is added. An event that is up to ``per`` older than the last one of its key
    counts as of that time; one that is older still begins with a full bucket: a clock was set back, or it is of another
    file.

    The stage remembers ``max_keys`` buckets, about 100 bytes of ``pipeline.stage_memory`` each; beyond that those go
    that have not been used for longest.

    Fails: ``bad_timestamp``, ``bad_type`` (JSON cannot hold a value of ``key``).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.throttle"
        rate = 2
        per = "10s"
        key = ["service"]

    Lines::

        {"timestamp": "2026-02-02T10:30:45Z", "service": "shop", "n": 1}
        {"timestamp": "2026-02-02T10:30:45Z", "service": "shop", "n": 2}
        {"timestamp": "2026-02-02T10:30:46Z", "service": "shop", "n": 3}
        {"timestamp": "2026-02-02T10:30:46Z", "service": "mail", "n": 4}
        {"timestamp": "2026-02-02T10:30:50Z", "service": "shop", "n": 5}
        {"timestamp": "at noon", "service": "shop", "n": 6}
    """

    plain: ClassVar[bool] = True
    needs_places: ClassVar[bool] = False
    memory: ClassVar[Memory] = Memory()

    rate: Annotated[int, Whole(1, 1_000_000, "events per `per`")]
    per: Annotated[float, Duration("1ms", "1d", "in which `rate` tokens are added")] = 1.0
    burst: Annotated[int, Whole(0, 10_000_000, "events; 0 is the same as `rate`")] = 0
    key: list[str] = field(default_factory=list)  # fields whose values have a bucket of their own
    max_keys: Annotated[int, Whole(1, 10_000_000, "each takes about 100 bytes of pipeline.stage_memory")] = 10_000
    time: str = USUAL  # the field with the time; of an event without `timestamp` also `time`, as parse.combined has it

    def __post_init__(self) -> None:
        problems = Problems()
        if self.key:
            check_names("key", self.key, problems, '["service"]')
        problems.check()
        self._moments = Moments(self.time)
        self._buckets = Recent(self.max_keys)
        # In whole numbers: `rate` parts are added in a microsecond, and an event takes `_cost` of them.
        self._cost = round(self.per * SECOND)
        self._full = (self.burst or self.rate) * self._cost
        self._clock = 0.0

    def locate(self, origin: Origin) -> None:
        self._clock = origin.clock

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = []
        self._buckets.open(self.memory)
        for event in events:
            try:
                moment = self._moments.of(event, self._clock)
            except ValueError as error:
                entries.append(Fail("bad_timestamp", str(error), event))
                continue
            try:
                key = short(identity(event, self.key))
            except ValueError as error:
                entries.append(Fail("bad_type", str(error), event))
                continue
            if self._takes_one(key, moment):
                entries.append(event)
        self._buckets.close()
        return entries

    def _takes_one(self, key: str, moment: int) -> bool:
        level, last = self._buckets.get(key) or (self._full, moment)
        if moment > last:
            level, last = min(self._full, level + (moment - last) * self.rate), moment
        elif last - moment > self._cost:
            level, last = self._full, moment
        taken = level >= self._cost
        self._buckets.put(key, [level - self._cost if taken else level, last])
        return taken
