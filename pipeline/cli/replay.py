"""``tailrace replay``: recorded files through the same chain, touching no state."""

from __future__ import annotations

import argparse
import sys

from pipeline.cli.options import add_config_option, add_log_options, describe, load_config, log_settings
from pipeline.errors import TailraceError

_SMALL = 8 << 20  # bytes of input that are not worth starting processes for

_EXAMPLES = """\
  tailrace replay access.log | head               what would come of this file; touches nothing
  tailrace replay --as access.log old/*.gz        packed files, treated as if they were called access.log
  journalctl -o cat | tailrace replay --as app.log -
  tailrace replay --strict sample.log >/dev/null  exit 3 if a line cannot be processed
"""


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(
        parser,
        "Run recorded files through the chain. Events go to standard output as JSON, one a line, in place of the "
        "configured sinks; no state is read or written.",
        _EXAMPLES,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, also .gz or .zst; - is standard input")
    add_config_option(parser)
    parser.add_argument("--as", dest="name", metavar="NAME", help="the file name that `only` and {source} see")
    parser.add_argument("--speed", choices=("max",), default="max", help="as fast as it can; nothing else is built yet")
    parser.add_argument("--strict", action="store_true", help="exit 3 if lines were dead-lettered")
    parser.add_argument("--keep-sinks", action="store_true", help="write to the configured sinks instead")
    add_log_options(parser)
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> int:
    from pipeline.build import run_replay
    from pipeline.cli import signals
    from pipeline.cli.outcome import exit_code
    from pipeline.source.recorded import Recorded
    from pipeline.telemetry import log
    from pipeline.telemetry.counters import Counters
    from pipeline.telemetry.progress import Progress
    from pipeline.telemetry.report import report

    config = load_config(arguments.config)
    log.configure(log_settings(config.log, arguments.verbose, arguments.quiet))
    counters = Counters()
    source = Recorded(
        arguments.paths, arguments.name, config.source.max_line_bytes, config.pipeline.chunk_bytes, counters
    )
    source.examine()
    _, size = source.progress()
    progress = Progress(counters, source.progress)
    try:
        outcome = run_replay(
            config,
            source,
            log=log.get_logger("engine"),
            counters=counters,
            workers=0 if size is not None and size <= _SMALL else config.pipeline.workers,
            keep_sinks=arguments.keep_sinks,
            configure=lambda engine: signals.connect(engine.stop),
            on_turn=progress.tick,
        )
    finally:
        progress.stop()
        log.flush()
    if outcome.closed:
        return 0  # the reader has seen enough: `| head`
    if not arguments.quiet:
        end = None if arguments.keep_sinks else "standard output"
        report(sys.stderr, outcome.counters, config.stages, outcome.seconds, end)
    code = exit_code(outcome, strict=arguments.strict)
    if source.errors:
        raise TailraceError("\n".join(source.errors))
    return code
