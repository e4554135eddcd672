"""``tailrace state``: how far each file was read, and what a person may change of that."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailrace.pipeline.cli.arguments import add_config_option, describe, load_config
from tailrace.pipeline.cli.screen.table import Table, show
from tailrace.pipeline.errors import TailraceError

if TYPE_CHECKING:
    from tailrace.pipeline.settings import Config
    from tailrace.pipeline.source.tail.position import Position
    from tailrace.pipeline.status.client import Client

_EXAMPLES = """\
  tailrace state show                       every file that the state knows
  tailrace state show logs/a.log            all that is known of one
  tailrace state forget logs/a.log          read it from its beginning again
  tailrace state move logs/a.log /new/a.log it was copied there: read on there
"""


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(parser, "Show how far each file was read, or change what is known of one.", _EXAMPLES)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verb = verbs.add_parser("show", help="every file that the state knows, or all about one")
    verb.add_argument("file", nargs="?", metavar="FILE", help="its path, as `state show` lists it")
    verb.add_argument("--ended", action="store_true", help="those too of which nothing more is read")
    verb.set_defaults(execute=_show)
    _finish(verb)
    verb = verbs.add_parser("forget", help="read a file from its beginning again; outputs get its lines once more")
    verb.add_argument("file", metavar="FILE", help="its path, as `state show` lists it")
    verb.set_defaults(execute=_forget)
    _finish(verb)
    verb = verbs.add_parser("move", help="a file is somewhere else now, also on another disk: read on there")
    verb.add_argument("file", metavar="FILE", help="its path, as `state show` lists it")
    verb.add_argument("to", metavar="NEW", help="where its content is now, which is compared")
    verb.set_defaults(execute=_move)
    _finish(verb)


def _finish(verb: argparse.ArgumentParser) -> None:
    add_config_option(verb)
    verb.set_defaults(parser=verb)


def _show(arguments: argparse.Namespace) -> int:
    from tailrace.pipeline.source.tail.moves import streams_of

    rows = _rows(load_config(arguments))
    if arguments.file is not None:
        cursors = {row.file_id: row.to_json() for row in rows}
        for row in streams_of(cursors, os.path.abspath(arguments.file), ended=arguments.ended):
            print(json.dumps({"stream": row.file_id, **row.to_json()}, indent=2))
        return 0
    shown = [row for row in rows if row.path and (arguments.ended or not row.ended)]
    if not shown:
        print("the state knows no file" if not rows else "all files have ended; --ended shows them", file=sys.stderr)
        return 0
    cells: list[Sequence[str]] = [
        (
            str(row.file_id), os.fsdecode(row.path), f"{row.offset:,}", f"{row.size:,}", str(row.inode),
            "ended" if row.ended else "", f"{sum(row.ledger.get('lost', {}).values()):,}",
        )
        for row in shown
    ]  # fmt: skip
    columns = ("stream", "file", "offset", "seen", "inode", "state", "lost")
    right = frozenset({"stream", "offset", "seen", "inode", "lost"})
    show(Table(columns, cells, right=right, gives="file", spare=("inode", "lost", "state")), sys.stdout)
    return 0


def _rows(config: Config) -> list[Position]:
    from tailrace.pipeline.source.building import cursors_of
    from tailrace.pipeline.source.tail.position import Position
    from tailrace.pipeline.state.file import FILE_NAME, known_streams, look_for

    directory = config.pipeline.state_dir
    look_for(Path(directory, FILE_NAME))
    _, cursors = known_streams(directory)
    return [Position.from_json(*one) for one in cursors_of(config.tail.use, cursors).items()]


def _forget(arguments: argparse.Namespace) -> int:
    done = _change(load_config(arguments), "forget", file=os.path.abspath(arguments.file))
    print(f"{done['file']}: forgotten; it was read up to byte {done['offset']:,}", file=sys.stderr)
    return 0


def _move(arguments: argparse.Namespace) -> int:
    file, to = os.path.abspath(arguments.file), os.path.abspath(arguments.to)
    done = _change(load_config(arguments), "move", file=file, to=to)
    print(f"{done['file']}: goes on at byte {done['offset']:,} of {done['to']}", file=sys.stderr)
    if not done["asked_for"]:
        print(f"{done['to']}: source.paths does not ask for it: nothing is read there until it does", file=sys.stderr)
    return 0


def _change(config: Config, what: str, **files: str) -> dict[str, Any]:
    """By the daemon, between two commits, or on the state itself."""
    from tailrace.pipeline.run import streams
    from tailrace.pipeline.state.lock import holder
    from tailrace.pipeline.state.store import State
    from tailrace.pipeline.status.client import Client
    from tailrace.pipeline.telemetry import log

    directory, letters = config.pipeline.state_dir, config.dead_letters
    if process := holder(directory):
        return _by_the_daemon(Client(directory, process), what, files)
    _rows(config)  # refuses where there is no state: none is made
    state = State(directory, max_bytes=letters.max_bytes, when_full=letters.when_full, config=config.digest)
    state.open()
    try:
        done: dict[str, Any] = getattr(streams, what)(config, state, log.get_logger("state"), **files)
        return done
    finally:
        state.close()


def _by_the_daemon(client: Client, what: str, files: dict[str, str]) -> dict[str, Any]:
    from tailrace.pipeline.status.client import said_after_a_while

    waits = "waiting: the daemon does this when the outputs have taken what is under way, in a minute at most"
    try:
        with said_after_a_while(lambda: print(waits, file=sys.stderr)):
            answer: dict[str, Any] = client.post(f"/api/state/{what}", files)
    except KeyboardInterrupt:
        raise TailraceError("the daemon does it all the same when it can; see `state.` in its log") from None
    return answer
