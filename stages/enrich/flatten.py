"""``enrich.flatten``: nested objects as fields with dotted names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import orjson
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Text, Whole
from tailrace.stages.values.fields import FieldPatterns


@dataclass
class Flatten:
    """``{"user": {"id": 7}}`` becomes ``{"user.id": 7}``: each member of an object takes the object's place in the
    event, its name behind the object's and a ``separator``.

    ``arrays``: they stay as they are (``"keep"``), each item becomes a field ``tags.0``, ``tags.1`` ... (``"index"``),
    or the array becomes a text of JSON (``"json"``). An empty object, or an empty array with ``"index"``, stays as it
    is: nothing is lost. ``max_depth``: so many levels are taken away, and what is nested deeper stays so. ``fields``:
    only these are taken apart, names or globs; all of them by default.

    Fails: ``field_exists`` (two values would get one name, ``{"a.b": 1, "a": {"b": 2}}``; the event stays as it was in
    the dead letter), ``bad_type`` (JSON cannot hold an array that shall become a text).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.flatten"
        arrays = "index"

    Lines::

        {"level": "info", "user": {"id": 7, "address": {"city": "Bonn"}}, "tags": ["new", "paid"], "cart": {}}
        {"level": "info", "user.id": 8, "user": {"id": 7}}
    """

    plain: ClassVar[bool] = True

    separator: Annotated[str, Text()] = "."  # between the names
    arrays: Literal["keep", "index", "json"] = "keep"  # as they are, a field for each item, or text
    fields: list[str] = field(default_factory=lambda: ["*"])  # which are taken apart, by name or glob
    max_depth: Annotated[int, Whole(1, 100, "levels")] = 100

    def __post_init__(self) -> None:
        self._meant = FieldPatterns(self.fields)
        self._all = "*" in self.fields
        self._kinds = (dict,) if self.arrays == "keep" else (dict, list)

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = list(events)
        kinds = set(self._kinds)
        for index, event in enumerate(events):
            if kinds.isdisjoint(map(type, event.values())):
                continue  # it is flat
            if (fail := self._flatten(event)) is not None:
                entries[index] = fail
        return entries

    def _flatten(self, event: Event) -> Fail | None:
        flat: Event = {}
        try:
            if self._all:
                self._take_apart(flat, "", event.items(), self.max_depth)
            else:
                meant = set(self._meant[tuple(event)])
                for item in event.items():
                    self._take_apart(flat, "", (item,), self.max_depth if item[0] in meant else -1)
        except _TakenError as error:
            return Fail("field_exists", f"two values would get the name {error.args[0]!r}", event)
        except TypeError as error:
            return Fail("bad_type", f"JSON cannot hold an array: {error}", event)
        event.clear()
        event.update(flat)  # the same dict: by it the engine knows its line
        return None

    def _take_apart(self, flat: Event, before: str, items: Iterable[tuple[Any, Any]], depth: int) -> None:
        """Put these into the flat event; -1 levels are: as they are, also an array that would become a text."""
        kinds = self._kinds if depth >= 0 else ()
        for name, value in items:
            path = f"{before}{name}"
            kind = type(value)
            if kind in kinds:
                if kind is list and self.arrays == "json":
                    value = orjson.dumps(value).decode()  # noqa: PLW2901
                elif value and depth:
                    inner = value.items() if kind is dict else enumerate(value)
                    self._take_apart(flat, f"{path}{self.separator}", inner, depth - 1)
                    continue
            if path in flat:
                raise _TakenError(path)
            flat[path] = value


class _TakenError(Exception):
    """Two values would get this name."""
