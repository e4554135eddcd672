"""The bytes of one recorded file in order: plain, gzip, Zstandard, or a pipe. Each read is bounded and never blocks."""

from __future__ import annotations

import os
import select
import zlib
from types import ModuleType
from typing import IO, Any, Protocol

from tailrace.pipeline.errors import TailraceError

_INPUT_BYTES = 16 << 10  # compressed bytes taken at once: at gzip's best ratio (1032) still only 16 MiB when salvaged
_ZSTD_MAGIC = 0xFD2FB528


class Damaged(Exception):
    """The rest of the file cannot be read. Everything before was handed out."""


class Stream(Protocol):
    """One open file, read from its first byte to its last."""

    def ready(self) -> bool:
        """There is something to read now: bytes, or the end."""
        ...

    def read_into(self, view: memoryview) -> int | None:
        """How many bytes were read; 0: the end; None: a pipe has nothing yet. Raises Damaged or OSError."""
        ...

    def taken(self) -> int:
        """Bytes taken from the file so far; of a compressed file: compressed bytes."""
        ...

    def close(self) -> None: ...


PACKED = (".gz", ".zst")  # by the name's end; a file's name, for `only` and {source}, is without it
_BLOCK = 64 << 10  # bytes unpacked at once, to be passed over


def unpacked(path: str, descriptor: int) -> Stream | None:
    """Of a packed file, which is closed with the stream; None: it is not packed."""
    if path.endswith(".gz"):
        return Gzip(os.fdopen(descriptor, "rb"))
    if path.endswith(".zst"):
        return Zstd(os.fdopen(descriptor, "rb"))
    return None


def part_of(path: str, offset: int, length: int) -> bytes:
    """Bytes of a regular file, unpacked; fewer, where there are no more or it is damaged before. OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    stream = unpacked(path, descriptor)
    if stream is None:
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)
    block, at, found = memoryview(bytearray(_BLOCK)), 0, bytearray()
    try:
        while at < offset + length and (count := stream.read_into(block[: offset + length - at])):
            found += block[max(0, offset - at) : count]
            at += count
    except Damaged:
        return bytes(found)  # it is said when the file is replayed up to there
    finally:
        stream.close()
    return bytes(found)


class Plain:
    """A file as it is, from its beginning. A pipe is asked first whether it has something."""

    def __init__(self, descriptor: int, pipe: bool = False, keep_open: bool = False) -> None:
        self._descriptor = descriptor
        self._keep_open = keep_open  # standard input is not ours to close
        self._taken = 0
        self._poll: select.poll | None = None
        if pipe:
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLIN)

    def ready(self) -> bool:
        return self._poll is None or bool(self._poll.poll(0))

    def read_into(self, view: memoryview) -> int | None:
        if not self.ready():
            return None
        try:
            count = os.readv(self._descriptor, [view])
        except BlockingIOError:  # somebody else was faster, or the descriptor is non-blocking
            return None
        self._taken += count
        return count

    def taken(self) -> int:
        return self._taken

    def close(self) -> None:
        if not self._keep_open:
            os.close(self._descriptor)


class Gzip:
    """Gzip members one after the other. What inflates before a fault is handed out, to the byte."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(wbits=31)
        self._input = b""  # not yet inflated
        self._members = 0  # finished
        self._begun = False  # the present member has had input
        self._salvaged = memoryview(b"")
        self._fault: Damaged | None = None

    def ready(self) -> bool:
        return True

    def read_into(self, view: memoryview) -> int:
        while not self._salvaged:
            if self._fault:
                raise self._fault
            self._input = self._input or self._file.read(_INPUT_BYTES)
            ended = not self._input
            if self._members and not self._begun:
                self._input = self._input.lstrip(b"\0")  # padding between and after members is allowed
                if ended:
                    return 0
                if not self._input:
                    continue
            output = self._inflate_some(len(view))
            if output:
                view[: len(output)] = output
                return len(output)
            if ended and not self._fault:
                raise Damaged("the gzip data is cut short")
        count = min(len(view), len(self._salvaged))
        view[:count] = self._salvaged[:count]
        self._salvaged = self._salvaged[count:]
        return count

    def _inflate_some(self, limit: int) -> bytes:
        """At most ``limit`` bytes; none does not mean the end. A fault is kept until what came before it is out."""
        self._begun = True
        before = self._inflate.copy()
        try:
            output = self._inflate.decompress(self._input, limit)
        except zlib.error as error:
            self._fault = self._explain(error)
            self._salvaged = memoryview(_inflate_until_fault(before, self._input))
            return b""
        self._input = self._inflate.unconsumed_tail or self._inflate.unused_data
        if self._inflate.eof:
            self._members += 1
            self._begun = False
            self._inflate = zlib.decompressobj(wbits=31)
        return output

    def _explain(self, error: zlib.error) -> Damaged:
        words = str(error).rpartition(": ")[2]
        if "header" in words:
            after = "bytes after its end that are not gzip data" if self._members else "no gzip data"
            return Damaged(f"the file holds {after}")
        return Damaged(f"the gzip data is damaged ({words})")

    def taken(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def _inflate_until_fault(inflate: Any, data: bytes) -> bytes:
    """A call that fails gives no output at all; byte by byte, all but the last one does."""
    output = bytearray()
    try:
        for index in range(len(data)):
            output += inflate.decompress(data[index : index + 1])
    except zlib.error:
        return bytes(output)
    raise AssertionError("the same bytes failed before")


class Zstd:
    """Zstandard frames one after the other."""

    def __init__(self, file: IO[bytes]) -> None:
        zstandard = import_zstandard()

        self._file = file
        self._frames = _FrameWatch(file)
        self._reader = zstandard.ZstdDecompressor().stream_reader(
            self._frames,  # it only ever calls read()
            read_size=_INPUT_BYTES,
            read_across_frames=True,
        )
        self._fault = zstandard.ZstdError

    def ready(self) -> bool:
        return True

    def read_into(self, view: memoryview) -> int:
        try:
            count: int = self._reader.readinto(view)
        except self._fault as error:
            raise Damaged(f"the Zstandard data is damaged ({str(error).rpartition(': ')[2]})") from error
        if count == 0 and not self._frames.at_border():
            raise Damaged("the Zstandard data is cut short")
        return count

    def taken(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def import_zstandard() -> ModuleType:
    """The optional package. TailraceError says how to install it where it is missing."""
    try:
        import zstandard
    except ImportError as error:
        raise TailraceError(
            "a .zst file needs the package zstandard: pip install 'tailrace[zstd]', or unpack the file first"
        ) from error
    return zstandard


class _FrameWatch:
    """Hands compressed bytes on and follows the frames in them (RFC 8878 section 3): python-zstandard ends quietly in
    the middle of a frame, and a file cut short must not look whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._pending = b""  # of a field that is not complete
        self._skip = 0  # content bytes to pass over
        self._where = "frame"  # the field that comes next: frame, header, block, or the size of a skippable frame
        self._checksum = 0  # bytes after the last block
        self._frames = 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._follow(data)
        return data

    def at_border(self) -> bool:
        return self._where == "frame" and not self._pending and not self._skip and self._frames > 0

    def _follow(self, data: bytes) -> None:
        data = self._pending + data
        at = 0
        while True:
            passed = min(self._skip, len(data) - at)
            self._skip -= passed
            at += passed
            need = {"frame": 4, "header": 1, "block": 3, "skippable": 4}[self._where]
            if self._skip or len(data) - at < need:
                break
            self._field(int.from_bytes(data[at : at + need], "little"))
            at += need
        self._pending = data[at:]

    def _field(self, value: int) -> None:
        if self._where == "frame":
            self._where = "header" if value == _ZSTD_MAGIC else "skippable"  # anything else fails in the reader
        elif self._where == "skippable":
            self._skip = value
            self._end_frame()
        elif self._where == "header":
            single = value >> 5 & 1
            size_bytes = (single, 2, 4, 8)[value >> 6]
            self._skip = (1 - single) + (0, 1, 2, 4)[value & 3] + size_bytes  # window, dictionary id, content size
            self._checksum = 4 * (value >> 2 & 1)
            self._where = "block"
        else:
            last, kind, size = value & 1, value >> 1 & 3, value >> 3
            self._skip = 1 if kind == 1 else size  # kind 1: one byte, repeated `size` times
            if last:
                self._skip += self._checksum
                self._end_frame()

    def _end_frame(self) -> None:
        self._where = "frame"
        self._frames += 1
