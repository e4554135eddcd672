"""What a dead letter is to the present chain: where it enters, what it is read with, and why one cannot be sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tailrace.pipeline.batch import Redriven
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.state.letters import Letter

WrittenIn = Callable[[int], str | None]
"""A stream's encoding; None: it is the source's own, or the stream is gone."""


class Kinds:
    """What a letter is to the present chain."""

    def __init__(self, steps: Sequence[Step], written_in: WrittenIn, configured: str, several_lines: bool) -> None:
        self._steps, self._written_in = steps, written_in
        self._configured, self._several_lines = configured, several_lines
        self._numbers = {step.label: number for number, step in enumerate(steps, start=1)}
        self._sinks = {step.sink_id: number for number, step in enumerate(steps, start=1) if step.role == "write"}
        # Whether it matters where in the chain a letter comes in: something there must not have it twice.
        others = [number for number, step in enumerate(steps, start=1) if step.role != "write"]
        first_sink = min(self._sinks.values(), default=len(steps) + 1)
        stateful = any(step.memory is not None or step.sums is not None for step in steps if step.role == "enrich")
        self._place_matters = stateful or first_sink < max(others, default=0)
        self._encoding: tuple[int, str | None] = (-1, None)  # of the stream that was asked for last

    def number(self, label: str) -> int:
        """Of a stage in the chain, from 1 on; 0: it is not there."""
        return self._numbers.get(label, 0)

    def unfit(self, letter: Letter, room: int) -> str:
        """Why it cannot be sent; "": it can."""
        if letter.cut or not letter.raw:
            return "not all of its bytes were kept"
        if letter.sink is not None and letter.sink not in self._sinks:
            return f"its sink {letter.stage} is not in the configuration"
        if letter.stream < 0 and letter.file not in self._numbers:
            return f"it is of {letter.file}, which is not in the configuration"
        known = letter.sink is not None or letter.stage in self._numbers or _is_first(letter)
        if not known and self._place_matters:
            return f"its stage {letter.stage} is not in the configuration, and what stood before that has had it"
        if len(letter.raw) + len(encoding(self.encoding_of(letter)).newline) > room:
            return "it is longer than a slot of the ring"
        unknown = b"\0" in letter.raw and letter.stream >= 0 and self._encoding_of(letter.stream) is None
        if unknown and encoding(self._configured).width == 1 and _is_wide(letter.raw):
            return "its file is gone, and with it the byte order mark that told its encoding"
        return ""

    def encoding_of(self, letter: Letter) -> str:
        return "utf-8" if letter.stream < 0 else self._encoding_of(letter.stream) or self._configured

    def _encoding_of(self, stream: int) -> str | None:
        if self._encoding[0] != stream:
            self._encoding = stream, self._written_in(stream)
        return self._encoding[1]

    def of(self, letter: Letter) -> tuple[Any, ...] | None:
        """Equal for those that can be in one chunk; None: it cannot be with others."""
        alone = self._several_lines or letter.stream < 0 or b"\n" in letter.raw
        if alone or encoding(self.encoding_of(letter)).width > 1:
            return None
        times = letter.clock, letter.year_bound, letter.clock is None and letter.time
        return letter.stream, letter.path, letter.stage, letter.sink, _event(letter), times

    def times(self, letter: Letter) -> tuple[float, float]:
        """(clock, year bound); letters of the first release have none."""
        clock = letter.time if letter.clock is None else letter.clock
        return clock, letter.time if letter.year_bound is None else letter.year_bound

    def redriven(self, letters: Sequence[Letter], begins: Sequence[int]) -> Redriven:
        first = letters[0]
        number = self._numbers.get(first.stage, 0) if first.sink is None else self._sinks[first.sink]
        before = {step.label for step in self._steps[: max(0, number - 1)]} | ({"source"} if number else set())
        stage = self._steps[number - 1].label if number else first.stage
        return Redriven(letters, begins, stage, number, before, first.sink or "", _event(first))


def _is_wide(raw: bytes) -> bool:
    """Whether it looks like UTF-16: every other byte of much of it is zero."""
    zeros = raw[::2].count(0), raw[1::2].count(0)
    return not min(zeros) and max(zeros) > len(raw) // 4


def _is_first(letter: Letter) -> bool:
    """Whether nothing stood before the stage that failed: there was no event yet."""
    return letter.stage == "source" or (letter.stage.startswith("parse.") and letter.event is None)


def _event(letter: Letter) -> int | None:
    """The number that its id ends with: that of the event that failed, of a record that had become several. A sink
    refuses events, and others than those that it had refused it has."""
    name = letter.event_id.rpartition(":")[2]
    number = name.partition(".")[2]
    if letter.stream < 0:
        return None  # an id of what was summed up may end with anything
    return int(number) if number.isdigit() else 0 if letter.sink is not None else None
