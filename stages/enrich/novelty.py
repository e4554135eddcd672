"""``enrich.novelty``: lets the first events of each kind through, and one of many of those that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Problems, Whole
from tailrace.pipeline.stage import Memory
from tailrace.stages.enrich.sample import weigh
from tailrace.stages.values.identity import check_names, identity, short
from tailrace.stages.values.recent import Recent


@dataclass
class Novelty:
    """Of the events with the same values in ``group_by``, let the first ``first`` through, and then every ``rate``-th;
    with ``rate = 0`` no more. The others are dropped (counted as filtered).

    ``into`` gets how many events of its kind each one stands for: 1 or ``rate``, as in enrich.sample. ``1`` and
    ``"1"``, null and a field that is not there differ; an event with none of the fields goes through as it is.

    The stage remembers ``max_keys`` kinds, about 80 bytes of ``pipeline.stage_memory`` each; beyond that those go that
    have not been seen for longest, and are new when they come again. See enrich.sample for a choice that remembers
    nothing.

    Fails: ``bad_type`` (JSON cannot hold it).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.novelty"
        group_by = ["message"]
        first = 2
        rate = 3

    Lines::

        {"message": "timeout", "n": 1}
        {"message": "timeout", "n": 2}
        {"message": "timeout", "n": 3}
        {"message": "disk full", "n": 4}
        {"message": "timeout", "n": 5}
        {"message": "timeout", "n": 6}
        {"message": "timeout", "n": 7}
    """

    plain: ClassVar[bool] = True
    memory: ClassVar[Memory] = Memory()

    group_by: list[str]  # fields whose values make a kind
    first: Annotated[int, Whole(1, 1_000_000_000, "events of each kind")] = 10
    rate: Annotated[int, Whole(0, 1_000_000_000, "one of so many; 0 is none")] = 100
    max_keys: Annotated[int, Whole(1, 10_000_000, "each takes about 80 bytes of pipeline.stage_memory")] = 10_000
    into: str = "sample_rate"  # the field that gets how many events this one stands for; "": nowhere

    def __post_init__(self) -> None:
        problems = Problems()
        check_names("group_by", self.group_by, problems, '["service", "message"]')
        problems.check()
        self._kinds = Recent(self.max_keys)

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = []
        self._kinds.open(self.memory)
        for event in events:
            try:
                text = identity(event, self.group_by)
            except ValueError as error:
                entries.append(Fail("bad_type", str(error), event))
                continue
            weight = self._weight(short(text)) if text else 0
            if weight is None:
                continue
            if weight and self.into:
                weigh(event, self.into, weight)
            entries.append(event)
        self._kinds.close()
        return entries

    def _weight(self, key: str) -> int | None:
        """How many events this one stands for; None: it is left out."""
        (count,) = self._kinds.get(key) or (0,)
        if count < self.first:
            self._kinds.put(key, [count + 1])
            return 1
        if not self.rate:
            self._kinds.renew(key)
            return None
        is_next = count + 1 >= self.first + self.rate
        self._kinds.put(key, [self.first if is_next else count + 1])
        return self.rate if is_next else None
