"""The problems found in one configuration file, each with its place; shown in the order of the file's lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tailrace.pipeline.config.environment import Expanded
from tailrace.pipeline.config.locate import KeyPath
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.escape import escape

_LONGEST_SHOWN = 60  # characters of a value in a message
_SHORTEST_HIDDEN, _SHORTEST_BEGINNING = 4, 8  # characters of a variable's value


class Report:
    """Collects problems and warnings. A path is that of the key in the file; one that is missing there is reported at
    the nearest table around it."""

    def __init__(self, name: str, lines: Mapping[KeyPath, int], directory: str = "") -> None:
        self.name = escape(name)
        self.directory = directory  # the configuration's: relative paths are relative to it
        self.lines = lines
        self.loose: set[str | int] = set()  # keys at the top of the file that are no tables
        self.uses: dict[int, str] = {}  # index of a [[stages]] table: its `use`, for the place
        self.hidden: dict[str, str] = {}  # values of variables, and the references that messages show instead
        self._problems: list[tuple[int, str]] = []
        self._warnings: list[tuple[int, str]] = []
        self._paths: list[KeyPath] = []
        self._broken: set[KeyPath] = set()

    def note_uses(self, tables: Any) -> None:
        """The stages' names, for the places of problems."""
        for index, table in enumerate(tables if isinstance(tables, list) else ()):
            if isinstance(table, dict) and isinstance(table.get("use"), str):
                self.uses[index] = str(table["use"])

    def add(self, path: KeyPath, message: str) -> None:
        """A problem. Ignored for a value that is ``broken``."""
        if path not in self._broken:
            self._paths.append(path)
            indented = "\n    ".join(map(escape, message.split("\n")))
            self._problems.append((self._line(path), f"{self._place(path)}: {indented}"))

    def broken(self, path: KeyPath, message: str) -> None:
        """A problem that leaves no value to judge: further problems at this place are ignored."""
        self.add(path, message)
        self._broken.add(path)

    def is_broken(self, table: KeyPath) -> bool:
        """A value in this table is broken."""
        return any(path[: len(table)] == table for path in self._broken)

    def warn(self, path: KeyPath, message: str) -> None:
        self._warnings.append((self._line(path), f"{self._place(path)}: {message}"))

    def has_problem(self, path: KeyPath) -> bool:
        """Something is wrong with this table or key, or with what is in it."""
        return any(one[: len(path)] == path for one in self._paths)

    @property
    def top_names(self) -> list[str]:
        """The names at the top of the file with which something is wrong."""
        return [str(path[0]) for path in self._paths if len(path) == 1]

    @property
    def count(self) -> int:
        return len(self._problems)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._hide(message) for _, message in sorted(self._warnings, key=lambda entry: entry[0]))

    def check(self) -> None:
        """ConfigError, if there was any problem."""
        if self._problems:
            ordered = sorted(self._problems, key=lambda entry: entry[0])
            raise ConfigError(list(dict.fromkeys(self._hide(message) for _, message in ordered)))

    def _hide(self, message: str) -> str:
        """Stages know nothing of variables and show what they were given; very short values hide nothing."""
        place, message = message[: len(self.name)], message[len(self.name) :]
        for value, reference in sorted(self.hidden.items(), key=lambda pair: -len(pair[0])):
            if len(value) >= _SHORTEST_HIDDEN:
                for spelled in (value, escape(value), repr(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
                    message = message.replace(spelled, reference)
                for size in range(min(len(value) - 1, 100), _SHORTEST_BEGINNING - 1, -1):  # messages quote beginnings
                    message = message.replace(f"{value[:size]}'", f"{reference}'")
        return place + message

    def _line(self, path: KeyPath) -> int:
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def _place(self, path: KeyPath) -> str:
        line = self._line(path)
        place = f"{self.name}:{line}" if line else self.name
        if not path:
            return place
        if len(path) == 1 and path[0] in self.loose:
            return f'{place}: key "{show_key(path[0])}"'
        if len(path) == 1 and path[0] != "stages":
            return f"{place}: [{show_key(path[0])}]"
        if path[0] == "stages" and len(path) > 1 and isinstance(path[1], int):
            use = self.uses.get(path[1])
            table, keys = f"[[stages]] #{path[1] + 1}" + (f" {escape(use)}" if use else ""), path[2:]
        else:
            table, keys = ("[[stages]]" if path[0] == "stages" else f"[{show_key(path[0])}]"), path[1:]
        return f"{place}: {table}" + (f': key "{_dotted(keys)}"' if keys else "")


def show(value: Any) -> str:
    """A value as TOML would write it, in one line, cut where it is long. References to variables stay references."""
    text = _show(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def show_key(key: str | int) -> str:
    text = escape(str(key))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _dotted(keys: KeyPath) -> str:
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{show_key(key)}"
    return text.removeprefix(".")


def _show(value: Any) -> str:
    match value:
        case Expanded():
            return _quoted(value.raw)
        case str():
            return _quoted(value)
        case bool():
            return "true" if value else "false"
        case dict():
            return "{ " + ", ".join(f"{show_key(key)} = {_show(item)}" for key, item in value.items()) + " }"
        case list():
            return f"[{', '.join(map(_show, value))}]"
        case _:
            return str(value)


def _quoted(text: str) -> str:
    return escape(json.dumps(text[: 2 * _LONGEST_SHOWN], ensure_ascii=False))
