"""Is it well? Sentences about what needs somebody, the worst first, each with since when and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from tailrace.pipeline.cli.screen.figures import count, lasting, plural, share, size
from tailrace.pipeline.state.offline import SILENT, STOPPED

WELL, ATTENTION, BAD = "✓", "!", "✗"

LAGGING = 60.0  # seconds after which a file that is not read to its end is told
NEARLY = 0.8  # of the room for dead letters
NEAR_CEILING = 0.9  # of the memory ceiling
RECENT = 3600.0  # seconds for which a dead letter is news
NAMED = 3  # sinks and files that are named one by one
_QUOTED = 200  # characters of somebody else's words
_PASSING = ("starting", "stopping", "reloading", STOPPED, SILENT)

Json = dict[str, Any]
When = Callable[[float], str]


class Verdict(NamedTuple):
    mark: str
    text: str
    about: tuple[str, ...] = ()  # words of the daemon's own sentence on the same thing


def verdicts(status: Json, when: When) -> list[Verdict]:
    """``when`` spells a moment, which is given in seconds since the epoch."""
    found = [*_blocked(status), *_sinks(status, when), *_files(status), *_others(status)]
    said = [words for verdict in found for words in verdict.about]
    reasons = [str(one) for one in status["reasons"]]
    mark = ATTENTION if status["ready"] or status["state"] in _PASSING else BAD
    own = [Verdict(mark, _begin(reason)) for reason in reasons if not any(words in reason for words in said)]
    found = sorted([*own, *found], key=lambda verdict: verdict.mark != BAD)
    if found or status["state"] != "running":
        return found
    return [Verdict(WELL, "well: all sinks are up, and no file is far behind")]


def worst(status: Json, when: When) -> Verdict:
    """The first of them."""
    return next(iter(verdicts(status, when)), Verdict(ATTENTION, str(status["state"])))


def _blocked(status: Json) -> Iterator[Verdict]:
    letters = status["dead_letters"]
    taken, room = letters["bytes"], letters["max_bytes"]
    if letters["full"]:
        waits = "the pipeline waits for room" if status["state"] == "blocked" else "they are full"
        yield Verdict(
            BAD, f"dead letters take {size(taken)} of {size(room)}, and {waits}: `tailrace dlq stats` shows what they "
            "are; fix the cause, then `tailrace dlq drop` some, or raise dead_letters.max_bytes", ("dead letters",),
        )  # fmt: skip
    elif room and taken >= NEARLY * room:
        then = "it will wait for room" if letters["when_full"] == "block" else "the oldest will be dropped"
        yield Verdict(
            ATTENTION, f"dead letters take {share(taken / room)} of their room, {size(taken)} of {size(room)}; when it "
            f"is full, {then}: look at `tailrace dlq stats`, fix the cause, and drop some", ("dead letters",),
        )  # fmt: skip


def _sinks(status: Json, when: When) -> Iterator[Verdict]:
    down = sorted((one for one in status["sinks"] if one["up"] is False), key=lambda one: -one["down_seconds"])
    for sink in down[:NAMED]:
        yield Verdict(
            BAD, f"sink {sink['id']} is down since {when(sink['since'])} ({lasting(sink['down_seconds'])}): "
            f"{_begin(sink['why'])}. Nothing is lost: it is tried again until it works; put right what it says",
            (f"sink {sink['id']} ",),
        )  # fmt: skip
    if more := tuple(f"sink {sink['id']} " for sink in down[NAMED:]):
        yield Verdict(BAD, f"{plural(len(more), 'more sink is', 'more sinks are')} down", more)


def _files(status: Json) -> Iterator[Verdict]:
    files = status["files"]
    if files is None:
        return
    rows = files["rows"]
    unread = [row for row in rows if row["state"] == "unreadable"]
    for row in unread[:NAMED]:
        behind = f"; {size(row['lag_bytes'])} of it wait" if row["lag_bytes"] else ""
        yield Verdict(
            BAD, f"{row['path']} cannot be read: {_begin(row['why'])}{behind}: give the user that runs tailrace access",
            (row["path"],),
        )  # fmt: skip
    if len(unread) > NAMED:
        more = tuple(row["path"] for row in unread[NAMED:])
        yield Verdict(BAD, f"{plural(len(more), 'more file')} cannot be read", more)
    for directory, why in list(files.get("unlisted", {}).items())[:NAMED]:
        yield Verdict(BAD, f"{directory} cannot be looked into: {_begin(why)}", (directory,))
    for row in _odd(rows):
        yield Verdict(BAD, f"{row['path']}: its bytes do not add up; `tailrace status --json` has its balance")
    if status["state"] == "running":
        yield from _lagging(status)
    else:
        yield from _lost(rows)


def _odd(rows: Iterable[Json]) -> list[Json]:
    """Those whose balance does not hold."""
    return [row for row in rows if (one := row["balance"]) is not None and one["seen"] != _accounted(one)]


def _accounted(balance: Json) -> int:
    known = balance["acknowledged"] + balance["dead_lettered"] + balance["pending"]
    return int(known + sum(balance["skipped"].values()) + sum(balance["lost"].values()))


def _lagging(status: Json) -> Iterator[Verdict]:
    """A file that is read to its last newline, and has no more lines, is not behind."""
    rows = [row for row in status["files"]["rows"] if row["state"] not in ("quiet", "unreadable")]
    behind = [row for row in rows if (row["lag_seconds"] or 0.0) >= LAGGING]
    if not behind:
        return
    first = max(behind, key=lambda row: row["lag_seconds"])
    others = f", and {plural(len(behind) - 1, 'more file lags', 'more files lag')}" if len(behind) > 1 else ""
    why = status["bottleneck"]
    held = f"; what holds it up is {why['id']}: {_begin(why['why'])}" if why else ""
    behind_by = f"{size(first['lag_bytes'])}, the oldest of it {lasting(first['lag_seconds'])} old"
    yield Verdict(ATTENTION, f"{first['path']} lags by {behind_by}{others}{held}")


def _lost(rows: Iterable[Json]) -> Iterator[Verdict]:
    """Of a stopped one: what was seen, not committed, and is nowhere to be found."""
    for row in rows:
        if row["state"] in ("gone", "ended") and row["balance"]["pending"]:
            yield Verdict(
                BAD, f"{row['path']}: {row['why']}. If it was moved or packed, put it back under a name that "
                "source.paths matches before the next start: then that is read",
            )  # fmt: skip


def _others(status: Json) -> Iterator[Verdict]:
    letters, now = status["dead_letters"], status["now"]
    groups = letters["groups"]
    if groups and not letters["full"] and max(group["last"] for group in groups) >= now - RECENT:
        most = max(groups, key=lambda group: group["count"])
        yield Verdict(
            ATTENTION, f"{plural(letters['count'], 'dead letter')}, the last {lasting(now - _last(groups))} ago; most "
            f"from {most['stage']}, {most['error']} ({count(most['count'])}): "
            f"`tailrace dlq list --stage {shlex.quote(most['stage'])} --error {shlex.quote(most['error'])}`",
        )  # fmt: skip
    memory = status["memory"]
    if memory and memory["ceiling"] and memory["bytes"] >= NEAR_CEILING * memory["ceiling"]:
        part = share(memory["bytes"] / memory["ceiling"])
        yield Verdict(ATTENTION, f"memory is at {part} of its ceiling, {size(memory['ceiling'])}: see `tailrace check`")
    tails = bool(status["flow"]) and status["flow"][0]["label"] == "tail"
    if tails and status["state"] == "running" and status["files"] and not status["files"]["count"]:
        yield Verdict(ATTENTION, "no file matches source.paths now: see `tailrace check`")


def _last(groups: Iterable[Json]) -> float:
    return max(float(group["last"]) for group in groups)


def _begin(words: str) -> str:
    return words if len(words) <= _QUOTED else f"{words[: _QUOTED - 1]}…"
