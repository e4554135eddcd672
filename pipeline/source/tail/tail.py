"""The tailer: many growing files as one source of chunks, in fair turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.framing import Framer
from tailrace.pipeline.settings import TailSettings
from tailrace.pipeline.source import JSON, Register
from tailrace.pipeline.source.tail.again import original, written_in
from tailrace.pipeline.source.tail.cursor import Span
from tailrace.pipeline.source.tail.descriptors import Descriptors, allowance
from tailrace.pipeline.source.tail.discovery import Discovery
from tailrace.pipeline.source.tail.done import Done
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.finder import Finder
from tailrace.pipeline.source.tail.hints import Hints
from tailrace.pipeline.source.tail.identity import Changed
from tailrace.pipeline.source.tail.ledger import Balance
from tailrace.pipeline.source.tail.listing import listing
from tailrace.pipeline.source.tail.packed import PackedError
from tailrace.pipeline.source.tail.position import Position
from tailrace.pipeline.source.tail.registry import Registry
from tailrace.pipeline.source.tail.turns import Turns
from tailrace.pipeline.source.tail.unpacking import Unpacking
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.log import Log
from tailrace.pipeline.telemetry.snapshot import Listing

SCAN_INTERVAL = 1.0  # seconds between two scans, hints or no hints; more with so many files that a scan costs too much
SOONEST = 0.02  # seconds between two scans when a hint asks for one
SCAN_COST = 1e-4  # seconds for each file: twenty times what it costs to look at one


class Tail:
    """See ``Source``. Each file that has data gets a turn (``Turns``), a turn is one buffer of one file.

    ``key_prefix`` is the state's id: with a stream's number it makes the stream's key. ``ours`` tells which paths are
    our own outputs or state, which are never read. ``until_eof``: each file is read to the size that the first scan
    finds, with ``last_line`` also what stands behind its last newline.
    """

    def __init__(
        self,
        settings: TailSettings,
        register: Register,
        *,
        key_prefix: str,
        ours: Callable[[bytes], bool],
        log: Log,
        counters: Counters,
        hints: Hints | None = None,
        until_eof: bool = False,
        last_line: bool = False,
        wall: Callable[[], float] = time.time,
        chunk_bytes: int = 1 << 20,  # of unpacked lines in one chunk
        max_open: int | None = None,  # files open at a time; None: what the process may open, less a reserve
        kept: Mapping[int, int] | None = None,  # descriptors by file id, of a tailer that this one follows
    ) -> None:
        self._max_line, self._key_prefix = settings.max_line_bytes, key_prefix
        self._encoding = encoding(settings.encoding)
        self._framer = Framer(settings.multiline) if settings.multiline is not None else None
        self._open: dict[File, None] = {}  # with a record that may still go on
        self._counters, self._hints, self._until_eof, self._wall = counters, hints, until_eof, wall
        self._descriptors = Descriptors(allowance() if max_open is None else max_open)
        self._registry = Registry(log, counters, self._descriptors, self._offer)
        self._discovery = Discovery(settings, register, ours, self._registry, until_eof, last_line, wall, kept or {})
        self._unpacking = Unpacking(
            settings, self._encoding, self._framer, chunk_bytes, self._registry, self._offer, until_eof
        )
        self._done = Done(settings, self._registry, until_eof)
        self._ready = Turns(settings.priority)
        self._stalled = False  # those that are ready may all have no further slot now
        self._in_flight: set[int] = set()  # file ids of the rows of the outstanding cut
        self._scanned_at = self._next_scan = 0.0
        self._total: int | None = None  # bytes to be read until the end, where there is one

    def open(self, remembered: Mapping[int, JSON], now: float) -> None:
        if self._hints is not None:
            self._hints.start()
        self._discovery.open([Position.from_json(*one) for one in remembered.items()], now)
        self._scanned(now)
        if self._until_eof:
            self._total = sum(max(0, file.reach - file.cursor.read.offset) for file in self._registry.living.values())

    @property
    def whole(self) -> bool:
        return not self.missing

    @property
    def missing(self) -> Sequence[str]:
        return self._discovery.missing

    def poll(self, now: float) -> float:
        if self._hints is not None:
            for path in self._hints.take():
                if self._discovery.look(path, now):
                    self._scan_soon(now)
        if now >= self._next_scan:
            if self._hints is not None:
                self._hints.check()
            self._discovery.scan(now)
            self._scanned(now)
            self._unpacking.look_again()
            self._done.look(now)
        else:
            self._discovery.register_new()
        wait = self._close_records(now)
        if self._ready and not self._stalled:
            return 0.0
        return max(0.0, min(self._next_scan - now, wait))

    def _close_records(self, now: float) -> float:
        """Those that nothing was added to for a while; seconds until the next one is due."""
        wait = inf
        if self._framer is None:
            return wait
        timeout = self._framer.timeout
        for file in list(self._open):
            if file.quiet_since + timeout <= now and not self._refresh(file, now):
                continue
            due = file.quiet_since + timeout
            goes_on = file.limit is not None and file.size > file.limit  # behind what this run reads
            unreachable = file.gone_since is not None and file.fd < 0
            if file.ended or goes_on or unreachable or not file.cursor.open_to:
                del self._open[file]
            elif due > now:
                wait = min(wait, due - now)
            elif file.ends_with_lines and file.close_record():
                self._registry.dirty.add(file.file_id)
        return wait

    def _refresh(self, file: File, now: float) -> bool:
        """It may have grown since the last scan. False: that cannot be seen now."""
        if file.ended or (file.gone_since is not None and file.fd < 0):
            return True
        try:
            self._registry.refresh(file, self._descriptors.open(file), now)
        except (Changed, OSError):
            return False  # the next scan finds out
        return True

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:
        held: list[File] = []  # they may not have another slot now
        try:
            return self._read_next(buffer, now, skip, held)
        finally:
            for file in held:
                self._offer(file, awake=False)

    def _read_next(self, buffer: memoryview, now: float, skip: Callable[[int], bool], held: list[File]) -> Chunk | None:
        for _ in range(len(self._ready)):
            file = self._ready.take()
            file.queued = False
            if file.ended or not file.has_data:
                continue
            if skip(file.file_id):
                held.append(file)
                continue
            searched, size = file.cursor.scanned.offset, file.size
            chunk = self._read_file(file, buffer, now)
            if chunk is not None or file.size > size:
                file.quiet_since = now
            if chunk is not None:
                self._ready.has_read(file, chunk.end - chunk.start)
                self._offer(file)
                return chunk
            if file.queued:
                return None  # that was a turn
            if file.ended or file.cursor.scanned.offset <= searched:
                continue  # nothing was there: the next hint or scan will tell
            self._offer(file)
            if file.cursor.scanned.offset - searched >= len(buffer) // 2:
                return None  # a long line's end was looked for: that was a turn
        self._stalled = True
        return None

    def _read_file(self, file: File, buffer: memoryview, now: float) -> Chunk | None:
        try:
            self._descriptors.open(file)
            self._registry.troubles.readable(file)
            if not file.checked:
                file.verify()
            span = self._next_lines(file, buffer, now)
        except Changed:
            if file.fd >= 0:
                self._registry.replaced(file, file.path, now)
                self._discovery.decide(now)
            else:
                self._registry.try_later(file)  # another file stands there by now
            self._scan_soon(now)
        except OSError as error:
            self._registry.trouble(file, error)
        else:
            if file.cursor.open_to:
                self._open[file] = None
            return None if span is None else self._chunk(file, span)
        return None

    def _next_lines(self, file: File, buffer: memoryview, now: float) -> Span | None:
        if file.unpacked is not None:
            return self._unpacking.read(file, buffer, now)
        try:
            return file.next_lines(buffer, self._max_line, self._encoding, self._framer)
        except PackedError as packed:
            if self._unpacking.takes(packed.kind):
                return self._unpacking.read(file, buffer, now)
            self._registry.skip_packed(file, packed.kind)
            return None

    def _chunk(self, file: File, span: Span) -> Chunk:
        wall = self._wall()
        start, length, end, oversize, fault = span
        key = f"{self._key_prefix}-{file.file_id}"
        bound = file.year_bound(end, wall)
        return Chunk(
            file.file_id, key, file.name, file.shown, start, length, end, wall, bound, oversize=oversize,
            encoding=file.cursor.encoding.name, fault=fault, appended=file.appended(start),
        )  # fmt: skip

    def _offer(self, file: File, *, awake: bool = True) -> None:
        """It may have something to be read."""
        if file.has_data and file.file_id and not (file.queued or file.failed or file.ended):
            file.queued = True
            self._ready.add(file)
            if awake:
                self._stalled = False

    def _scanned(self, now: float) -> None:
        self._scanned_at, self._next_scan = now, now + max(SCAN_INTERVAL, SCAN_COST * self._discovery.found)

    def _scan_soon(self, now: float) -> None:
        soon = self._scanned_at + SOONEST + SCAN_COST * self._discovery.found
        self._next_scan = min(self._next_scan, max(now, soon))

    def released(self, chunk: Chunk, done: int, data: memoryview, dead: int = 0) -> None:
        read, skipped = self._registry.by_id[chunk.stream].release(chunk, done, data, dead)
        self._counters.add("bytes_read", read)
        if skipped:
            self._counters.add("bytes_skipped", skipped, reason="nul")
        self._registry.dirty.add(chunk.stream)
        if (file := self._registry.by_id[chunk.stream]).unpacked is not None:
            self._offer(file)
        self._stalled = False

    @property
    def changed(self) -> bool:
        return bool(self._registry.dirty)

    def cut(self) -> dict[int, JSON]:
        self._in_flight = self._registry.dirty
        self._registry.dirty = set()
        by_id = self._registry.by_id
        return {file_id: by_id[file_id].row().to_json() for file_id in sorted(self._in_flight) if file_id in by_id}

    def committed(self, cursors: Mapping[int, JSON]) -> None:
        for file_id, cursor in cursors.items():
            file = self._registry.by_id.get(file_id)
            if file is not None:
                file.commit(Position.from_json(file_id, cursor))
                if file in self._open:
                    self._offer(file)
        self._done.committed(cursors)
        self._in_flight = set()

    def retired(self) -> list[int]:
        """File ids that are done with since the last call: their rows may be removed in the next commit."""
        retired, self._discovery.retired = self._discovery.retired, []
        return retired

    def rewind(self) -> None:
        self._registry.dirty |= self._in_flight
        self._in_flight = set()
        self._unpacking.rewind()
        self._done.forget()
        self._registry.rewind()
        self._stalled = False

    def balances(self) -> list[Balance]:
        """The balance of every generation that is not forgotten yet, as of what is committed, in the order of their
        ids; at the end those that have none yet."""
        registry = self._registry
        files = [file for _, file in sorted(registry.by_id.items())]
        return [file.balance() for file in (*files, *(file for file in registry.living.values() if not file.file_id))]

    def unread(self) -> dict[str, str]:
        """Files that cannot be read, and directories that cannot be looked into, each with the reason."""
        return self._registry.troubles.unread()

    def leave(self) -> None:
        self._discovery.leave()
        self._done.leave()

    @property
    def exhausted(self) -> bool:
        if not self._until_eof or self._ready or self._discovery.unsure:
            return False
        if any(not file.failed for file in self._open):
            return False
        return not any(
            file.has_data and not file.failed and file.gone_since is None for file in self._registry.living.values()
        )

    def behind(self) -> list[int]:
        return [file.file_id for file in self._registry.living.values() if file.has_data and not file.failed]

    def original(self, stream: int, offset: int, length: int) -> bytes | None:
        """See ``Rereads``."""
        return original(self._registry, stream, offset, length)

    def written_in(self, stream: int) -> str | None:
        """See ``Encoded``."""
        return written_in(self._registry, stream, self._encoding)

    def listing(self, limit: int, wall: float) -> Listing:
        """See ``Lists``."""
        return listing(self._registry, len(self._descriptors), limit, wall)

    def progress(self) -> tuple[int, int | None]:
        return int(self._counters.total("bytes_read") + self._counters.total("bytes_skipped")), self._total

    def close(self) -> None:
        self._stop()
        self._discovery.close()

    def hand_over(self) -> dict[int, int]:
        """See ``HandsOver``."""
        self._stop()
        for file in self._registry.living.values():
            if not file.file_id and file.fd >= 0 and not os.fstat(file.fd).st_nlink:
                self._registry.ended.lose(file, "closed", 0, file.size)
        return self._discovery.take_kept() | self._descriptors.take_all()

    def _stop(self) -> None:
        if self._hints is not None:
            self._hints.stop()
        self._unpacking.close()


def watched(settings: TailSettings) -> list[tuple[bytes, bool]]:
    """The directories for ``Hints``, each with: directories below it too?"""
    return Finder(settings.paths, settings.exclude).bases()
