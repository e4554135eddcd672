"""Path templates: ``out/{source}.ndjson``, ``out/{host}/{time:%Y-%m-%d}.ndjson``.

``{source}`` is the file's name, ``{field}`` a field of the event, ``{time:...}`` its ``timestamp``, else its ``time``,
in UTC. What an event brings can name a file or directory, never choose a place: every path stays below the literal
directory the template begins with. ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tailrace.pipeline.batch import Event
from tailrace.pipeline.errors import Reject

NAME_BYTES = 255  # the longest file name Linux and macOS take
PATH_BYTES = 4095  # PATH_MAX without its NUL
REMEMBERED = 4096  # paths and times; their number is the events' choice

SOURCE, TIME = "source", "time"
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_DIRECTIVES = "%[YmdHMSjyGVuUW%]"  # of strftime: those that are digits everywhere, in any locale
_ALLOWED = "%Y %m %d %H %M %S %j %y %G %V %u %U %W %%"


@dataclass(slots=True, frozen=True)
class Placeholder:
    name: str  # of the field
    format: str | None = None  # strftime's; of the time only


class Template:
    """A checked template; ValueError with all that is wrong with it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts, problems = _parse(text)
        if not problems:
            problems = _unconfined(self._parts)
        if problems:
            raise ValueError("\n".join(f"the path {text!r} {problem}" for problem in problems))
        self._parts = _normal(self._parts)
        first = self._parts[0]
        literal = first if isinstance(first, str) else ""  # "./{source}"
        self.base = literal[: literal.rfind("/") + 1]  # the literal directory, with its slash
        self._placeholders = [part for part in self._parts if isinstance(part, Placeholder)]
        self.is_constant = not self._placeholders
        self._paths = _Memory(self._fill)
        self._times = {part: _Memory(_Time(part)) for part in self._placeholders if part.format is not None}

    def paths(self, events: Sequence[Event], source: str) -> list[str] | str:
        """The path for each event; a single one if no field has a say. Reject when an event gives none."""
        columns: list[Sequence[str]] = []
        varying = False
        for part in self._placeholders:
            name = part.name
            if part.format is not None:
                times = self._times[part]
                columns.append([times[_timestamp(event)] for event in events])
                varying = True
            elif name == SOURCE:
                columns.append((_spelled(source),) * len(events))
            else:
                columns.append(
                    [value if type(value := event.get(name)) is str else _text(name, value) for event in events]
                )
                varying = True
        if not varying:
            return self._paths[tuple(_spelled(source) for _ in self._placeholders)]
        paths = self._paths
        return [paths[values] for values in zip(*columns, strict=True)]

    def _fill(self, values: tuple[str, ...]) -> str:
        """The whole path, checked: nothing in ``values`` may lead out of the literal directory."""
        filled = []
        rest = iter(values)
        for part in self._parts:
            if isinstance(part, str):
                filled.append(part)
                continue
            value = next(rest)
            if not value:
                raise Reject("rejected", f"{{{part.name}}} is empty: it cannot be part of a path")
            if "\0" in value or ("/" in value and part.format is None):
                raise Reject(
                    "rejected", f"{{{part.name}}} is {_short(value)}: / and NUL cannot be part of a file's name"
                )
            filled.append(value)
        path = "".join(filled)
        made = f"the path made of {' and '.join(f'{{{part.name}}}' for part in self._placeholders)}"
        try:
            encoded = path.encode()
        except UnicodeEncodeError as error:
            raise Reject("rejected", f"{made}, {_short(path)}, cannot be written as UTF-8") from error
        for name in path.removeprefix("/").split("/"):
            if name in ("", ".", ".."):
                raise Reject("rejected", f"{made}, {_short(path)}, has the part {name!r}: it could lead elsewhere")
            if len(name.encode()) > NAME_BYTES:
                raise Reject("rejected", f"{made} has the part {_short(name)}: a name has at most {NAME_BYTES} bytes")
        if len(encoded) > PATH_BYTES:
            raise Reject("rejected", f"{made}, {_short(path)}, is longer than {PATH_BYTES} bytes")
        return path


class _Memory(dict[Any, str]):
    """Remembers what a function gave."""

    def __init__(self, function: Callable[[Any], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: Any) -> str:
        if len(self) >= REMEMBERED:
            self.clear()
        self[key] = value = self._function(key)
        return value


class _Time:
    """An RFC 3339 time, formatted in UTC."""

    def __init__(self, placeholder: Placeholder) -> None:
        assert placeholder.format is not None
        self._format = placeholder.format
        self._formatted: _Memory = _Memory(lambda moment: moment.strftime(self._format))

    def __call__(self, text: str) -> str:
        try:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:  # overflow: in UTC it lies before the year 1 or after 9999
            raise Reject("bad_timestamp", f"the timestamp {_short(text)} is not an RFC 3339 time") from error
        formatted: str = self._formatted[moment.replace(microsecond=0)]  # strftime is what takes time
        return formatted


def _timestamp(event: Event) -> str:
    value = event.get("timestamp")
    if value is None:
        value = event.get("time")
    if value is None:
        raise Reject("missing_field", "{time} needs the field `timestamp` or `time`, the event has neither")
    if not isinstance(value, str):
        raise Reject("bad_timestamp", f"the timestamp {_short(value)} is not an RFC 3339 time, which is a text")
    return value


def _text(name: str, value: Any) -> str:
    """A field's value as part of a path."""
    if value is None:
        raise Reject("missing_field", f"the path needs the field {name!r}, the event has none")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | str):
        return str(value)
    raise Reject("bad_type", f"{{{name}}} is {_short(value)}: only texts and numbers can be part of a path")


def _spelled(source: str) -> str:
    """A file's name with control characters, and bytes that are no UTF-8, spelled out: so it is always a good name."""
    text = source.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\x{ord(match[0]):02x}", text)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _parse(text: str) -> tuple[list[str | Placeholder], list[str]]:
    """The parts of a template, literal texts joined, and what is wrong with it."""
    parts: list[str | Placeholder] = []
    problems = []
    literal = ""
    at = 0
    for match in _PART.finditer(text):
        literal += text[at : match.start()]
        at = match.end()
        if match[0] in ("{{", "}}"):
            literal += match[0][0]
            continue
        if match[1] is None:
            problems.append(
                f"has a single {match[0]} (column {match.start() + 1}): write {match[0] * 2} for the character"
            )
            continue
        name, colon, format_ = match[1].partition(":")
        if not name:
            problems.append(f"has a placeholder without a name (column {match.start() + 1})")
        elif name == TIME and not format_:
            problems.append("has {time} without a format: write it as {time:%Y-%m-%d}")
        elif name == TIME and (wrong := re.sub(_DIRECTIVES, "", format_)).count("%"):
            sign = wrong[wrong.index("%") :][:2]
            problems.append(
                f"has {sign} in the format of {{time}}: allowed are %Y %m %d %H %M %S %j %y %G %V %u %U %W %%"
            )
        elif name != TIME and colon:
            problems.append(f"has a format in {match[0]}: only {{time:...}} takes one")
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(Placeholder(name, format_ if colon else None))
    literal += text[at:]
    if literal:
        parts.append(literal)
    return parts, problems


def _unconfined(parts: list[str | Placeholder]) -> list[str]:
    """Why the paths would not stay below a literal directory, or would be no files' paths at all."""
    if not parts:
        return ["is empty"]
    problems = []
    shape = "".join(part if isinstance(part, str) else (part.format or "{") for part in parts)
    if ".." in shape.split("/"):
        problems.append("has the part `..`: write where it leads to")
    if "\0" in shape:
        problems.append("has a NUL character")
    first = parts[0]
    if not isinstance(first, str) or not first.strip("/"):
        problems.append(
            "begins with a placeholder: begin with a directory or a name, an event must not choose the place"
        )
    if shape.endswith(("/", "/.")):
        problems.append("ends in a directory: a file's name is missing")
    return problems


def _normal(parts: list[str | Placeholder]) -> list[str | Placeholder]:
    """Without ``.`` and doubled slashes, so that one file has one path. Only literal parts can have them."""
    marked = "".join(part if isinstance(part, str) else "\0" for part in parts)
    marked = re.sub(r"/(?:\.?/)+", "/", marked).removeprefix("./")
    placeholders = iter([part for part in parts if isinstance(part, Placeholder)])
    normal: list[str | Placeholder] = []
    for text in re.split("(\0)", marked):
        if text == "\0":
            normal.append(next(placeholders))
        elif text:
            normal.append(text)
    return normal
