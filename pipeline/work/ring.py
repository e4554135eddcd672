"""The bounded queue: a fixed ring of shared-memory slots, each holding one chunk and what a worker made of it.

A slot is ``header | input | output``. The parent writes the request into the header and the chunk into the input; a
worker writes results into the output (see ``result``) and reports how far it is by single 64-bit stores into the
header, so that a worker may die at any instruction and what it finished stays readable.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import sys
import tempfile
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.encoding import LONGEST_NEWLINE
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.work.asked import AREA_BYTES, Area

PAGE = 4096
HEADER_BYTES = 2 * PAGE  # 64 bytes of words, then the request with the file's name and path
REQUEST_AT = 64
# The fields of Request in their order; texts as their lengths, they follow behind.
REQUEST = struct.Struct("=QQQQQQQQQQQddHHHHH")
KEY_LIMIT, NAME_LIMIT, PATH_LIMIT, CAUSE_LIMIT, ENCODING_LIMIT = 128, 1024, 4096, 512, 64  # bytes: they fit

_NUMBERS = 13  # fields of a request that are no texts

# Words in the header, each written by one store (memoryview item assignment is one 8-byte move).
PROGRESS = 0  # bytes of input done << 32 | bytes of records written: only what it covers is valid
STAGE = 2  # which stage of the chain is at work
AT = 1  # input offset of the piece or line being worked on << 1 | 1 while it is a single line
NONE = (1 << 64) - 1


LETTER_BYTES = 16  # of input, behind the letters, for each of them where they are scattered


def _aligned(length: int) -> int:
    return -(-length // 8) * 8


def unnamed_file(purpose: str) -> int:
    """A file in memory that no name leads to (elsewhere than on Linux: no more)."""
    if sys.platform == "linux":
        return os.memfd_create(purpose, os.MFD_CLOEXEC)
    fd, path = tempfile.mkstemp(prefix=purpose)
    os.unlink(path)
    return fd


@dataclass(slots=True, frozen=True)
class Geometry:
    """Sizes of the ring in bytes; small enough to be sent to the workers."""

    slots: int
    input_bytes: int
    output_bytes: int

    @property
    def slot_bytes(self) -> int:
        return HEADER_BYTES + self.input_bytes + self.output_bytes

    @property
    def total(self) -> int:
        return self.slots * self.slot_bytes + AREA_BYTES

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


def geometry(chunk_bytes: int, longest: int, workers: int, sinks: int) -> Geometry:
    """Input has room for the longest line; output for a chunk that grows twofold and goes to every sink.

    Two slots a worker keep it busy while the other is written; two more are being read and held by a slow sink.
    """
    input_bytes = _pages(max(chunk_bytes, longest + LONGEST_NEWLINE))
    return Geometry(2 * max(workers, 1) + 2, input_bytes, _pages(2 * chunk_bytes * max(sinks, 1)))


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


@dataclass(slots=True, frozen=True)
class Request:
    """What a worker is asked to do with a slot."""

    begin: int  # input offset of the first line to do
    length: int  # bytes of input in all
    careful_until: int  # lines that start before this input offset are run one by one
    condemned: int  # input offset of a line that must not be run again (NONE: no such line)
    stage: int  # which stage of the chain was at work when the condemned line did its harm
    start: int  # byte offset in the file of input[0]
    after: int  # the number of the stage behind which the records enter the chain; 0: they enter it at its beginning
    again: int  # of dead letters: one more than the number of the stage that failed, which is 0 if nobody knows
    alone: int  # 1: they are for this stage, a sink, only
    event: int  # the number of the event that failed, where a record had become several (NONE: all of them)
    scattered: int  # so many letters stand in the input; where each is in the stream stands behind them (0: nothing)
    clock: float
    year_bound: float
    key: str
    name: str
    path: str
    cause: str  # what the condemned line did to the workers
    encoding: str


class Slot:
    """Views on one slot. The buffers belong to the ring; whoever holds the slot may use them."""

    def __init__(self, memory: memoryview, index: int, shape: Geometry) -> None:
        base = index * shape.slot_bytes
        self.index = index
        self.words = memory[base : base + REQUEST_AT].cast("Q")
        self.request_area = memory[base + REQUEST_AT : base + HEADER_BYTES]
        base += HEADER_BYTES
        self.input = memory[base : base + shape.input_bytes]
        self.output = memory[base + shape.input_bytes : base + shape.input_bytes + shape.output_bytes]

    def ask(
        self, chunk: Chunk, begin: int, careful_until: int = 0, condemned: int = NONE, stage: int = 0, cause: str = ""
    ) -> None:
        """Write the request and take back all progress: the output is empty from now on."""
        limited = (
            (chunk.key, KEY_LIMIT), (chunk.name, NAME_LIMIT), (chunk.path, PATH_LIMIT), (cause, CAUSE_LIMIT),
            (chunk.encoding, ENCODING_LIMIT),
        )  # fmt: skip
        texts = [text.encode("utf-8", "replace")[:limit] for text, limit in limited]
        numbers = (begin, chunk.length, careful_until, condemned, stage, chunk.start, chunk.after)
        times = chunk.clock, chunk.year_bound
        packed = REQUEST.pack(*numbers, *self._letters(chunk), *times, *map(len, texts)) + b"".join(texts)
        self.request_area[: len(packed)] = packed
        self.words[AT] = begin << 1
        self.words[PROGRESS] = begin << 32

    def _letters(self, chunk: Chunk) -> tuple[int, int, int, int]:
        """What a request says of dead letters."""
        if (redriven := chunk.redriven) is None:
            return 0, 0, NONE, 0
        count = len(redriven.letters) if redriven.scattered else 0
        if count:
            table = array("Q", redriven.begins)
            table.extend(one.offset for one in redriven.letters)
            at = _aligned(chunk.length)
            self.input[at : at + LETTER_BYTES * count] = table.tobytes()
        event = NONE if redriven.event is None else redriven.event
        return redriven.number + 1, int(bool(redriven.sink)), event, count

    def places(self, asked: Request) -> tuple[Sequence[int], Sequence[int]]:
        """Of letters that are scattered: where each begins in the input, and in its stream."""
        at, count = _aligned(asked.length), asked.scattered
        table = array("Q", bytes(self.input[at : at + LETTER_BYTES * count]))
        return table[:count], table[count:]

    def request(self) -> Request:
        values = REQUEST.unpack_from(self.request_area)
        head, lengths = values[:_NUMBERS], values[_NUMBERS:]
        at = REQUEST.size
        texts = []
        for length in lengths:
            texts.append(str(self.request_area[at : at + length], "utf-8", "replace"))
            at += length
        return Request(*head, *texts)

    def release(self) -> None:
        """Nobody uses it any more. BufferError: somebody does."""
        for view in (self.words, self.request_area, self.input, self.output):
            view.release()

    @property
    def progress(self) -> tuple[int, int]:
        """(input bytes done, bytes of records), as of one store."""
        word = self.words[PROGRESS]
        return word >> 32, word & 0xFFFFFFFF

    @property
    def at(self) -> tuple[int, bool]:
        """(input offset being worked on, whether it is a single line)."""
        word = self.words[AT]
        return word >> 1, bool(word & 1)


class Ring:
    """The shared memory and its slots. ``create`` in the parent, ``attach`` in a worker."""

    def __init__(self, fd: int, shape: Geometry) -> None:
        self.fd = fd
        self.shape = shape
        self._map = mmap.mmap(fd, shape.total)
        self.memory = memoryview(self._map)
        self.slots = [Slot(self.memory, index, shape) for index in range(shape.slots)]
        self.tap = Area(self.memory[shape.slots * shape.slot_bytes :])

    @classmethod
    def create(cls, shape: Geometry) -> Ring:
        """Memory that no name leads to and that is really there: allocated, not just mapped."""
        fd = unnamed_file("tailrace-ring")
        os.ftruncate(fd, shape.total)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, shape.total)
        except OSError as error:
            os.close(fd)
            mib = shape.total / (1 << 20)
            raise TailraceError(
                f"the ring needs {mib:.0f} MiB of memory ({shape.slots} slots) and the system refuses it: "
                f"{error.strerror}; use a smaller pipeline.chunk_bytes, source.max_line_bytes or pipeline.workers"
            ) from error
        return cls(fd, shape)

    def close(self) -> None:
        """The memory goes when its last user is gone, such as a sink that hangs and holds a view."""
        os.close(self.fd)
        with contextlib.suppress(BufferError):
            for slot in self.slots:
                slot.release()
            self.tap.release()
            self.memory.release()
            self._map.close()
