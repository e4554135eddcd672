"""What a key of the configuration may hold beyond its plain type, declared in the type of a dataclass's field::

    timeout: Annotated[float, Duration("0s", "1h", "a request holds its batch in memory")] = 1.0

The file gives ``"500ms"`` and ``"1MiB"``, the dataclass gets seconds (float) and bytes (int). The reason is part of the
message when a value lies outside of the bounds. Serves the engine's tables, every stage, and what is nested in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Whole:
    """Of an ``int``: a whole number from ``low`` to ``high``, both included."""

    low: int
    high: int
    why: str


@dataclass(slots=True, frozen=True)
class Size:
    """Of an ``int``: bytes, in the file with a unit (B, KB, KiB ... TiB), from ``low`` to ``high``, both included."""

    low: str
    high: str
    why: str


@dataclass(slots=True, frozen=True)
class Duration:
    """Of a ``float``: seconds, in the file with a unit (ms, s, m, h, d), from ``low`` to ``high``, both included."""

    low: str
    high: str
    why: str


@dataclass(slots=True, frozen=True)
class Text:
    """Of a ``str``: neither empty nor blank, and without a NUL character."""


@dataclass(slots=True, frozen=True)
class FilePath:
    """Of a ``str``: a path, in the file relative to the configuration's directory, in the dataclass absolute. A default
    stays as it is."""


@dataclass(slots=True, frozen=True)
class Matching:
    """Of a ``str``: it matches the regular expression ``pattern`` as a whole. ``expected`` says so in words."""

    pattern: str
    expected: str


Declaration = Whole | Size | Duration | Text | FilePath | Matching


def split(message: str) -> list[str]:
    """The problems in the message of a ValueError: one a line, further lines of one are indented."""
    return re.split(r"\n(?!\s|$)", message)


class Problems:
    """Collects what is wrong with the keys of a dataclass, so that one mistake does not hide another. For
    ``__post_init__``::

        problems = Problems()
        with problems.of("timezone"):
            self._zone = zone(self.timezone)   # ValueError: noted, and it goes on below
        if self.limit < 1:
            problems.add("limit", "expected at least 1")
        problems.check()

    The configuration names the line of each key: ``expr.a``, ``patterns[1]`` and the like work, too.
    """

    def __init__(self) -> None:
        self._messages: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._messages)

    def add(self, key: str, message: str) -> None:
        """``key`` is empty for what no single key is at fault for. A message of several lines is as many problems, but
        for lines that are indented: they belong to the one before."""
        self._messages += [f"{key}: {one}" if key else one for one in split(message)]

    def of(self, key: str) -> _Noting:
        """A context that notes a ValueError raised in it under ``key``."""
        return _Noting(self, key)

    def check(self) -> None:
        """ValueError with all of them, one a line, if there are any."""
        if self._messages:
            raise ValueError("\n".join(self._messages))


class _Noting:
    def __init__(self, problems: Problems, key: str) -> None:
        self._problems = problems
        self._key = key

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, ValueError):
            return False
        self._problems.add(self._key, str(error))
        return True
