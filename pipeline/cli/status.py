"""``tailrace status``: how a pipeline stands, from its daemon, or without one from its state and its files."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tailrace.pipeline.cli.arguments import add_config_argument, describe, state_dir_of
from tailrace.pipeline.errors import ConfigError, TailraceError, UsageError
from tailrace.pipeline.escape import json_line
from tailrace.pipeline.status.client import SOON, Client, NoDaemonError

if TYPE_CHECKING:
    from tailrace.pipeline.settings import Config

_EXAMPLES = """\
  tailrace status                        what is it, is it well, how far behind?
  tailrace status --json | jq .lag       for a script: as the daemon answers
  tailrace status --check -q || alert    exit 1 unless it runs and is ready
  xdg-open "$(tailrace status --page)"   the page, with its token
"""
_NOT_READY = 1
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  what is listened on, and how it is reached


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(
        parser,
        "Show how a pipeline stands; without a daemon, what its state and files tell.",
        _EXAMPLES,
    )
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="as JSON: on one line, or indented on a terminal")
    parser.add_argument(
        "--all", action="store_true", help="show all files that are known, not only those with the most lag"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit 1 unless a daemon runs and is ready (else: 0 whatever is shown)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show nothing, for --check")
    parser.add_argument(
        "--page", action="store_true", help="print the address of the page, with its token, and no more"
    )
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> int:
    if arguments.quiet and not arguments.check:
        raise UsageError("-q shows nothing: it is for --check")
    directory, config = state_dir_of(arguments)
    if isinstance(config, ConfigError):
        status: dict[str, Any] = Client(directory).get("/api/status", SOON)
        wrong = "the configuration on the disk is wrong, and a restart would fail: see `tailrace check`"
        status["reasons"].append(wrong)
    else:
        status = look(config)
    if arguments.page:
        sys.stdout.write(_page_or_why(status, directory) + "\n")
    elif arguments.json:
        sys.stdout.write(_indented(status) if sys.stdout.isatty() else json_line(status) + "\n")
    elif not arguments.quiet:
        from tailrace.pipeline.cli.screen.status import print_status

        page = page_of(status, directory) if sys.stdout.isatty() else None
        print_status(status, sys.stdout, page=page, all_files=arguments.all)
    return _NOT_READY if arguments.check and not status["ready"] else 0


def look(config: Config) -> dict[str, Any]:
    """The daemon's own answer; without a daemon, what the state and the files tell in its form. TailraceError."""
    try:
        answer: dict[str, Any] = Client(config.pipeline.state_dir).get("/api/status", SOON)
    except NoDaemonError:
        return _without_daemon(config)
    except TailraceError as error:  # it hangs, or is of another release
        with contextlib.suppress(TailraceError):
            return _without_daemon(config) | {"reasons": [str(error)]}
        raise
    return answer


def _without_daemon(config: Config) -> dict[str, Any]:
    from tailrace.pipeline.state.offline import Marks, offline

    def ours(marks: Marks) -> Callable[[bytes], bool]:
        return _ours(config, marks)

    return offline(config, ours, time.time())


def page_of(status: dict[str, Any], state_dir: str) -> str | None:
    """The page's address, with its token; None: it has no address now."""
    from tailrace.pipeline.status.access import read_token

    address = status.get("listen")
    if not address:
        return None
    host, _, port = str(address).rpartition(":")
    token = read_token(state_dir)
    return f"http://{_ANYWHERE.get(host, host)}:{port}/" + (f"#token={token}" if token else "")


def _page_or_why(status: dict[str, Any], state_dir: str) -> str:
    page = page_of(status, state_dir)
    if page is None:
        answered = "state_written" not in status
        hint = 'it has no address: set [status] listen = "127.0.0.1:9600"' if answered else "no daemon serves it now"
        raise TailraceError(f"there is no page: {hint}")
    return page


def _indented(status: dict[str, Any]) -> str:
    """For a terminal: ASCII alone, so nothing in it can move a cursor."""
    return json.dumps(json.loads(json_line(status)), indent=2).replace("\x7f", "\\u007f") + "\n"


def _ours(config: Config, marks: dict[str, dict[str, Any]]) -> Callable[[bytes], bool]:
    """As the daemon judges: below the state directory, or a file that one of the sinks writes to."""
    from tailrace.pipeline.chain.loader import build
    from tailrace.pipeline.errors import ConfigError
    from tailrace.pipeline.run.gone import paths_of
    from tailrace.pipeline.run.supply import ours

    outputs: set[str] = set()
    for spec in config.stages:
        if spec.role == "write":
            with contextlib.suppress(ConfigError, OSError, ValueError):  # `tailrace check` says what is wrong with it
                paths = paths_of(spec.id, build(spec, config.directory), marks.get(spec.id, {}))
                outputs.update(map(os.path.realpath, paths))
    return ours(config, outputs)
