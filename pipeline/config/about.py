"""What a stage is, in words for its user: gathered from its class, its docstring and its source.

The docstring may end with an example: the tables of a configuration, lines for it, the files that it reads, and
commands where it takes others than a replay. Documents show what comes out::

    Example::

        [[stages]]
        use = "parse.logfmt"

        [[stages]]
        use = "enrich.lookup"
        path = "teams.csv"
        field = "service"

    File teams.csv::

        service,team
        shop,sales

    Lines::

        service=shop msg="it works"
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tailrace.pipeline.chain.loader import Role, role_of
from tailrace.pipeline.config.comments import docstring, field_comments
from tailrace.pipeline.config.expected import EXPECTED, declaration_of, describe_type
from tailrace.pipeline.config.problems import Report
from tailrace.pipeline.config.stage_keys import COMMON, TYPES
from tailrace.pipeline.config.tables import parameters_of
from tailrace.pipeline.config.units import format_duration, format_size
from tailrace.pipeline.construct import branches
from tailrace.pipeline.keys import Duration, Matching, Size, Whole
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.stage import Guarantee, needs_places, remembers, sums
from tailrace.stages.common_keys import COMMON_KEYS

_SECTION = re.compile(r"^(Example|File \S+|Lines|Commands)::\n((?:\n|[ \t]+.*(?:\n|\Z))+)", re.MULTILINE)
_NO_DEFAULT = inspect.Parameter.empty

_WORDS = {
    "name": "what it is called in counters, dead letters, errors and the log; by default `use`",
    "only": "for which files, by name: a pattern or a list of them",
    "when": "for which events",
    "on_error": 'a record that fails becomes a dead letter, goes on with `error` set (`"keep"`), or is dropped and '
    'counted (`"drop"`)',
    "id": "what its marks are kept under; by default `use` and `path`",
    "field": "it parses this field of the event, at its place in the chain, instead of the line; without a text in it "
    "a record fails (`missing_field`, `bad_type`)",
    "into": "the field that takes what it makes; by default the top level",
    "overwrite": "with `field`: `false` leaves what the event has already",
}
_WORDS_FOR_PARSERS = {
    "only": f"{_WORDS['only']}; the first parse stage that fits a file takes its lines",
    "when": f"with `field`: {_WORDS['when']}",
}
_KINDS = {"only": "a string or a list of strings", "when": "an expression"}  # of keys that are checked in their own way


@dataclasses.dataclass(slots=True, frozen=True)
class Option:
    """A key of the stage's table."""

    name: str  # "batch.timeout" is one of a table in it
    kind: str  # what it may hold
    default: str = ""  # as TOML; empty: there is none to speak of
    required: bool = False
    text: str = ""  # what it means


@dataclasses.dataclass(slots=True, frozen=True)
class About:
    """All texts are those of docstrings, but with single backticks."""

    use: str
    role: Role
    summary: str  # one sentence, without its full stop; may be empty
    paragraphs: tuple[str, ...]
    fails: str  # the codes of its dead letters
    facts: tuple[str, ...]  # that follow from its class
    options: tuple[Option, ...]
    example: str  # tables of a configuration
    files: tuple[tuple[str, str], ...]  # that the example reads: each one's name and text
    lines: str  # for the example
    commands: tuple[str, ...]  # that show the example at work, where a replay does not


def about(use: str, thing: type | Callable[..., Any]) -> About:
    """``thing`` is what ``use`` names. ConfigError: it is no stage."""
    role = role_of(thing)
    text = docstring(thing)
    sections = {name: textwrap.dedent(block).strip("\n") for name, block in _SECTION.findall(text)}
    paragraphs = [one for one in re.split(r"\n{2,}", _SECTION.sub("", text).strip()) if one]
    fails = next((one for one in paragraphs if one.startswith("Fails:")), "")
    summary = "" if ":" in use else summary_of(use)
    if not summary and paragraphs:
        summary, _, rest = paragraphs[0].partition(". ")
        paragraphs[0] = rest
    return About(
        use,
        role,
        _single(" ".join(summary.split())).rstrip("."),
        tuple(_single(one) for one in paragraphs if one and one != fails),
        _single(fails.removeprefix("Fails:").strip()),
        tuple(_facts(thing, role)),
        tuple(_options(thing, COMMON_KEYS if ":" not in use else {})) if isinstance(thing, type) else (),
        sections.get("Example", ""),
        tuple((name.removeprefix("File "), text) for name, text in sections.items() if name.startswith("File ")),
        sections.get("Lines", ""),
        tuple(sections.get("Commands", "").splitlines()),
    )


def summary_of(use: str) -> str:
    """What a built-in stage does, in a sentence: the first of its module, which is read and not imported."""
    spec = importlib.util.find_spec(f"tailrace.stages.{use}")
    if spec is None or spec.origin is None:
        return ""
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    sentence = " ".join(text.partition("\n\n")[0].split()).removeprefix(f"``{use}``: ")
    return _single(sentence[:1].upper() + sentence[1:]).rstrip(".")


def common_options(role: Role) -> list[Option]:
    """The keys that every stage of a role has."""
    words = _WORDS | (_WORDS_FOR_PARSERS if role == "parse" else {})
    defaults = {one.name: one.default for one in dataclasses.fields(StageSpec)}
    return [
        Option(key, _KINDS.get(key) or _kind(TYPES[key]), _toml(defaults.get(key), None), text=words[key])
        for key in COMMON[role]
        if key != "use"
    ]


def _single(text: str) -> str:
    return text.replace("``", "`")


def _facts(thing: type | Callable[..., Any], role: Role) -> Iterator[str]:
    if role == "write":
        guarantee = getattr(thing, "guarantee", None)
        yield f"Guarantee: {guarantee if isinstance(guarantee, Guarantee) else Guarantee.AT_LEAST_ONCE}"
    if remembers(thing):
        yield "It remembers earlier lines, so the chain runs in one worker"
    if sums(thing):
        yield "It adds up over all events, in any number of workers; what comes of it enters the chain behind it"
    if role == "enrich" and needs_places(thing):
        yield "It needs each line's place, so it stands directly after the parse stages and takes no `when`"
    if getattr(thing, "verbatim", False):
        yield "It is given lines with a terminal's colours in them"


def _options(cls: type, shared: dict[str, str], prefix: str = "") -> Iterator[Option]:
    comments, report = field_comments(cls), Report(cls.__name__, {})
    parameters = parameters_of(cls, (), report) or {}
    report.check()
    for name, (hint, default) in parameters.items():
        text = comments.get(name) or shared.get(name, "")
        tables: list[Any] = [one for one in branches(hint) if dataclasses.is_dataclass(one)]
        if tables and not text:
            text = " Or: ".join(" ".join(docstring(table).split()) for table in tables)
        shown = "" if tables or default is _NO_DEFAULT else _toml(_default(cls, name, default), declaration_of(hint))
        yield Option(prefix + name, "a table" if tables else _kind(hint), shown, default is _NO_DEFAULT, _single(text))
        for table in tables:
            yield from _options(table, {}, f"{prefix}{name}.")


def _kind(hint: Any) -> str:
    """What a key may hold, with its bounds and their reason."""
    match declaration_of(hint):
        case Whole(low, high, why):
            return f"a whole number from {low:,} to {high:,} ({why})"
        case Size(low, high, why):
            return f'a size from "{low}" to "{high}" ({why})'
        case Duration(low, high, why):
            return f'a duration from "{low}" to "{high}" ({why})'
        case Matching(_, expected):
            return expected.removeprefix(EXPECTED)
    return describe_type(hint)


def _default(cls: type, name: str, default: Any) -> Any:
    """The value; of a dataclass's factory, what it makes."""
    if dataclasses.is_dataclass(cls):
        factory = next((one.default_factory for one in dataclasses.fields(cls) if one.name == name), None)
        if callable(factory):
            return factory()
    return default


def _toml(value: Any, declared: Any) -> str:
    if value is None or (isinstance(value, str | list | tuple | dict) and not value):
        return ""
    match value:
        case bool():
            return str(value).lower()
        case int() if isinstance(declared, Size):
            return json.dumps(format_size(value))
        case int() | float() if isinstance(declared, Duration):
            return json.dumps(format_duration(value))
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return f"[{', '.join(_toml(one, None) for one in value)}]"
        case dict():
            return f"{{ {', '.join(f'{key} = {_toml(one, None)}' for key, one in value.items())} }}"
    return str(value)
