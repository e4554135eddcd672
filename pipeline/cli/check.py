"""``tailrace check``: whether a configuration is right, what it would do, and what it guarantees."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tailrace.pipeline.cli.arguments import add_config_argument, describe, load_config
from tailrace.pipeline.escape import escape
from tailrace.pipeline.stage import Remarks

if TYPE_CHECKING:
    from tailrace.pipeline.chain.step import Step
    from tailrace.pipeline.settings import Config, StageSpec
    from tailrace.pipeline.source.tail.finder import Scan

_FILES_SHOWN = 10
_YES, _NO, _HINT = "✓", "✗", "!"
_COLOURS = {_YES: "\x1b[32m", _NO: "\x1b[31m", _HINT: "\x1b[33m"}

_EXAMPLES = """\
  tailrace check                     check ./config.toml
  tailrace check /etc/tailrace.toml  exit 78 and every mistake with its line
"""


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(parser, "Check a configuration and show what it would do. Changes nothing.", _EXAMPLES)
    add_config_argument(parser)
    parser.add_argument(
        "--no-environment",
        action="store_true",
        help="look at the configuration alone, not at files, directories and who uses them: for another machine",
    )
    parser.add_argument("--deny-warnings", action="store_true", help="exit 1 for what is only warned of (!), too")
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> int:
    from tailrace.pipeline.telemetry.log import use_colour
    from tailrace.pipeline.telemetry.wrap import terminal_width, wrap

    config = load_config(arguments)
    colour, width = use_colour(sys.stdout), terminal_width(sys.stdout)
    lines = list(_lines(config, environment=not arguments.no_environment))
    with contextlib.suppress(BrokenPipeError):  # the reader has seen enough; the exit code tells all
        for mark, line in lines:
            tint = _COLOURS.get(mark, "") if colour else ""
            reset = "\x1b[0m" if tint else ""
            whole = wrap(f"{mark or ' '} {escape(line)}", width)
            sys.stdout.write(f"{tint}{whole[0]}{reset}{whole[1:]}\n")
    wrong = {_NO, _HINT} if arguments.deny_warnings else {_NO}
    return 1 if any(mark in wrong for mark, _ in lines) else 0


def _lines(config: Config, *, environment: bool) -> Iterator[tuple[str, str]]:
    """(mark, line); lines without a mark go on with the one before."""
    from tailrace.pipeline.chain.steps import build_steps
    from tailrace.pipeline.settings import TailSettings
    from tailrace.pipeline.source.tail.finder import Finder

    yield _YES, f"configuration: {config.path}"
    for warning in config.warnings:
        yield _HINT, warning
    steps = build_steps(config)
    files = 0
    if not environment:
        yield _YES, f"source: {config.source.use}"
    elif isinstance(config.source, TailSettings):
        scan = Finder(config.tail.paths, config.tail.exclude).scan()
        files = len(scan.found)
        yield from _sources(config, steps, scan)
    else:
        yield from _source(config)
    yield _YES, f"the chain, {len(config.stages)} {'stage' if len(config.stages) == 1 else 'stages'}:"
    width = max((len(spec.label) for spec in config.stages), default=0)
    for spec in config.stages:
        yield "", f"{spec.label:<{width}}{_about(spec)}".rstrip()
    yield from _remarks(config, steps)
    yield from _promises(steps)
    yield from _remembering(steps, config.pipeline.workers)
    if environment:
        yield from _places(config)
        yield from _listens(config)
    yield from _memory(config, steps, files)


def _source(config: Config) -> Iterator[tuple[str, str]]:
    """Of another source than the tailer."""
    command = getattr(config.source, "command", None)
    if command is not None and shutil.which(command) is None:
        yield _NO, f"source: {config.source.use}: there is no program {command} on the path"
        return
    yield _YES, f"source: {config.source.use}"


def _sources(config: Config, steps: Sequence[Step], scan: Scan) -> Iterator[tuple[str, str]]:
    for directory, why in scan.failed.items():
        yield _NO, f"cannot list {_text(directory)}: {why}"
    found = sorted(scan.found)
    if not found:
        yield _HINT, f"no file matches now: {', '.join(config.tail.paths)}"
        for pattern in filter(os.path.isdir, config.tail.paths):
            yield _HINT, f"{pattern} is a directory; to read the files in it, write {os.path.join(pattern, '*')}"
        return
    yield _YES, f"{len(found):,} {'file matches' if len(found) == 1 else 'files match'} now:"
    for path in found[:_FILES_SHOWN]:
        if os.access(path, os.R_OK):
            yield "", _text(path)
        else:
            yield _NO, f"{_text(path)}: permission denied: uid {os.geteuid()} cannot read it"
    if len(found) > _FILES_SHOWN:
        yield "", f"... and {len(found) - _FILES_SHOWN:,} more"
    packed = [path for path in found if _is_packed(path)] if config.tail.compressed == "skip" else []
    for path in packed[:_FILES_SHOWN]:
        yield (
            _HINT,
            f"{_text(path)}: is compressed and not read: list it in source.exclude, or set source.compressed",
        )
    if len(packed) > _FILES_SHOWN:
        yield _HINT, f"... and {len(packed) - _FILES_SHOWN:,} more that are compressed"
    yield from _unparsed([_text(path) for path in sorted(set(found).difference(packed))], steps)


def _is_packed(path: bytes) -> bool:
    from tailrace.pipeline.source.tail.packed import MAGIC_BYTES, kind_of

    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False  # reported above
    try:
        return stat.S_ISREG(os.fstat(file).st_mode) and kind_of(os.pread(file, MAGIC_BYTES, 0)) is not None
    except OSError:
        return False
    finally:
        os.close(file)


def _unparsed(paths: list[str], steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """Files that no parse stage is for. That there is no parse stage at all is a warning of its own."""
    from tailrace.stages.defaults import LINES

    parsers = [step for step in steps if step.role == "parse"]
    *others, last = parsers
    if not others or last.label != LINES or last.only:
        return
    raw = [path for path in paths if not any(step.matches(os.path.basename(path)) for step in others)]
    for path in raw[:_FILES_SHOWN]:
        yield _HINT, f"{path}: no parse stage applies to it; its lines are taken unparsed, as by {LINES}"
    if len(raw) > _FILES_SHOWN:
        yield _HINT, f"... and {len(raw) - _FILES_SHOWN:,} more that no parse stage applies to"


def _about(spec: StageSpec) -> str:
    """What of a stage is not in its label; a sink's default id begins with its use."""
    use = "" if spec.label.startswith(spec.use) else f"  {spec.use}"
    where = f"  {spec.id.removeprefix(f'{spec.use}:')}" if spec.id not in ("", spec.use) else ""
    only = f"  only {', '.join(spec.only)}" if spec.only else ""
    when = f"  when {getattr(spec.when, 'raw', spec.when)}" if spec.when else ""  # a variable may hold a secret
    return f"{use}{where}{only}{when}"


def _remarks(config: Config, steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    for step in steps:
        if isinstance(step.stage, Remarks):
            yield from ((_HINT, f"{step.label}: {remark}") for remark in step.stage.remarks())
    redacting = [step.label for step in steps if getattr(step.stage, "redacts", False)]
    if redacting and config.dead_letters.raw == "keep":
        what = f"{', '.join(redacting)}: dead letters hold the lines as they were, and the log quotes them"
        yield _HINT, f'{what}; [dead_letters] raw = "omit" leaves them out'


def _promises(steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    for step in steps:
        if step.role == "write":
            yield _YES, f"{step.sink_id}: {getattr(step.stage, 'guarantee', 'no guarantee stated')}"


def _remembering(steps: Sequence[Step], workers: int) -> Iterator[tuple[str, str]]:
    from tailrace.pipeline.chain.steps import memories

    if names := ", ".join(memories(steps)):
        where = "in this process" if workers == 0 else "in one worker" + (f", not in {workers}" if workers > 1 else "")
        yield _HINT, f"{names}: remembers, so the chain runs {where}, and all lines go out in the order they came in"


def _places(config: Config) -> Iterator[tuple[str, str]]:
    """Whether what is written to can be written to; each directory once."""
    from tailrace.pipeline.cli.writable import fault, fixed_part, state_fault, state_upgrade
    from tailrace.pipeline.state.lock import holder

    state = config.pipeline.state_dir
    why = state_fault(state)
    yield (_NO, f"state: {why}") if why else (_YES, f"state: {state} {_can(state)}")
    if not why and (upgrade := state_upgrade(state)):
        yield _HINT, f"state: {upgrade}"
    if process := holder(state):
        yield _HINT, f"state: in use by a running tailrace (process {process}); a second one would be refused"
    for spec in config.stages:
        if spec.role == "write" and isinstance(spec.options.get("path"), str):
            path = fixed_part(spec.options["path"])
            why = fault(path)
            directory = os.path.dirname(path)
            yield (_NO, f"{spec.id}: {why}") if why else (_YES, f"{spec.id}: {directory} {_can(directory)}")


def _can(directory: str) -> str:
    return "can be written to" if os.path.isdir(directory) else "can be created"


def _listens(config: Config) -> Iterator[tuple[str, str]]:
    from tailrace.pipeline.errors import TailraceError
    from tailrace.pipeline.state.lock import holder
    from tailrace.pipeline.status.server import try_address

    address = config.status.listen
    if address is None:
        return
    try:
        try_address(address, in_use=holder(config.pipeline.state_dir) is not None)
    except TailraceError as error:
        yield _NO, str(error)
    else:
        yield _YES, f"page and metrics: http://{address}/"


def _memory(config: Config, steps: Sequence[Step], files: int) -> Iterator[tuple[str, str]]:
    from tailrace.pipeline.chain.loader import build
    from tailrace.pipeline.chain.steps import memories
    from tailrace.pipeline.run.memory import memory_ceiling

    stages = [build(spec, config.directory) for spec in config.stages]
    workers = config.pipeline.workers
    parts = memory_ceiling(config, stages, min(workers, 1) if memories(steps) else workers, files)
    yield _YES, f"memory ceiling: {_mib(sum(size for _, size in parts))}"
    for what, size in parts:
        yield "", f"{_mib(size):>12}  {what}"
    if workers == 0:
        yield _HINT, "workers = 0: a stage that crashes the process, or never returns from C code, ends the daemon"
        yield _HINT, "workers = 0: the ceiling holds for the stages that come with tailrace; nothing limits your own"


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")


def _mib(size: int) -> str:
    """All parts of the sum in the same unit."""
    return f"{size / (1 << 20):,.1f} MiB"
