"""``enrich.rename``: gives fields other names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Problems


@dataclass
class Rename:
    """Rename fields, all at once: ``{ a = "b", b = "a" }`` swaps. A field that is not there is skipped.

    A name that is taken makes the line a dead letter (``field_exists``), unless ``overwrite``. A renamed field stands
    after the others.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.rename"
        fields = { ts = "timestamp", msg = "message" }

    Lines::

        {"ts": "2026-02-02T10:30:45Z", "msg": "order paid", "order": 7}
        {"ts": "2026-02-02T10:30:46Z", "msg": "order sent", "message": "taken"}
    """

    plain: ClassVar[bool] = True

    fields: dict[str, str]  # old = "new"
    overwrite: bool = False

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.fields:
            problems.add("fields", 'is empty: give at least one, such as fields = { old = "new" }')
        before: dict[str, str] = {}  # by the new name: which field gets it
        for old, new in self.fields.items():
            if not old or not new:
                problems.add(f"fields.{old}" if old else "fields", "a field needs a name")
            elif old == new:
                problems.add(f"fields.{old}", "this is the field's name already")
            elif new in before:
                problems.add(f"fields.{old}", f"{new!r} is the new name of {before[new]!r} already")
            before.setdefault(new, old)
        problems.check()
        self._pairs = list(self.fields.items())
        # Only a new name that is not itself given away can be taken.
        self._watched = [(old, new) for old, new in self._pairs if new not in self.fields]

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = []
        for event in events:
            if not self.overwrite and (clash := self._clash(event)):
                old, new = clash
                why = (
                    f"cannot rename {old!r} to {new!r}: the event has that field already (overwrite = true replaces it)"
                )
                entries.append(Fail("field_exists", why, event))
                continue
            moved = [(new, event.pop(old)) for old, new in self._pairs if old in event]
            event.update(moved)
            entries.append(event)
        return entries

    def _clash(self, event: Event) -> tuple[str, str] | None:
        for pair in self._watched:
            if pair[1] in event and pair[0] in event:
                return pair
        return None
