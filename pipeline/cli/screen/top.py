"""The live picture of a running pipeline, made to fit the terminal: what flows where, what holds it up, what lags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from textwrap import wrap
from typing import Any

from tailrace.pipeline.cli.screen.figures import count, lasting, rate, share, size
from tailrace.pipeline.cli.screen.layout import GAP, Line, Section, Span, Stack, cut, fitted, line
from tailrace.pipeline.cli.screen.spark import gauge, spark
from tailrace.pipeline.cli.screen.verdicts import ATTENTION, BAD, WELL, verdicts
from tailrace.pipeline.escape import escape

_BESIDE = 130  # columns of the terminal from which on sections stand beside each other
_TALL = 32  # lines from which on more is told above them
_WORST = 3  # lines for what is worst
_GAUGE = 8  # columns
_LABEL, _FIGURE = 9, 26  # columns on both sides of a line of bars
_STYLES = {WELL: "green", ATTENTION: "yellow", BAD: "bold red"}
_DOWN, _HELD_UP, _FAILING = "red", "bold yellow", "yellow"

Json = dict[str, Any]


def picture(status: Json, history: Json, width: int, height: int, gone: str = "", *, live: bool = True) -> list[Line]:
    """At most so many lines, each at most so wide. ``gone``: why nothing newer is known, and what comes of it. Not
    ``live``: it is the only one."""
    tall = height >= _TALL
    lines = [_head(status, width, live=live), *_news(status, width, 4 if tall else 1, gone), _sums(status, width)]
    lines += _past(status, history, width, all_of_it=tall)
    room = height - len(lines)
    flow, sinks, letters = _flow(status), _sinks(status), _letters(status)
    files, workers, patterns = _files(status), _workers(status), _patterns(status)
    if width < _BESIDE:
        lines += Stack([flow, sinks, files, letters, workers, patterns]).lines(room, width)
    else:
        half = (width - 2 * GAP) // 2
        left = Stack([flow, sinks, letters]).lines(room, half)
        lines += _beside(left, Stack([files, workers, patterns]).lines(room, half), half)
    lines = [fitted(one, width) for one in lines[:height]]
    return [_dimmed(one) for one in lines] if gone else lines


def _beside(left: Sequence[Line], right: Sequence[Line], width: int) -> Iterator[Line]:
    for one, other in zip_longest(left, right, fillvalue=line()):
        blank = width - sum(len(span.text) for span in one) + 2 * GAP
        yield [*one, Span(" " * blank), *other]


def _dimmed(one: Line) -> Line:
    return [span if span.style == _STYLES[BAD] else Span(span.text, "dim") for span in one]


def _head(status: Json, width: int, *, live: bool) -> Line:
    name, now = escape(str(status["name"])), status["now"]
    about = f"  {status['state']} for {lasting(now - status['started'])}, process {status['pid']}"
    end = f"{clock(now)} UTC" + "  q: leave" * live
    text = cut(escape(name + about), width)
    begin = Span(text[: len(name)], "bold")
    if len(text) + GAP + len(end) > width:
        return [begin, Span(text[len(name) :])]
    return [begin, Span(text[len(name) :]), Span(" " * (width - len(text) - len(end)) + end, "dim")]


def clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def _news(status: Json, width: int, most: int, gone: str) -> Iterator[Line]:
    if gone:
        yield line(cut(f"{BAD} {escape(gone)}", width), _STYLES[BAD])
        return
    found = verdicts(status, clock)
    more = f"  +{len(found) - most} more" if len(found) > most else ""
    for index, verdict in enumerate(found[:most]):
        rows = wrap(f"{verdict.mark} {escape(verdict.text)}", max(3, width), subsequent_indent="  ")
        few = min(len(rows), _WORST if index == 0 and verdict.mark == BAD else 1)  # all of what is worst is to be read
        last = " ".join((rows[few - 1], *(row.strip() for row in rows[few:])))
        if index == min(most, len(found)) - 1:
            last = cut(last, width - len(more)) + more
        yield from (line(cut(text, width), _STYLES[verdict.mark]) for text in (*rows[: few - 1], last))


def _sums(status: Json, width: int) -> Line:
    """What fits of: the sums that tell how it stands."""
    pending, ring, memory = status["pending"], status["ring"], status["memory"]
    letters, commit = status["dead_letters"], status["commit"]
    taken = memory["bytes"] / memory["ceiling"] if memory["ceiling"] else None
    age = f" for {lasting(pending['seconds'])}" if pending["lines"] else ""
    parts = [
        f"pending {count(pending['lines'])} lines{age}",
        f"ring {ring['free']}/{ring['slots']} free",
        f"memory {share(taken)} of {size(memory['ceiling'])}",
        f"dead letters {count(letters['count'])}",
        f"commit {lasting(commit['age'])} ago",
        f"tailrace {status['version']}",
    ]
    text = ""
    for part in parts:
        longer = f"{text}   {part}" if text else part
        if len(longer) > width:
            break
        text = longer
    return line(escape(text))


def _past(status: Json, history: Json, width: int, *, all_of_it: bool) -> Iterator[Line]:
    """Bars of the last minutes, with the figure of now."""
    latency, lag, rates = status["latency"], status["lag"], status["rates"]
    p99 = None if latency is None else latency["p99"]
    old = f", {lasting(lag['seconds'])} old" if lag["bytes"] else ""
    rows = [
        ("lines/s", "lines", f"{rate(rates['lines'])}, {size(rates['bytes'])}/s"),
        ("lag", "lag_bytes", f"{size(lag['bytes'])}{old}"),
        ("p99", "latency_p99", lasting(p99) if p99 is not None else "no lines now"),
        ("dead/s", "dead_letters", rate(rates["dead_letters"])),
    ]
    bars = max(0, width - _LABEL - _FIGURE - GAP)
    for label, name, figure in rows if all_of_it else rows[:2]:
        drawn = spark(history.get(name, ()), bars).rjust(bars)
        yield [Span(f"{label:<{_LABEL}}"), Span(drawn, "cyan"), Span(cut(f"{' ' * GAP}{figure}", _FIGURE + GAP))]
    points = min(bars, len(history.get("times", ())))
    since = f"{lasting(points * history['interval'])} ago" if points > 1 else ""
    yield line(" " * (_LABEL + bars - points) + since if len(since) < points else "", "dim")


def _flow(status: Json) -> Section:
    held = (status["bottleneck"] or {}).get("id")
    rows, styles, weights = [], [], []
    for one in status["flow"]:
        down = one.get("up") is False
        why = "◀ bottleneck" if one["id"] == held else "down" if down else ""
        failing = one.get("error_rate", 0.0)
        source = one["kind"] == "source"
        name = one["id"].partition(":")[2] if one["kind"] == "sink" else one["label"]
        rows.append((
            name, "" if source else rate(one["in_rate"]), rate(one["out_rate"]), rate(failing) if failing else "",
            "" if source else share(one["busy"]), "" if source else gauge(one["busy"], _GAUGE), why,
        ))  # fmt: skip
        styles.append(_HELD_UP if one["id"] == held else _DOWN if down else _FAILING if failing else "")
        weights.append(100.0 * bool(why) + 10.0 * bool(failing) + one["busy"] + source)
    columns = ("stage", "in/s", "out/s", "err/s", "busy", " " * _GAUGE, "")
    return Section(columns, rows, styles, weights, left=frozenset({0, 5, 6}), spare=(5, 3), least=8)


def _sinks(status: Json) -> Section:
    def cells(one: Json) -> Sequence[str]:
        state = "up" if one["up"] else f"down {lasting(one['down_seconds'])}"
        return one["id"], state, rate(one["rate"]), count(one["waiting"]), count(one["retries"]), one["why"]

    rows = [cells(one) for one in status["sinks"]]
    down = [one["up"] is False for one in status["sinks"]]
    columns = ("sink", "state", "per s", "waiting", "retries", "why" if any(down) else "")
    return Section(
        columns, rows, [_DOWN if one else "" for one in down], [float(one) for one in down],
        gives=5 if any(down) else 0, left=frozenset({0, 1, 5}), spare=(4, 3),
    )  # fmt: skip


def _files(status: Json) -> Section:
    files = status["files"]
    if files is None:
        return Section((), ())
    rows = [
        (row["path"], row["state"], size(row["lag_bytes"]), lasting(row["lag_seconds"]) if row["lag_bytes"] else "")
        for row in files["rows"]
    ]
    styles = [_DOWN if row["state"] == "unreadable" else "" for row in files["rows"]]
    columns = ("file", "state", "lag", "oldest")
    return Section(columns, rows, styles, ends=True, left=frozenset({0, 1}), least=3, count=files["count"])


def _workers(status: Json) -> Section:
    rows = [
        (
            str(one["pid"]), one["state"], share(one["busy"]), gauge(one["busy"], _GAUGE), count(one["lines"]),
            lasting(one["seconds"]) if one["state"] == "working" else "", one["file"] or "",
        )
        for one in status["workers"]
    ]  # fmt: skip
    columns = ("worker", "state", "busy", " " * _GAUGE, "lines", "for", "file")
    return Section(columns, rows, gives=6, ends=True, left=frozenset({0, 1, 3, 6}), spare=(3,))


def _patterns(status: Json) -> Section:
    rows = [
        (one["pattern"], one["stage"], share(one["share"]), f"{one['seconds']:,.1f}s", count(one["matches"]))
        for one in status["patterns"]
    ]
    columns = ("pattern", "stage", "share", "time", "matches")
    return Section(columns, rows, left=frozenset({0, 1}), spare=(4, 3))


def _letters(status: Json) -> Section:
    rows = [
        (one["stage"], one["error"], count(one["count"]), f"{lasting(status['now'] - one['last'])} ago")
        for one in status["dead_letters"]["groups"]
    ]
    columns = ("dead letters of", "error", "count", "last")
    return Section(columns, rows, left=frozenset({0, 1}), gives=0)
