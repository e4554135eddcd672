"""``tailrace dlq``: the lines that could not be processed, and why. Nothing of them reaches a terminal unescaped."""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tailrace.pipeline.cli.arguments import add_config_option, describe, load_config
from tailrace.pipeline.cli.screen.table import Table, show
from tailrace.pipeline.errors import TailraceError, UsageError
from tailrace.pipeline.escape import escape, json_line

if TYPE_CHECKING:
    from tailrace.pipeline.cli.letters import Filter, Letter, Letters
    from tailrace.pipeline.settings import Config, DeadLetterSettings

_LISTED = 50  # letters `list` shows unless told otherwise
_WHY_SHOWN = 150  # characters: two lines of a terminal
_DUMPED = 1024  # bytes of a binary line that `show` dumps

_EXAMPLES = """\
  tailrace dlq list --since 1h           the newest of the last hour
  tailrace dlq stats                     how many, by stage and error
  tailrace dlq show 12                   all about one, the line itself included
  tailrace dlq export --error no_match   as JSON lines, with the original bytes
"""


def define(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    describe(parser, "Look at dead letters: lines that could not be processed.", _EXAMPLES)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, execute, text in (
        ("list", _list, f"the newest {_LISTED}, one a line"),
        ("stats", _stats, "how many and how large, by stage and error"),
        ("export", _export, "as JSON on standard output, the oldest first"),
    ):
        verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:])
        add_config_option(verb)
        verb.add_argument("--stage", help="only those of this stage, as in parse.combined")
        verb.add_argument("--error", help="only those with this error code, as in no_match")
        verb.add_argument("--since", metavar="WHEN", help="only those since then: 30m, 2d, 2026-01-31T12:00 (UTC)")
        if execute is not _stats:
            verb.add_argument("--limit", type=_count, metavar="N", help="at most so many; 0: all")
        verb.set_defaults(execute=execute, parser=verb)
    verb = verbs.add_parser("show", help="all about one", description="All about one dead letter")
    add_config_option(verb)
    verb.add_argument("id", type=_number, metavar="ID", help="its number in the list")
    verb.set_defaults(execute=_show, parser=verb)


def _list(arguments: argparse.Namespace) -> int:
    from tailrace.pipeline.cli.letters import rfc3339

    letters, wanted = _open(arguments), _filter(arguments)
    count = letters.count(wanted)
    if count == 0:
        _tell_none(letters)
        return 0
    found = letters.newest(wanted, _limit(arguments, _LISTED))
    rows: list[Sequence[str]] = [
        (
            str(one.id),
            rfc3339(one.time, "seconds"),
            one.stage,
            one.error,
            one.file,
            str(one.offset),
            one.why if len(one.why) <= _WHY_SHOWN else f"{one.why[:_WHY_SHOWN]}…",
        )
        for one in found
    ]
    columns = ("id", "time", "stage", "error", "file", "offset", "why")
    right, spare = frozenset({"id", "offset"}), ("offset", "file")
    show(Table(columns, rows, right=right, gives="why", spare=spare, below="why"), sys.stdout)
    if len(found) < count:
        print(f"{len(found)} of {count:,} shown, the newest; --limit 0 shows all", file=sys.stderr)
    return 0


def _stats(arguments: argparse.Namespace) -> int:
    from tailrace.pipeline.cli.letters import rfc3339

    config = load_config(arguments.config)
    letters = _letters(config)
    rows = letters.stats(_filter(arguments))
    if not rows:
        _tell_none(letters)
    else:
        cells: list[Sequence[str]] = [
            (stage, error, f"{count:,}", f"{size:,}", rfc3339(first, "seconds"), rfc3339(last, "seconds"))
            for stage, error, count, size, first, last in rows
        ]
        cells.append(("all", "", f"{sum(row[2] for row in rows):,}", f"{sum(row[3] for row in rows):,}", "", ""))
        columns = ("stage", "error", "letters", "bytes", "first", "last")
        right = frozenset({"letters", "bytes"})
        show(Table(columns, cells, right=right, gives="stage", spare=("first", "last", "bytes")), sys.stdout)
        sys.stdout.write("\n")
    for line in _room(letters.room(), config.dead_letters):
        sys.stdout.write(line + "\n")
    return 0


def _room(taken: int, settings: DeadLetterSettings) -> Iterator[str]:
    """How much of what they may take is taken."""
    share = f"{taken / settings.max_bytes:.1%}"
    yield f"room taken  {taken:,} of {settings.max_bytes:,} bytes (dead_letters.max_bytes), {share}"
    waits = {"block": "the pipeline waits", "drop_oldest": "the oldest are forgotten"}[settings.when_full]
    yield f'when full   {waits} (dead_letters.when_full = "{settings.when_full}")'


def _export(arguments: argparse.Namespace) -> int:
    letters, wanted = _open(arguments), _filter(arguments)
    if letters.count(wanted) == 0:
        _tell_none(letters)
        return 0
    for letter in letters.oldest_first(wanted, _limit(arguments, None)):
        sys.stdout.buffer.write(json_line(_exported(letter)).encode() + b"\n")  # UTF-8 whatever the locale
    return 0


def _show(arguments: argparse.Namespace) -> int:
    letters = _open(arguments)
    letter = letters.get(arguments.id)
    if letter is None:
        raise TailraceError(f"there is no dead letter {arguments.id}; `tailrace dlq list` shows which there are")
    for line in _described(letter):
        sys.stdout.write(line + "\n")
    return 0


def _described(letter: Letter) -> Iterator[str]:
    size = f"{letter.length:,} bytes" + (f", the first {len(letter.raw):,} were kept" if letter.cut else "")
    facts = {
        "id": letter.id, "time": letter.when, "stage": letter.stage, "error": letter.error, "why": letter.why,
        "attempts": letter.attempts, "file": letter.file, "path": letter.path, "file id": letter.file_id,
        "offset": letter.offset, "length": size, "event id": letter.event_id, "sink's words": letter.sink,
        "config": letter.config,
    }  # fmt: skip
    width = max(map(len, facts))
    for name, value in facts.items():
        if value is not None:
            yield f"{name:<{width}}  {escape(str(value))}"
    yield "line"
    yield f"  {escape(letter.raw.decode(errors='surrogateescape'))}"
    if letter.text() is None or re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", letter.raw):
        yield "bytes"
        for at in range(0, min(len(letter.raw), _DUMPED), 16):
            yield f"  {at:08x}  {_dumped(letter.raw[at : at + 16])}"
        if len(letter.raw) > _DUMPED:
            yield f"  ... {len(letter.raw) - _DUMPED:,} more; `tailrace dlq export` gives them all"
    if letter.event is not None:
        yield "event"
        for line in json.dumps(_parsed(letter.event), indent=2, ensure_ascii=False).splitlines():
            yield f"  {escape(line)}"
    if letter.trace is not None:
        yield "traceback"
        for line in letter.trace.splitlines():
            yield f"  {escape(line)}"


def _dumped(data: bytes) -> str:
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
    return f"{data.hex(' ', 1):<47}  {text}"


def _exported(letter: Letter) -> dict[str, Any]:
    text = letter.text()
    raw = {"raw": text} if text is not None else {"raw_base64": base64.b64encode(letter.raw).decode()}
    return {
        "id": letter.id, "time": letter.when, "stage": letter.stage, "error": letter.error, "why": letter.why,
        "attempts": letter.attempts, "file": letter.file, "path": letter.path, "file_id": letter.file_id,
        "offset": letter.offset, "length": letter.length, "event_id": letter.event_id, **raw, "cut": letter.cut,
        "event": None if letter.event is None else _parsed(letter.event), "trace": letter.trace, "sink": letter.sink,
        "config": letter.config,
    }  # fmt: skip


def _parsed(event: str) -> Any:
    """The event's fields; as text where it is no JSON, which only a stranger's hand can have put there."""
    try:
        return json.loads(event)
    except ValueError:
        return event


def _open(arguments: argparse.Namespace) -> Letters:
    return _letters(load_config(arguments.config))


def _letters(config: Config) -> Letters:
    from tailrace.pipeline.cli.letters import Letters

    return Letters(config.pipeline.state_dir)


def _filter(arguments: argparse.Namespace) -> Filter:
    from tailrace.pipeline.cli.letters import Filter

    since = None if arguments.since is None else parse_since(arguments.since, time.time())
    return Filter(arguments.stage, arguments.error, since)


def _limit(arguments: argparse.Namespace, default: int | None) -> int | None:
    return default if arguments.limit is None else arguments.limit or None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{escape(text)!r} is no number of dead letters (0 stands for all)")
    return int(text)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{escape(text)!r} is no dead letter's number; `tailrace dlq list` shows them")
    return int(text)


def _tell_none(letters: Letters) -> None:
    """That there are none, or none that are wanted."""
    from tailrace.pipeline.cli.letters import Filter

    count = letters.count(Filter())
    fitting = f"none of the {count:,} dead letters; `tailrace dlq stats` shows which there are"
    print(fitting if count else "no dead letters", file=sys.stderr)


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
