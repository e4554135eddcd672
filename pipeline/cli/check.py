"""``tailrace check``: is this configuration right, what will it do, and what does it promise."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.cli.options import add_config_argument, describe, load_config
from pipeline.telemetry.escape import escape

if TYPE_CHECKING:
    from pipeline.config.model import Config, StageSpec

_FILES_SHOWN = 10
_YES, _NO, _HINT = "✓", "✗", "!"
_COLOURS = {_YES: "\x1b[32m", _NO: "\x1b[31m", _HINT: "\x1b[33m"}

_EXAMPLES = """\
  tailrace check                     look ./config.toml over
  tailrace check /etc/tailrace.toml  every mistake is named with its line; exit 78 if there is one
"""


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(parser, "Check a configuration and show what it does. Touches nothing.", _EXAMPLES)
    add_config_argument(parser)
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> int:
    from pipeline.telemetry.log import use_colour

    config = load_config(arguments.config)
    colour = use_colour(sys.stdout)
    failed = False
    for mark, line in _lines(config):
        failed |= mark == _NO
        tint = _COLOURS.get(mark, "") if colour else ""
        reset = "\x1b[0m" if tint else ""
        sys.stdout.write(f"{tint}{mark}{reset} {escape(line)}\n" if mark else f"  {escape(line)}\n")
    return 1 if failed else 0


def _lines(config: Config) -> Iterator[tuple[str, str]]:
    """(mark, line); lines without a mark go on with the one before."""
    yield _YES, f"configuration: {config.path}"
    for warning in config.warnings:
        yield _HINT, warning
    yield from _files(config)
    yield _YES, f"the chain, {len(config.stages)} stages:"
    for spec in config.stages:
        yield "", _stage(spec)
    yield from _promises(config)
    yield from _memory(config)


def _files(config: Config) -> Iterator[tuple[str, str]]:
    from pipeline.source.finder import Finder

    scan = Finder(config.source.paths, config.source.exclude).scan()
    for directory, why in scan.failed.items():
        yield _NO, f"cannot look into {_text(directory)}: {why}"
    found = sorted(scan.found)
    if not found:
        yield _HINT, f"no file matches now: {', '.join(config.source.paths)}"
        return
    yield _YES, f"{len(found):,} {'file matches' if len(found) == 1 else 'files match'} now:"
    for path in found[:_FILES_SHOWN]:
        readable = os.access(path, os.R_OK)
        yield "" if readable else _NO, _text(path) + ("" if readable else ": may not be read by this user")
    if len(found) > _FILES_SHOWN:
        yield "", f"... and {len(found) - _FILES_SHOWN:,} more"


def _stage(spec: StageSpec) -> str:
    only = f"  only {', '.join(spec.only)}" if spec.only else ""
    when = f"  when {spec.when}" if spec.when else ""
    name = f" ({spec.id})" if spec.role == "write" else ""
    return f"{spec.label}{name}{only}{when}"


def _promises(config: Config) -> Iterator[tuple[str, str]]:
    from pipeline.steps import build_steps

    for step in build_steps(config):
        if step.role == "write":
            yield _YES, f"{step.sink_id}: {getattr(step.stage, 'guarantee', 'no guarantee stated')}"


def _memory(config: Config) -> Iterator[tuple[str, str]]:
    from pipeline.build import memory_ceiling

    parts = memory_ceiling(config)
    yield _YES, f"memory ceiling: {_size(sum(size for _, size in parts))}"
    for what, size in parts:
        yield "", f"{_size(size):>12}  {what}"
    if config.pipeline.workers == 0:
        yield _HINT, "workers = 0: a stage that crashes the process, or never returns from C code, ends the daemon"


def _size(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MiB"


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")
