"""One piece through the stages: the fast path takes all its lines at once, the careful path finds who is to blame.

The chain is deterministic in its input: the same lines give the same output whatever piece they come in. So trouble
needs no repair, only another run from the raw bytes: first with the failing stage called event by event, and where
that does not name the line (a parser that raises, a time budget that is used up), line by line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import orjson
from tailrace.pipeline.batch import Event, Lines
from tailrace.pipeline.chain.attempt import Attempt, OriginOf, Tap
from tailrace.pipeline.chain.lineage import LostTrackError
from tailrace.pipeline.chain.outcome import DeadLine, Made, Tally, clean
from tailrace.pipeline.chain.parsed import ParsedField
from tailrace.pipeline.chain.step import WHY_LIMIT, Step, blame
from tailrace.pipeline.encoding import UTF8
from tailrace.pipeline.errors import TimeBudget


class Chain:
    """The stages that apply to one file name, ready to run. ``after``: those behind the stage with this number, from 1
    on, for what it has summed up. ``again``, ``alone``: those for records that failed there before (see ``Request``).
    """

    def __init__(self, steps: Sequence[Step], name: str, after: int = 0, again: int = 0, alone: bool = False) -> None:
        numbered = [(number, step) for number, step in enumerate(steps, start=1) if number > after]
        if again:
            numbered = [one for one in numbered if _takes_part(*one, again - 1, alone=alone)]
        fitting = [(number, step) for number, step in numbered if step.matches(name)]
        parse = [step for _, step in fitting if step.role == "parse"]
        if after:
            parse = [Step(steps[after - 1].label, "parse", Summed(), own=False, made_by=not again)]
        others = [(number, step) for number, step in fitting if step.role != "parse"]
        self.steps = parse[:1] + [step for _, step in others]
        # Where the records have been before: those of the stages up to there are done with their other events.
        behind = (at for at, (number, _) in enumerate(others, start=1) if number >= again - 1)
        self.gate = next(behind, len(self.steps)) if again else 0
        self.event: int | None = None  # see `Request`
        self.encoding = UTF8
        self.marker: memoryview | list[int] = [0]  # one place for the index of the step at work; survives a crash

    @property
    def at(self) -> int:
        """Index of the step at work: who raised."""
        return self.marker[0]

    @at.setter
    def at(self, index: int) -> None:
        self.marker[0] = index

    def run(self, piece: bytes, origin_of: OriginOf, start: int, base: int, tap: Tap | None = None) -> Made:
        """All lines of ``piece``, which begins at file offset ``start`` and slot offset ``base``; raises TimeBudget.

        Stages that raise are run again line by line or event by event; if the line is still not known,
        ``LostTrackError``.
        """
        alone: set[int] = set()
        while True:
            try:
                attempt = Attempt(self.steps, self.marker, piece, start, base, alone, self.encoding, tap)
                attempt.gate, attempt.event = self.gate, self.event
                return attempt.run(origin_of)
            except LostTrackError as lost:
                if lost.step in alone:
                    raise
                alone.add(lost.step)
            except TimeBudget:
                raise
            except BaseException as error:  # also SystemExit: a stage must not end the worker
                if self.at in alone:
                    raise LostTrackError(self.at) from error
                alone.add(self.at)

    def run_line(self, line: bytes, origin_of: OriginOf, start: int, base: int) -> Made:
        """One line, whatever happens: an exception makes it a dead letter. Only TimeBudget comes out."""
        try:
            return self.run(line, origin_of, start, base)
        except LostTrackError as error:
            cause = error.__cause__ or error
            return self.condemn(line, base, *blame(cause))

    def condemn(self, line: bytes, base: int, code: str, why: str, trace: str | None = None) -> Made:
        """The outcome of a line that is given up at the step now at work."""
        length = len(line.removesuffix(self.encoding.newline))
        dead = DeadLine(base, length, self.steps[self.at].label, code, clean(why)[:WHY_LIMIT], trace)
        tally = Tally()
        self.steps[0].count(tally, 1)
        return Made(dead=[dead], tally=tally)


def _takes_part(number: int, step: Step, failed: int, *, alone: bool) -> bool:
    """Whether a stage has not seen the records yet, or does the same whenever it sees them. ``alone``: they are for the
    sink that refused them; all others, and the stages behind it, have seen them."""
    if step.looks_on or step.role == "parse" or isinstance(step.stage, ParsedField):  # what it remembers is how to read
        return True
    if number < failed:
        return step.role != "write" and step.memory is None and step.sums is None
    return number == failed or not alone


class Summed:
    """Reads the records of what a stage has summed up."""

    verbatim: ClassVar[bool] = True

    def parse(self, lines: Lines) -> list[Event]:
        return list(map(orjson.loads, lines.records))
