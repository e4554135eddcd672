"""How a pipeline stands, on one screen: what it is, whether it is well, how much and how fast, and where it lags."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import IO, Any

from tailrace.pipeline.cli.screen.figures import UNKNOWN, count, lasting, plural, rate, share, size
from tailrace.pipeline.cli.screen.table import Table, show
from tailrace.pipeline.cli.screen.verdicts import ATTENTION, BAD, WELL, Verdict, verdicts
from tailrace.pipeline.escape import escape
from tailrace.pipeline.state.letters import rfc3339
from tailrace.pipeline.state.offline import SILENT, STOPPED
from tailrace.pipeline.telemetry.log import use_colour
from tailrace.pipeline.telemetry.wrap import terminal_width, wrap

FILES_SHOWN, GROUPS_SHOWN, NOTES_SHOWN = 20, 10, 5
_TINTS = {WELL: "\x1b[32m", BAD: "\x1b[31m", ATTENTION: "\x1b[33m"}
_NAME = 14  # columns for the name of a fact
_NARROW = 110  # columns of a terminal on which paths leave out what they have in common
_LEAST_PATH = 20

Json = dict[str, Any]


def print_status(status: Json, stream: IO[str], *, page: str | None = None, all_files: bool = False) -> None:
    """``page``: the address to print. Raises OSError as the stream does."""
    width, colour = terminal_width(stream), use_colour(stream)

    def put(text: str, indent: int = _NAME) -> None:
        stream.write(wrap(escape(text), width, indent) + "\n")

    name = escape(str(status["name"]))
    for number, text in enumerate(_about(status)):
        line = wrap((f"{name:<{_NAME - 2}}  " if number == 0 else " " * _NAME) + escape(text), width, _NAME)
        bold = colour and number == 0 and line.startswith(name)
        stream.write((f"\x1b[1m{name}\x1b[0m{line[len(name) :]}" if bold else line) + "\n")
    if page is not None:
        stream.write(f"{'page':<{_NAME}}{escape(page)}\n")  # whole: it is to be copied
    said = verdicts(status, moment)
    if said:
        stream.write("\n")
    for verdict in said:
        stream.write(_tinted(verdict, width, colour) + "\n")
    stream.write("\n")
    for fact, text in _facts(status):
        put(f"{fact:<{_NAME}}{text}")
    for table in (_sinks(status), _letters(status)):
        if table is not None:
            stream.write("\n")
            show(table, stream)
    _print_files(status, stream, width, all_files=all_files)


def moment(seconds: float) -> str:
    return rfc3339(seconds, "seconds")


def _tinted(verdict: Verdict, width: int | None, colour: bool) -> str:
    text = wrap(f"{verdict.mark} {escape(verdict.text)}", width, 2)
    return f"{_TINTS[verdict.mark]}{text[0]}\x1b[0m{text[1:]}" if colour else text


def _about(status: Json) -> Iterator[str]:
    now, places = status["now"], f"{status['config']}, state in {status['state_dir']}"
    if status["state"] not in (STOPPED, SILENT):
        since = f"since {moment(status['started'])} ({lasting(now - status['started'])})"
        yield f"{status['state']}, {since}, process {status['pid']}"
        yield f"tailrace {status['version']}, {places}"
        return
    if status["state"] == SILENT:
        yield f"process {status['pid'] or UNKNOWN} does not answer: what follows is from the state and the files"
    else:
        yield "not running: what follows is from the state and the files"
    yield places
    written = status["state_written"]
    yield f"the state was last written {moment(written)} ({lasting(now - written)} ago): no commit is younger"
    yield "not known this way: whether sinks are up, rates, latency, ring, memory, what was read and not committed"


def _facts(status: Json) -> Iterator[tuple[str, str]]:
    totals, rates = status["totals"], status["rates"]
    per = {name: f", {rate(value)}/s" for name, value in (rates or {}).items() if name != "bytes"}
    speed = f"{per['lines']}, {size(rates['bytes'])}/s" if rates else ""
    yield "read", f"{plural(totals['lines_read'], 'line')}, {size(totals['bytes_read'])}{speed}"
    extra = (("made", "events_made"), ("re-driven", "lines_redriven"), ("filtered", "filtered"))
    yield from ((name, count(totals[key])) for name, key in extra if totals[key])
    written = sum(one["written"] for one in status["sinks"])
    gone = sum(totals["written"].values()) - written
    sinks = f" in {len(status['sinks'])} sinks" if len(status["sinks"]) > 1 else ""
    past = f"; {count(gone)} in sinks that are gone" if gone else ""
    yield "written", f"{plural(written, 'event')}{sinks}{per.get('written', '')}{past}"
    yield "dead letters", f"{count(totals['dead_letters'])}{per.get('dead_letters', '')}"
    yield from _behind(status)
    if totals["bytes_unread"]:
        yield "lost", f"{size(totals['bytes_unread'])} were gone before they were read (`bytes.lost` in the log)"
    yield from _machine(status)
    if why := status["bottleneck"]:
        yield "bottleneck", f"{why['id']}: {why['why']}"
    if (drive := status["redrive"]) is not None:
        done = f"{count(drive['done'])} of {count(drive['total'])}" if drive["running"] else "done"
        ends = f"{count(drive['written'])} written, {count(drive['failed'])} failed again"
        yield "re-drive", f"number {drive['number']}, {done}: {ends}"


def _machine(status: Json) -> Iterator[tuple[str, str]]:
    """How its parts do."""
    totals, latency, commit = status["totals"], status["latency"], status["commit"]
    if latency and latency["p50"] is not None:
        half = f"half of the lines were durable {lasting(latency['p50'])} after they were appended"
        most = f"99% after {lasting(latency['p99'])} (last minute, {plural(latency['count'], 'line')})"
        yield "latency", f"{half}, {most}"
    if commit:
        took = f", took {lasting(commit['seconds'])}" if commit["count"] else ""
        yield "commit", f"{lasting(commit['age'])} ago{took}; {count(commit['count'])} since the start"
    if ring := status["ring"]:
        parts = ", ".join(f"{ring[name]} {name}" for name in ("waiting", "working", "through") if ring[name])
        yield "ring", f"{ring['free']} of {ring['slots']} slots free" + (f", {parts}" if parts else "")
    if memory := status["memory"]:
        part = f" ({share(memory['bytes'] / memory['ceiling'])})" if memory["ceiling"] else ""
        processes = plural(len(memory["processes"]), "process", "processes")
        yield "memory", f"{size(memory['bytes'])} of at most {size(memory['ceiling'])}{part}, {processes}"
    kinds = (("rewinds", "rewind"), ("worker_restarts", "worker restart"))
    if trouble := [plural(totals[key], one) for key, one in kinds if totals[key]]:
        yield "trouble", ", ".join(trouble)


def _behind(status: Json) -> Iterator[tuple[str, str]]:
    pending, lag, files = status["pending"], status["lag"], status["files"]
    if lag is None or pending is None:
        return
    if status["state"] not in (STOPPED, SILENT):
        age = f" since {lasting(pending['seconds'])} ago" if pending["bytes"] else ""
        yield "pending", f"{plural(pending['lines'], 'line')}, {size(pending['bytes'])}: read and not committed{age}"
        yield "lag", size(lag["bytes"]) + (f", the oldest {lasting(lag['seconds'])} old" if lag["bytes"] else "")
        return
    if not lag["bytes"]:
        yield "lag", "nothing: all that is in the files is committed"
        return
    behind = plural(sum(1 for row in files["rows"] if row["lag_bytes"]), "file")
    age = lasting(lag["seconds_at_least"])
    yield "lag", f"{size(lag['bytes'])} not committed, in {behind}; the oldest of it is at least {age} old"
    yield "pending", f"{size(pending['bytes'])} of it in files that a run has seen; the next start goes on there"


def _sinks(status: Json) -> Table | None:
    def state(sink: Json) -> str:
        if sink["up"] is None:
            return UNKNOWN
        return "up" if sink["up"] else f"down {lasting(sink['down_seconds'])}"

    rows: list[Sequence[str]] = [
        (
            one["id"], state(one), count(one["written"]), rate(one["rate"]), count(one["failed"]),
            count(one["retries"]), count(one["waiting"]),
        )
        for one in status["sinks"]
    ]  # fmt: skip
    columns = ("sink", "state", "written", "per s", "refused", "retries", "waiting")
    right = frozenset(columns[2:])
    return Table(columns, rows, right=right, gives="sink", spare=("waiting", "retries", "refused")) if rows else None


def _letters(status: Json) -> Table | None:
    letters = status["dead_letters"]
    groups = letters["groups"]
    if not groups:
        return None
    rows: list[Sequence[str]] = [
        (one["stage"], one["error"], count(one["count"]), moment(one["first"]), moment(one["last"]))
        for one in groups[:GROUPS_SHOWN]
    ]
    more = f", {len(groups) - GROUPS_SHOWN} more kinds in `tailrace dlq stats`" if len(groups) > GROUPS_SHOWN else ""
    title = f"{plural(letters['count'], 'dead letter')}, {size(letters['bytes'])} of {size(letters['max_bytes'])}{more}"
    columns = ("stage", "error", "letters", "first", "last")
    return Table(columns, rows, title, frozenset({"letters"}), gives="stage", spare=("first", "last"))


def _print_files(status: Json, stream: IO[str], width: int | None, *, all_files: bool) -> None:
    files = status["files"]
    if files is None or not files["rows"]:
        return
    shown = files["rows"] if all_files else files["rows"][:FILES_SHOWN]
    places, prefix = [str(row["path"]) for row in shown], ""
    if width is not None and width < _NARROW:
        prefix, places = _apart(places)
    cells: list[tuple[str, ...]] = [
        (row["state"], size(row["lag_bytes"]), _oldest(row), count(row["offset"]), count(row["size"])) for row in shown
    ]
    if width is not None:
        others = sum(max(map(len, column)) + 2 for column in zip(*cells, ("unreadable", *[""] * 4), strict=True))
        room = max(_LEAST_PATH, width - others)
        places = [place if len(place) <= room else f"…{place[-room + 1 :]}" for place in places]
    left = files["count"] - len(shown)
    more = f", {count(left)} with less lag are not shown" if left > 0 else ""
    title = plural(files["count"], "file") + (f" below {prefix}" if prefix else "") + more
    columns = ("file", "state", "lag", "oldest", "committed", "size")
    stream.write("\n")
    rows: list[Sequence[str]] = [(place, *row) for place, row in zip(places, cells, strict=True)]
    show(Table(columns, rows, title, frozenset(columns[2:]), gives="file", spare=("size", "committed")), stream)
    for row in [one for one in shown if one["why"] and one["state"] != "unreadable"][:NOTES_SHOWN]:
        stream.write(wrap(f"  {escape(row['path'])}: {escape(row['why'])}", width) + "\n")
    if files.get("packed"):
        stream.write(wrap(f"  {plural(files['packed'], 'packed file')} not read (source.compressed)", width) + "\n")


def _oldest(row: Json) -> str:
    if not row["lag_bytes"]:
        return UNKNOWN if row["lag_bytes"] is None else ""
    if row["lag_seconds"] is None:
        at_least = row.get("lag_seconds_at_least")
        return UNKNOWN if at_least is None else f">{lasting(at_least)}"
    return lasting(row["lag_seconds"])


def _apart(paths: Sequence[str]) -> tuple[str, list[str]]:
    """The directory that all of them are in, and what follows it; no directory: they share none."""
    directories = {os.path.dirname(path) for path in paths}
    common = os.path.commonpath(directories) if all(map(os.path.isabs, directories)) else ""
    if common in ("", "/"):
        return "", list(paths)
    return common, [path[len(common) + 1 :] for path in paths]
