"""Which warnings are logged: the first of a kind at once, then a count, at most once a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Fields = dict[str, Any]

TOLD = 1.0  # seconds after which it is said how long ago the latest was

# What a warning is about; other fields are details.
_KEY_FIELDS = ("file", "path", "directory", "sink", "notice", "stage")


@dataclass(slots=True)
class _Seen:
    said: float  # clock of the last line
    count: int  # since then
    fields: Fields  # of the latest
    latest: float = 0.0  # its clock


class Repeats:
    """Warnings of one kind share the event's name and what it is about. Not thread-safe: the owner holds a lock."""

    def __init__(self, clock: Callable[[], float], interval: float = 60.0, limit: int = 1000) -> None:
        self._clock = clock
        self._interval = interval  # seconds
        self._limit = limit  # kinds remembered: file names are not ours, so their number has no bound
        self._seen: dict[tuple[str, ...], _Seen] = {}

    def admit(self, event: str, fields: Fields) -> list[tuple[str, Fields]]:
        """What to log for this warning: itself, with ``repeated`` where it stands for several, or nothing."""
        now = self._clock()
        key = (event, *(str(fields.get(name, "")) for name in _KEY_FIELDS))
        seen = self._seen.get(key)
        if seen is None:
            forgotten = self._forget_oldest() if len(self._seen) >= self._limit else []
            self._seen[key] = _Seen(now, 0, fields)
            return [*forgotten, (event, fields)]
        seen.count += 1
        seen.fields, seen.latest = fields, now
        if now - seen.said < self._interval:
            return []
        return [self._say(event, seen, now)]

    def due(self) -> list[tuple[str, Fields]]:
        """The counted ones whose minute is over."""
        now = self._clock()
        return self._held(now, now - self._interval)

    def drain(self) -> list[tuple[str, Fields]]:
        """All the counted ones, at the end."""
        now = self._clock()
        return self._held(now, now)

    def _held(self, now: float, said_before: float) -> list[tuple[str, Fields]]:
        return [
            self._say(key[0], seen, now) for key, seen in self._seen.items() if seen.count and seen.said <= said_before
        ]

    def _forget_oldest(self) -> list[tuple[str, Fields]]:
        key = next(iter(self._seen))
        seen = self._seen.pop(key)
        return [self._say(key[0], seen, self._clock())] if seen.count else []

    @staticmethod
    def _say(event: str, seen: _Seen, now: float) -> tuple[str, Fields]:
        fields = {**seen.fields, "repeated": seen.count} if seen.count > 1 else seen.fields
        if now - seen.latest >= TOLD:
            fields = {**fields, "seconds_ago": round(now - seen.latest)}
        seen.said, seen.count = now, 0
        return event, fields
