"""A stage at its place in the chain, and what an exception of its own says about it."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar, cast

from tailrace.pipeline.batch import Event, Fail, Lines, Origin, Skip
from tailrace.pipeline.chain.lineage import unshared
from tailrace.pipeline.chain.outcome import DeadLine, Tally, clean, fields_text
from tailrace.pipeline.chain.stateful import StageMemory
from tailrace.pipeline.errors import MemoryFull, Reject, TimeBudget
from tailrace.pipeline.framing import Framer
from tailrace.pipeline.outgoing import Payload
from tailrace.pipeline.stage import Enrich, Parse, Refreshed, Sums, Write

T = TypeVar("T")
Entries = list[Event | Fail | Skip]
Condition = Callable[[list[Event]], list[Any]]
"""An expression over each event of a list; raises when it fails for one of them."""

WHY_LIMIT, TRACE_LIMIT, FIELDS_LIMIT = 2_000, 8_000, 65_536  # characters kept in a dead letter


@dataclass(slots=True)
class Step:
    """One stage at its place in the chain. Its calls raise what the stage raises, and TypeError or ValueError when the
    stage gives what the chain cannot go on with.
    """

    label: str
    role: Literal["parse", "enrich", "write"]
    stage: Parse | Enrich | Write
    only: tuple[str, ...] = ()
    when: Condition | None = None
    on_error: Literal["dead_letter", "keep", "drop"] = "dead_letter"
    sink: int = -1  # of a write stage: its number among the sinks
    sink_id: str = ""
    told_apart: bool = False  # of a write stage: the sink must know which record is which
    looks_on: bool = False  # likewise: it is given whatever comes to its place, also what is for another sink alone
    own: bool = True  # a stage of the user's: it may give other events than it got
    id_field: str = ""  # of a parse stage: where a later stage writes the event id, which must stay unique
    memory: StageMemory | None = None
    sums: Sums | None = None  # the stage, if it adds up over all events
    made_by: bool = False  # what it is given are no lines, but what the stage of this label has summed up
    framer: Framer | None = None  # of records of several lines
    strict: bool = False  # of a parse stage: a line with bytes that are no text fails
    costs: Callable[[], Mapping[str, tuple[float, int]]] | None = None  # see ``Costs``
    refresh: Callable[[float], Refreshed | None] | None = None
    added: dict[str, Any] = field(init=False, default_factory=dict)  # what a stage of sums has added up in this attempt
    newest: float | None = field(init=False, default=None)  # the time of the latest event in it
    verbatim: bool = field(init=False)  # of a parse stage: it is given lines with a terminal's colours in them
    _locate: Callable[[Origin], None] | None = field(init=False)

    def __post_init__(self) -> None:
        self._locate = getattr(self.stage, "locate", None)
        self.verbatim = getattr(self.stage, "verbatim", False)

    def matches(self, name: str) -> bool:
        return not self.only or any(fnmatchcase(name, pattern) for pattern in self.only)

    def parse(self, lines: Lines) -> Entries:
        """An entry for each line."""
        entries = cast(Parse, self.stage).parse(lines)
        if not isinstance(entries, list):
            raise TypeError(f"{self.label} returned {type(entries).__name__}; it must return a list of events")
        if len(entries) != len(lines):
            raise ValueError(
                f"{self.label} gave {len(entries)} entries for {len(lines)} lines; it must give one for each"
            )
        return unshared(entries) if self.own else entries

    def process(self, events: list[Event], origin: Origin) -> Entries:
        if self._locate:
            self._locate(origin)
        entries = cast(Enrich, self.stage).process(events)
        if not isinstance(entries, list):
            raise TypeError(f"{self.label} returned {type(entries).__name__}; it must return a list of events")
        if self.sums is not None:
            added, newest = self.sums.added()
            self.sums.merge(self.added, added)
            if newest is not None:
                self.newest = newest if self.newest is None else max(newest, self.newest)
        return entries

    def encode(self, events: list[Event], origin: Origin) -> list[Payload]:
        if self._locate:
            self._locate(origin)
        payloads = list(cast(Write, self.stage).encode(events))
        for one in payloads:
            if not isinstance(one, Payload) or not isinstance(one.destination, str) or not isinstance(one.data, bytes):
                raise TypeError(f"{self.label} gave {one!r}"[:WHY_LIMIT] + "; expected Payload(destination, bytes)")
        return payloads

    def count(self, tally: Tally, records: int) -> None:
        """Of a parse stage: it has read so many records."""
        if self.made_by:
            tally.made[self.label] = tally.made.get(self.label, 0) + records
        else:
            tally.lines += records

    def savepoint(self) -> int:
        """What ``back_to`` goes back to; of a stage without memory, nothing."""
        return self.memory.savepoint() if self.memory is not None else 0

    def back_to(self, savepoint: int) -> None:
        """Take back what the stage has changed in its memory since."""
        if self.memory is not None:
            self.memory.roll_back(savepoint)


def check_entries(step: Step, entries: list[Any]) -> None:
    """What is no event, Fail or Skip becomes a Fail."""
    for at, entry in enumerate(entries):
        if not isinstance(entry, (dict, Fail, Skip)):
            what = "None" if entry is None else f"a value of type {type(entry).__name__}"
            entries[at] = Fail("bad_result", f"{step.label} gave {what}; expected an event (a dict), a Fail or a Skip")


def dead_line(step: Step, fail: Fail, at: int, length: int, raw: bytes | None, number: int | None) -> DeadLine:
    """A record that failed at this step, as the slot keeps it; see ``DeadLine``."""
    fields = fields_text(fail.event) if fail.event is not None else None
    if fields is not None and len(fields) > FIELDS_LIMIT:
        fields = None
    trace = clean(fail.trace[-TRACE_LIMIT:]) if fail.trace else None
    why = clean(str(fail.why)[:WHY_LIMIT])
    return DeadLine(at, length, step.label, fail.code, why, trace, fields, raw, number)


def guarded(step: Step, call: Callable[[], T], event: Event) -> T | Fail:
    """What ``call`` gives for this one event; an exception of the stage as the event's Fail, and nothing of it is
    remembered. TimeBudget comes out."""
    before = step.savepoint()
    try:
        return call()
    except TimeBudget:
        raise
    except BaseException as error:  # also SystemExit: a stage must not end the worker
        step.back_to(before)
        code, why, trace = blame(error)
        return Fail(code, why, event, trace)


def blame(error: BaseException) -> tuple[str, str, str | None]:
    """(code, why, trace) of an exception that a stage raised."""
    if isinstance(error, Reject):
        return error.code, str(error), None
    if isinstance(error, MemoryFull):
        return "memory_full", str(error), None
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
