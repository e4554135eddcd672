"""One piece through the stages: the fast path takes all its lines at once, the careful path finds who is to blame.

The chain is deterministic in its input: the same lines give the same output whatever piece they come in. So trouble
needs no repair, only another run from the raw bytes: first with the failing stage called event by event, and where
that does not name the line (a parser that raises, a time budget that is used up), line by line.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from itertools import accumulate, groupby
from time import perf_counter
from typing import Any, Literal, cast

from pipeline.batch import Batch, Event, Fail
from pipeline.errors import TimeBudget
from pipeline.result import DeadLine, Made, Payload, Tally, clean, fields_text
from pipeline.stage import Enrich, Parse, Write

Entries = list[Event | Fail]
Condition = Callable[[list[Event]], list[Any]]
"""An expression over each event of a list; raises when it fails for one of them."""

WHY_LIMIT, TRACE_LIMIT, FIELDS_LIMIT = 2_000, 8_000, 65_536  # characters kept in a dead letter
CODE_LIMIT = 64
FEW = 8  # lines given to a parser that raised in the whole piece: with one bad line in a hundred most groups are good
BOM = "\ufeff"


@dataclass(slots=True)
class Step:
    """One stage at its place in the chain."""

    label: str
    role: Literal["parse", "enrich", "write"]
    stage: Parse | Enrich | Write
    only: tuple[str, ...] = ()
    when: Condition | None = None
    on_error: Literal["dead_letter", "keep", "drop"] = "dead_letter"
    sink: int = -1  # of a write stage: its number among the sinks
    sink_id: str = ""
    locate: Callable[[Batch], None] | None = field(init=False)

    def __post_init__(self) -> None:
        self.locate = getattr(self.stage, "locate", None)

    def matches(self, name: str) -> bool:
        return not self.only or any(fnmatchcase(name, pattern) for pattern in self.only)


class LostTrackError(Exception):
    """A Fail that names no event of this piece: only running line by line can tell whose it is."""


class LineOffsets(Sequence[int]):
    """Where each line that is not empty begins; worked out only when somebody asks."""

    def __init__(self, piece: bytes, start: int) -> None:
        self._piece, self._start = piece, start
        self._known: list[int] | None = None

    def _offsets(self) -> list[int]:
        if self._known is None:
            lines = self._piece.split(b"\n")
            begins = list(accumulate((len(line) + 1 for line in lines), initial=self._start))
            if self._start == 0:
                lines[0] = lines[0].removeprefix(BOM.encode())
            self._known = [at for at, line in zip(begins, lines, strict=False) if line not in (b"", b"\r")]
        return self._known

    def __getitem__(self, index: Any) -> Any:
        return self._offsets()[index]

    def __len__(self) -> int:
        return len(self._offsets())

    def __iter__(self) -> Iterator[int]:
        return iter(self._offsets())


class Chain:
    """The stages that apply to one file name, ready to run."""

    def __init__(self, steps: Sequence[Step], name: str) -> None:
        fitting = [step for step in steps if step.matches(name)]
        parse = [step for step in fitting if step.role == "parse"]
        self.steps = parse[:1] + [step for step in fitting if step.role != "parse"]
        sinks = [step for step in self.steps if step.role == "write"]
        self._watch_routes = bool(sinks) and all(step.when for step in sinks)
        self._unrouted = not sinks
        self.marker: memoryview | list[int] = [0]  # one place for the index of the step at work; survives a crash

    @property
    def at(self) -> int:
        """Index of the step at work: who raised."""
        return self.marker[0]

    @at.setter
    def at(self, index: int) -> None:
        self.marker[0] = index

    def run(self, piece: bytes, batch_of: Callable[[Sequence[int]], Batch], start: int, base: int) -> Made:
        """All lines of ``piece``, which begins at file offset ``start`` and slot offset ``base``; raises TimeBudget.

        Stages that raise are run again line by line or event by event; if the line is still not known,
        ``LostTrackError``.
        """
        alone: set[int] = set()
        while True:
            try:
                return _Run(self, piece, batch_of, start, base, alone).go()
            except (LostTrackError, TimeBudget):
                raise
            except BaseException as error:  # also SystemExit: a stage must not end the worker
                if self.at in alone:
                    raise LostTrackError from error
                alone.add(self.at)

    def run_line(self, line: bytes, batch_of: Callable[[Sequence[int]], Batch], start: int, base: int) -> Made:
        """One line, whatever happens: an exception makes it a dead letter. Only TimeBudget comes out."""
        try:
            return self.run(line, batch_of, start, base)
        except LostTrackError as error:
            cause = error.__cause__ or error
            return self.condemn(line, base, *blame(cause))

    def condemn(self, line: bytes, base: int, code: str, why: str, trace: str | None = None) -> Made:
        """The outcome of a line that is given up at the step now at work."""
        length = len(line.rstrip(b"\n"))
        dead = DeadLine(base, length, self.steps[self.at].label, code, clean(why)[:WHY_LIMIT], trace)
        return Made(dead=[dead], tally=Tally(lines=1))


def blame(error: BaseException) -> tuple[str, str, str]:
    """(code, why, trace) of an exception that a stage raised."""
    code = "memory" if isinstance(error, MemoryError) else "raised"
    text = trace_of(error)
    return code, f"{type(error).__name__}: {error}"[:WHY_LIMIT], clean(text[-TRACE_LIMIT:])


def trace_of(error: BaseException) -> str:
    """The traceback as text. Without the carets under each line, which take longer than running the line again."""
    if error.__cause__ is not None or error.__context__ is not None:
        return "".join(traceback.format_exception(error))
    lines = ["Traceback (most recent call last):\n"]
    for frame, number in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        lines.append(f'  File "{name}", line {number}, in {frame.f_code.co_name}\n')
        lines.append(f"    {linecache.getline(name, number).strip()}\n")
    return "".join(lines + traceback.format_exception_only(error))


class _Run:
    """One attempt at one piece."""

    def __init__(
        self,
        chain: Chain,
        piece: bytes,
        batch_of: Callable[[Sequence[int]], Batch],
        start: int,
        base: int,
        alone: set[int],
    ) -> None:
        self.chain, self.piece, self.start, self.base, self.alone = chain, piece, start, base, alone
        self.batch_of = batch_of
        self.made = Made()
        self.parsed: Entries = []
        self.offsets = LineOffsets(piece, start)
        self.lines: list[str] = []  # those that are not empty

    def go(self) -> Made:
        tally = self.made.tally
        text = self._text(tally)
        if text is None:
            return self.made
        batch = self.batch_of(self.offsets)
        batch.text, batch.lines, batch.data = text, self.lines, self.piece
        events: list[Event] = []
        chain = self.chain
        routed: set[int] = set()
        clock = perf_counter()
        for index, step in enumerate(chain.steps):
            chain.at = index
            if step.role == "parse":
                events = self._parse(step, text, batch)
            elif not events:
                break
            elif step.role == "enrich":
                events = self._enrich(step, events, batch)
            else:
                events = self._write(step, events, batch, routed)
            now = perf_counter()
            tally.seconds[step.label] = tally.seconds.get(step.label, 0.0) + now - clock
            clock = now
        lost = len(events) if chain._unrouted else 0
        if chain._watch_routes:
            lost = sum(id(event) not in routed for event in events)
        if lost:
            self._filtered("end of the chain", "no route", lost)
        return self.made

    def _text(self, tally: Tally) -> str | None:
        """The lines as the parser wants them, or None when all are empty. Counts them."""
        piece = self.piece
        end = len(piece) - piece.endswith(b"\n")
        text = str(memoryview(piece)[:end], "utf-8", "replace")
        if self.start == 0 and text.startswith(BOM):
            text = text[1:]
        if "\r" in text:
            text = text.replace("\r\n", "\n").removesuffix("\r")
        self.lines = lines = text.split("\n")  # the one time that a good piece is searched for newlines
        tally.lines = len(lines)
        if "" in lines:
            self.lines = [line for line in lines if line]
            self._filtered("source", "empty line", len(lines) - len(self.lines))
            if not self.lines:
                return None
            text = "\n".join(self.lines)
        return text

    def _parse(self, step: Step, text: str, batch: Batch) -> list[Event]:
        if self.chain.at in self.alone:
            entries = []
            for at in range(0, len(self.lines), FEW):
                entries += self._parse_few(step, at, batch)
        else:
            entries = self._parsed(step, text, len(self.lines), batch)
        self.parsed = entries
        if Fail not in set(map(type, entries)):
            return cast(list[Event], entries.copy())  # a stage may change the list it is given
        kept: list[Event] = []
        offsets: list[int] = []
        for index, entry in enumerate(entries):
            if isinstance(entry, Fail):
                entry.event = {"message": self.lines[index]} if step.on_error == "keep" else None
                event = self._fail(step, entry, index)
                if event is None:
                    continue
                entries[index] = event
            else:
                event = entry
            kept.append(event)
            offsets.append(self.offsets[index])
        batch.offsets = offsets
        return kept

    def _parse_few(self, step: Step, at: int, batch: Batch) -> Entries:
        """A few lines at once; only if the parser raises, each alone."""
        lines = self.lines[at : at + FEW]
        try:
            return self._parsed(step, "\n".join(lines), len(lines), _part(batch, at, len(lines)))
        except TimeBudget:
            raise
        except BaseException:
            entries: Entries = []  # told by those that are run alone, outside of this handler: each has one cause
        for index, line in enumerate(lines, at):
            entries += one(partial(self._parse_line, step, line, batch, index), {})
        return entries

    def _parse_line(self, step: Step, line: str, batch: Batch, index: int, _: list[Event]) -> Entries:
        return self._parsed(step, line, 1, _part(batch, index, 1))

    @staticmethod
    def _parsed(step: Step, text: str, expected: int, batch: Batch) -> Entries:
        if step.locate:
            step.locate(batch)
        entries = cast(Parse, step.stage).parse(text)
        if len(entries) != expected:
            raise ValueError(
                f"{step.label} gave {len(entries)} entries for {expected} lines; it must give one for each"
            )
        return entries

    def _enrich(self, step: Step, events: list[Event], batch: Batch) -> list[Event]:
        entries: Entries
        if step.when:
            entries = []
            at = 0
            for wanted, run in groupby(
                zip(map(bool, self._mask(step, events)), events, strict=True), lambda pair: pair[0]
            ):
                some = [event for _, event in run]
                if wanted:
                    entries += self._process(step, some, _part(batch, at, len(some)))
                else:
                    entries += some
                at += len(some)
        else:
            entries = self._process(step, events, batch)
        return self._settle(step, entries)

    def _process(self, step: Step, events: list[Event], batch: Batch) -> Entries:
        before = len(events)
        if self.chain.at not in self.alone:
            if step.locate:
                step.locate(batch)
            entries = self._processed(step, events)
        else:
            entries = []
            for index, event in enumerate(events):
                if step.locate:
                    step.locate(_part(batch, index, 1))
                entries += one(partial(self._processed, step), event)
        if len(entries) < before:
            self._filtered(step.label, "dropped", before - len(entries))
        elif len(entries) > before:
            self.made.tally.made[step.label] = self.made.tally.made.get(step.label, 0) + len(entries) - before
        return entries

    @staticmethod
    def _processed(step: Step, events: list[Event]) -> Entries:
        entries = cast(Enrich, step.stage).process(events)
        if not isinstance(entries, list):
            raise TypeError(f"{step.label} returned {type(entries).__name__}; it must return a list of events")
        return entries

    def _write(self, step: Step, events: list[Event], batch: Batch, routed: set[int]) -> list[Event]:
        stage = cast(Write, step.stage)
        wanted = events
        if step.when:
            wanted = [event for event, yes in zip(events, self._mask(step, events), strict=True) if yes]
            if not wanted:
                return events
        if step.locate:
            step.locate(batch)
        if self.chain.at not in self.alone:
            pairs = list(stage.encode(wanted))
            failed: dict[int, Fail] = {}
        else:
            pairs, failed = [], {}
            for event in wanted:
                outcome = one(partial(_encoded, stage), event)[0]
                if isinstance(outcome, Fail):
                    failed[id(event)] = outcome
                else:
                    pairs += outcome["pairs"]
        self.made.payloads += _joined(step.sink, pairs)
        tally = self.made.tally
        tally.written[step.sink_id] = tally.written.get(step.sink_id, 0) + len(wanted) - len(failed)
        if self.chain._watch_routes:
            routed.update(id(event) for event in wanted)
        if not failed:
            return events
        return self._settle(step, [failed.get(id(event), event) for event in events])

    def _mask(self, step: Step, events: list[Event]) -> list[Any]:
        assert step.when is not None
        return step.when(events)

    def _settle(self, step: Step, entries: Entries) -> list[Event]:
        """Sort the Fails out of a stage's result."""
        if Fail not in set(map(type, entries)):
            return cast(list[Event], entries)
        lineage = {id(event): index for index, event in enumerate(self.parsed)}
        unique = len(lineage) == len(self.parsed)
        kept: list[Event] = []
        for entry in entries:
            if not isinstance(entry, Fail):
                kept.append(entry)
                continue
            if len(self.parsed) == 1:
                index = 0
            elif unique and id(entry.event) in lineage:
                index = lineage[id(entry.event)]
            else:
                raise LostTrackError
            event = self._fail(step, entry, index)
            if event is not None:
                kept.append(event)
        return kept

    def _fail(self, step: Step, fail: Fail, index: int) -> Event | None:
        """Book a failed entry of the ``index``-th line; the event that goes on in its place, if any."""
        code = clean(str(fail.code)[:CODE_LIMIT])
        if step.on_error == "drop":
            self._filtered(step.label, code, 1)
            return None
        if step.on_error == "keep":
            event = fail.event if fail.event is not None else {}
            event["error"] = clean(f"{step.label}: {code}: {fail.why}"[:WHY_LIMIT])
            return event
        start = self.offsets[index] - self.start
        end = self.piece.find(b"\n", start)
        length = (len(self.piece) if end < 0 else end) - start
        fields = fields_text(fail.event) if fail.event is not None else None
        if fields is not None and len(fields) > FIELDS_LIMIT:
            fields = None
        trace = clean(fail.trace[-TRACE_LIMIT:]) if fail.trace else None
        why = clean(str(fail.why)[:WHY_LIMIT])
        self.made.dead.append(DeadLine(self.base + start, length, step.label, code, why, trace, fields))
        return None

    def _filtered(self, label: str, reason: str, count: int) -> None:
        key = f"{label}\0{reason}"
        self.made.tally.filtered[key] = self.made.tally.filtered.get(key, 0) + count


def one(process: Callable[[list[Event]], Entries], event: Event) -> Entries:
    """A stage's answer for a single event, with an exception turned into a Fail."""
    try:
        return process([event])
    except TimeBudget:
        raise
    except BaseException as error:
        code, why, trace = blame(error)
        return [Fail(code, why, event, trace)]


def _part(batch: Batch, at: int, count: int) -> Batch:
    return Batch(batch.name, batch.path, batch.file_id, batch.now, batch.offsets[at : at + count])


def _encoded(stage: Write, events: list[Event]) -> Entries:
    return [{"pairs": list(stage.encode(events))}]


def _joined(sink: int, pairs: list[tuple[str, bytes]]) -> list[Payload]:
    """Payloads with the neighbours of one destination put together. TypeError: the sink encodes to something else."""
    for destination, data in pairs:
        if not isinstance(destination, str) or not isinstance(data, bytes):
            raise TypeError(f"encode gave ({destination!r}, {type(data).__name__}); it must give (text, bytes)")
    payloads = []
    for destination, run in groupby(pairs, lambda pair: pair[0]):
        datas = [data for _, data in run]
        payloads.append(Payload(sink, destination, datas[0] if len(datas) == 1 else b"".join(datas)))
    return payloads
