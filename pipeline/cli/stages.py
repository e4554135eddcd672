"""``tailrace stages``: which stages there are, and all about one of them."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tailrace.pipeline.cli.arguments import DEFAULT_CONFIG, add_config_option, describe
from tailrace.pipeline.errors import ConfigError, UsageError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.telemetry.wrap import wrap

if TYPE_CHECKING:
    from tailrace.pipeline.config.about import Option

_GAP = 2
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"
_CODE_IN, _CODE = re.compile("`([^`]+)`"), "\x1b[36m\\1\x1b[0m"

_EXAMPLES = """\
  tailrace stages                            all that come with tailrace
  tailrace stages parse.json                 what one does, its keys, an example
  tailrace stages -c config.toml shop:Clip   the same of your own
"""


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(parser, "List the stages, or show what one does: its keys, its dead letters, an example.", _EXAMPLES)
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help='what `use` names: parse.json, or your own "module:Name"'
    )
    add_config_option(
        parser, f"your own stages are found beside this file (default: $TAILRACE_CONFIG, else {DEFAULT_CONFIG})"
    )
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> int:
    from tailrace.pipeline.telemetry.log import use_colour
    from tailrace.pipeline.telemetry.wrap import terminal_width

    width, colour = terminal_width(sys.stdout), use_colour(sys.stdout)
    for row in _all() if arguments.name is None else _one(arguments.name, arguments.config_option):
        sys.stdout.write(row.shown(width, colour=colour) + "\n")
    return 0


@dataclass(slots=True, frozen=True)
class _Row:
    """One line, wrapped on a terminal: a head in bold, and behind it a text with code in backticks."""

    text: str = ""
    head: str = ""
    indent: int = 0

    def shown(self, width: int | None, *, colour: bool) -> str:
        before = " " * self.indent + self.head
        text = wrap(before + escape(self.text), width, len(before))[len(before) :]
        if colour:
            text = _CODE_IN.sub(_CODE, text)
            before = before.replace(self.head.strip(), f"{_BOLD}{self.head.strip()}{_RESET}") if self.head else before
        return (before + text).rstrip()


@dataclass(slots=True, frozen=True)
class _Code(_Row):
    """A line that stays as it is, tabs included: it may be copied."""

    def shown(self, width: int | None, *, colour: bool) -> str:  # noqa: ARG002
        return " " * self.indent + "\t".join(map(escape, self.text.split("\t")))


def _all() -> Iterator[_Row]:
    from tailrace.pipeline.chain.loader import built_in
    from tailrace.pipeline.config.about import summary_of

    names = built_in()
    width = max(map(len, names)) + _GAP
    for name in names:
        yield _Row(summary_of(name), name.ljust(width))


def _one(use: str, config: str | None) -> Iterator[_Row]:
    from tailrace.pipeline.config.about import about, common_options

    it = about(use, _resolve(use, config))
    yield _Row(it.summary, it.use + " " * _GAP)
    for paragraph in it.paragraphs:
        yield _Row()
        yield from _flowing(paragraph)
    for fact in it.facts:
        yield _Row()
        yield _Row(f"{fact}.")
    yield from _keys("Its keys", it.options)
    yield from _keys(f"Keys of every {it.role} stage", common_options(it.role))
    if it.fails:
        yield from _title("Dead letters")
        yield from _flowing(it.fails, _GAP)
    for title, text in (("Example", it.example), *it.files, ("Lines for it", it.lines)):
        if text:
            yield from _title(title)
            yield from (_Code(line, indent=_GAP if line else 0) for line in text.splitlines())


def _title(text: str) -> Iterator[_Row]:
    yield _Row()
    yield _Row(head=text)


def _flowing(paragraph: str, indent: int = 0) -> Iterator[_Row]:
    """Each item of a list is a row."""
    for item in re.split(r"\n(?=- )", paragraph):
        mark = "- " if item.startswith("- ") else ""
        yield _Row(" ".join(item.removeprefix(mark).split()), mark, indent)


def _keys(title: str, options: Sequence[Option]) -> Iterator[_Row]:
    if not options:
        return
    yield from _title(title)
    width = max(len(option.name) for option in options) + _GAP
    for option in options:
        default = f"; default {option.default}" if option.default else ""
        yield _Row(f"{option.kind}{'; required' if option.required else default}", option.name.ljust(width), _GAP)
        if option.text:
            yield _Row(option.text, indent=_GAP + width)


def _resolve(use: str, config: str | None) -> type | Callable[..., Any]:
    """UsageError: there is no such stage. ConfigError: there is, and it cannot be imported."""
    from tailrace.pipeline.chain.loader import built_in, resolve, resolve_own

    path = config or os.environ.get("TAILRACE_CONFIG") or DEFAULT_CONFIG
    if ":" in use:
        if config and not os.path.isfile(config):
            raise ConfigError([f"{escape(config)}: there is no such file"])
        return resolve_own(use, os.path.dirname(os.path.abspath(path)))
    try:
        return resolve(use, os.curdir)
    except ConfigError as error:
        if use in built_in():
            raise
        raise UsageError("\n".join(error.problems)) from error
