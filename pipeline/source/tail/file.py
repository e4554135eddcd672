"""One generation of one file: how far it is read, released and committed, and the next chunk of it.

Three positions follow each other: ``read`` (handed out), ``released`` (worked off) and ``committed`` (durable). Each
read begins some bytes before ``read``, and what stands there must be what stood there before.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tailrace.pipeline.batch import Chunk, Position
from tailrace.pipeline.escape import escape
from tailrace.pipeline.source.tail.framing import first_newline, fitting_lines, last_newline, leading_nuls
from tailrace.pipeline.source.tail.identity import HEAD, NOWHERE, OVERLAP, Changed, Head, Marker, digest, fits_at, mark
from tailrace.pipeline.source.tail.ledger import BEFORE_START, Balance, Ledger, Work
from tailrace.pipeline.source.tail.packed import PackedError, kind_of

OVERSIZE_KEPT = 64 << 10  # bytes of an over-long line that go into its dead letter
REREAD = 64 << 10  # bytes of an unfinished line that are read again, rather than searched and then read, when it grows
HISTORY = 8  # chunk ends remembered, to know a copy that ends before them

_overlap = bytearray(OVERLAP)  # what a read finds before its position; one thread reads


class Pending(NamedTuple):
    """A chunk handed out and not yet wholly released."""

    start: int
    before: bytes  # the bytes just before it
    end: Marker


@dataclass(slots=True, eq=False)
class File:
    """Positions, identity and descriptor of one generation; ``Tail`` decides when it begins and ends."""

    path: bytes
    name: str  # the base name when first seen, printable
    device: int
    inode: int
    file_id: int = 0  # 0: not registered yet
    head: Head = field(default_factory=Head)
    read: Marker = NOWHERE
    scanned: Marker = NOWHERE  # at or after `read`: no newline between the two
    released: Marker = NOWHERE
    committed: Marker = NOWHERE
    pending: deque[Pending] = field(default_factory=deque)
    history: deque[Marker] = field(default_factory=lambda: deque(maxlen=HISTORY))
    nuls: int = 0  # the file begins with (at least) so many NULs, which are passed over
    size: int = 0  # bytes known to exist; once accounted for, up to where it was read
    mtime_ns: int = -1
    limit: int | None = None  # nothing from there on is read (`--until-eof`)
    last_line: bool = False  # what follows the last newline before `limit` is a line too (`--last-line`)
    fd: int = -1
    shown: str = ""  # the path, printable
    ledger: Ledger = field(default_factory=Ledger)

    undecided: bool = False  # a new inode, and not clear yet whether it is a copy of something known
    verified: bool = True  # False: known from the state, not yet looked at
    checked: bool = False  # False: it has grown, and its head was not looked at since
    grown_from: int | None = None  # its size before that
    queued: bool = False  # waits for its turn to be read
    failed: bool = False  # could not be read; tried again after the next scan
    finishing: bool = False  # gone and quiet: what follows the last newline is a line too
    ended: bool = False
    truncated: bool = False  # ended, because its bytes were taken away
    copied: bool = False  # ended, and a copy of it has taken over the rest
    accounted: bool = False  # ended, and what was lost with it is known: no copy is looked for any more
    ended_at: float = 0.0
    ended_scan: int = 0  # number of the scan at which it ended
    scan: int = 0  # number of the last scan that found it
    home: int = 0  # number of the last scan that found it under `path`
    gone_since: float | None = None  # no name leads to it any more
    quiet_since: float = 0.0  # it did not grow, and was read to its end, since then

    def __post_init__(self) -> None:
        self.moved(self.path)

    def moved(self, path: bytes) -> None:
        self.path, self.shown = path, escape(os.fsdecode(path))

    @classmethod
    def resumed(cls, row: Position, now: float) -> File:
        """As the state knows it."""
        file = cls(row.path, row.name, row.device, row.inode, row.file_id, Head(row.head_length, row.head_hash))
        file.ledger = Ledger.load(row.ledger)
        file._set(Marker(row.offset, row.tail_length, row.tail_hash))
        file.size, file.ended, file.verified, file.quiet_since = row.size, row.ended, False, now
        return file

    def start_at(self, marker: Marker, reason: str = BEFORE_START) -> None:
        """Nothing before it is read under this id, for that reason."""
        self.ledger.skip(reason, marker.offset)
        self._set(marker)

    def _set(self, marker: Marker) -> None:
        self.read = self.scanned = self.released = self.committed = marker

    def row(self) -> Position:
        """As of what was released."""
        at = self.released
        return Position(
            self.file_id, self.name, self.path, self.device, self.inode, at.offset, self.head.length, self.head.hash,
            at.length, at.hash, self.size, self.ended, self.ledger.dump(at.offset, self.size),
        )  # fmt: skip

    def balance(self) -> Balance:
        """As of what is committed."""
        return self.ledger.balance(self.ledger.committed, self.shown, self.committed.offset, self.size)

    @property
    def key(self) -> tuple[int, int]:
        return self.device, self.inode

    @property
    def place(self) -> dict[str, Any]:
        """What a log says of it."""
        return {"file": self.shown, "file_id": self.file_id, "offset": self.read.offset, "size": self.size}

    @property
    def reach(self) -> int:
        """Up to where there is something to be read now."""
        return self.size if self.limit is None else min(self.size, self.limit)

    @property
    def has_data(self) -> bool:
        """Whether a read can find anything new."""
        return self.reach > (self.read if self.finishing or self.last_line else self.scanned).offset

    @property
    def settled(self) -> bool:
        """Everything read is committed."""
        return not self.pending and (self.committed.offset == self.read.offset or self.read.offset == self.nuls)

    def notice(self, st: os.stat_result, now: float) -> int:
        """Take note of its size; how many bytes at its end are gone unread. ``Changed``: it holds something else."""
        if st.st_size < self.read.offset:
            raise Changed
        if not self.verified or st.st_size <= self.size:
            self.verify()
        lost = 0
        if st.st_size < self.size:
            lost = self.size - st.st_size
            self.scanned = self.read
        elif st.st_size > self.size:
            self.quiet_since, self.checked = now, False
            if self.grown_from is None:
                self.grown_from = self.size
        self.size, self.mtime_ns = st.st_size, st.st_mtime_ns
        return lost

    def verify(self) -> None:
        """``Changed``, unless its beginning and the bytes before the position are what they were."""
        if not self.head.fits(os.pread(self.fd, HEAD, 0)) or not fits_at(self.fd, self.read):
            raise Changed
        self.verified = self.checked = True
        self.grown_from = None

    def see_head(self) -> bytes:
        """The first bytes of a newcomer, which may have more of them each time. While none of them is handed out, the
        head is of all there are; from then on, only of what was."""
        data = os.pread(self.fd, HEAD, 0)
        self.head = Head()
        self.head.feed(0, data[: self.read.offset] if self.read.offset else data)
        return data

    def after_last_newline(self) -> Marker:
        """Where ``read_from = "end"`` begins."""
        high = self.size
        while high > 0:
            low = max(0, high - REREAD)
            block = os.pread(self.fd, high - low, low)
            at = block.rfind(b"\n") + 1
            if at:
                offset = low + at
                first = max(0, offset - OVERLAP)
                return mark(offset, os.pread(self.fd, offset - first, first))
            high = low
        return NOWHERE

    def next_chunk(self, buffer: memoryview, max_line: int, wall: float) -> Chunk | None:
        """The next whole lines, in ``buffer``; None: no line's end was found, yet (see ``has_data``). Reads one buffer
        at most. ``Changed``: the file holds something else now; PackedError: no lines at all; OSError."""
        if self.scanned.offset - self.read.offset > min(REREAD, max_line):
            try:
                return self._on_through_line(buffer, max_line, wall)
            except Changed:  # of the unfinished line only, perhaps: then it begins anew
                self.scanned = self.read
        got, before, whole = self._pull(self.read, buffer)
        view = buffer[:got]
        kind = None if self.read.offset else kind_of(view)
        if kind or self.packed:
            raise PackedError(kind or "packed")
        if self.read.offset == self.nuls and got and view[0] == 0:
            self._pass_nuls(view)
            return None
        end, oversize = last_newline(view, 0, got) + 1, None
        if end > max_line + 1:
            end = fitting_lines(view, end, max_line)
            if not end:  # the very first line is too long
                end = first_newline(view, max_line + 1) + 1
                oversize = end - 1
        if not end and whole and self._ends_here():
            end, oversize = got, got if got > max_line else None
        stop = end or got
        marker = mark(self.read.offset + stop, before + bytes(view[max(0, stop - OVERLAP) : stop]))
        if not end:
            self.scanned = marker
            return None
        length = end if oversize is None else min(oversize, OVERSIZE_KEPT)
        return self._hand_out(before, view[:end], marker, length, oversize, wall)

    def _on_through_line(self, buffer: memoryview, max_line: int, wall: float) -> Chunk | None:
        """A long line that has only begun: search what is new for its end."""
        got, before, whole = self._pull(self.scanned, buffer)
        view = buffer[:got]
        end = first_newline(view) + 1
        if not end and not (whole and self._ends_here()):
            self.scanned = mark(self.scanned.offset + got, before + bytes(view[-OVERLAP:]))
            return None
        stop = end or got
        marker = mark(self.scanned.offset + stop, before + bytes(view[max(0, stop - OVERLAP) : stop]))
        length = marker.offset - self.read.offset - (1 if end else 0)
        oversize = length if length > max_line else None
        take = marker.offset - self.read.offset if oversize is None else min(length, OVERSIZE_KEPT, len(buffer))
        got, before, _ = self._pull(self.read, buffer[:take])
        if got < take:
            raise Changed
        return self._hand_out(before, buffer[:take], marker, take, oversize, wall)

    def _ends_here(self) -> bool:
        """At the end of what is to be read: whether what has no newline is a line. With ``last_line`` it is not if the
        file has grown: somebody writes that line just now, and the next run has it whole."""
        if self.last_line and self.limit is not None and os.fstat(self.fd).st_size > self.limit:
            self.last_line = False
        return self.finishing or self.last_line

    def _pull(self, at: Marker, buffer: memoryview) -> tuple[int, bytes, bool]:
        """Read on after a marker: bytes now in ``buffer``, the bytes before them, and whether the end was reached."""
        room = len(buffer) if self.limit is None else max(0, min(len(buffer), self.limit - at.offset))
        overlap = memoryview(_overlap)[: at.length]
        got = os.preadv(self.fd, [overlap, buffer[:room]], at.offset - at.length) - at.length
        if got < 0 or (at.length and digest(overlap) != at.hash):
            raise Changed
        whole = got < room or at.offset + got == self.limit
        self.size = max(self.size, at.offset + got)
        return got, bytes(overlap), whole

    def _hand_out(
        self, before: bytes, data: memoryview, end: Marker, length: int, oversize: int | None, wall: float
    ) -> Chunk:
        start = self.read.offset
        if start == 0:
            self.head = Head()
        self.head.feed(start, data)
        self.pending.append(Pending(start, before, end))
        self.history.append(end)
        self.read = self.scanned = end
        return Chunk(
            self.file_id, str(self.file_id), self.name, self.shown, start, length, end.offset, wall, wall, oversize
        )

    def _pass_nuls(self, view: memoryview) -> None:
        """A writer that kept its offset over a truncation leaves a hole at the beginning."""
        offset = self.read.offset + leading_nuls(view)
        if len(view) == offset - self.read.offset:
            try:
                offset = max(offset, min(os.lseek(self.fd, offset, os.SEEK_DATA), self.reach))
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but the hole, up to the end
                    offset = max(offset, self.reach)
                elif error.errno != errno.EINVAL:  # a file system that does not know: the NULs are read
                    raise
        zeros = bytes(min(offset, HEAD))
        self.head = Head()
        self.head.feed(0, zeros)
        self.nuls = offset
        self.read = self.scanned = mark(offset, zeros)

    @property
    def packed(self) -> bool:
        """What was passed over of it so far was packed."""
        return self.ledger.released.compressed > 0

    def pass_over(self) -> int:
        """All that is there of a packed file: it is done with; so many bytes. ``Changed``, OSError."""
        start, stop = self.read.offset, self.reach
        first = max(0, stop - OVERLAP)
        tail = os.pread(self.fd, stop - first, first)
        if len(tail) < stop - first:
            raise Changed
        self.read = self.scanned = self.released = mark(stop, tail)
        self.ledger.released += Work(compressed=stop - start)
        return stop - start

    def release(self, chunk: Chunk, done: int, data: memoryview, dead: int) -> tuple[int, int]:
        """See ``Source.release``; bytes now done that were not before, and NULs passed over before them."""
        pending = self.pending[0]
        was = self.released.offset
        skipped = max(0, pending.start - was)
        if done < chunk.length:
            tail = bytes(data[max(0, done - OVERLAP) : done])
            self.released = mark(chunk.start + done, pending.before + tail)
        else:
            self.pending.popleft()
            self.released = pending.end
        size = self.released.offset - was - skipped
        self.ledger.released += Work(size - dead, dead, skipped)
        return size, skipped

    def release_nuls(self) -> None:
        """It ended, and behind the NULs that were passed over there is nothing to release."""
        if not self.pending:
            self.ledger.released += Work(nul=self.read.offset - self.released.offset)
            self.released = self.read

    def commit(self, row: Position) -> None:
        self.committed = Marker(row.offset, row.tail_length, row.tail_hash)
        self.ledger.commit(row.ledger)

    def rewind(self) -> None:
        """Back to what is committed."""
        self.read = self.scanned = self.released = self.committed
        self.ledger.released = self.ledger.committed
        self.nuls = min(self.nuls, self.read.offset)
        self.pending.clear()
        self.history.clear()
        self.finishing = False
