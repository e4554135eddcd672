"""IP addresses as logs have them, and what is known of the address in a field."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.values.conversion import excerpt

T = TypeVar("T")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST = 64  # characters of the longest text that can be an address, with a zone; longer ones are not remembered


def to_address(text: str) -> Address:
    """``::ffff:192.0.2.1`` is the IPv4 address in it; a zone (``fe80::1%eth0``) is left out. ValueError."""
    if len(text) > LONGEST:
        raise ValueError(f"{excerpt(text)} is not an ip address")
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise ValueError(f"{excerpt(text)} is not an ip address") from None
    return getattr(address, "ipv4_mapped", None) or address


class AddressField(Generic[T]):
    """What ``find`` knows of the address in a field; the last ``remembered`` texts are not looked up again.

    An event without the field, or without an address in it, has nothing; with ``required`` it fails (``missing_field``,
    ``bad_type``).
    """

    def __init__(self, field: str, find: Callable[[Address], T | None], remembered: int, *, required: bool) -> None:
        if not field:
            raise ValueError("field: is empty; name the field that holds the address")
        self._field, self._required = field, required

        def from_text(text: str) -> T | ValueError | None:
            try:
                address = to_address(text)
            except ValueError as error:
                return ValueError(str(error))  # without the frames it came through: it is remembered
            return find(address)

        self._from_text = from_text
        self._cached = lru_cache(remembered)(from_text)

    def forget(self) -> None:
        """What ``find`` knows is no longer what it was."""
        self._cached.cache_clear()

    def known(self, events: list[Event]) -> list[T | Fail | None]:
        """For each event; a ``Fail`` only where the address is required."""
        field, cached = self._field, self._cached
        texts = [event.get(field) for event in events]
        found = [
            (cached(text) if len(text) <= LONGEST else self._from_text(text)) if type(text) is str else _NOT_TEXT
            for text in texts
        ]
        return [
            (self._failed(event, value) if isinstance(value, ValueError) else value)
            for event, value in zip(events, found, strict=True)
        ]

    def _failed(self, event: Event, error: ValueError) -> Fail | None:
        if not self._required:
            return None
        value = event.get(self._field)
        if value is None or value == "":
            return Fail("missing_field", f"field {self._field!r}: the event has none, and it is required", event)
        why = str(error) if isinstance(value, str) else f"{excerpt(value)} is not an ip address"
        return Fail("bad_type", f"field {self._field!r}: {why}", event)


_NOT_TEXT = ValueError("not a text")
