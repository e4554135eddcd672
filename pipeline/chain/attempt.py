"""One attempt at one piece: all its lines through the steps at once, and some steps event by event where asked to."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import partial
from itertools import compress, groupby
from operator import is_
from time import perf_counter
from typing import Protocol, cast

import orjson
from tailrace.pipeline.batch import Event, Fail, Lines, Origin, Skip
from tailrace.pipeline.chain.function import Lifted
from tailrace.pipeline.chain.lineage import Lineage, LostTrackError
from tailrace.pipeline.chain.outcome import Encoded, Made, clean
from tailrace.pipeline.chain.payloads import joined, told_apart
from tailrace.pipeline.chain.records import records_of
from tailrace.pipeline.chain.stateful import StageMemory
from tailrace.pipeline.chain.step import WHY_LIMIT, Entries, Step, check_entries, dead_line, guarded
from tailrace.pipeline.encoding import UTF8, Encoding
from tailrace.pipeline.errors import TimeBudget
from tailrace.pipeline.outgoing import Payload

CODE_LIMIT = 64
DONE = "done before"  # why an event is left out of a dead letter that is sent again: it did not fail
FEW = 8  # lines given to a parser that raised in the whole piece: with one bad line in a hundred most groups are good

OriginOf = Callable[[Sequence[int]], Origin]
"""The origin of a piece's lines, given where each begins."""


class Tap(Protocol):
    """Who looks at the events behind each step; see ``work.tap``."""

    def after(self, index: int, step: Step, events: Sequence[Event], attempt: Attempt) -> None: ...


class Attempt:
    """One attempt at one piece, which begins at ``start`` in its stream and at slot offset ``base``.

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
        written_in: Encoding = UTF8,
        tap: Tap | None = None,
    ) -> None:
        self.steps, self.marker, self.piece, self.start, self.base = steps, marker, piece, start, base
        self.alone, self.tap = alone, tap
        self.gate = 0  # the index of the step at which dead letters failed, which are sent again; 0: they are none
        self.event: int | None = None  # the number of the event that failed, where a line had become several
        self.made = Made()
        self.encoding = written_in
        verbatim, framer = bool(steps) and steps[0].verbatim, steps[0].framer if steps else None
        self.records = records_of(piece, start, self.encoding, framer, verbatim=verbatim)
        self.places = self.records.places
        self.lineage = Lineage((), "", "", ())
        sinks = [step for step in steps if step.role == "write"]
        # By id; the events, so that none of them is freed and gives its id to another.
        self.routed: dict[int, Event] | None = {} if sinks and all(step.when for step in sinks) else None
        self.unrouted = not sinks

    def run(self, origin_of: OriginOf) -> Made:
        """Raises what a stage raises, and LostTrackError."""
        remembering = [step for step in self.steps if step.memory is not None]
        for step in remembering:
            cast(StageMemory, step.memory).roll_back()
        summing = [step for step in self.steps if step.sums is not None]
        for step in summing:
            step.added, step.newest = {}, None
        tally = self.made.tally
        for step in self.steps:
            if step.costs is not None:  # of an attempt that was given up: what matched then matches again
                tally.count_costs(step.label, step.costs(), again=True)
        records = self.records
        self.steps[0].count(tally, records.total)
        if records.empty:
            self.made.tally.count_filtered("source", "empty line", records.empty)
        if not records.filled:
            return self.made
        origin = origin_of(self.places)
        lines = records.lines(origin)
        events: list[Event] = []
        clock = perf_counter()
        for index, step in enumerate(self.steps):
            self.marker[0] = index
            if self.event is not None and index == self.gate:
                events = self._not_done(step, events)
            alone = index in self.alone
            if step.role != "parse" and not events:
                break
            label, given = step.label, len(lines) if step.role == "parse" else len(events)
            if step.role == "parse":
                events = self._parse(step, lines, alone)
            elif step.role == "enrich":
                events = self._enrich(step, events, origin, alone)
            else:
                events = self._write(step, events, origin, alone)
            if step.role != "write":
                tally.count_passed(label, given, len(events))
            now = perf_counter()
            tally.seconds[label] = tally.seconds.get(label, 0.0) + now - clock
            clock = now
            if step.costs is not None:
                tally.count_costs(label, step.costs())
            if self.tap is not None:
                self.tap.after(index, step, events, self)
                clock = perf_counter()
        lost = len(events) if self.unrouted else 0
        if self.routed is not None:
            lost = sum(id(event) not in self.routed for event in events)
        if lost:
            self.made.tally.count_filtered("end of the chain", "no route", lost)
        if remembering:
            changes = {step.label: cast(StageMemory, step.memory).changes() for step in remembering}
            self.made.changes = {label: change for label, change in changes.items() if any(change)}
        for index, step in enumerate(self.steps):
            if step.added or step.newest is not None:
                self.marker[0] = index
                self.made.sums[step.label] = orjson.Fragment(orjson.dumps((step.added, step.newest)))
        return self.made

    @property
    def last(self) -> int:
        """The last step that is no write stage."""
        return max((index for index, step in enumerate(self.steps) if step.role != "write"), default=0)

    # Parse.

    def _parse(self, step: Step, lines: Lines, alone: bool) -> list[Event]:
        entries: Entries = []
        if alone:
            for at in range(0, len(lines), FEW):
                entries += self._parse_few(step, lines.part(at, FEW))
        else:
            entries = step.parse(lines)
        if self.records.invalid:
            self.made.tally.invalid = len(self.records.invalid)
            if step.strict:
                entries = self._without_invalid(entries)
        given = lines.origin.places
        self.lineage = Lineage(entries, step.id_field, lines.origin.key, given)
        kinds = set(map(type, entries))
        if kinds == {dict}:
            return cast(list[Event], entries.copy())  # a stage may change the list it is given
        if not kinds <= {dict, Fail, Skip}:
            check_entries(step, entries)
        kept: list[Event] = []
        places: list[int] = []
        for index, entry in enumerate(entries):
            if isinstance(entry, Skip):
                self._skipped(step, entry)
                continue
            if isinstance(entry, Fail):
                entry.event = {"message": lines[index]} if step.on_error == "keep" else None
                event = self._fail(step, entry, index)
                if event is None:
                    continue
                entries[index] = event
            else:
                event = entry
            kept.append(event)
            places.append(given[index])
        lines.origin.places = places
        return kept

    def _without_invalid(self, entries: Entries) -> Entries:
        why = f'holds bytes that are no {self.encoding.name}, which source.errors = "error" forbids'
        invalid = set(self.records.invalid)
        return [Fail("bad_encoding", why) if i in invalid else entry for i, entry in enumerate(entries)]

    def _parse_few(self, step: Step, lines: Lines) -> Entries:
        """A few lines at once; only if the parser raises, each alone."""
        before = step.savepoint()
        try:
            return step.parse(lines)
        except TimeBudget:
            raise
        except BaseException:
            step.back_to(before)
            entries: Entries = []  # told by those that are run alone, outside of this handler: each has one cause
        for index in range(len(lines)):
            outcome = guarded(step, partial(step.parse, lines.part(index, 1)), {})
            entries += [outcome] if isinstance(outcome, Fail) else outcome
        return entries

    # Enrich.

    def _enrich(self, step: Step, events: list[Event], origin: Origin, alone: bool) -> list[Event]:
        before = events.copy() if step.own else events
        entries: Entries = []
        sources: list[int | None] = []  # for each entry, the index in `before` of the event it was made of
        if step.when is None:
            entries, sources = self._process(step, events, origin, alone)
        else:
            at = 0
            wanted = zip(map(bool, step.when(events)), events, strict=True)
            for yes, run in groupby(wanted, lambda pair: pair[0]):
                some = [event for _, event in run]
                if yes:
                    made, of = self._process(step, some.copy(), origin.part(at, len(some)), alone)
                else:
                    made, of = cast(Entries, some), list(range(len(some)))
                entries += made
                sources += [None if source is None else source + at for source in of]
                at += len(some)
        difference = len(entries) - len(before)
        if difference < 0:
            self.made.tally.count_filtered(step.label, "dropped" if step.sums is None else "summed up", -difference)
        elif difference > 0:
            self.made.tally.made[step.label] = self.made.tally.made.get(step.label, 0) + difference
        if step.own and not (difference == 0 and all(map(is_, before, entries))):
            check_entries(step, entries)
            self.lineage.follow(before, entries, sources, self.marker[0])
        return self._settle(step, entries, before, sources)

    def _process(
        self, step: Step, events: list[Event], origin: Origin, alone: bool
    ) -> tuple[Entries, list[int | None]]:
        """What the step makes of these, and of which of them each was made, as far as that can be told."""
        if not alone:
            given = set(map(id, events)) if step.own else set()
            count = len(events)
            entries = step.process(events, origin)
            if isinstance(step.stage, Lifted):
                return entries, list(step.stage.sources)
            in_order = len(entries) == count and given.isdisjoint(map(id, entries))
            return entries, list(range(count)) if in_order else [None] * len(entries)
        entries = []
        sources: list[int | None] = []
        for index, event in enumerate(events):
            outcome = guarded(step, partial(step.process, [event], origin.part(index, 1)), event)
            entries += [outcome] if isinstance(outcome, Fail) else outcome
            sources += [index] * (len(entries) - len(sources))
        return entries, sources

    # Write.

    def _write(self, step: Step, events: list[Event], origin: Origin, alone: bool) -> list[Event]:
        wanted = events
        if step.when:
            wanted = [event for event, yes in zip(events, step.when(events), strict=True) if yes]
            if not wanted:
                return events
        payloads: list[tuple[Sequence[Event], list[Payload]]] = []
        failed: dict[int, Fail] = {}
        if alone:
            for event in wanted:
                outcome = guarded(step, partial(step.encode, [event], origin), event)
                if isinstance(outcome, Fail):
                    failed[id(event)] = outcome
                else:
                    payloads.append(([event], outcome))
        else:
            payloads.append((wanted, step.encode(wanted, origin)))
        for some, made in payloads:
            self.made.payloads += self._encoded(step, some, made)
        tally = self.made.tally
        tally.count_passed(step.label, len(wanted), len(wanted) - len(failed))
        tally.written[step.sink_id] = tally.written.get(step.sink_id, 0) + len(wanted) - len(failed)
        if self.routed is not None:
            self.routed.update((id(event), event) for event in wanted)
        if not failed:
            return events
        return self._settle(step, [failed.get(id(event), event) for event in events], events, [])

    def _encoded(self, step: Step, events: Sequence[Event], payloads: list[Payload]) -> list[Encoded]:
        if not step.told_apart:
            return joined(step.sink, payloads)
        lines, numbers = self.lineage.lines(events, self.marker[0]), self.lineage.numbers(events)
        places, start = list(self.places), self.start  # a list and a name: this is done for each record
        begins = [places[line] - start for line in lines]
        return told_apart(step, payloads, begins, numbers, self.records.lengths, self.base)

    # Entries that are no events.

    def _settle(
        self, step: Step, entries: Entries, before: Sequence[Event], sources: Sequence[int | None]
    ) -> list[Event]:
        """Sort the Fails and Skips out of a stage's result."""
        if not {Fail, Skip} & set(map(type, entries)):
            return cast(list[Event], entries)
        kept: list[Event] = []
        for at, entry in enumerate(entries):
            if isinstance(entry, Skip):
                self._skipped(step, entry)
                continue
            if not isinstance(entry, Fail):
                kept.append(entry)
                continue
            source = sources[at] if at < len(sources) else None
            index = self._line_of(entry, before, source)
            known = before[source] if source is not None and not self.lineage.knows(entry.event) else entry.event
            event = self._fail(step, entry, index, self.lineage.number(known, index))
            if event is not None:
                self.lineage.adopt(event, index)
                kept.append(event)
        return kept

    def _line_of(self, fail: Fail, before: Sequence[Event], source: int | None) -> int:
        try:
            return self.lineage.line(fail.event, self.marker[0])
        except LostTrackError:
            if source is None:
                raise
            return self.lineage.line(before[source], self.marker[0])

    def _fail(self, step: Step, fail: Fail, index: int, number: int | None = None) -> Event | None:
        """Count a failed entry of the ``index``-th line; the event that goes on in its place, if any. ``number``: the
        event's, of a line that had become several."""
        code = clean(str(fail.code)[:CODE_LIMIT])
        if self.event not in (None, number) and number is not None and self.marker[0] < self.gate:
            self.made.tally.count_filtered(step.label, DONE, 1)
            return None
        if step.on_error == "drop":
            self.made.tally.count_filtered(step.label, code, 1)
            return None
        if step.on_error == "keep":
            event = fail.event if fail.event is not None else {}
            event["error"] = clean(f"{step.label}: {code}: {fail.why}"[:WHY_LIMIT])
            return event
        self._dead(step, Fail(code, fail.why, fail.event, fail.trace), index, number)
        return None

    def _dead(self, step: Step, fail: Fail, index: int, number: int | None) -> None:
        start = self.places[index] - self.start
        (length,), raw = self.records.lengths([start]), self.records.scattered(start)
        self.made.dead.append(dead_line(step, fail, self.base + start, length, raw, number))

    def _not_done(self, step: Step, events: list[Event]) -> list[Event]:
        """Of lines that had become several events, the one that failed here: the others went on."""
        lines, numbers = self.lineage.lines(events, self.marker[0]), self.lineage.numbers(events)
        wanted = [number == self.event for number in numbers]
        missing = sorted(set(lines) - set(compress(lines, wanted)))  # made by a stage that is left out now, perhaps
        self.made.tally.count_filtered(step.label, DONE, wanted.count(False) - len(missing))
        for line in missing:
            why = f"of this line, no event with the number {self.event} came here again"
            self._dead(step, Fail("not_made", why), line, None)
        return list(compress(events, wanted))

    def _skipped(self, step: Step, skip: Skip) -> None:
        self.made.tally.count_filtered(step.label, clean(str(skip.reason)[:CODE_LIMIT]), 1)
