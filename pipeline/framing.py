"""Records of several lines: which lines begin one, as a pure function of the lines from the beginning of a record on.

Source and worker ask the same question of the same bytes, so a chunk is cut, and a piece, only where no record is open,
and after a restart each record is what it was. A line is judged when it is there: no look at what follows.

Records whose lines stand between each other, as those of two outputs in one file, are a group: where it says that a
record begins or ends, that is one of such groups, and most of those are one record. ``parts`` tells them apart.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from typing import Annotated, Any, Protocol

from tailrace.pipeline.encoding import Encoding
from tailrace.pipeline.keys import Duration, Problems, Size, Whole
from tailrace.pipeline.traces import BOM, PRESETS, Traces
from tailrace.pipeline.wrapped import WRAPPED, Wrapped

_WINDOW = 64 << 10  # bytes of which the lines are looked at at a time

_UNICODE = re.compile(r"\\[wWbB]|\(\?[a-zA-Z]*i")  # what means more in text than in bytes
_AROUND = re.compile(r"^[^^]|\\[AZ]|\(\?[^:]|\||[*+?}]\+")  # what may see more than what stands at a line's beginning
_ACROSS = re.compile(rf"{_AROUND.pattern}|\[\^|\\[snrx0WD]")  # or the newline behind it
QUOTED = "csv"  # a quoted value may hold newlines


@dataclass(slots=True, frozen=True)
class Multiline:
    """The table [source.multiline]: which lines make one record.

    ``preset``: "python", "java", "go", "postgres" (several as a list), "csv"; "cri" and "docker" join the parts of a
    line and, before others, the lines that they hold (``["cri", "python"]``). Or a pattern of the lines that begin a
    record (``start``) or go on with one (``continue``). A record ends where the next one begins, at the end of a file
    that is gone, after ``timeout`` without a further line, and with ``max_lines`` or ``max_bytes``.
    """

    preset: list[str] | str = ""
    start: str = ""
    continue_: str = ""
    timeout: Annotated[float, Duration("10ms", "1h", "the last record of a file waits so long for further lines")] = 1.0
    max_lines: Annotated[int, Whole(2, 1_000_000, "a record ends with so many lines")] = 500
    max_bytes: Annotated[int, Size("1KiB", "64MiB", "each slot has room for so large a record")] = 1 << 20

    @property
    def presets(self) -> list[str]:
        return [self.preset] if isinstance(self.preset, str) and self.preset else list(self.preset)

    def __post_init__(self) -> None:
        problems = Problems()
        given = [
            key
            for key, value in (("preset", self.preset), ("start", self.start), ("continue", self.continue_))
            if value
        ]
        if len(given) != 1:
            found = f"found {' and '.join(given)}" if given else "found none of them"
            problems.add("", f"expected exactly one of preset, start and continue, {found}")
        known = [*PRESETS, *WRAPPED, QUOTED]
        around = [name for name in self.presets if name in WRAPPED]
        if QUOTED in self.presets and len(self.presets) > 1:
            problems.add("preset", f"{QUOTED!r} stands alone")
        if len(around) > 1 or (around and self.presets[0] not in WRAPPED):
            problems.add("preset", f"of {', '.join(map(repr, WRAPPED))} there is one at most, and it comes first")
        for name in self.presets:
            if name not in known:
                problems.add("preset", f"there is no preset {name!r} (known: {', '.join(known)})")
        for key, pattern in (("start", self.start), ("continue", self.continue_)):
            try:
                re.compile(pattern)
            except re.error as error:
                problems.add(key, f"{pattern!r} is not a valid regular expression: {error}")
        problems.check()


class Rule(Protocol):
    """Which lines begin a record."""

    def plain(self, data: bytes) -> bool:
        """It is certain, at a look, that each line is a record."""
        ...

    def free(self, previous: bytes, line: bytes) -> bool:
        """The line begins one, behind that line, whatever stands before the two."""
        ...

    def starts(self, lines: Sequence[bytes]) -> list[int]:
        """The indexes of those that begin one; the first does."""
        ...


class Framer:
    def __init__(self, settings: Multiline) -> None:
        self.timeout, self.max_bytes = settings.timeout, settings.max_bytes
        self._max_lines = settings.max_lines
        self._rule = _rule(settings)
        self._wrapped = self._rule if isinstance(self._rule, Wrapped) else None

    def plain(self, data: bytes, written_in: Encoding) -> bool:
        """It is certain, at a look, that each line is a record."""
        return written_in.is_utf8 and self._rule.plain(data)

    def starts(self, lines: Sequence[bytes], ends: Sequence[int]) -> list[int]:
        """The indexes of lines (each with its newline, in UTF-8) that begin a record; the first does. ``ends``: where
        each ends among the bytes of the file, of which a record has ``max_bytes`` at most."""
        if lines and lines[0].startswith(BOM):
            lines = [lines[0].removeprefix(BOM), *lines[1:]]
        starts = self._rule.starts(lines)
        if len(lines) - len(starts) < self._max_lines and (not ends or ends[-1] <= self.max_bytes):
            return starts  # none can be too long
        stops = [*starts[1:], len(lines)]
        if all(self._fits(ends, *record) for record in zip(starts, stops, strict=True)):
            return starts
        return list(self._one_by_one(lines, ends))

    def parts(self, lines: Sequence[bytes]) -> list[list[int]]:
        """Of a group of lines that begin with one of ``starts``, the indexes of each record's, in the order of their
        first ones."""
        return [list(range(len(lines)))] if self._wrapped is None else self._wrapped.parts(lines)

    def _fits(self, ends: Sequence[int], begin: int, stop: int) -> bool:
        return stop - begin <= self._max_lines and _size(ends, begin, stop) <= self.max_bytes

    def _is_full(self, ends: Sequence[int], begin: int, stop: int) -> bool:
        """No further line would be added: it ends here, and nothing needs to follow."""
        return stop - begin >= self._max_lines or _size(ends, begin, stop) >= self.max_bytes

    def _one_by_one(self, lines: Sequence[bytes], ends: Sequence[int]) -> Iterator[int]:
        """A record that is too long falls into several, each of which is judged like a record that has just begun."""
        begin = 0
        while begin < len(lines):
            yield begin
            begin = self._stop(lines, ends, begin)

    def _stop(self, lines: Sequence[bytes], ends: Sequence[int], begin: int) -> int:
        """Where the record ends that begins there, or as much of it as is allowed."""
        window = 8
        while True:
            some = lines[begin : begin + window + 1]
            starts = self._rule.starts(some)
            stop = begin + (starts[1] if len(starts) > 1 else len(some))
            if len(starts) > 1 or stop == len(lines) or not self._fits(ends, begin, stop):
                break
            window *= 8
        if self._fits(ends, begin, stop):
            return stop
        most = (ends[begin - 1] if begin else 0) + self.max_bytes
        return max(begin + 1, min(begin + self._max_lines, bisect_right(ends, most, begin, stop)))  # one line at least

    def closed(self, data: bytes | memoryview, written_in: Encoding) -> int:
        """``data`` are whole lines from a record's beginning on: how many of its bytes belong to records of which the
        end is there. Mostly its end is enough to know, and only that is copied."""
        lone = self._wrapped is None or (written_in.is_utf8 and self._wrapped.lone(bytes(data)))
        if len(data) > _WINDOW and lone:
            end = bytes(data[len(data) - _WINDOW :])
            first = written_in.find(end) + written_in.width
            low = len(data) - len(end) + first
            lines, ends = lines_of(end[first:], written_in)
            free = next(
                (index for index in range(len(lines) - 1, 0, -1) if self._rule.free(lines[index - 1], lines[index])),
                None,
            )
            if free is not None:
                begin = ends[free - 1]
                return low + begin + self._closed(lines[free:], [at - begin for at in ends[free:]])
        return self._closed_from_the_beginning(bytes(data), written_in)

    def _closed_from_the_beginning(self, data: bytes, written_in: Encoding) -> int:
        """Window by window: lines may be as many as bytes, and in memory each is much larger than that."""
        at, window = 0, _WINDOW
        while at < len(data):
            stop = len(data)
            if at + window < stop:
                stop = written_in.rfind(data, at, at + window) + written_in.width
            closed = self._closed(*lines_of(data[at:stop], written_in)) if stop > at else 0
            if not closed and stop == len(data):
                break
            window = _WINDOW if closed else window * 4
            at += closed
        return at

    def _closed(self, lines: Sequence[bytes], ends: Sequence[int]) -> int:
        last = self.starts(lines, ends)[-1]
        if self._is_full(ends, last, len(lines)):
            return ends[-1]
        return ends[last - 1] if last else 0

    def first(self, data: bytes, written_in: Encoding) -> int:
        """``data`` are whole lines from a record's beginning on: where the first record ends; 0: it goes on."""
        lines, ends = lines_of(data, written_in)
        starts = self.starts(lines, ends)
        stop = starts[1] if len(starts) > 1 else len(lines)
        return ends[stop - 1] if stop < len(lines) or self._is_full(ends, 0, stop) else 0


def _size(ends: Sequence[int], begin: int, stop: int) -> int:
    return ends[stop - 1] - (ends[begin - 1] if begin else 0)


def lines_of(data: bytes, written_in: Encoding) -> tuple[list[bytes], list[int]]:
    """The lines in UTF-8 with their newlines, and where each ends in ``data``."""
    if written_in.width == 1 and written_in.is_utf8:
        lines = BytesIO(data).readlines()
        return lines, list(accumulate(map(len, lines)))
    raw = written_in.split(data)
    ends = list(accumulate(len(line) + written_in.width for line in raw))
    lines = BytesIO(written_in.to_utf8(data)).readlines()
    return lines, [min(end, len(data)) for end in ends[: len(lines)]]


def _rule(settings: Multiline) -> Rule:
    if settings.start:
        return _Own(settings.start, starts=True)
    if settings.continue_:
        return _Own(settings.continue_, starts=False)
    names = settings.presets
    if names[0] == QUOTED:
        return _Quoted()
    traces = [PRESETS[name] for name in names if name in PRESETS]
    trace = Traces(traces) if traces else None
    if names[0] in WRAPPED:
        return Wrapped(names[0], trace)
    assert trace is not None
    return trace


class _Own:
    """A pattern of the user's, searched for in each line."""

    def __init__(self, pattern: str, *, starts: bool) -> None:
        self._in_text = not pattern.isascii() or _UNICODE.search(pattern) is not None
        self._search: Callable[[Any], Any] = re.compile(pattern if self._in_text else pattern.encode()).search
        self._starts = starts
        self._ends_matter = "$" in pattern  # it matches before a newline, and may not before a carriage return
        self._joining: Callable[[bytes], Any] | None = None
        if not self._in_text and not (_ACROSS if starts else _AROUND).search(pattern):
            # What matches more than the line alone would is no harm where lines go on: they are looked at one by one.
            in_line = rf"\n(?!\Z)(?!{pattern})" if starts else rf"\n(?:{pattern})"
            self._joining = re.compile(in_line.encode(), re.MULTILINE).search

    def plain(self, data: bytes) -> bool:
        if self._joining is None or (self._ends_matter and b"\r" in data):
            return False
        return self._joining(data) is None

    def free(self, previous: bytes, line: bytes) -> bool:  # noqa: ARG002 - it says by itself
        return self._found([line])[0] is self._starts

    def starts(self, lines: Sequence[bytes]) -> list[int]:
        return [index for index, yes in enumerate(self._found(lines)) if yes is self._starts or not index]

    def _found(self, lines: Sequence[bytes]) -> list[bool]:
        bare: list[Any] = [line.rstrip(b"\r\n") for line in lines]
        if self._in_text:
            bare = [line.decode("utf-8", "replace") for line in bare]
        return [match is not None for match in map(self._search, bare)]


class _Quoted:
    """Lines of CSV: a value in double quotes goes on in the next line; two of them inside of it stand for one."""

    def plain(self, data: bytes) -> bool:
        return b'"' not in data

    def free(self, previous: bytes, line: bytes) -> bool:  # noqa: ARG002 - what stands before all of them decides
        return False

    def starts(self, lines: Sequence[bytes]) -> list[int]:
        starts, open_quote = [], False
        for index, line in enumerate(lines):
            if not open_quote:
                starts.append(index)
            open_quote ^= bool(line.count(b'"') % 2)
        return starts
