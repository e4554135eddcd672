"""A stream cut into whole lines, chunk by chunk; the line that has only begun is carried over to the next one."""

from __future__ import annotations

from typing import NamedTuple

from tailrace.pipeline.encoding import LONGEST_MARK, UTF8, Encoding, marked, may_be_marked
from tailrace.pipeline.framing import Framer
from tailrace.pipeline.source.recorded.streams import Damaged, Stream

BOM = b"\xef\xbb\xbf"
OVERSIZE_KEPT = 64 << 10  # bytes of an over-long line that go into its dead letter


class Lines(NamedTuple):
    """What lies in the buffer now; the fields are those of ``Chunk``."""

    start: int
    length: int
    end: int
    oversize: int | None = None


class LineReader:
    """Reads one stream, which begins at the offset ``start``. Offsets are those of the stream's bytes (of a compressed
    file: unpacked), a BOM included."""

    def __init__(
        self,
        stream: Stream,
        max_line_bytes: int,
        chunk_bytes: int,
        configured: Encoding = UTF8,
        framer: Framer | None = None,
        start: int = 0,
    ) -> None:
        self.stream = stream
        self._framer = framer  # of records of several lines
        self._open = False  # all that is carried over is of a record that may go on
        self.encoding = configured  # unless a byte order mark says another
        self.fault: str | None = None  # why the stream ended before its end
        self.left_out = 0  # bytes of an unfinished line before the fault
        self._max_line = max_line_bytes
        self._chunk = chunk_bytes
        self._offset = start  # in the stream, of the first byte of `carry`
        self._carry = b""
        self._ended = False
        self._over: tuple[bytes, int] | None = None  # of the over-long line being skipped: its beginning, its length

    @property
    def finished(self) -> bool:
        """The stream is at its end and everything in it was handed out."""
        return self._ended and not self._carry and self._over is None

    @property
    def open(self) -> bool:
        """What was read and not handed out are whole lines of a record that may go on."""
        return self._open and self.encoding.newline in self._carry

    @property
    def unfinished(self) -> int:
        """Bytes that were read and not handed out."""
        return len(self._carry) + (self._over[1] if self._over else 0)

    @property
    def beginning(self) -> bytes:
        """Of what was read and not handed out."""
        return self._over[0] if self._over else self._carry[:OVERSIZE_KEPT]

    @property
    def reached(self) -> int:
        """The offset up to which was read."""
        return self._offset + self.unfinished

    def read(self, buffer: memoryview, close: bool = False) -> Lines | None:
        """The next whole lines, in ``buffer``; None: nothing now (see ``finished``). ``buffer`` has room for the
        longest line and its newline. Reads no more than one buffer full. ``close``: a record that may go on is closed.
        """
        if self._over is not None:
            return self._skip_over(buffer)
        limit = min(self._max_line, len(buffer) - self.encoding.width)
        data = self._fill(buffer, self._carry, len(buffer) if self._open else min(self._chunk, len(buffer)))
        if self.encoding.newline not in data and not self._ended:
            data = self._fill(buffer, data, limit + self.encoding.width)
        if self._offset == 0:
            if len(data) < LONGEST_MARK and may_be_marked(data) and not self._ended:
                self._carry = data
                return None
            self.encoding = marked(data) or self.encoding
            if data.startswith(BOM):
                data = data[len(BOM) :]
                buffer[: len(data)] = data
                self._offset = len(BOM)
        cut, over = _whole_lines(data, limit if self._ended else limit + self.encoding.width - 1, limit, self.encoding)
        if cut == 0 and over:
            return self._start_over(buffer, data, limit)
        if self._ended and not over:
            if self.fault is None:
                cut = len(data)  # a last line without a newline is a line, unless a fault broke it off
            else:
                self.left_out = len(data) - cut
                data = data[:cut]
        if self._framer is not None and cut and not over and not self._ended and not close:
            cut = self._framer.closed(data[:cut], self.encoding)
        self._open = cut == 0
        self._carry = data[cut:]
        if cut == 0:
            return None
        lines = Lines(self._offset, cut, self._offset + cut)
        self._offset += cut
        return lines

    def _fill(self, buffer: memoryview, have: bytes, want: int) -> bytes:
        """``have`` and what follows it, in ``buffer`` and as bytes, ``want`` of them if the stream gives so many."""
        filled = len(have)
        buffer[:filled] = have
        while filled < want and not self._ended:
            count = self._read_into(buffer[filled:want])
            if count is None:
                break
            filled += count
        return bytes(buffer[:filled])

    def _read_into(self, view: memoryview) -> int | None:
        try:
            count = self.stream.read_into(view)
        except (Damaged, OSError) as error:
            self.fault = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            count = 0
        self._ended = count == 0
        return count

    def _start_over(self, buffer: memoryview, data: bytes, limit: int) -> Lines | None:
        newline, width = self.encoding.find(data, limit), self.encoding.width
        if newline >= 0:
            return self._put_over(buffer, data[:newline], newline, data[newline + width :], width)
        begun = len(data) % width  # bytes of a unit, perhaps a newline
        self._over = data[:OVERSIZE_KEPT], len(data) - begun
        self._carry = data[len(data) - begun :]
        return self._end_over(buffer) if self._ended else None

    def _skip_over(self, buffer: memoryview) -> Lines | None:
        """Skip to the over-long line's end, without keeping it."""
        assert self._over is not None
        kept, length = self._over
        count = self._read_into(buffer)
        if count is None:
            return None
        if count == 0:
            return self._end_over(buffer)
        data = self._carry + bytes(buffer[:count])
        newline, width = self.encoding.find(data), self.encoding.width
        whole = len(data) - len(data) % width
        more = data[:whole] if newline < 0 else data[:newline]
        if len(kept) < OVERSIZE_KEPT:
            kept = (kept + more)[:OVERSIZE_KEPT]
        if newline >= 0:
            return self._put_over(buffer, kept, length + newline, data[newline + width :], width)
        self._over, self._carry = (kept, length + whole), data[whole:]
        return None

    def _end_over(self, buffer: memoryview) -> Lines | None:
        assert self._over is not None
        kept, length = self._over
        length += len(self._carry)
        if self.fault is None:
            return self._put_over(buffer, kept, length, b"", 0)
        self._over, self._carry = None, b""
        self.left_out = length
        return None

    def _put_over(self, buffer: memoryview, kept: bytes, length: int, carry: bytes, newline: int) -> Lines:
        kept = kept[: min(OVERSIZE_KEPT, len(buffer))]
        buffer[: len(kept)] = kept
        lines = Lines(self._offset, len(kept), self._offset + length + newline, length)
        self._over = None
        self._offset = lines.end
        self._carry = carry
        return lines


def _whole_lines(data: bytes, enough: int, limit: int, written_in: Encoding) -> tuple[int, bool]:
    """Where the last whole line ends, up to the first one longer than ``limit``; and whether there is such a one, which
    more than ``enough`` bytes show."""
    at, width = 0, written_in.width
    while len(data) - at > enough:
        newline = written_in.rfind(data, at, at + limit + width)
        if newline < 0:
            return at, True
        at = newline + width
    newline = written_in.rfind(data)
    return max(at, newline + width if newline >= 0 else 0), False
