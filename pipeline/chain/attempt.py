"""One attempt at one piece: all its lines through the steps at once, and some steps event by event where asked to."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import partial
from itertools import groupby
from time import perf_counter
from typing import cast

from tailrace.pipeline.batch import Event, Fail, Lines, Origin
from tailrace.pipeline.chain.records import Records
from tailrace.pipeline.chain.step import TRACE_LIMIT, WHY_LIMIT, Entries, Pairs, Step, guarded
from tailrace.pipeline.errors import TimeBudget
from tailrace.pipeline.work.layout import DeadLine, Made, Payload, clean, fields_text

FIELDS_LIMIT = 65_536  # characters kept in a dead letter
CODE_LIMIT = 64
FEW = 8  # lines given to a parser that raised in the whole piece: with one bad line in a hundred most groups are good

OriginOf = Callable[[Sequence[int]], Origin]
"""The origin of a piece's lines, given where each begins."""


class LostTrackError(Exception):
    """A Fail that names no event of this piece: only running line by line can tell whose it is."""


class Attempt:
    """One attempt at one piece, which begins at file offset ``start`` and slot offset ``base``.

    ``marker`` is told which step is at work; those whose index is in ``alone`` get their events one by one.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        marker: memoryview | list[int],
        piece: bytes,
        start: int,
        base: int,
        alone: Container[int] = (),
    ) -> None:
        self.steps, self.marker, self.piece, self.start, self.base = steps, marker, piece, start, base
        self.alone = alone
        self.made = Made()
        self.parsed: Entries = []
        self.records = Records(piece, start)
        self.places = self.records.places
        sinks = [step for step in steps if step.role == "write"]
        # By id; the events, so that none of them is freed and gives its id to another.
        self.routed: dict[int, Event] | None = {} if sinks and all(step.when for step in sinks) else None
        self.unrouted = not sinks

    def run(self, origin_of: OriginOf) -> Made:
        """Raises what a stage raises, and LostTrackError."""
        tally = self.made.tally
        records = self.records
        tally.lines = records.total
        if records.empty:
            self._filtered("source", "empty line", records.empty)
        if not records.data:
            return self.made
        origin = origin_of(self.places)
        lines = Lines(records.data, origin, records.total - records.empty)
        events: list[Event] = []
        clock = perf_counter()
        for index, step in enumerate(self.steps):
            self.marker[0] = index
            alone = index in self.alone
            if step.role == "parse":
                events = self._parse(step, lines, alone)
            elif not events:
                break
            elif step.role == "enrich":
                events = self._enrich(step, events, origin, alone)
            else:
                events = self._write(step, events, origin, alone)
            now = perf_counter()
            tally.seconds[step.label] = tally.seconds.get(step.label, 0.0) + now - clock
            clock = now
        lost = len(events) if self.unrouted else 0
        if self.routed is not None:
            lost = sum(id(event) not in self.routed for event in events)
        if lost:
            self._filtered("end of the chain", "no route", lost)
        return self.made

    def _parse(self, step: Step, lines: Lines, alone: bool) -> list[Event]:
        entries: Entries = []
        if alone:
            for at in range(0, len(lines), FEW):
                entries += self._parse_few(step, lines.part(at, FEW))
        else:
            entries = step.parse(lines)
        self.parsed = entries
        if Fail not in set(map(type, entries)):
            return cast(list[Event], entries.copy())  # a stage may change the list it is given
        kept: list[Event] = []
        places: list[int] = []
        for index, entry in enumerate(entries):
            if isinstance(entry, Fail):
                entry.event = {"message": lines[index]} if step.on_error == "keep" else None
                event = self._fail(step, entry, index)
                if event is None:
                    continue
                entries[index] = event
            else:
                event = entry
            kept.append(event)
            places.append(self.places[index])
        lines.origin.places = places
        return kept

    def _parse_few(self, step: Step, lines: Lines) -> Entries:
        """A few lines at once; only if the parser raises, each alone."""
        try:
            return step.parse(lines)
        except TimeBudget:
            raise
        except BaseException:
            entries: Entries = []  # told by those that are run alone, outside of this handler: each has one cause
        for index in range(len(lines)):
            outcome = guarded(partial(step.parse, lines.part(index, 1)), {})
            entries += [outcome] if isinstance(outcome, Fail) else outcome
        return entries

    def _enrich(self, step: Step, events: list[Event], origin: Origin, alone: bool) -> list[Event]:
        if not step.when:
            return self._settle(step, self._process(step, events, origin, alone))
        entries: Entries = []
        at = 0
        wanted = zip(map(bool, step.when(events)), events, strict=True)
        for yes, run in groupby(wanted, lambda pair: pair[0]):
            some = [event for _, event in run]
            entries += self._process(step, some, origin.part(at, len(some)), alone) if yes else some
            at += len(some)
        return self._settle(step, entries)

    def _process(self, step: Step, events: list[Event], origin: Origin, alone: bool) -> Entries:
        before = len(events)
        entries: Entries = []
        if alone:
            for index, event in enumerate(events):
                outcome = guarded(partial(step.process, [event], origin.part(index, 1)), event)
                entries += [outcome] if isinstance(outcome, Fail) else outcome
        else:
            entries = step.process(events, origin)
        if len(entries) < before:
            self._filtered(step.label, "dropped", before - len(entries))
        elif len(entries) > before:
            self.made.tally.made[step.label] = self.made.tally.made.get(step.label, 0) + len(entries) - before
        return entries

    def _write(self, step: Step, events: list[Event], origin: Origin, alone: bool) -> list[Event]:
        wanted = events
        if step.when:
            wanted = [event for event, yes in zip(events, step.when(events), strict=True) if yes]
            if not wanted:
                return events
        pairs: Pairs = []
        failed: dict[int, Fail] = {}
        if alone:
            for event in wanted:
                outcome = guarded(partial(step.encode, [event], origin), event)
                if isinstance(outcome, Fail):
                    failed[id(event)] = outcome
                else:
                    pairs += outcome
        else:
            pairs = step.encode(wanted, origin)
        self.made.payloads += _joined(step.sink, pairs)
        tally = self.made.tally
        tally.written[step.sink_id] = tally.written.get(step.sink_id, 0) + len(wanted) - len(failed)
        if self.routed is not None:
            self.routed.update((id(event), event) for event in wanted)
        if not failed:
            return events
        return self._settle(step, [failed.get(id(event), event) for event in events])

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
        start = self.places[index] - self.start
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


def _joined(sink: int, pairs: Pairs) -> list[Payload]:
    """Payloads with the neighbours of one destination put together. TypeError: the sink encodes to something else."""
    for destination, data in pairs:
        if not isinstance(destination, str) or not isinstance(data, bytes):
            raise TypeError(f"encode gave ({destination!r}, {type(data).__name__}); it must give (text, bytes)")
    payloads = []
    for destination, run in groupby(pairs, lambda pair: pair[0]):
        datas = [data for _, data in run]
        payloads.append(Payload(sink, destination, datas[0] if len(datas) == 1 else b"".join(datas)))
    return payloads
