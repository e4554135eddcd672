"""Pairs of names and values in which a name may stand more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tailrace.pipeline.batch import Event

Duplicates = Literal["array", "last", "first"]
"""What becomes of the values of a repeated name."""


def gather(pairs: Sequence[tuple[str, Any]], duplicates: Duplicates) -> Event:
    """The pairs as one event."""
    if duplicates == "last":
        return dict(pairs)
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    if duplicates == "first":
        return {name: found[0] for name, found in values.items()}
    return {name: found if len(found) > 1 else found[0] for name, found in values.items()}
