"""Grok: regular expressions put together from named ones, ``%{IPORHOST:client} %{NUMBER:took:float}``.

A ``Library`` holds definitions: ours (the files in ``library``, where names that begin with ``_`` are only parts of
others), those of a directory, and the user's. ``expand`` makes one expression of a pattern, and tells its fields.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tailrace.stages.patterns.oniguruma import Text, translate
from tailrace.stages.values.conversion import Kind

_OURS = Path(__file__).parent / "library"
_LONGEST = 256 * 1024  # characters of an expanded pattern; what is longer has definitions that multiply
_REFERENCE = re.compile(r"%\{(?P<name>\w+)(?::(?P<field>[^{}:]+)(?::(?P<kind>\w+))?)?\}")
_FIELD = re.compile(r"(?:\[[^\[\]]+\])+|[^\[\]]+")
_DEFINITION = re.compile(r"(\w+)[ \t]+(.+)")
_KINDS: dict[str, Kind] = {
    "int": "int", "integer": "int", "long": "int", "float": "float", "double": "float", "bool": "bool",
    "boolean": "bool", "timestamp": "timestamp", "ip": "ip", "string": "string",
}  # fmt: skip
_MARK = "\x00"  # stands for the name of a group, in an expression that is not finished


@dataclass(slots=True, frozen=True)
class Field:
    """What a group of the expression gives: ``[http][method]`` is the path ``("http", "method")``."""

    path: tuple[str, ...]
    kind: Kind | None = None

    @property
    def label(self) -> str:
        """Its name as patterns write it."""
        return self.path[0] if len(self.path) == 1 else "".join([f"[{name}]" for name in self.path])


@dataclass(slots=True, frozen=True)
class Expression:
    """A pattern expanded; its groups are ``fields`` in order, and there are no others."""

    exact: str
    piece: str  # see oniguruma.py
    told: str  # as ``exact``, but each reference is a group with a name ...
    references: dict[str, str]  # ... that stands here for the reference as it was written
    fields: list[Field]


@dataclass(slots=True, frozen=True)
class _Part:
    """A definition expanded."""

    exact: str = ""
    piece: str = ""
    told: str = ""  # with _MARKs and the references behind them
    fields: list[Field] = field(default_factory=list)


class _InDefinitionError(ValueError):
    """Says already which definition is wrong."""


class Library:
    """Ours first; a later definition of a name replaces an earlier one."""

    def __init__(self, *, ecs: bool, directory: str = "") -> None:
        self._other = _shipped(not ecs)
        self._texts = {**_shipped(ecs), **(read_directory(directory) if directory else {})}
        self._parts: dict[str, _Part] = {}
        self._open: list[str] = []  # names that are being expanded, each in the one before

    def define(self, definitions: Mapping[str, str]) -> None:
        self._texts.update(definitions)

    def check(self, name: str) -> None:
        """ValueError if this definition cannot be used."""
        self._compiled(self._part(name, f"%{{{name}}}"))

    def expand(self, pattern: str) -> Expression:
        part = self._expanded(pattern)
        self._compiled(part)
        references: dict[str, str] = {}

        def numbered(found: re.Match[str]) -> str:
            name = f"r{len(references)}"
            references[name] = found[1]
            return f"(?P<{name}>"

        told = re.sub(f"{_MARK}([^{_MARK}]*){_MARK}", numbered, part.told)
        return Expression(part.exact, part.piece, told, references, part.fields)

    def _part(self, name: str, reference: str) -> _Part:
        if name not in self._parts:
            if name in self._open:
                way = " -> ".join([*self._open[self._open.index(name) :], name])
                raise ValueError(f"%{{{name}}} is made of itself: {way}")
            if name not in self._texts:
                raise ValueError(f"{reference}: there is no pattern {name!r}{self._near(name)}")
            self._open.append(name)
            try:
                self._parts[name] = self._expanded(self._texts[name])
            except _InDefinitionError:
                raise
            except ValueError as error:
                raise _InDefinitionError(f"in the definition of {name}: {error}") from None
            finally:
                self._open.pop()
        return self._parts[name]

    def _near(self, name: str) -> str:
        if name in self._other:
            return f"; it is one of those with ecs = {'false' if 'CATALINA8_LOG' in self._texts else 'true'}"
        near = difflib.get_close_matches(name.upper(), [known for known in self._texts if known[0] != "_"], 1)
        return f"; did you mean {near[0]!r}?" if near else "; `definitions` and `patterns_dir` can add it"

    def _expanded(self, text: str) -> _Part:
        if _MARK in text:
            raise ValueError("a pattern cannot hold a NUL character: write \\x00")
        fields: list[Field] = []
        told: list[str] = []  # what stands for each reference and named group

        def refer(reference: str) -> Text:
            found = _REFERENCE.fullmatch(reference)
            if found is None:
                raise ValueError(
                    rf"{reference} is no reference: write %{{NAME}}, %{{NAME:field}} or %{{NAME:field:type}}, or %\{{"
                )
            opening = "(?:"
            if found["field"]:
                fields.append(Field(_path(found["field"]), _kind(found["kind"])))
                opening = "("
            part = self._part(found["name"], reference)
            fields.extend(part.fields)
            named = "(?:" if found["name"][0] == "_" else f"{_MARK}{reference}{_MARK}"
            told.append(f"{named}{part.told})")
            return f"{opening}{part.exact})", f"{opening}{part.piece})"

        def capture(name: str) -> Text:
            fields.append(Field(_path(name)))
            told.append(f"{_MARK}(?<{name}>...){_MARK}")
            return "(", "("

        exact, piece = translate(text, refer, capture)
        if len(exact) > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST} characters when expanded")
        marked = iter(told)
        return _Part(
            exact, piece, translate(text, lambda _: (next(marked),) * 2, lambda _: (next(marked),) * 2)[0], fields
        )

    def _compiled(self, part: _Part) -> None:
        try:
            re.compile(part.exact, re.MULTILINE)
        except re.error as error:
            for name, inner in self._parts.items():  # the innermost first
                try:
                    re.compile(inner.exact, re.MULTILINE)
                except re.error as own:
                    raise ValueError(
                        f"the definition of {name}, {self._texts[name]!r}, is no valid expression: {own.msg}"
                    ) from None
            raise ValueError(f"no valid expression: {error.msg}") from None


@cache
def _shipped(ecs: bool) -> dict[str, str]:
    names = ("base.txt", "ecs.txt" if ecs else "legacy.txt")
    return {name: text for file in names for name, text in _definitions(_OURS / file)}


def read_directory(path: str) -> dict[str, str]:
    """The definitions in all files of a directory, in the order of the names of files."""
    try:
        files = sorted(file for file in Path(path).iterdir() if file.is_file() and not file.name.startswith("."))
        return {name: text for file in files for name, text in _definitions(file)}
    except OSError as error:
        raise ValueError(f"cannot read {error.filename}: {error.strerror}") from None


def _definitions(file: Path) -> Iterator[tuple[str, str]]:
    """``NAME expression`` in each line that is neither blank nor a comment."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _DEFINITION.fullmatch(line.rstrip("\r"))
        if found is None:
            raise ValueError(f"{file}, line {number}: expected a name, a blank and an expression, found {line!r}")
        yield found[1], found[2]


def _path(name: str) -> tuple[str, ...]:
    if _FIELD.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no field: write name, or [outer][inner]")
    return tuple(re.findall(r"[^\[\]]+", name))


def _kind(name: str | None) -> Kind | None:
    if name is None:
        return None
    if name not in _KINDS:
        near = difflib.get_close_matches(name, _KINDS, 1)
        raise ValueError(
            f"{name!r} is no type{f'; did you mean {near[0]!r}?' if near else f': {chr(44).join(_KINDS)} are'}"
        )
    return _KINDS[name]
