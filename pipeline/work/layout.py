"""What a worker made of a chunk: payloads from the front of a slot's output, records about them from its back.

Payloads of one sink lie one behind the other, so a chunk that went to one file is written by one call. A record is
``body | length of body``, the first one at the very end of the output; read from the end they are in order. Payloads
and records of one piece are taken together or not at all: the worker's progress word covers both.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
from tailrace.pipeline.batch import Event

FOOTER = struct.Struct("=I")
PAYLOAD = struct.Struct("=BHII")  # kind, sink, offset, length; then the destination
DEAD = struct.Struct("=BII")  # kind, input offset of the line, its length; then JSON
KIND_PAYLOAD, KIND_DEAD, KIND_TALLY = 0, 1, 2
OUTPUT_A_RECORD = 256  # bytes of output there are for each payload and dead line: reading them back costs more
FEWEST_RECORDS = 4096  # that are taken however small the output is


@dataclass(slots=True)
class Payload:
    sink: int
    destination: str
    data: bytes


@dataclass(slots=True)
class DeadLine:
    """A line that failed in a stage. ``offset`` and ``length`` are within the slot's input, without the newline."""

    offset: int
    length: int
    stage: str
    error: str
    why: str
    trace: str | None = None
    event: str | None = None  # the fields at the time, as JSON


@dataclass(slots=True)
class Tally:
    """What happened to the lines of one piece, by stage. ``seconds`` is processor and waiting time together."""

    lines: int = 0
    written: dict[str, int] = field(default_factory=dict)  # sink: events
    made: dict[str, int] = field(default_factory=dict)  # stage: events it added
    filtered: dict[str, int] = field(default_factory=dict)  # "stage\0reason": events
    seconds: dict[str, float] = field(default_factory=dict)  # stage: seconds

    def to_json(self) -> bytes:
        return orjson.dumps((self.lines, self.written, self.made, self.filtered, self.seconds))

    @classmethod
    def from_json(cls, data: memoryview) -> Tally:
        return cls(*orjson.loads(data))


@dataclass(slots=True)
class Made:
    """The outcome of a piece."""

    payloads: list[Payload] = field(default_factory=list)
    dead: list[DeadLine] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def most_records(output_bytes: int) -> int:
    """How many payloads and dead lines one output can hold, so that what the parent makes of it is bounded."""
    return max(FEWEST_RECORDS, output_bytes // OUTPUT_A_RECORD)


class ResultWriter:
    """Fills one output region, piece by piece."""

    def __init__(self, output: memoryview) -> None:
        self._output = output
        self._records_left = most_records(len(output))
        self._front = 0
        self._back = len(output)

    @property
    def empty(self) -> bool:
        return self._back == len(self._output)

    @property
    def record_bytes(self) -> int:
        return len(self._output) - self._back

    def put(self, made: Made) -> bool:
        """Take the whole outcome, or nothing (False) when it does not fit any more."""
        count = len(made.payloads) + len(made.dead)
        front, back = self._front, self._back
        if count <= self._records_left and self._put_all(made):
            self._records_left -= count
            return True
        self._front, self._back = front, back
        return False

    def _put_all(self, made: Made) -> bool:
        for payload in made.payloads:
            size = len(payload.data)
            record = PAYLOAD.pack(KIND_PAYLOAD, payload.sink, self._front, size) + payload.destination.encode(
                "utf-8", "surrogatepass"
            )
            if self._front + size > self._back or not self._record(record, size):
                return False
            self._output[self._front : self._front + size] = payload.data
            self._front += size
        for dead in made.dead:
            about = (dead.stage, dead.error, dead.why, dead.trace, dead.event)
            if not self._record(DEAD.pack(KIND_DEAD, dead.offset, dead.length) + orjson.dumps(about)):
                return False
        return self._record(bytes((KIND_TALLY,)) + made.tally.to_json())

    def _record(self, body: bytes, payload: int = 0) -> bool:
        end = self._back - FOOTER.size
        start = end - len(body)
        if start < self._front + payload:
            return False
        self._output[start:end] = body
        FOOTER.pack_into(self._output, end, len(body))
        self._back = start
        return True


def fields_text(event: Event) -> str:
    """The fields at the time as JSON text; what JSON cannot hold is told by its repr."""
    try:
        return str(orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS), "utf-8")
    except (TypeError, ValueError):  # surrogates, integers beyond 64 bits, nesting: whatever made it fail
        return json.dumps(repr(event))


def clean(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(slots=True)
class Result:
    """A worker's output read back. ``payloads`` are (sink, destination, data), neighbours of one destination joined."""

    payloads: list[tuple[int, str, memoryview]] = field(default_factory=list)
    dead: list[DeadLine] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)


def read_result(output: memoryview, record_bytes: int) -> Result:
    """Everything the progress word vouches for; the views are valid as long as the slot is not given away."""
    result = Result()
    runs: list[tuple[int, str, int, int]] = []  # sink, destination, from, to
    for body in _records(output, record_bytes):
        kind = body[0]
        if kind == KIND_PAYLOAD:
            _, sink, offset, size = PAYLOAD.unpack_from(body)
            destination = str(body[PAYLOAD.size :], "utf-8", "surrogatepass")
            if runs and runs[-1][:2] == (sink, destination) and runs[-1][3] == offset:
                runs[-1] = (sink, destination, runs[-1][2], offset + size)
            else:
                runs.append((sink, destination, offset, offset + size))
        elif kind == KIND_DEAD:
            _, offset, size = DEAD.unpack_from(body)
            stage, error, why, trace, event = orjson.loads(body[DEAD.size :])
            result.dead.append(DeadLine(offset, size, stage, error, why, trace, event))
        else:
            result.tallies.append(Tally.from_json(body[1:]))
    result.payloads = [(sink, destination, output[start:end]) for sink, destination, start, end in runs]
    return result


def _records(output: memoryview, record_bytes: int) -> Iterator[memoryview]:
    at = len(output)
    last = at - record_bytes
    while at > last:
        at -= FOOTER.size
        (size,) = FOOTER.unpack_from(output, at)
        yield output[at - size : at]
        at -= size
