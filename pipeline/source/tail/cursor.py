"""How far one generation of a file is read, worked off and committed, and the next whole lines of it.

Three positions follow each other: ``read`` (handed out), ``released`` (worked off) and ``committed`` (durable). Each
read begins some bytes before ``read``, and what stands there must be what stood there before.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.encoding import LONGEST_MARK, UTF8, Encoding, marked
from tailrace.pipeline.framing import Framer
from tailrace.pipeline.source.tail.identity import HEAD, NOWHERE, OVERLAP, Changed, Head, Marker, digest, fits_at, mark
from tailrace.pipeline.source.tail.newlines import (
    first_newline,
    fitting_lines,
    last_newline,
    leading_nuls,
    trailing_nuls,
)
from tailrace.pipeline.source.tail.packed import PackedError, kind_of

OVERSIZE_KEPT = 64 << 10  # bytes of an over-long line that go into its dead letter
REREAD = 64 << 10  # bytes of an unfinished line that are read again, rather than searched and then read, when it grows
HISTORY = 8  # chunk ends remembered, to recognise a copy that ends before them

_overlap = bytearray(OVERLAP)  # what a read finds before its position; one thread reads


class Span(NamedTuple):
    """Whole lines, now in the buffer; the fields are those of ``Chunk``."""

    start: int
    length: int
    end: int
    oversize: int | None
    fault: str | None = None


class Pending(NamedTuple):
    """A chunk handed out and not yet wholly released."""

    start: int
    before: bytes  # the bytes just before it
    end: Marker


@dataclass(slots=True, eq=False)
class Cursor:
    """``fd`` is always that of the open file."""

    head: Head = field(default_factory=Head)
    read: Marker = NOWHERE
    scanned: Marker = NOWHERE  # at or after `read`: no newline in between
    released: Marker = NOWHERE
    committed: Marker = NOWHERE
    pending: deque[Pending] = field(default_factory=deque)
    history: deque[Marker] = field(default_factory=lambda: deque(maxlen=HISTORY))
    nuls: int = 0  # the file begins with (at least) so many NULs, which are skipped
    seen: int = 0  # up to where the last search for lines found bytes
    encoding: Encoding = UTF8  # known once ``recognised``
    recognised: bool = False
    open_to: int = 0  # the end of the whole lines behind `read` if they are of a record that may go on; else 0
    nuls_beyond: bool = False  # NULs at the end of the buffer, which the last read has filled: more may follow
    closed_at: list[int] = field(default_factory=list)  # durable ends of records that only time has closed
    closing: list[int] = field(default_factory=list)  # such ones that are not durable yet
    padding: tuple[int, int] = (0, 0)  # from and to: NULs behind everything else, as files made in advance have them

    def start_at(self, marker: Marker) -> None:
        """Everything before it is done."""
        self.read = self.scanned = self.released = self.committed = marker

    @property
    def settled(self) -> bool:
        """Everything read is committed."""
        return not self.pending and (self.committed.offset == self.read.offset or self.read.offset == self.nuls)

    def verify(self, fd: int) -> None:
        """``Changed``, unless the beginning and the bytes before the position are what they were."""
        if not self.head.fits(os.pread(fd, HEAD, 0)) or not fits_at(fd, self.read):
            raise Changed

    def read_head(self, fd: int) -> bytes:
        """The first bytes of a new file, which may have more of them each time. While none of them is handed out, the
        head is of all there are; from then on, only of what was."""
        data = os.pread(fd, HEAD, 0)
        self.head = Head()
        self.head.feed(0, data[: self.read.offset] if self.read.offset else data)
        return data

    def next_lines(
        self,
        fd: int,
        buffer: memoryview,
        max_line: int,
        limit: int | None,
        last: Callable[[], bool],
        framer: Framer | None = None,
    ) -> Span | None:
        """The next whole lines, in ``buffer``; None: no line's end was found yet. Reads one buffer at most, and nothing
        from ``limit`` on. ``last()``: what follows the last newline is a line too. With ``framer`` the last of the
        lines ends a record. ``Changed``: the file holds other bytes now; PackedError: it holds no lines; OSError."""
        self.seen = 0
        if limit is not None and self.scanned.offset > limit:
            self.scanned = self.read
        far = min(REREAD, max_line) if framer is None else max_line  # (a shorter one may be the beginning of a record)
        if self.scanned.offset - self.read.offset > far and not self.open_to:
            try:
                return self._search_on(fd, buffer, max_line, limit, last)
            except Changed:  # of the unfinished line only, perhaps: then it begins anew
                self.scanned = self.read
        got, before, whole = self._pull(fd, self.read, buffer, limit)
        view = buffer[:got]
        kind = None if self.read.offset else kind_of(view)
        if kind:
            raise PackedError(kind)
        width = self.encoding.width
        if self.read.offset == self.nuls and got and view[0] == 0 and width == 1:
            self._skip_nuls(fd, view, limit)
            return None
        end, oversize = self._behind(last_newline(view, 0, got, self.encoding)), None
        self._note_padding(self.read.offset, view)
        text = min(got, self.padding[0] - self.read.offset)  # without the NULs behind it
        self.nuls_beyond = text < got == len(buffer)
        long_follows = text - end > max_line
        if end > max_line + width:
            whole_lines, end = end, fitting_lines(view, end, max_line, self.encoding)
            long_follows = long_follows or end < whole_lines
            if not end:  # the very first line is too long
                end = self._behind(first_newline(view, max_line + 1, self.encoding))
                oversize = end - width
        ends_here = whole and last()
        if not end and ends_here:
            end = text
            oversize = end if end > max_line else None
        self.open_to = 0
        if framer is not None and end and oversize is None:
            lines = end
            end = lines if long_follows else text if ends_here else 0
            end = self._closed(framer, view, lines, end)
            self.open_to = 0 if end else self.read.offset + lines
        stop = end or got
        marker = mark(self.read.offset + stop, before + bytes(view[max(0, stop - OVERLAP) : stop]))
        if not end:
            self.scanned = marker
            return None
        length = end if oversize is None else min(oversize, OVERSIZE_KEPT)
        return self._hand_out(before, view[:end], marker, length, oversize)

    def _closed(self, framer: Framer, view: memoryview, lines: int, rest: int) -> int:
        """How much of ``view``, of which so much are whole lines, belongs to records of which the end is there; the
        last one ends with ``rest``, if that is not 0."""
        for at in sorted({*self.closed_at, *self.closing}):
            end = at - self.read.offset
            # (No line ends there any more if the file was cut off before it was read so far, and has grown again.)
            if 0 < end <= lines and view[end - self.encoding.width : end] == self.encoding.newline:
                return end if at in self.closed_at else 0  # what time has closed waits until the state knows
        if rest == lines:
            return lines
        return framer.closed(view[:lines], self.encoding) or rest

    def _search_on(
        self, fd: int, buffer: memoryview, max_line: int, limit: int | None, last: Callable[[], bool]
    ) -> Span | None:
        """A long line that has only begun: search what is new for its end."""
        got, before, whole = self._pull(fd, self.scanned, buffer, limit)
        view = buffer[:got]
        end = self._behind(first_newline(view, 0, self.encoding))
        self._note_padding(self.scanned.offset, view)
        if not end and not (whole and last()):
            self.scanned = mark(self.scanned.offset + got, before + bytes(view[-OVERLAP:]))
            return None
        stop = end or got
        marker = mark(self.scanned.offset + stop, before + bytes(view[max(0, stop - OVERLAP) : stop]))
        length = marker.offset - self.read.offset - (self.encoding.width if end else 0)
        oversize = length if length > max_line else None
        take = marker.offset - self.read.offset if oversize is None else min(length, OVERSIZE_KEPT, len(buffer))
        got, before, _ = self._pull(fd, self.read, buffer[:take], limit)
        if got < take:
            raise Changed
        return self._hand_out(before, buffer[:take], marker, take, oversize)

    def _pull(self, fd: int, at: Marker, buffer: memoryview, limit: int | None) -> tuple[int, bytes, bool]:
        """Read on after a marker: bytes now in ``buffer``, the bytes before them, and whether the end was reached."""
        room = len(buffer) if limit is None else max(0, min(len(buffer), limit - at.offset))
        overlap = memoryview(_overlap)[: at.length]
        got = os.preadv(fd, [overlap, buffer[:room]], at.offset - at.length) - at.length
        if got < 0 or (at.length and digest(overlap) != at.hash):
            raise Changed
        whole = got < room or at.offset + got == limit
        got -= got % self.encoding.width
        self.seen = max(self.seen, at.offset + got)
        return got, bytes(overlap), whole

    def _hand_out(self, before: bytes, data: memoryview, end: Marker, length: int, oversize: int | None) -> Span:
        start = self.read.offset
        if start == 0:
            self.head = Head()
        self.head.feed(start, data)
        self.pending.append(Pending(start, before, end))
        self.history.append(end)
        self.read = self.scanned = end
        return Span(start, length, end.offset, oversize)

    def _skip_nuls(self, fd: int, view: memoryview, limit: int | None) -> None:
        """A writer that kept its offset over a truncation leaves a hole at the beginning."""
        offset = self.read.offset + leading_nuls(view)
        if len(view) == offset - self.read.offset:
            size = os.fstat(fd).st_size
            end = size if limit is None else min(size, limit)
            try:
                offset = max(offset, min(os.lseek(fd, offset, os.SEEK_DATA), end))
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but the hole, up to the end
                    offset = max(offset, end)
                elif error.errno != errno.EINVAL:  # a file system that does not know: the NULs are read
                    raise
        zeros = bytes(min(offset, HEAD))
        self.head = Head()
        self.head.feed(0, zeros)
        self.nuls = offset
        self.seen = max(self.seen, offset)
        self.read = self.scanned = mark(offset, zeros)

    def _behind(self, newline: int) -> int:
        """Where the line ends that ends with it; 0: there is none."""
        return newline + self.encoding.width if newline >= 0 else 0

    def _note_padding(self, at: int, view: memoryview) -> None:
        """``view`` was read from ``at`` on."""
        nuls = trailing_nuls(view) if self.encoding.width == 1 else 0
        start, stop = at + len(view) - nuls, at + len(view)
        if start == at and self.padding[0] <= at <= self.padding[1]:
            start = self.padding[0]
        self.padding = (start, stop)

    def skip_to(self, fd: int, stop: int) -> None:
        """Everything up to ``stop`` is done with. ``Changed``: there are not so many bytes; OSError."""
        first = max(0, stop - OVERLAP)
        tail = os.pread(fd, stop - first, first)
        if len(tail) < stop - first:
            raise Changed
        self.read = self.scanned = self.released = mark(stop, tail)

    def release(self, chunk: Chunk, done: int, data: memoryview) -> tuple[int, int]:
        """See ``Source.released``; bytes now done that were not before, and NULs skipped before them."""
        pending = self.pending[0]
        was = self.released.offset
        skipped = max(0, pending.start - was)
        if done < chunk.length:
            tail = bytes(data[max(0, done - OVERLAP) : done])
            self.released = mark(chunk.start + done, pending.before + tail)
        else:
            self.pending.popleft()
            self.released = pending.end
        return self.released.offset - was - skipped, skipped

    def rewind(self) -> None:
        """Back to what is committed."""
        self.read = self.scanned = self.released = self.committed
        self.nuls = min(self.nuls, self.read.offset)
        self.padding = (0, 0)
        self.open_to = 0
        self.pending.clear()
        self.history.clear()


def written_as(fd: int, configured: Encoding) -> Encoding:
    """The open file's encoding: its byte order mark wins."""
    return marked(os.pread(fd, LONGEST_MARK, 0)) or configured


def after_last_newline(fd: int, size: int, configured: Encoding) -> Marker:
    """The position in the open file at which ``read_from = "end"`` begins."""
    written_in = written_as(fd, configured)
    high = size - size % written_in.width
    while high > 0:
        low = max(0, high - REREAD)
        block = os.pread(fd, high - low, low)
        at = written_in.rfind(block)
        if at >= 0:
            offset = low + at + written_in.width
            first = max(0, offset - OVERLAP)
            return mark(offset, os.pread(fd, offset - first, first))
        high = low
    return NOWHERE
