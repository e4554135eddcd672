"""One attempt at one piece: all its lines through the steps at once, and some steps event by event where asked to."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial
from itertools import accumulate, groupby
from time import perf_counter
from typing import Any, cast

from tailrace.pipeline.batch import Batch, Event, Fail
from tailrace.pipeline.chain.step import TRACE_LIMIT, WHY_LIMIT, Entries, Pairs, Step, guarded
from tailrace.pipeline.errors import TimeBudget
from tailrace.pipeline.work.layout import DeadLine, Made, Payload, Tally, clean, fields_text

FIELDS_LIMIT = 65_536  # characters kept in a dead letter
CODE_LIMIT = 64
FEW = 8  # lines given to a parser that raised in the whole piece: with one bad line in a hundred most groups are good
BOM = "\ufeff"

BatchOf = Callable[[Sequence[int]], Batch]
"""A batch of a piece's lines, given where each begins."""


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
        self.offsets = LineOffsets(piece, start)
        self.lines: list[str] = []  # those that are not empty
        sinks = [step for step in steps if step.role == "write"]
        # By id; the events, so that none of them is freed and gives its id to another.
        self.routed: dict[int, Event] | None = {} if sinks and all(step.when for step in sinks) else None
        self.unrouted = not sinks

    def run(self, batch_of: BatchOf) -> Made:
        """Raises what a stage raises, and LostTrackError."""
        tally = self.made.tally
        text = self._text(tally)
        if text is None:
            return self.made
        batch = batch_of(self.offsets)
        batch.text, batch.lines, batch.data = text, self.lines, self.piece
        events: list[Event] = []
        clock = perf_counter()
        for index, step in enumerate(self.steps):
            self.marker[0] = index
            alone = index in self.alone
            if step.role == "parse":
                events = self._parse(step, text, batch, alone)
            elif not events:
                break
            elif step.role == "enrich":
                events = self._enrich(step, events, batch, alone)
            else:
                events = self._write(step, events, batch, alone)
            now = perf_counter()
            tally.seconds[step.label] = tally.seconds.get(step.label, 0.0) + now - clock
            clock = now
        lost = len(events) if self.unrouted else 0
        if self.routed is not None:
            lost = sum(id(event) not in self.routed for event in events)
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

    def _parse(self, step: Step, text: str, batch: Batch, alone: bool) -> list[Event]:
        entries: Entries = []
        if alone:
            for at in range(0, len(self.lines), FEW):
                entries += self._parse_few(step, at, batch)
        else:
            entries = step.parse(text, len(self.lines), batch)
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
            return step.parse("\n".join(lines), len(lines), _part(batch, at, len(lines)))
        except TimeBudget:
            raise
        except BaseException:
            entries: Entries = []  # told by those that are run alone, outside of this handler: each has one cause
        for index, line in enumerate(lines, at):
            outcome = guarded(partial(step.parse, line, 1, _part(batch, index, 1)), {})
            entries += [outcome] if isinstance(outcome, Fail) else outcome
        return entries

    def _enrich(self, step: Step, events: list[Event], batch: Batch, alone: bool) -> list[Event]:
        if not step.when:
            return self._settle(step, self._process(step, events, batch, alone))
        entries: Entries = []
        at = 0
        wanted = zip(map(bool, step.when(events)), events, strict=True)
        for yes, run in groupby(wanted, lambda pair: pair[0]):
            some = [event for _, event in run]
            entries += self._process(step, some, _part(batch, at, len(some)), alone) if yes else some
            at += len(some)
        return self._settle(step, entries)

    def _process(self, step: Step, events: list[Event], batch: Batch, alone: bool) -> Entries:
        before = len(events)
        entries: Entries = []
        if alone:
            for index, event in enumerate(events):
                outcome = guarded(partial(step.process, [event], _part(batch, index, 1)), event)
                entries += [outcome] if isinstance(outcome, Fail) else outcome
        else:
            entries = step.process(events, batch)
        if len(entries) < before:
            self._filtered(step.label, "dropped", before - len(entries))
        elif len(entries) > before:
            self.made.tally.made[step.label] = self.made.tally.made.get(step.label, 0) + len(entries) - before
        return entries

    def _write(self, step: Step, events: list[Event], batch: Batch, alone: bool) -> list[Event]:
        wanted = events
        if step.when:
            wanted = [event for event, yes in zip(events, step.when(events), strict=True) if yes]
            if not wanted:
                return events
        pairs: Pairs = []
        failed: dict[int, Fail] = {}
        if alone:
            for event in wanted:
                outcome = guarded(partial(step.encode, [event], batch), event)
                if isinstance(outcome, Fail):
                    failed[id(event)] = outcome
                else:
                    pairs += outcome
        else:
            pairs = step.encode(wanted, batch)
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


def _part(batch: Batch, at: int, count: int) -> Batch:
    return Batch(batch.name, batch.path, batch.file_id, batch.now, batch.offsets[at : at + count])


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
