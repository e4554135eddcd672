"""What a sink gives back, checked in its own thread: a mistake in it is a failure of that call, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tailrace.pipeline.outgoing import Verdicts
from tailrace.pipeline.stage import HasPaths, Marks


def checked_verdicts(verdicts: Any, count: int) -> Verdicts | None:
    """As ``deliver`` gave them for a batch of ``count`` records. TypeError, ValueError: they are not such verdicts."""
    if verdicts is None:
        return None
    if not isinstance(verdicts, Verdicts):
        raise TypeError(f"deliver returned {type(verdicts).__name__}; expected None or Verdicts")
    named = set()
    for refused in verdicts.refused:
        if not isinstance(refused, tuple) or [type(part) for part in refused] != [int, str, str]:
            raise TypeError(f"deliver refused {refused!r:.200}; expected (index, code, why) of types int, str, str")
        named.add(refused[0])
    named.update(verdicts.again)
    for index in named:
        if type(index) is not int or not 0 <= index < count:
            raise ValueError(f"deliver named the record {index!r:.200} of a batch of {count}")
    if len(named) < len(verdicts.refused) + len(verdicts.again):
        raise ValueError("deliver named a record twice")
    return verdicts


def checked_marks(what: str, marks: Any) -> Marks:
    """As ``what`` gave them. TypeError: the state cannot hold them."""
    if not isinstance(marks, Mapping) or not all(isinstance(destination, str) for destination in marks):
        raise TypeError(f"{what} returned {marks!r:.200}; expected a dict of marks by destination")
    for destination, mark in marks.items():
        try:
            json.dumps(mark)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{what} returned a mark of {destination!r:.200} that JSON cannot hold: {error}") from error
    return marks


def checked_paths(write: Any, marks: Marks) -> Sequence[str]:
    """The files of a sink that has some. TypeError: it gave something else."""
    if not isinstance(write, HasPaths):
        return ()
    paths = write.paths(marks)
    if isinstance(paths, str) or not isinstance(paths, Sequence) or not all(isinstance(path, str) for path in paths):
        raise TypeError(f"paths returned {paths!r:.200}; expected a list of paths")
    return paths
