"""``enrich.sample``: lets one of so many events through, always the same ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from math import isclose
from typing import Annotated, ClassVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Problems, Whole
from tailrace.stages.values.identity import check_names, identity, whole

EVENT_ID = "event_id"  # as enrich.origin calls it


@dataclass
class Sample:
    """Let one of ``rate`` events through, or the part ``ratio`` of them, and drop the others (counted as filtered).
    Neither is exact: a hash decides, so a replay or a restart lets the same events through.

    The hash is of the values of the fields ``key``: events that have them in common stay together. Without ``key`` it
    is of the field ``event_id``, which enrich.origin writes, and where that is missing, of the whole event; then lines
    that are the same in all go through together or not at all. An event that has none of the fields of ``key`` goes
    through as it is. What a higher rate lets through, a lower one does, too: a second stage of this kind in a chain
    needs another ``seed`` to choose by itself. Use ``when`` to keep errors out of it.

    ``into`` gets how many events each one stands for, for sums: the rate, or 1 / ``ratio``, times what stands there
    already.

    Fails: ``bad_type`` (JSON cannot hold it).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.sample"
        rate = 3
        key = ["trace"]
        when = "level != 'error'"

    Lines::

        {"trace": "a1", "level": "info", "n": 1}
        {"trace": "b2", "level": "info", "n": 2}
        {"trace": "b2", "level": "error", "n": 3}
        {"trace": "c3", "level": "info", "n": 4}
        {"trace": "a1", "level": "info", "n": 5}
        {"trace": "d4", "level": "info", "n": 6}
        {"trace": "c3", "level": "info", "n": 7}
    """

    plain: ClassVar[bool] = True

    rate: Annotated[int, Whole(0, 1_000_000_000, "one of so many")] = 0
    ratio: float = 0.0  # the part that goes through, above 0, up to 1
    key: list[str] = field(default_factory=list)  # fields: events with the same values stay together
    into: str = "sample_rate"  # the field that gets how many events this one stands for; "": nowhere
    seed: str = ""  # another one chooses others

    def __post_init__(self) -> None:
        problems = Problems()
        if bool(self.rate) == bool(self.ratio):
            problems.add("", "give one of `rate`, such as rate = 10 for one of ten, and `ratio`, such as ratio = 0.1")
        if not 0 <= self.ratio <= 1:
            problems.add("ratio", f"is {self.ratio:g}, expected above 0 and up to 1")
        if self.key:
            check_names("key", self.key, problems, '["trace_id"]')
        problems.check()
        weight = self.rate or 1 / self.ratio
        self._weight = round(weight) if isclose(weight, round(weight)) else weight
        self._below = int((1 << 64) / self.rate) if self.rate else int((1 << 64) * self.ratio)
        self._hash = blake2b(self.seed.encode(), digest_size=8)

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = []
        begin, below, text_of = self._hash.copy, self._below, self._text
        for event in events:
            try:
                text = text_of(event)  # one at a time: what orjson returns takes 4 KiB as long as it is held
            except ValueError as error:
                entries.append(Fail("bad_type", str(error), event))
                continue
            if text:
                choice = begin()
                choice.update(text)
                if int.from_bytes(choice.digest()) >= below:
                    continue
                if self.into:
                    weigh(event, self.into, self._weight)
            entries.append(event)
        return entries

    def _text(self, event: Event) -> bytes:
        """What is hashed; empty if the event is not for this stage."""
        if self.key:
            return identity(event, self.key)
        name = event.get(EVENT_ID)
        return name.encode("utf-8", "surrogatepass") if type(name) is str else whole(event)


def weigh(event: Event, into: str, weight: float) -> None:
    """Each event stands for so many more."""
    before = event.get(into)
    if (type(before) is int or type(before) is float) and before > 0:
        weight *= before
    event[into] = weight
