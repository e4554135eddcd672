"""``enrich.flatten``: nested objects as fields with dotted names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import orjson
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Text, Whole
from tailrace.stages.values.fields import FieldPatterns

Pairs = Iterator[tuple[str, Any]]


@dataclass
class Flatten:
    """``{"user": {"id": 7}}`` becomes ``{"user.id": 7}``: each member of an object takes the object's place in the
    event, its name behind the object's and a ``separator``.

    ``arrays``: they stay as they are (``"keep"``), each item becomes a field ``tags.0``, ``tags.1`` ... (``"index"``),
    or the array becomes a text of JSON (``"json"``). An empty object, or an empty array with ``"index"``, stays as it
    is: nothing is lost. ``max_depth``: so many levels are taken away, and what is nested deeper stays so. ``fields``:
    only these are taken apart, names or globs; all of them by default.

    Fails: ``field_exists`` if two values would get one name (``{"a.b": 1, "a": {"b": 2}}``); the event stays as it was
    in the dead letter. ``bad_type``: JSON cannot hold an array that shall become a text.
    """

    plain: ClassVar[bool] = True

    separator: Annotated[str, Text()] = "."
    arrays: Literal["keep", "index", "json"] = "keep"
    fields: list[str] = field(default_factory=lambda: ["*"])
    max_depth: Annotated[int, Whole(1, 100, "levels")] = 100

    def __post_init__(self) -> None:
        self._meant = FieldPatterns(self.fields)
        self._all = "*" in self.fields
        self._kinds = {dict} if self.arrays == "keep" else {dict, list}

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = list(events)
        kinds = self._kinds
        for index, event in enumerate(events):
            if kinds.isdisjoint(map(type, event.values())):
                continue
            if (fail := self._flatten(event)) is not None:
                entries[index] = fail
        return entries

    def _flatten(self, event: Event) -> Fail | None:
        meant = event.keys() if self._all else set(self._meant[tuple(event)])
        flat: Event = {}
        count = 0
        try:
            for name, value in event.items():
                pairs = self._pairs(name, value, self.max_depth) if name in meant else iter([(name, value)])
                for path, inner in pairs:
                    flat[path] = inner
                    count += 1
                    if len(flat) < count:
                        why = f"two values would get the name {path!r}: one of them is in {name!r}"
                        return Fail("field_exists", why, event)
        except TypeError as error:
            return Fail("bad_type", f"JSON cannot hold an array in the field {name!r}: {error}", event)
        event.clear()
        event.update(flat)  # the same dict: by it the engine knows its line
        return None

    def _pairs(self, path: str, value: Any, depth: int) -> Pairs:
        """What stands in place of this value."""
        kind = type(value)
        if kind is list and self.arrays == "json":
            yield path, orjson.dumps(value).decode()
        elif not value or not depth or kind not in self._kinds:
            yield path, value
        else:
            for name, inner in value.items() if kind is dict else enumerate(value):
                yield from self._pairs(f"{path}{self.separator}{name}", inner, depth - 1)
