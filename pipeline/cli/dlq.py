"""``tailrace dlq``: the lines that could not be processed, and why. Nothing of them reaches a terminal unescaped."""

from __future__ import annotations

import argparse
import base64
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from tailrace.pipeline.cli.arguments import add_config_option, describe, load_config
from tailrace.pipeline.cli.screen.figures import plural
from tailrace.pipeline.cli.screen.letter import described, parsed
from tailrace.pipeline.cli.screen.table import Table, show
from tailrace.pipeline.errors import StateError, TailraceError, UsageError
from tailrace.pipeline.escape import escape, json_line
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.telemetry.wrap import terminal_width

if TYPE_CHECKING:
    from tailrace.pipeline.settings import Config, DeadLetterSettings
    from tailrace.pipeline.state.letters import Filter, Group, Letter, Letters

_LISTED = 50  # letters `list` shows unless told otherwise
_SHOWN = 150  # characters of a reason, and of a line, that `list` shows: two lines of a terminal

_EXAMPLES = """\
  tailrace dlq list --since 1h           the newest of the last hour
  tailrace dlq stats                     how many, by stage and error
  tailrace dlq show 12                   everything about one, the line included
  tailrace dlq export --error no_match   as JSON lines, with the original bytes
  tailrace dlq redrive --dry-run         what would come out of them now
  tailrace dlq redrive --error no_match  through the present chain again
  tailrace dlq drop --all --dry-run      what would go, and the room it takes
"""


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(parser, "Look at dead letters (lines that failed), send them again, or drop them.", _EXAMPLES)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, execute, text in (
        ("list", _list, f"the newest {_LISTED}, one row each"),
        ("stats", _stats, "how many and how large, by stage and error"),
        ("export", _export, "as JSON on standard output, the oldest first"),
        ("redrive", _redrive, "send them through the present chain again: all, or those of a filter"),
        ("drop", _drop, "remove them for good; needs a filter, or --all"),
    ):
        verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:])
        add_config_option(verb)
        verb.add_argument("--stage", help="only those of this stage, for example parse.combined")
        verb.add_argument("--error", help="only those with this error code, for example no_match")
        verb.add_argument("--since", metavar="WHEN", help="only those since then: 30m, 2d, 2026-01-31T12:00 (UTC)")
        verb.add_argument(
            "--id", type=_number, action="append", metavar="ID", help="only this one (may be given several times)"
        )
        if name in ("list", "export"):
            verb.add_argument("--limit", type=_count, metavar="N", help="show at most N (0: no limit)")
        if name == "redrive":
            verb.add_argument(
                "--dry-run", action="store_true", help="print the events that would come out, and change nothing"
            )
        if name == "drop":
            verb.add_argument("--all", action="store_true", help="drop every dead letter")
            verb.add_argument("--dry-run", action="store_true", help="show what would be dropped, and change nothing")
        verb.set_defaults(execute=execute, parser=verb)
    verb = verbs.add_parser("show", help="everything about one", description="Everything about one dead letter")
    add_config_option(verb)
    verb.add_argument("id", type=_number, metavar="ID", help="its number in the list")
    verb.set_defaults(execute=_show, parser=verb)


def _list(arguments: argparse.Namespace) -> int:
    from tailrace.pipeline.state.letters import rfc3339

    letters, wanted = _letters(load_config(arguments)), _filter(arguments)
    count = letters.count(wanted)
    if count == 0:
        _tell_none(letters, wanted)
        return 0
    found = letters.newest(wanted, _limit(arguments, _LISTED))
    rows: list[Sequence[str]] = [
        (
            str(one.id), rfc3339(one.time, "seconds"), one.stage, one.error, one.file, str(one.offset),
            _begin(one.raw[: 4 * _SHOWN].decode(errors="surrogateescape")), _begin(one.why),
        )
        for one in found
    ]  # fmt: skip
    columns = ("id", "time", "stage", "error", "file", "offset", "line", "why")
    right, spare = frozenset({"id", "offset"}), ("offset", "file")
    show(Table(columns, rows, right=right, gives="why", spare=spare, below=("line", "why")), sys.stdout)
    if len(found) < count:
        print(f"the newest {len(found)} of {count:,}; --limit 0 shows all", file=sys.stderr)
    return 0


def _begin(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _stats(arguments: argparse.Namespace) -> int:
    config = load_config(arguments)
    letters, wanted = _letters(config), _filter(arguments)
    if letters.count(wanted):
        _show_stats(letters.stats(wanted))
    else:
        _tell_none(letters, wanted)
    _show_room(letters, config)
    return 0


def _show_stats(rows: Sequence[Group]) -> None:
    from tailrace.pipeline.state.letters import rfc3339

    cells: list[Sequence[str]] = [
        (stage, error, f"{count:,}", readable_size(size), rfc3339(first, "seconds"), rfc3339(last, "seconds"))
        for stage, error, count, size, first, last in rows
    ]
    cells.append(("all", "", f"{sum(row[2] for row in rows):,}", readable_size(sum(row[3] for row in rows)), "", ""))
    columns = ("stage", "error", "letters", "size", "first", "last")
    right = frozenset({"letters", "size"})
    show(Table(columns, cells, right=right, gives="stage", spare=("first", "last", "size")), sys.stdout)
    sys.stdout.write("\n")


def _show_room(letters: Letters, config: Config) -> None:
    for line in _room(letters.room(), config.dead_letters):
        sys.stdout.write(line + "\n")


def _room(taken: int, settings: DeadLetterSettings) -> Iterator[str]:
    """How much of the room that dead letters may take is taken."""
    share = f"{taken / settings.max_bytes:.1%}"
    yield f"room taken  {readable_size(taken)} of {readable_size(settings.max_bytes)} (dead_letters.max_bytes), {share}"
    waits = {"block": "the pipeline waits", "drop_oldest": "the oldest are dropped"}[settings.when_full]
    yield f'when full   {waits} (dead_letters.when_full = "{settings.when_full}")'


def _export(arguments: argparse.Namespace) -> int:
    letters, wanted = _letters(load_config(arguments)), _filter(arguments)
    if letters.count(wanted) == 0:
        _tell_none(letters, wanted)
        return 0
    for letter in letters.oldest_first(wanted, _limit(arguments, None)):
        sys.stdout.buffer.write(json_line(_exported(letter)).encode() + b"\n")  # UTF-8 whatever the locale
    return 0


def _exported(letter: Letter) -> dict[str, Any]:
    text = letter.text()
    raw = {"raw": text} if text is not None else {"raw_base64": base64.b64encode(letter.raw).decode()}
    return {
        "id": letter.id, "time": letter.when, "stage": letter.stage, "error": letter.error, "why": letter.why,
        "attempts": letter.attempts, "file": letter.file, "path": letter.path, "file_id": letter.stream,
        "offset": letter.offset, "length": letter.length, "event_id": letter.event_id, **raw, "cut": letter.cut,
        "event": None if letter.event is None else parsed(letter.event), "trace": letter.trace, "sink": letter.sink,
        "config": letter.config,
    }  # fmt: skip


def _show(arguments: argparse.Namespace) -> int:
    letter = _letters(load_config(arguments)).get(arguments.id)
    if letter is None:
        raise TailraceError(f"there is no dead letter {arguments.id}; `tailrace dlq list` shows which there are")
    for line in described(letter, terminal_width(sys.stdout)):
        sys.stdout.write(line + "\n")
    return 0


def _redrive(arguments: argparse.Namespace) -> int:
    """Exit code 1: some failed again, or could not be sent."""
    from tailrace.pipeline.cli.redrive import dry_run, in_words, older, redrive

    config, wanted = load_config(arguments), _filter(arguments)
    letters = _letters(config)
    if letters.count(wanted) == 0:
        _tell_none(letters, wanted)
        return 0
    if note := older(config, arguments.dry_run):
        print(note, file=sys.stderr)
    progress = dry_run(config, letters, wanted) if arguments.dry_run else redrive(config, wanted)
    print(in_words(progress, would=arguments.dry_run), file=sys.stderr)
    if progress["failed"] and not arguments.dry_run:
        print("`tailrace dlq list` shows why they failed again", file=sys.stderr)
    return 1 if progress["failed"] or progress["skipped"] else 0


def _drop(arguments: argparse.Namespace) -> int:
    from tailrace.pipeline.state.letters import Filter

    config, wanted = load_config(arguments), _filter(arguments)
    if arguments.all == (wanted != Filter()):
        raise UsageError(
            "drop needs to know which: give --stage, --error, --since or --id (together they narrow it down), or --all "
            "alone; --dry-run shows what would go"
        )
    letters = _letters(config)
    count = letters.count(wanted)
    if count == 0:
        _tell_none(letters, wanted)
        return 0
    if arguments.dry_run:
        _show_stats(letters.stats(wanted))
    else:
        count = _remove(letters, wanted, config)
    _show_room(letters, config)
    done = "would be dropped" if arguments.dry_run else "dropped"
    print(f"{plural(count, 'dead letter')} {done}", file=sys.stderr)
    return 0


def _remove(letters: Letters, wanted: Filter, config: Config) -> int:
    """Show those that are wanted and remove them, all or none; how many. The daemon does it, if one is running: those
    that it sends through the chain again just now stay. StateError: the state cannot be written."""
    from tailrace.pipeline.state.lock import holder
    from tailrace.pipeline.state.store import State
    from tailrace.pipeline.status.api import filter_body
    from tailrace.pipeline.status.client import Client

    settings, directory = config.dead_letters, config.pipeline.state_dir
    if process := holder(directory):
        groups = letters.stats(wanted)
        dropped: int = Client(directory, process).post("/api/dead_letters/drop", filter_body(wanted))["dropped"]
        _show_stats(groups)
        return dropped
    state = State(directory, max_bytes=settings.max_bytes, when_full=settings.when_full, config=config.digest)
    state.open()  # from here on no daemon can start
    try:
        ids = letters.ids(wanted)
        _show_stats(letters.stats(wanted))
        state.drop_letters(ids)
    except OSError as error:
        raise StateError(
            f"{escape(str(error))}: nothing was dropped; check the disk (space, permissions, kernel log)"
        ) from error
    finally:
        state.close()
    return len(ids)


def _letters(config: Config) -> Letters:
    from tailrace.pipeline.state.letters import Letters

    return Letters(config.pipeline.state_dir)


def _filter(arguments: argparse.Namespace) -> Filter:
    from tailrace.pipeline.state.letters import Filter

    since = None if arguments.since is None else parse_since(arguments.since, time.time())
    return Filter(arguments.stage, arguments.error, since, None if arguments.id is None else tuple(arguments.id))


def _limit(arguments: argparse.Namespace, default: int | None) -> int | None:
    return default if arguments.limit is None else arguments.limit or None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{escape(text)!r} is not a number of dead letters (0: no limit)")
    return int(text)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:  # SQLite's integers end there
        raise argparse.ArgumentTypeError(
            f"{escape(text)!r} is not the number of a dead letter; `tailrace dlq list` shows the numbers"
        )
    return int(text)


def _tell_none(letters: Letters, wanted: Filter) -> None:
    """That there are none, or none that are wanted."""
    from tailrace.pipeline.state.letters import Filter

    groups = letters.stats(Filter())
    stages, errors = {group[0] for group in groups}, {group[1] for group in groups}
    hints = [_meant("--stage", wanted.stage, stages), _meant("--error", wanted.error, errors)]
    count = sum(group[2] for group in groups)
    others = (
        f"none of the {plural(count, 'dead letter')} fits; {''.join(hints)}`tailrace dlq stats` shows what there is"
    )
    print(others if count else "no dead letters", file=sys.stderr)


def _meant(option: str, given: str | None, known: Collection[str]) -> str:
    near = [] if given is None or given in known else get_close_matches(given, known, n=1, cutoff=0.8)
    return f"did you mean {option} {escape(near[0])}? " if near else ""


def parse_since(text: str, now: float) -> float:
    """Seconds since the epoch of ``30m`` (so long before ``now``) or of a date or time, in UTC unless it says."""
    from datetime import UTC, datetime

    from tailrace.pipeline.config.units import parse_duration

    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now - parse_duration(text)
        except ValueError as error:
            raise UsageError(
                f"--since is {escape(text)!r}; expected a duration (30m, 2h, 7d) or a time (2026-01-31T12:00)"
            ) from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
