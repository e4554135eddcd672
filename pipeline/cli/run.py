"""``tailrace run``: the daemon."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from tailrace.pipeline.cli.arguments import add_config_argument, add_log_options, describe, load_config, log_settings
from tailrace.pipeline.errors import ConfigError, UsageError
from tailrace.pipeline.escape import escape

from tailrace.version import __version__

if TYPE_CHECKING:
    from tailrace.pipeline.run.engine import Engine
    from tailrace.pipeline.run.outcome import Outcome
    from tailrace.pipeline.settings import Config
    from tailrace.pipeline.source.tail.ledger import Balance
    from tailrace.pipeline.status.api import Actions
    from tailrace.pipeline.telemetry.board import Board
    from tailrace.pipeline.telemetry.log import Logger

_EXAMPLES = """\
  tailrace run                                  ./config.toml, until Ctrl-C
  tailrace run --until-eof /etc/tailrace.toml   what is there now, then exit
  TAILRACE_LOG_FORMAT=json tailrace run -v      for a log collector
"""


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(parser, "Tail files and process them until stopped.", _EXAMPLES)
    add_config_argument(parser)
    parser.add_argument(
        "--until-eof",
        action="store_true",
        help="read each file to the size found at the start, commit and end; exit 1 if a file could not be read",
    )
    parser.add_argument(
        "--last-line",
        action="store_true",
        help="with --until-eof: take a last line that has no newline yet; what is "
        "appended to it later is a line of its own",
    )
    parser.add_argument(
        "--give-up",
        type=_duration,
        metavar="TIME",
        help="with --until-eof: stop with exit 1 when no output has taken anything for so long, for example 5m",
    )
    parser.add_argument(
        "-w",
        "--watch-config",
        action="store_true",
        help="reload when the configuration, or a module of your own beside it, has changed (else: on SIGHUP)",
    )
    add_log_options(parser)
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> int:
    from tailrace.pipeline.cli.signals import Signals

    signals = Signals()  # before anything that takes long, and be it an import

    from tailrace.pipeline.cli.outcome import exit_code
    from tailrace.pipeline.cli.screen.progress import Progress
    from tailrace.pipeline.cli.screen.report import report
    from tailrace.pipeline.run.daemon import Daemon
    from tailrace.pipeline.run.reload import Reload
    from tailrace.pipeline.settings import TailSettings
    from tailrace.pipeline.source.tail.finder import Finder
    from tailrace.pipeline.source.tail.ledger import condensed
    from tailrace.pipeline.state.letters import Letters
    from tailrace.pipeline.status.api import Api
    from tailrace.pipeline.status.notify import Notify
    from tailrace.pipeline.status.server import Server
    from tailrace.pipeline.telemetry import log
    from tailrace.pipeline.telemetry.counters import Counters
    from tailrace.pipeline.telemetry.summary import Summary, tell_state
    from tailrace.pipeline.telemetry.wrap import terminal_width, wrap
    from tailrace.stages.defaults import STANDARD_OUTPUT

    if arguments.until_eof and arguments.watch_config:
        raise UsageError("--watch-config is for a run that goes on: leave out --until-eof")
    if not arguments.until_eof and (arguments.last_line or arguments.give_up is not None):
        raise UsageError("--last-line and --give-up are for a run that ends: add --until-eof")
    config = load_config(arguments)
    check_writes(config)

    def configure_log(config: Config) -> None:
        log.configure(log_settings(config.log, arguments.verbose, arguments.quiet))

    configure_log(config)
    logger = log.get_logger("run")
    for warning in config.warnings:
        logger.warning("config.warning", notice=warning)
    counters = Counters()
    notify = Notify()

    def reloaded(config: Config | None) -> None:
        if config is not None:
            configure_log(config)
        notify.ready()

    reload = None
    if not arguments.until_eof:
        reload = Reload(
            lambda: _load_again(config), log.get_logger("reload"), counters, watch=arguments.watch_config,
            began=notify.reloading, ended=reloaded,
        )  # fmt: skip
    ready = started = False
    summary: Summary | None = None
    progress: Progress | None = None

    def on_turn(now: float) -> None:
        nonlocal ready
        signals.tick(logger)
        if not ready:  # the source is open
            ready = True
            notify.ready()
        notify.tick(now)
        if summary:
            summary.tick(now)
        if progress:
            progress.tick(now)

    def stop() -> None:
        notify.stopping()
        daemon.stop()

    def connect(engine: Engine) -> None:
        nonlocal progress, started, summary
        signals.connect(stop, reload.ask if reload else None, lambda: tell_state(logger, engine.snapshot), daemon.wake)
        summary = Summary(lambda: engine.snapshot)
        if started:
            return
        started = True
        if arguments.until_eof:
            on_stdout = any(spec.use == STANDARD_OUTPUT for spec in config.stages)
            progress = Progress(
                lambda: engine.snapshot.counters,
                lambda: engine.snapshot.progress,
                data=sys.stdout if on_stdout else None,
            )
        settings = config.pipeline
        source: dict[str, Any] = {"source": config.source.use}
        if isinstance(config.source, TailSettings):
            source = {"files": len(Finder(config.tail.paths, config.tail.exclude).scan().found)}
        logger.info(
            "pipeline.started", name=settings.name, version=__version__, workers=settings.workers, **source,
            config=str(config.path), state=settings.state_dir,
        )  # fmt: skip
        if source.get("files") == 0:
            logger.warning("files.none", notice="no file matches now; see `tailrace check`", paths=config.tail.paths)

    def serve(board: Board, actions: Actions) -> Server:
        state_dir = config.pipeline.state_dir
        return Server(Api(board, actions, Letters(state_dir)), state_dir, log.get_logger("status"))

    daemon = Daemon(
        config,
        log=log.get_logger("engine"),
        counters=counters,
        until_eof=arguments.until_eof,
        give_up=arguments.give_up,
        last_line=arguments.last_line,
        configure=connect,
        on_turn=on_turn,
        reload=reload,
        server=serve,
    )
    try:
        outcome = daemon.run()
        signals.tick(logger)
        _tell_end(logger, outcome)
    finally:
        if progress:
            progress.stop()
        log.flush()
    if arguments.until_eof and not arguments.quiet and not signals.terminal_closed:
        report(sys.stderr, outcome.counters, config.stages, outcome.seconds)
        for balance in condensed(of_files(outcome)):
            sys.stderr.write(wrap(str(balance), terminal_width(sys.stderr)) + "\n")
    return exit_code(outcome, strict=False)


def _load_again(config: Config) -> Config:
    """The file as it is now. ConfigError."""
    from tailrace.pipeline.config.load import load

    again = load(config.path)
    check_writes(again)
    return again


def _duration(text: str) -> float:
    from tailrace.pipeline.config.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {escape(text)!r}, {error}") from error


def check_writes(config: Config) -> None:
    """ConfigError without a write stage: what is read would be remembered as done, and be nowhere."""
    if not any(spec.role == "write" for spec in config.stages):
        why = "every line would be read and written nowhere"
        example = 'use = "write.file"  with  path = "out/{source}.ndjson"'
        instead = "or see what the stages make of a file with `tailrace replay FILE`"
        place = escape(str(config.path))
        raise ConfigError([f"{place}: [[stages]]: no write stage: {why}; add one, for example  {example}, {instead}"])


def of_files(outcome: Outcome) -> Sequence[Balance]:
    """The balances, which are those of the tailer: no other source has any."""
    return cast("Sequence[Balance]", outcome.balances)


def _tell_end(logger: Logger, outcome: Outcome) -> None:
    from tailrace.pipeline.source.tail.ledger import together
    from tailrace.pipeline.telemetry import log

    log.flush()  # what is still counted: the last line is to tell the end
    if outcome.closed:
        logger.info("output.closed", notice=f"{outcome.message}; stopping")
    counters = outcome.counters
    for balance in outcome.balances:
        if not balance.holds:
            logger.error("bytes.unaccounted", file=balance.file, **balance.amounts)
    logger.info(
        "pipeline.stopped", seconds=round(outcome.seconds, 2), lines=int(counters.total("lines_read")),
        written={sink: int(count) for (sink,), count in counters.by("events_written", "sink").items()},
        dead_letters=int(counters.total("dead_letters")), pending=int(counters.total("lines_pending")),
        **({"bytes": together(of_files(outcome)).amounts} if outcome.balances else {}),
    )  # fmt: skip
