"""Events as NDJSON, one JSON line each; and of one that JSON cannot hold, which field it is."""

from __future__ import annotations

import contextlib
from itertools import accumulate, chain
from typing import Any

import msgspec
import orjson
from tailrace.pipeline.batch import Event
from tailrace.pipeline.errors import Reject

DEEPEST = 8  # levels of a field that is inside others; further down, the outer one is name enough
INT_MIN, INT_MAX = -(2**63), 2**64 - 1  # what orjson writes as an integer

_encoder = msgspec.json.Encoder()


def to_lines(events: list[Event], plain: bool = False) -> bytes:
    """Each with its newline; NaN and infinities become null. Reject if JSON cannot hold one: a type it does not know, a
    key that is no text, a lone surrogate, more than 254 levels, an integer of more than 4,300 digits.

    ``plain``: the events are known to hold JSON's own types only. Then msgspec writes them, four times as fast; of
    others it takes too much (sets, bytes, numbers as keys). What an event becomes never depends on its neighbours.
    """
    try:
        return _encoder.encode_lines(events) if plain else b"\n".join(chain(map(orjson.dumps, events), (b"",)))
    except (TypeError, ValueError, RecursionError):  # one of them is to blame; the others stay as they are
        return b"\n".join(chain((_line(event, plain) for event in events), (b"",)))


def line_ends(data: bytes) -> list[int]:
    """Where each line of ``to_lines`` ends, its newline included."""
    return list(accumulate(map(len, data.splitlines(keepends=True))))  # JSON escapes what else would end a line


def is_plain(value: Any) -> bool:
    """Whether it is made of JSON's own types, at any depth."""
    try:
        return orjson.dumps(value) == _encoder.encode(value)
    except (TypeError, ValueError, RecursionError):
        return False


def _line(event: Event, plain: bool) -> bytes:
    if plain:
        with contextlib.suppress(TypeError, ValueError, RecursionError):  # then orjson decides, and says why
            return _encoder.encode(event)
    try:
        return _exact(event)
    except (TypeError, ValueError, RecursionError) as error:
        field, why = _culprit(event) or ("", str(error))
        of_the_field = f" the field {field}" if field else " the event"
        raise Reject("rejected", f"JSON cannot hold{of_the_field}: {why}") from error


def _exact(value: Any) -> bytes:
    """As orjson has it, and integers beyond 64 bits, which it refuses, with all their digits."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        if "64-bit" not in str(error):
            raise
        return orjson.dumps(_with_big_integers(value))


def _with_big_integers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_big_integers(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_with_big_integers(item) for item in value]
    if isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        return orjson.Fragment(str(int(value)))
    return value


def _culprit(event: Event) -> tuple[str, str] | None:
    """The path of the innermost value at fault, as in ``user.ids[2]``, and what is wrong with it."""
    found = None
    value: Any = event
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
        _exact(value)
    except (TypeError, ValueError, RecursionError) as error:
        return str(error)
    return ""
