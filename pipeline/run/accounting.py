"""What a worker's result adds up to: counters, dead letters, and what the log says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

from tailrace.pipeline.batch import Chunk, Redriven
from tailrace.pipeline.chain.outcome import DeadLine
from tailrace.pipeline.sinks.sender import Refused
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.slowest import Slowest
from tailrace.pipeline.telemetry.snapshot import BatchState
from tailrace.pipeline.work.layout import Result
from tailrace.pipeline.work.task import Task

Original = Callable[[int, int, int], bytes | None]
"""The original bytes of a record by stream, offset and length, if the source can still read them."""


MOST_SAID = 10_000
INVALID = (
    'lines of it hold bytes that are no text in this encoding: set source.encoding to the right one, such as "latin-1" '
    'or "cp1252"; source.errors says what becomes of such lines'
)
OMITTED = 'left out, as dead_letters.raw = "omit" says'


@dataclass(slots=True, frozen=True)
class Omitting:
    """Letters without the line's bytes. Those of the stages named here hold nothing else of it either: no fields, no
    payload, and no reason or trace, which quote them. The log says no more than the letters."""

    exposed: frozenset[str]

    def applied(self, letter: DeadLetter) -> DeadLetter:
        letter.raw = b""
        if letter.stage in self.exposed:
            letter.why, letter.event, letter.trace, letter.payload = OMITTED, None, None, None
        return letter


class Accounting:
    """What it makes of a result becomes durable with the next commit."""

    def __init__(self, counters: Counters, log: Any, omitting: Omitting | None = None) -> None:
        self._counters, self._log, self._omitting = counters, log, omitting
        self.slowest = Slowest()
        self._invalid: set[int] = set()  # streams with bytes that are no text, which was said
        self._full = False  # likewise

    def enter(self, task: Task, result: Result) -> list[DeadLetter]:
        """Count what ``task`` came to; the dead letters among it."""
        wall = time()
        letters = self._kept([_letter(dead, task, wall) for dead in result.dead])
        self._count(task.chunk, result)
        if result.tally.invalid:
            self._say_invalid(task, result.tally.invalid)
        if letters:
            self._say_dead(letters)
        batch = _batch(task, result, wall)
        self.slowest.add(batch)
        if self._log.is_enabled_for("debug"):
            self._log_batch(batch, task, result)
        return letters

    def say_whether_full(self, full: Exception | None) -> None:
        """When there is no more room for dead letters, so that everything waits, and when there is again."""
        if full is not None and not self._full:
            self._log.error("dead_letters.full", why=str(full))
        elif full is None and self._full:
            self._log.info("dead_letters.no_longer_full")
        self._full = full is not None

    def _say_invalid(self, task: Task, lines: int) -> None:
        """Once a file."""
        if task.chunk.stream in self._invalid:
            return
        if len(self._invalid) >= MOST_SAID:
            self._invalid.clear()
        self._invalid.add(task.chunk.stream)
        self._log.warning(
            "file.invalid_bytes", file=task.chunk.path, encoding=task.chunk.encoding, lines=lines, notice=INVALID
        )

    def refuse(self, sink: str, stage: str, refused: Sequence[Refused], original: Original) -> list[DeadLetter]:
        """The dead letters of records that a sink has refused."""
        wall = time()
        letters = self._kept([_refused_letter(one, sink, stage, wall, original) for one in refused])
        if letters:
            self._say_dead(letters)
        return letters

    def _kept(self, letters: list[DeadLetter]) -> list[DeadLetter]:
        return letters if self._omitting is None else [self._omitting.applied(letter) for letter in letters]

    def _count(self, chunk: Chunk, result: Result) -> None:
        """What is for one sink alone bears its name: to others it is nothing."""
        add, redriven = self._counters.add, chunk.redriven
        tally = result.tally
        alone = {"sink": redriven.sink} if redriven is not None and redriven.sink else {}
        if redriven is None:
            add("lines_read", tally.lines)
        else:
            add("lines_redriven", tally.lines, stage=redriven.stage, **alone)
        if tally.invalid:
            add("lines_invalid_bytes", tally.invalid)
        for sink, count in tally.written.items():
            add("events_written", count, sink=sink)
        for stage, count in tally.made.items():
            add("events_made", count, stage=_booked(stage, redriven), **alone)
        for key, count in tally.filtered.items():
            stage, reason = key.split("\0")
            add("events_filtered", count, stage=_booked(stage, redriven), reason=reason, **alone)
        for stage, seconds in tally.seconds.items():
            add("stage_seconds", seconds, stage=stage)
        for name, counts in (("stage_received", tally.received), ("stage_sent", tally.sent)):
            for stage, count in counts.items():
                add(name, count, stage=stage)
        costs: tuple[tuple[str, Mapping[str, float]], ...] = (
            ("pattern_matches", tally.patterns), ("pattern_seconds", tally.pattern_seconds),
        )  # fmt: skip
        for name, values in costs:
            for key, value in values.items():
                stage, pattern = key.split("\0")
                add(name, value, stage=stage, pattern=pattern)
        for dead in result.dead:
            add("dead_letters", 1, stage=_booked(dead.stage, redriven), error=dead.error, **alone)
        add("batches")

    def _say_dead(self, letters: list[DeadLetter]) -> None:
        """One warning for each stage and error of the batch, about its first line; the log counts repetitions."""
        kinds: dict[tuple[str, str], list[DeadLetter]] = {}
        for letter in letters:
            kinds.setdefault((letter.stage, letter.error), []).append(letter)
        for (stage, error), some in kinds.items():
            first = some[0]
            trace = {"trace": first.trace} if first.trace else {}  # escaped, as all that may hold log data
            self._log.warning(
                "line.dead", stage=stage, error=error, why=first.why, file=first.path, offset=first.offset,
                lines=len(some), **trace,
            )  # fmt: skip

    def _log_batch(self, batch: BatchState, task: Task, result: Result) -> None:
        seconds = {stage: round(value, 6) for stage, value in result.tally.seconds.items()}
        self._log.debug(
            "batch.done", batch=batch.batch, worker=batch.worker, file=batch.file, file_id=task.chunk.stream,
            position=batch.position, end_position=batch.end_position, start=round(batch.start, 6),
            end=round(batch.end, 6), seconds=seconds, lines=batch.lines, dead_letters=batch.dead_letters,
        )  # fmt: skip


def _batch(task: Task, result: Result, wall: float) -> BatchState:
    """``wall``: the time now, in seconds since the epoch."""
    now = monotonic()
    end = wall - max(0.0, now - (task.ended or now))
    start = end - max(0.0, (task.ended or now) - task.started)
    return BatchState(
        task.number, task.pid, task.chunk.path, task.chunk.place(task.begin), task.chunk.place(task.done), start, end,
        result.tally.lines, len(result.dead),
    )  # fmt: skip


def dead_bytes(task: Task, result: Result) -> int:
    """How much of what is released is lines that have a dead letter (or several), with their newlines."""
    if not result.dead:
        return 0
    if task.chunk.oversize is not None:
        return task.chunk.end - task.chunk.start
    stops = {dead.offset: dead.offset + dead.length + 1 for dead in result.dead}
    return sum(min(stop, task.done) - start for start, stop in stops.items())  # (a last line may lack its newline)


def _letter(dead: DeadLine, task: Task, wall: float) -> DeadLetter:
    chunk = task.chunk
    length = dead.length if chunk.oversize is None else chunk.oversize
    offset = chunk.place(dead.offset)
    raw = bytes(task.slot.input[dead.offset : dead.offset + dead.length]) if dead.raw is None else dead.raw
    event_id = chunk.event_id(offset)
    if dead.number is not None and chunk.names is None:  # a name may end with a number of its own
        event_id = f"{event_id}.{dead.number}"
    letter = DeadLetter(
        wall, dead.stage, dead.error, dead.why, chunk.stream, event_id, chunk.name, chunk.path, offset, length, raw,
        dead.event, dead.trace, chunk.clock, chunk.year_bound,
    )  # fmt: skip
    if chunk.redriven is not None:
        _come_back(letter, chunk.redriven, dead)
    return letter


def _come_back(letter: DeadLetter, redriven: Redriven, dead: DeadLine) -> None:
    """It was sent through the chain again, and takes the row that it had. If it did not even come to the stage that
    failed, it is to go there the next time, too: what stands before that has had it."""
    was = redriven.letter(dead.offset)
    letter.stream = was.stream
    letter.id, letter.attempts = redriven.row(dead.offset)
    if dead.number is None and letter.offset == was.offset:
        letter.event_id = was.event_id
    letter.sink = redriven.sink or None
    if dead.stage in redriven.before:
        letter.stage, letter.why = redriven.stage, f"{dead.stage}: {dead.why}"


def _booked(stage: str, redriven: Redriven | None) -> str:
    """The stage under whose name it counts: to what stands before the one that failed, nothing has come a second
    time."""
    return stage if redriven is None or stage not in redriven.before else redriven.stage


def _refused_letter(refused: Refused, sink: str, stage: str, wall: float, original: Original) -> DeadLetter:
    place = refused.place
    chunk, redriven = place.chunk, place.chunk.redriven
    offset = chunk.place(place.offset)
    event_id = place.event_id if chunk.names is None else chunk.event_id(offset)
    letter = DeadLetter(
        wall, stage, refused.code, refused.why, chunk.stream, event_id, chunk.name, chunk.path, offset, place.length,
        b"", None, None, chunk.clock, chunk.year_bound, sink, refused.payload,
    )  # fmt: skip
    if redriven is None:
        letter.raw = original(chunk.stream, offset, place.length) or b""
    else:
        was = redriven.letter(place.offset)
        letter.stream, letter.raw = was.stream, was.raw[offset - was.offset :][: place.length]
        letter.id, letter.attempts = redriven.row(place.offset)
    return letter
