"""What makes two events the same: the values of some of their fields, as one text, and as a short key for it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import blake2b

from orjson import OPT_SORT_KEYS, dumps
from tailrace.pipeline.batch import Event
from tailrace.pipeline.keys import Problems

KEY_BYTES = 12  # of a digest: two of a million million values share one with a chance of one in a hundred thousand


def identity(event: Event, fields: Sequence[str]) -> bytes:
    """The JSON of each field's value, with commas between them: ``1`` and ``"1"``, null and a field that is not there
    (nothing stands for it) are told apart. Empty if the event has none of the fields. ValueError: JSON cannot hold one.
    """
    try:
        texts = [dumps(event[name], option=OPT_SORT_KEYS) if name in event else b"" for name in fields]
    except TypeError:
        for name in fields:
            _check(f"the field {name!r}", event.get(name))
        raise
    return b",".join(texts) if any(texts) else b""


def whole(event: Event) -> bytes:
    """The identity of the whole event, in whatever order its fields are."""
    try:
        return dumps(event, option=OPT_SORT_KEYS)
    except TypeError:
        _check("the event", event)
        raise


def short(data: bytes) -> str:
    """A key of 16 characters for it."""
    return b64encode(blake2b(data, digest_size=KEY_BYTES).digest()).decode()


def check_names(key: str, names: Sequence[str], problems: Problems, example: str) -> None:
    """Of an option that lists fields: at least one, each once, none without a name."""
    if not names:
        problems.add(key, f"is empty: name at least one field, such as {key} = {example}")
    for index, name in enumerate(names):
        if not name:
            problems.add(f"{key}[{index}]", "expected a name that is not empty")
        elif name in names[:index]:
            problems.add(f"{key}[{index}]", f"names the field {name!r} again")


def _check(what: str, value: object) -> None:
    try:
        dumps(value, option=OPT_SORT_KEYS)
    except TypeError as error:
        raise ValueError(f"JSON cannot hold {what}: {error}") from error
