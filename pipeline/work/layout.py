"""What a worker made of a chunk: payloads from the front of a slot's output, records about them from its back.

Payloads of one sink lie one behind the other, so a chunk that went to one file is written by one call. A record is
``body | length of body``, the first one at the very end of the output; read from the end they are in order. Payloads
and records of one piece are taken together or not at all: the worker's progress word covers both. A tally counts from
the beginning of the output: the last one that is covered stands for all.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from tailrace.pipeline.chain.outcome import Changes, DeadLine, Encoded, Made, Tally

FOOTER = struct.Struct("=I")
PAYLOAD = struct.Struct("=BHIIH")  # kind, sink, offset, length, length of the destination; then that and the columns
DEAD = struct.Struct("=BII")  # kind, input offset of the line, its length; then JSON
KIND_PAYLOAD, KIND_DEAD, KIND_TALLY, KIND_CHANGES, KIND_SUMS, KIND_TAPPED = 0, 1, 2, 3, 4, 5
OUTPUT_A_RECORD = 256  # bytes of output there are for each payload and dead line: reading them back costs more
FEWEST_RECORDS = 4096  # that are taken however small the output is


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
        self._tally = Tally()

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
        tally = self._tally + made.tally
        if count <= self._records_left and self._put_all(made, tally):
            self._records_left -= count
            self._tally = tally
            return True
        self._front, self._back = front, back
        return False

    def put_tapped(self, tapped: list[Any]) -> None:
        """If there is room."""
        self._record(bytes((KIND_TAPPED,)) + orjson.dumps(tapped))

    def _put_all(self, made: Made, tally: Tally) -> bool:
        for payload in made.payloads:
            size = len(payload.data)
            destination = payload.destination.encode("utf-8", "surrogatepass")
            about = PAYLOAD.pack(KIND_PAYLOAD, payload.sink, self._front, size, len(destination)) + destination
            if payload.columns is not None:
                about += payload.columns.tobytes()
            if self._front + size > self._back or not self._record(about, size):
                return False
            self._output[self._front : self._front + size] = payload.data
            self._front += size
        for dead in made.dead:
            raw = None if dead.raw is None else dead.raw.decode("latin-1")
            why = (dead.stage, dead.error, dead.why, dead.trace, dead.event, raw, dead.number)
            if not self._record(DEAD.pack(KIND_DEAD, dead.offset, dead.length) + orjson.dumps(why)):
                return False
        if made.changes and not self._record(bytes((KIND_CHANGES,)) + orjson.dumps(made.changes)):
            return False
        if made.sums and not self._record(bytes((KIND_SUMS,)) + orjson.dumps(made.sums)):
            return False
        return self._record(bytes((KIND_TALLY,)) + tally.to_json())

    def _record(self, body: bytes, payload: int = 0) -> bool:
        end = self._back - FOOTER.size
        start = end - len(body)
        if start < self._front + payload:
            return False
        self._output[start:end] = body
        FOOTER.pack_into(self._output, end, len(body))
        self._back = start
        return True


@dataclass(slots=True)
class Result:
    """A worker's output read back; neighbours of one destination are joined where records are not told apart."""

    payloads: list[Encoded] = field(default_factory=list)  # their data are views of the output
    dead: list[DeadLine] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    changes: list[Changes] = field(default_factory=list)  # in the order in which they were made
    sums: list[dict[str, Any]] = field(default_factory=list)  # by stage, what it has added up
    tapped: list[Any] = field(default_factory=list)  # what was sampled for those who look


def read_result(output: memoryview, record_bytes: int) -> Result:
    """Everything the progress word vouches for; the views are valid as long as the slot is not given away."""
    result = Result()
    last: tuple[int, str, int, int] | None = None  # sink, destination, from, to: what a neighbour may be joined to
    tally: memoryview | None = None
    for body in _records(output, record_bytes):
        kind = body[0]
        if kind == KIND_PAYLOAD:
            _, sink, offset, size, length = PAYLOAD.unpack_from(body)
            destination = str(body[PAYLOAD.size : PAYLOAD.size + length], "utf-8", "surrogatepass")
            about = body[PAYLOAD.size + length :]
            columns: array[int] | None = None
            if about:
                columns, last = array("I"), None
                columns.frombytes(about)
            elif last is not None and last[:2] == (sink, destination) and last[3] == offset:
                last = (sink, destination, last[2], offset + size)
                result.payloads[-1].data = output[last[2] : last[3]]
                continue
            else:
                last = (sink, destination, offset, offset + size)
            result.payloads.append(Encoded(sink, destination, output[offset : offset + size], columns))
        elif kind == KIND_DEAD:
            _, offset, size = DEAD.unpack_from(body)
            stage, error, why, trace, event, raw, number = orjson.loads(body[DEAD.size :])
            scattered = None if raw is None else raw.encode("latin-1")
            result.dead.append(DeadLine(offset, size, stage, error, why, trace, event, scattered, number))
        elif kind == KIND_CHANGES:
            result.changes.append(orjson.loads(body[1:]))
        elif kind == KIND_SUMS:
            result.sums.append(orjson.loads(body[1:]))
        elif kind == KIND_TAPPED:
            result.tapped += orjson.loads(body[1:])
        else:
            tally = body[1:]
    if tally is not None:
        result.tally = Tally.from_json(tally)
    return result


def _records(output: memoryview, record_bytes: int) -> Iterator[memoryview]:
    at = len(output)
    last = at - record_bytes
    while at > last:
        at -= FOOTER.size
        (size,) = FOOTER.unpack_from(output, at)
        yield output[at - size : at]
        at -= size
