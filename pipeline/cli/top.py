"""``tailrace top``: a running pipeline, live: what flows where, what holds it up, what lags."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tailrace.pipeline.cli.arguments import add_config_argument, describe, state_dir_of
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status.client import SOON, Client, NoDaemonError

if TYPE_CHECKING:
    from tailrace.pipeline.cli.screen.layout import Line

_EXAMPLES = """\
  tailrace top                      ./config.toml, until q or Ctrl-C
  tailrace top /etc/tailrace.toml
  tailrace top --once               one picture, also without a terminal
"""
_INTERVAL = 1.0  # seconds between two pictures
_PAST_INTERVAL = 5.0  # and between two looks at the past, which has no more points than that
_ROOM = (120, 50)  # columns and lines of a picture where no terminal tells


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(
        parser,
        "Watch a running pipeline: rates, what holds it up, lag. q or Ctrl-C leaves.",
        _EXAMPLES,
    )
    add_config_argument(parser)
    parser.add_argument("--once", action="store_true", help="print one picture and end")
    parser.set_defaults(execute=_execute)


class Feed:
    """What the daemon said last. A daemon that goes is waited for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._status: dict[str, Any] = {}
        self._history: dict[str, Any] = {}
        self._past_at = float("-inf")
        self._gone = ""

    def begin(self, now: float) -> None:
        """The first look. TailraceError: there is nobody to look at."""
        self._ask(now)

    def look(self, now: float) -> None:
        """``now``: monotonic seconds."""
        try:
            self._ask(now)
        except NoDaemonError:
            self._gone = "it does not run any more; waiting for it to be back. This is how it was"
        except TailraceError as error:
            self._gone = f"{error}; asking again. This is how it was"
        else:
            self._gone = ""

    def _ask(self, now: float) -> None:
        self._status = self._client.get("/api/status", SOON)
        if now - self._past_at >= _PAST_INTERVAL:
            self._history, self._past_at = self._client.get("/api/history", SOON), now

    def picture(self, width: int, height: int, *, live: bool = True) -> Sequence[Line]:
        from tailrace.pipeline.cli.screen.top import picture

        return picture(self._status, self._history, width, height, self._gone, live=live)


def _execute(arguments: argparse.Namespace) -> int:
    feed = Feed(Client(state_dir_of(arguments)[0]))
    try:
        feed.begin(time.monotonic())
    except NoDaemonError as error:
        raise TailraceError(f"{error}; `tailrace status` shows how it stands without one") from error
    live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    if not live and not arguments.once:
        print("standard output is no terminal, so this is one picture (--once)", file=sys.stderr)
    if arguments.once or not live:
        _print(feed)
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        _watch(feed)
    return 0


def _watch(feed: Feed) -> None:
    from tailrace.pipeline.cli.screen.terminal import Terminal

    with Terminal() as terminal:
        due = time.monotonic() + _INTERVAL
        terminal.draw(feed.picture)
        while not terminal.leaves(due - time.monotonic()):
            now = time.monotonic()
            if now >= due:
                feed.look(now)
                due = max(now, due + _INTERVAL)
            terminal.draw(feed.picture)


def _print(feed: Feed) -> None:
    try:
        room = tuple(os.get_terminal_size(sys.stdout.fileno()))
    except (OSError, ValueError):  # no terminal, or no descriptor
        room = _ROOM
    lines = feed.picture(*room, live=False)
    if not sys.stdout.isatty():
        sys.stdout.writelines("".join(span.text for span in one).rstrip() + "\n" for one in lines)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    for one in lines:
        console.print(Text.assemble(*one), no_wrap=True, overflow="crop", crop=True)
