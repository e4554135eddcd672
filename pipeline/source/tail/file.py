"""One generation of one file: what it is, where it is, how far it is read, and what became of its bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from time import time
from typing import Any

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.encoding import Encoding
from tailrace.pipeline.escape import escape
from tailrace.pipeline.framing import Framer
from tailrace.pipeline.source.tail.cursor import Cursor, Span, written_as
from tailrace.pipeline.source.tail.identity import Changed, Head, Marker
from tailrace.pipeline.source.tail.ledger import BEFORE_START, Balance, Ledger, Work
from tailrace.pipeline.source.tail.packed import PackedError, Unpacked
from tailrace.pipeline.source.tail.position import Position

MOST_GROWTH = 32  # sizes of a file that are kept
FINE = 16  # part of the time since the oldest of them, within which two sizes are one


@dataclass(slots=True, eq=False)
class File:
    """``Discovery`` decides when it begins and ends."""

    path: bytes
    name: str  # the base name when first seen, printable
    device: int
    inode: int
    file_id: int = 0  # 0: not registered yet
    cursor: Cursor = field(default_factory=Cursor)
    damaged: bool = False  # it is packed, and not all of it could be read
    unpacked: Unpacked | None = None  # of a packed file that is read: how far that is
    size: int = 0  # bytes known to exist; once accounted for, up to where it was read
    mtime_ns: int = -1
    seen_size: int = -1  # by its last stat; `size` may be more, by what a read has found since
    seen_at: float = 0.0  # when that was, in seconds since the epoch
    watched_from: int = -1  # its size when it was first seen in this run; what follows appeared while we watched
    written_at: float = 0.0  # its mtime then
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
    reused: bool = False  # truncated, as it seems because its inode was given to another file
    copied: bool = False  # ended, and a copy of it has taken over the rest
    accounted: bool = False  # ended, and what was lost with it is known: no copy is looked for any more
    ended_at: float = 0.0
    ended_scan: int = 0  # number of the scan at which it ended
    scan: int = 0  # number of the last scan that found it
    home: int = 0  # number of the last scan that found it under `path`
    growth: list[tuple[int, float]] = field(default_factory=list)  # sizes that it was seen to have, and when it had
    # grown to them, in seconds since the epoch; only those behind what is committed, and the last few of many
    gone_since: float | None = None  # no name leads to it any more
    quiet_since: float = 0.0  # it did not grow, and was read to its end, since then

    def __post_init__(self) -> None:
        self.moved(self.path)

    def moved(self, path: bytes) -> None:
        self.path, self.shown = path, escape(os.fsdecode(path))

    @classmethod
    def resumed(cls, row: Position, now: float) -> File:
        """As the state knows it."""
        cursor = Cursor(Head(row.head_length, row.head_hash))
        cursor.start_at(Marker(row.offset, row.tail_length, row.tail_hash))
        file = cls(row.path, row.name, row.device, row.inode, row.file_id, cursor)
        file.ledger = Ledger.load(row.ledger)
        cursor.closed_at = row.ledger.get("closed", [])
        if (done := row.ledger.get("unpacked")) is not None:
            file.unpacked = Unpacked(done, done, done)
        file.damaged = bool(row.ledger.get("damaged"))
        file.size, file.ended, file.verified, file.quiet_since = row.size, row.ended, False, now
        return file

    def start_at(self, marker: Marker, reason: str = BEFORE_START) -> None:
        """Nothing before it is read under this id, for that reason."""
        self.ledger.skip(reason, marker.offset)
        self.cursor.start_at(marker)

    def row(self) -> Position:
        """As of what was released."""
        at, head = self.cursor.released, self.cursor.head
        ledger = self.ledger.dump(at.offset, self.extent)
        if closed := [stop for stop in (*self.cursor.closed_at, *self.cursor.closing) if stop > at.offset]:
            ledger["closed"] = closed
        if self.unpacked is not None:
            ledger["unpacked"] = self.unpacked.released
        if self.damaged:
            ledger["damaged"] = True
        return Position(
            self.file_id, self.name, self.path, self.device, self.inode, at.offset, head.length, head.hash,
            at.length, at.hash, self.extent, self.ended, ledger,
        )  # fmt: skip

    def balance(self) -> Balance:
        """As of what is committed."""
        return self.ledger.balance(self.ledger.committed, self.shown, self.cursor.committed.offset, self.extent)

    @property
    def key(self) -> tuple[int, int]:
        return self.device, self.inode

    @property
    def place(self) -> dict[str, Any]:
        """What a log says of it."""
        return {"file": self.shown, "file_id": self.file_id, "offset": self.cursor.read.offset, "size": self.size}

    @property
    def reach(self) -> int:
        """Up to where there is something to be read now."""
        return self.size if self.limit is None else min(self.size, self.limit)

    @property
    def extent(self) -> int:
        """Up to where it holds something else than NULs at its end, as far as that is known."""
        start, stop = self.cursor.padding
        return max(start, self.cursor.read.offset) if start < self.size <= stop else self.size

    @property
    def _has_padding(self) -> bool:
        """It ends with NULs, or those that were seen may go on to its end."""
        cursor = self.cursor
        return self.extent < self.size or (cursor.open_to > 0 and cursor.nuls_beyond)

    @property
    def unread(self) -> int:
        """Bytes known to exist that were not handed out."""
        return self.extent - self.cursor.read.offset

    @property
    def has_data(self) -> bool:
        """Whether a read can find anything new."""
        if self.finishing or self.last_line:
            return min(self.reach, self.extent) > self.cursor.read.offset
        return self.reach > self.cursor.scanned.offset

    @property
    def loss(self) -> str:
        """It ended: why what was not read of it is lost, unless a copy holds that."""
        return "truncated" if self.truncated and not self.reused else "deleted"

    @property
    def settled(self) -> bool:
        """Everything read is committed."""
        return self.cursor.settled and (self.unpacked is None or self.unpacked.settled)

    def notice(self, st: os.stat_result, now: float) -> int:
        """Take note of its size; how many bytes at its end are gone unread. ``Changed``: it holds something else."""
        if st.st_size < self.cursor.read.offset:
            raise Changed
        if not self.verified or st.st_size <= self.size:
            self.verify()
        lost = 0
        if st.st_size < self.size:
            lost = max(0, self.extent - st.st_size)
            self.cursor.scanned = self.cursor.read
        elif st.st_size == self.size and self._has_padding and st.st_mtime_ns != self.mtime_ns:
            self.cursor.scanned = self.cursor.read  # lines may stand by now where there were NULs
            self.quiet_since = now
        elif st.st_size > self.size:
            self.quiet_since, self.checked = now, False
            if self.grown_from is None:
                self.grown_from = self.size
        self.see(st)
        return lost

    def rewritten(self, st: os.stat_result) -> bool:
        """Whether somebody wrote to it, or touched it, and its size is what it was: to be asked before ``notice``."""
        written = self.mtime_ns not in (-1, st.st_mtime_ns)
        return written and st.st_size == self.seen_size == self.size == self.extent > 0

    def see(self, st: os.stat_result) -> None:
        """Its size and time are these now."""
        if st.st_size != self.seen_size:
            self._note_growth(st)
        if self.watched_from < 0:
            self.watched_from, self.written_at = st.st_size, st.st_mtime
        self.size = self.seen_size = st.st_size
        self.mtime_ns, self.seen_at = st.st_mtime_ns, time()

    def _note_growth(self, st: os.stat_result) -> None:
        if self.growth and st.st_size < self.growth[-1][0]:  # what is left of it is as old as it was
            left = (st.st_size, self.appended(st.st_size - 1))
            self.growth = [*(one for one in self.growth if one[0] < st.st_size), left]
            return
        if st.st_size > self.cursor.committed.offset:
            # A file that was never seen before may be old: it counts from now on.
            new = self.watched_from < 0 and not self.file_id
            when = time() if new else st.st_mtime
            if self.growth and when - self.growth[-1][1] < (when - self.growth[0][1]) / FINE:
                when = self.growth.pop()[1]  # that of the size before, a little earlier, stands for both
            self.growth.append((st.st_size, when))
        if len(self.growth) > MOST_GROWTH:  # the time of the older one stands for both
            self.growth = [
                (size, when) for (size, _), (_, when) in zip(self.growth[1::2], self.growth[::2], strict=False)
            ] + self.growth[len(self.growth) // 2 * 2 :]

    def appended(self, offset: int) -> float:
        """When the byte at this offset was there, in seconds since the epoch, as far as that was seen; 0: unknown."""
        if 0 <= self.seen_size <= offset and self.unpacked is None:
            return self.seen_at  # a read has found it since
        return next((when for size, when in self.growth if size > offset), 0.0)

    def year_bound(self, end: int, wall: float) -> float:
        """No record up to ``end`` is from after this moment, in seconds since the epoch: the last write, or now, if
        they appeared while we watched. (Some mounts update the time of a file late.)"""
        if self.unpacked is not None:
            return self.mtime_ns / 1e9
        return self.written_at if end <= self.watched_from else max(self.mtime_ns / 1e9, wall)

    def verify(self) -> None:
        """``Changed``, unless its beginning and the bytes before the position are what they were."""
        self.cursor.verify(self.fd)
        self.verified = self.checked = True
        self.grown_from = None

    def read_head(self) -> bytes:
        return self.cursor.read_head(self.fd)

    def next_lines(self, buffer: memoryview, max_line: int, configured: Encoding, framer: Framer | None) -> Span | None:
        """The next whole lines, in ``buffer``; None: no line's end was found, yet (see ``has_data``). Reads one buffer
        at most. ``configured``: the encoding, unless a byte order mark says another. ``framer``: of records, if they
        are of several lines. ``Changed``: the file holds something else now; PackedError: no lines at all; OSError."""
        if self.packed:
            self.cursor.verify(self.fd)
            raise PackedError("packed")
        if not (self.cursor.recognised and self.cursor.read.offset):
            self.cursor.encoding, self.cursor.recognised = written_as(self.fd, configured), True
        limit = self.limit
        if (self.finishing or self.last_line) and self.extent < self.size:
            limit = min(self.extent, self.reach)  # the last line ends before the NULs
        try:
            return self.cursor.next_lines(self.fd, buffer, max_line, limit, self._ends_here, framer)
        finally:
            self.size = max(self.size, self.cursor.seen)

    def _ends_here(self) -> bool:
        """At the end of what is to be read: whether what has no newline is a line. With ``last_line`` it is not if the
        file has grown: somebody writes that line just now, and the next run has it whole."""
        if self.last_line and self.limit is not None and os.fstat(self.fd).st_size > self.limit:
            self.last_line = False
        return self.finishing or self.last_line

    @property
    def packed(self) -> bool:
        """What was skipped of it so far was packed."""
        return self.ledger.released.compressed > 0

    def skip_packed(self) -> int:
        """All that is there of a packed file: it is done with; so many bytes. ``Changed``, OSError."""
        start, stop = self.cursor.read.offset, self.reach
        self.cursor.skip_to(self.fd, stop)
        self.ledger.released += Work(compressed=stop - start)
        return stop - start

    def finish_unpacked(self) -> int:
        """All that is there of a packed file was read; so many packed bytes. ``Changed``, OSError."""
        assert self.unpacked is not None
        size = self.unpacked.stop - self.cursor.read.offset
        self.cursor.skip_to(self.fd, self.unpacked.stop)
        self.unpacked.stop = 0  # what it grows by is to be read
        self.ledger.released += Work(size)
        return size

    def release(self, chunk: Chunk, done: int, data: memoryview, dead: int) -> tuple[int, int]:
        """See ``Source.released``; bytes now done that were not before, and NULs skipped before them."""
        if self.unpacked is not None:
            self.unpacked.released = chunk.end if done == chunk.length else chunk.start + done
            return 0, 0
        size, skipped = self.cursor.release(chunk, done, data)
        self.ledger.released += Work(size - dead, dead, skipped)
        return size, skipped

    def release_nuls(self) -> None:
        """It ended, and behind the NULs that were skipped there is nothing to release."""
        cursor = self.cursor
        if not cursor.pending:
            self.ledger.released += Work(nul=cursor.read.offset - cursor.released.offset)
            cursor.released = cursor.read

    @property
    def ends_with_lines(self) -> bool:
        """Nothing is unread, as far as a read can tell, that may be more of the last record."""
        return self.cursor.nuls_beyond or self.reach <= self.cursor.scanned.offset

    def close_record(self) -> bool:
        """Time has closed what may still go on: that is entered in the state before it is handed out. False: it was
        told before."""
        cursor = self.cursor
        if cursor.open_to in (*cursor.closing, *cursor.closed_at):
            return False
        cursor.closing.append(cursor.open_to)
        return True

    def commit(self, row: Position) -> None:
        cursor, closed = self.cursor, row.ledger.get("closed", [])
        if any(stop > cursor.read.offset for stop in closed):
            cursor.scanned = cursor.read  # it can be handed out now
        cursor.closed_at = closed
        cursor.closing = [stop for stop in cursor.closing if stop not in closed]
        cursor.committed = Marker(row.offset, row.tail_length, row.tail_hash)
        if self.growth and self.growth[0][0] <= row.offset:
            self.growth = [one for one in self.growth if one[0] > row.offset]
        self.ledger.commit(row.ledger)
        if self.unpacked is not None:
            self.unpacked.committed = row.ledger.get("unpacked", 0)

    def rewind(self) -> None:
        """Back to what is committed."""
        self.cursor.rewind()
        if self.unpacked is not None:
            self.unpacked.rewind()
        self.ledger.released = self.ledger.committed
        self.finishing = False
