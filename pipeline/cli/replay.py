"""``tailrace replay``: recorded files through the same chain, touching no state."""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tailrace.pipeline.cli.arguments import add_config_option, add_log_options, describe, load_config, log_settings
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.errors import StateError, TailraceError, UsageError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.framing import Framer

if TYPE_CHECKING:
    from tailrace.pipeline.run.engine import Engine

_SMALL = 8 << 20  # bytes of input that are not worth starting processes for

_EXAMPLES = """\
  tailrace replay access.log | head               the events of this file
  tailrace replay --as access.log old/*.gz        compressed files, by this name
  journalctl -o cat | tailrace replay --as app.log -
  tailrace replay --speed 10x app.log             ten times the original pace
  tailrace replay --strict sample.log >/dev/null  exit 3 if a line is bad
"""


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(
        parser,
        "Run recorded files through the chain. Events go to standard output as JSON, one\n"
        "a line, in place of the configured sinks; a state is neither made nor changed.",
        _EXAMPLES,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, also .gz or .zst; - is standard input")
    add_config_option(parser)
    parser.add_argument(
        "--as", dest="name", type=_name, metavar="NAME", help="the file name that `only` and {source} see"
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        metavar="SPEED",
        help="max (default), or a pace such as 1x or 10x: events come out when their own time, `timestamp` or `time`, "
        "has come, counted from the first; order and content are those of max; not with --keep-sinks",
    )
    parser.add_argument("--strict", action="store_true", help="exit 3 if lines were dead-lettered")
    parser.add_argument(
        "--keep-sinks",
        action="store_true",
        help="write to the configured sinks instead; refused where `tailrace run` writes to the same outputs: its next "
        "start would cut them back to what it has written itself",
    )
    add_log_options(parser)
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> int:
    from tailrace.pipeline.cli.signals import Signals

    signals = Signals()  # before anything that takes long, and be it an import

    from tailrace.pipeline.cli.outcome import exit_code
    from tailrace.pipeline.cli.outputs_in_use import unclaimed
    from tailrace.pipeline.cli.screen.progress import Progress
    from tailrace.pipeline.cli.screen.report import report
    from tailrace.pipeline.run.replay import run_replay
    from tailrace.pipeline.source.recorded.keys import Keys
    from tailrace.pipeline.source.recorded.recorded import Recorded
    from tailrace.pipeline.state.file import known_streams
    from tailrace.pipeline.telemetry import log
    from tailrace.pipeline.telemetry.counters import Counters

    pace: float | None = arguments.speed
    if pace is not None and arguments.keep_sinks:
        raise UsageError(
            "--speed paces standard output only; with --keep-sinks leave it out: the sinks take all at full speed"
        )
    config = load_config(arguments)
    log.configure(log_settings(config.log, arguments.verbose, arguments.quiet))
    logger = log.get_logger("replay")
    counters = Counters()
    try:
        keys = Keys(*known_streams(config.pipeline.state_dir))
    except StateError as error:
        keys = Keys()
        notice = "the ids of events are made from the files, and are not those that `run` gave"
        log.get_logger("replay").warning("state.unreadable", why=str(error), notice=notice)
    source = Recorded(
        arguments.paths, arguments.name, config.source.max_line_bytes, config.pipeline.chunk_bytes, counters,
        keys=keys, written_in=encoding(config.source.encoding),
        framer=Framer(config.source.multiline) if config.source.multiline else None,
    )  # fmt: skip
    source.examine()
    _, size = source.progress()
    progress = Progress(lambda: counters, source.progress, data=sys.stdout)
    stopped = False

    def on_turn(now: float) -> None:
        signals.tick(logger)
        progress.tick(now)

    def connect(engine: Engine) -> None:
        def stop() -> None:
            nonlocal stopped
            stopped = True
            engine.stop()

        signals.connect(stop)

    try:
        with unclaimed(config) if arguments.keep_sinks else nullcontext():
            outcome = run_replay(
                config,
                source,
                log=log.get_logger("engine"),
                counters=counters,
                workers=0 if size is not None and size <= _SMALL else config.pipeline.workers,
                keep_sinks=arguments.keep_sinks,
                pace=pace,
                state=keys.state or "replay",
                configure=connect,
                on_turn=on_turn,
            )
    finally:
        progress.stop()
        signals.tick(logger)
        log.flush()
    if outcome.closed:
        return 0  # the reader is done: `| head`
    if stopped and pace is not None:
        return 0  # stopped by the user: the rest was not wanted
    if not arguments.quiet and not signals.terminal_closed:
        end = None if arguments.keep_sinks else "standard output"
        report(sys.stderr, outcome.counters, config.stages, outcome.seconds, end)
    code = exit_code(outcome, strict=arguments.strict)
    if source.errors:
        raise TailraceError("\n".join(source.errors))
    return code


def _name(text: str) -> str:
    if "/" in text or text in ("", ".", ".."):
        raise argparse.ArgumentTypeError(f"{escape(text)!r} is not a file name; expected one such as access.log")
    return text


def _speed(text: str) -> float | None:
    """The factor; None for ``max``."""
    if text == "max":
        return None
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?x", text, re.ASCII) or not float(text[:-1]):
        raise argparse.ArgumentTypeError(
            f"{escape(text)!r} is not a speed; expected max, or a factor such as 1x or 0.5x"
        )
    return float(text[:-1])
