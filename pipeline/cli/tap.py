"""``tailrace tap``: events of a running pipeline as they pass a stage: some of them, so that nothing is slowed."""

from __future__ import annotations

import argparse
import re
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from tailrace.pipeline.cli.arguments import add_config_argument, describe, state_dir_of
from tailrace.pipeline.errors import TailraceError, UsageError
from tailrace.pipeline.escape import escape, json_line
from tailrace.pipeline.status.client import Client, NoDaemonError

_EXAMPLES = """\
  tailrace tap                                    what the sinks are given
  tailrace tap --stage parse.json | jq .event     what this stage makes of lines
  tailrace tap --when 'status >= 500' --limit 3   three of these, then end
  tailrace tap --format logfmt --duration 30s
"""
_NO_LIMIT = 1_000_000  # events: the most that can be asked for
_PLAIN = re.compile(r'[^\s"=\\]+')
_NO_KEY = re.compile(r'[\s"=]')


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(
        parser,
        "Show samples of a running pipeline's events: a few of each batch, for 2% of the\nworkers' time at most. "
        "What is left out is counted, and may or may not be\nwhat --when asks for.",
        _EXAMPLES,
    )
    add_config_argument(parser)
    parser.add_argument(
        "--stage", metavar="NAME", help="events as they leave this stage (default: as the sinks are given them)"
    )
    parser.add_argument("--when", metavar="EXPR", help="only events for which this is true, as `when` of a stage")
    parser.add_argument("--limit", type=_count, metavar="N", default=_NO_LIMIT, help="end after N events")
    parser.add_argument(
        "--interval", type=_duration, metavar="TIME", help="sample anew so often (default: 500ms)", default=None
    )
    parser.add_argument("--duration", type=_duration, metavar="TIME", help="end after so long, for example 30s")
    parser.add_argument("--format", choices=("json", "logfmt"), default="json", help="(default: json)")
    parser.set_defaults(execute=_execute)


def _execute(arguments: argparse.Namespace) -> int:
    _check(arguments.when)
    client = Client(state_dir_of(arguments)[0])
    asked = {name: getattr(arguments, name) for name in ("stage", "when", "limit", "interval", "duration")}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    began = time.monotonic()
    try:
        left = _pass_on(client.lines(f"/api/tap?{query}"), json_line if arguments.format == "json" else logfmt)
    except NoDaemonError as error:
        raise TailraceError(f"{error}; `tailrace replay` shows what the chain makes of a file") from error
    except KeyboardInterrupt:
        return 0
    over = arguments.duration is not None and time.monotonic() - began >= arguments.duration
    if left is not None and left < arguments.limit and not over:
        raise TailraceError("the daemon has gone: it was stopped, or what it ran was changed")
    return 0


def _check(expression: str | None) -> None:
    from tailrace.pipeline.chain.steps import condition

    if expression is not None:
        try:
            condition(expression)
        except ValueError as error:
            raise UsageError(f"--when: {error}") from error


def _pass_on(lines: Iterator[Any], spell: Callable[[Any], str]) -> int | None:
    """Print each event at once; how many there were when the daemon ended it. None: nobody reads them any more. Beside
    them come notes of what was left out, and nothing at all now and then."""
    events = 0
    for one in lines:
        if one is None:
            if _nobody_reads():
                return None
        elif "event" in one:
            events += 1
            sys.stdout.write(spell(one) + "\n")
            sys.stdout.flush()
        elif "dropped" in one:
            print(f"left out: {one['dropped']:,}", file=sys.stderr)
        elif "failed" in one:
            print(f"--when is not true for an event for which it fails: {escape(one['failed'])}", file=sys.stderr)
    return events


def _nobody_reads() -> bool:
    """Standard output is a pipe whose reader has gone: with the next event that would show."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):
        return False  # it is no descriptor
    return any(events & select.POLLERR for _, events in poll.poll(0))


def logfmt(one: dict[str, Any]) -> str:
    """The event's fields, and behind them its stage and id, with an @ before their names. What is no word is quoted,
    as JSON; so are lists and tables."""
    fields = {**one["event"], "@stage": one.get("stage") or None, "@id": one.get("id")}
    return " ".join(f"{_key(key)}={_value(value)}" for key, value in fields.items() if value is not None)


def _key(key: str) -> str:
    return _NO_KEY.sub("_", escape(key)) or "_"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and escape(value) == value else json_line(value)
    text = json_line(value)
    return json_line(text) if isinstance(value, (dict, list)) else text


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) <= _NO_LIMIT:
        raise argparse.ArgumentTypeError(f"found {escape(text)!r}, expected a whole number from 1 to {_NO_LIMIT:,}")
    return int(text)


def _duration(text: str) -> float:
    from tailrace.pipeline.config.units import parse_duration
    from tailrace.pipeline.status.tapping import in_bounds

    try:
        return in_bounds(parse_duration(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {escape(text)!r}, {error}") from error
