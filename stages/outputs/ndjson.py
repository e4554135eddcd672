"""Events as NDJSON, one JSON line each; and of one that JSON cannot hold, which field it is."""

from __future__ import annotations

from itertools import chain
from typing import Any

import orjson
from tailrace.pipeline.batch import Event
from tailrace.pipeline.errors import Reject

DEEPEST = 8  # levels of a field that is inside others; further down, the outer one is name enough


def to_lines(events: list[Event]) -> bytes:
    """Each with its newline; Reject if JSON cannot hold one: an integer beyond 64 bits, a lone surrogate, more than 254
    levels, a type it does not know. NaN and infinities become null."""
    try:
        return b"\n".join(chain(map(orjson.dumps, events), (b"",)))
    except TypeError as error:
        field, why = _culprit(events) or ("", str(error))
        of_the_field = f" the field {field}" if field else " the event"
        raise Reject("rejected", f"JSON cannot hold{of_the_field}: {why}") from error


def _culprit(events: list[Event]) -> tuple[str, str] | None:
    """The path of the innermost value at fault, as in ``user.ids[2]``, and what is wrong with it."""
    found = None
    value: Any = next(event for event in events if _wrong(event))
    while isinstance(value, dict | list) and (found is None or found[0].count(".") < DEEPEST):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        at, inner = next(((at, inner) for at, inner in items if _wrong(inner)), (None, None))
        if at is None:
            return found  # none of its values: a key
        name = f"[{at}]" if isinstance(value, list) else f".{at}"
        found = ((found[0] if found else "") + name).removeprefix("."), _wrong(inner)
        value = inner
    return found


def _wrong(value: Any) -> str:
    try:
        orjson.dumps(value)
    except TypeError as error:
        return str(error)
    return ""
