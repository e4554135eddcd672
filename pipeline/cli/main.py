"""The command ``tailrace``: which subcommand, and what its end means for the caller."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from tailrace.pipeline.cli.parser import Parser
from tailrace.pipeline.errors import ConfigError, TailraceError, UsageError

from tailrace.version import __version__

TYPE_CHECKING = False  # typing's own takes time to import, and this module is in the way of everything
if TYPE_CHECKING:
    from typing import IO

DONE, FAILED, USAGE, CONFIGURATION = 0, 1, 2, 78

COMMANDS = {
    "run": "tail files and process them until stopped",
    "replay": "run recorded files through the chain, touching no state",
    "check": "check a configuration and show what it would do",
    "status": "show how a pipeline stands: is it well, how fast, how far behind",
    "top": "watch a running pipeline: rates, what holds it up, lag, sinks, workers",
    "tap": "show sampled events of a running pipeline, at a stage, as JSON lines",
    "dlq": "list, show, export, re-drive or drop dead letters (lines that could not be processed)",
    "state": "show how far each file was read; forget one, or tell where it is now",
    "stages": "list the stages, or show what one does, with its keys and an example",
}
"""Each is the module of this package that defines its arguments and executes it; imported only when it is called."""

_DESCRIPTION = "Tails log files, parses, enriches and writes them; each line exactly once."
_EPILOG = """\
exit codes:
  0 done    1 failed    2 usage error    78 configuration error
  3 done, but lines were dead-lettered and --strict was given

environment:
  TAILRACE_CONFIG, TAILRACE_LOG_LEVEL, TAILRACE_LOG_FORMAT; NO_COLOR

Data goes to standard output, logs and progress to standard error.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Mistakes of users end in a message, never in a traceback."""
    _occupy_standard_streams()
    try:
        return _execute(argv)
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)


def _execute(argv: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    code: int = DONE
    try:
        argv = sys.argv[1:] if argv is None else argv
        parser = make_parser(argv)
        parser.check_options(argv)
        arguments, unknown = parser.parse_known_args(argv)
        if unknown:  # argparse would show how to call tailrace, and not how to call the command
            arguments.parser.refuse(unknown)
        code = arguments.execute(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # a closed pipe shows here
    except ConfigError as error:
        _print_errors(error.problems)
        return CONFIGURATION
    except TailraceError as error:
        _print_errors(str(error).splitlines())
        return USAGE if isinstance(error, UsageError) else FAILED
    except BrokenPipeError:  # the reader is done: `| head`
        return code
    except OSError as error:  # the machine's trouble, not the code's: a full disk behind standard output
        _print_errors([str(error)])
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return code


def make_parser(argv: Sequence[str]) -> Parser:
    """The parser, with the arguments of those commands that are named in ``argv``."""
    parser = Parser(prog="tailrace", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"tailrace {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name in argv:
            command.set_defaults(parser=command)
            import_module(f"tailrace.pipeline.cli.{name}").define(command)
    return parser


def _occupy_standard_streams() -> None:
    """Open the null device where a standard stream was closed: else the next file that is opened would get its number,
    and messages would be written into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Takes the lowest number that is free: this one. Standard output may not be written: data must not vanish.
            os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR)


def _print_errors(messages: Sequence[str]) -> None:
    """Print each message on a line of its own (or a block of lines, where the configuration is shown)."""
    from tailrace.pipeline.escape import escape
    from tailrace.pipeline.telemetry.wrap import terminal_width, wrap

    if sys.stderr is None:
        return
    width = terminal_width(sys.stderr)
    with contextlib.suppress(OSError, ValueError):  # the exit code still says that it failed
        for message in messages:
            for number, line in enumerate(message.splitlines()):
                shown = "\t".join(map(escape, line.split("\t")))  # tabs stay: a mark below may depend on them
                sys.stderr.write((wrap(f"tailrace: {shown}", width) if number == 0 else shown) + "\n")
        sys.stderr.flush()


def _flush(stream: IO[str] | None) -> None:
    """Write out what is left; drop what cannot be written, or the interpreter's last flush would print an error and
    change the exit code."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
