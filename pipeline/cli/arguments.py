"""Options that several commands share, and their twins in the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, get_args, get_type_hints

from tailrace.pipeline.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from tailrace.pipeline.settings import Config, LogSettings

DEFAULT_CONFIG = "config.toml"


def describe(parser: argparse.ArgumentParser, summary: str, examples: str) -> None:
    """The text around a command's options; ``examples`` stand below them as they are."""
    parser.description = summary
    parser.epilog = f"examples:\n{examples}"


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """The configuration as the command's only argument, or as an option."""
    parser.add_argument("config", nargs="?", metavar="CONFIG", help=_CONFIG_HELP)
    add_config_option(parser, "the same, as an option")


def add_config_option(parser: argparse.ArgumentParser, text: str = "") -> None:
    """The configuration as an option, where the arguments are something else."""
    parser.add_argument("-c", "--config", dest="config_option", metavar="CONFIG", help=text or _CONFIG_HELP)


_CONFIG_HELP = f"the configuration file (default: $TAILRACE_CONFIG, else {DEFAULT_CONFIG})"


def add_log_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="log more (default: $TAILRACE_LOG_LEVEL, else log.level)"
    )
    parser.add_argument("-q", "--quiet", action="count", default=0, help="log less, and no summary at the end")


def load_config(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Config:
    """The checked configuration; ConfigError carries all that is wrong with it, and says who named a file that cannot
    be read, unless the command line did."""
    from tailrace.pipeline.config.load import load

    given, named = _given(arguments), environ.get("TAILRACE_CONFIG")
    path = given or named or DEFAULT_CONFIG
    try:
        return load(path, environ=environ)
    except ConfigError as error:
        if given or (os.access(path, os.R_OK) and os.path.isfile(path)):
            raise
        origin = "the path comes from $TAILRACE_CONFIG" if named else "name another with -c CONFIG or $TAILRACE_CONFIG"
        raise ConfigError([f"{problem}; {origin}" for problem in error.problems]) from error


def _given(arguments: argparse.Namespace) -> str | None:
    """The configuration's path, if the command line names one."""
    argument, option = getattr(arguments, "config", None), arguments.config_option
    if argument and option:
        raise UsageError("the configuration is given twice; expected either CONFIG or -c CONFIG")
    if "" in (argument, option):
        raise UsageError("CONFIG is empty; expected the path of a configuration")
    given: str | None = argument or option
    return given


def state_dir_of(arguments: argparse.Namespace) -> tuple[str, Config | ConfigError]:
    """The state directory, for who only asks the daemon; and the configuration, or what is wrong with it by now.
    ConfigError: that is wrong, and no daemon runs."""
    from tailrace.pipeline.config.load import state_dir_in
    from tailrace.pipeline.state.lock import holder

    try:
        config = load_config(arguments)
    except ConfigError as error:  # the daemon runs with what it has read before
        directory = state_dir_in(_given(arguments) or os.environ.get("TAILRACE_CONFIG") or DEFAULT_CONFIG)
        if holder(directory) is None:
            raise
        return directory, error
    return config.pipeline.state_dir, config


def log_settings(
    settings: LogSettings, verbose: int, quiet: int, environ: Mapping[str, str] = os.environ
) -> LogSettings:
    """The configuration's, overruled by the environment, made louder or quieter by ``-v`` and ``-q``."""
    levels, formats = _choices(type(settings))
    level = _from_environment(environ, "TAILRACE_LOG_LEVEL", levels) or settings.level
    style = _from_environment(environ, "TAILRACE_LOG_FORMAT", formats) or settings.format
    index = min(max(levels.index(level) + quiet - verbose, 0), len(levels) - 1)
    return replace(settings, level=levels[index], format=style)  # type: ignore[arg-type]  # they are of the literals


def _choices(settings: type[LogSettings]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    hints = get_type_hints(settings)
    return get_args(hints["level"]), get_args(hints["format"])


def _from_environment(environ: Mapping[str, str], name: str, known: tuple[str, ...]) -> str | None:
    value = environ.get(name)
    if value and value not in known:
        raise UsageError(f"{name} is {value!r}; expected one of: {', '.join(known)}")
    return value
