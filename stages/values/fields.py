"""Field names given as patterns: plain names, or globs with ``*``, ``?`` and ``[...]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

Names = tuple[str, ...]

SHAPES = 256  # sets of names that are remembered; most logs have a handful
SHAPE_NAMES = 256  # larger ones are not remembered: logs may bring ever new ones


class FieldPatterns(dict[Names, Names]):
    """``patterns[tuple(event)]``: those of the event's fields that are meant, or with ``others`` those that are not.
    Upper and lower case differ. ``expression``: a regular expression for names that are meant, too."""

    def __init__(self, patterns: Sequence[str], others: bool = False, expression: str = "") -> None:
        super().__init__()
        if not patterns and not expression:
            raise ValueError('`fields` is empty: name at least one field, such as fields = ["user", "http_*"]')
        if "" in patterns:
            raise ValueError(f"fields[{list(patterns).index('')}]: expected a name that is not empty")
        self._expression = re.compile("|".join([*map(translate, patterns), *filter(None, [expression])]))
        self._others = others

    def __missing__(self, names: Names) -> Names:
        meant = tuple(name for name in names if bool(self._expression.match(name)) != self._others)
        if len(names) <= SHAPE_NAMES:
            if len(self) >= SHAPES:
                self.clear()
            self[names] = meant
        return meant
