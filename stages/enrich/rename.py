"""``enrich.rename``: gives fields other names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline.batch import Event, Fail


@dataclass
class Rename:
    """Rename fields, all at once: ``{ a = "b", b = "a" }`` swaps. A field that is not there is skipped.

    A name that is taken makes the line a dead letter (``field_exists``), unless ``overwrite``. A renamed field stands
    after the others.
    """

    plain: ClassVar[bool] = True

    fields: dict[str, str]  # old = "new"
    overwrite: bool = False

    def __post_init__(self) -> None:
        problems = []
        if not self.fields:
            problems.append('`fields` is empty: give at least one, such as fields = { old = "new" }')
        if "" in self.fields or "" in self.fields.values():
            problems.append("a field needs a name")
        problems += [f"{old!r} has that name already" for old, new in self.fields.items() if old == new]
        for new, times in Counter(self.fields.values()).items():
            if times > 1:
                olds = ", ".join(repr(old) for old, target in self.fields.items() if target == new)
                problems.append(f"{new!r} would be the name of several fields: {olds}")
        if problems:
            raise ValueError("\n".join(problems))
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
