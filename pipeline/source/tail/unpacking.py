"""Packed files read as what is in them: one at a time, each line once, also if it was read before it was packed.

The file's own cursor stays at its beginning until all of it is done; meanwhile places are those of the unpacked bytes.
They cannot be reached but from the beginning: after a restart, what was done is unpacked once more and passed over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import IO

from tailrace.pipeline.encoding import LONGEST_MARK, Encoding, marked
from tailrace.pipeline.framing import Framer
from tailrace.pipeline.settings import TailSettings
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.source.recorded.lines import OVERSIZE_KEPT, LineReader
from tailrace.pipeline.source.recorded.streams import PACKED, Damaged, Gzip, Stream, Zstd
from tailrace.pipeline.source.tail.cursor import Span
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.identity import HEAD, NOWHERE, OVERLAP, digest
from tailrace.pipeline.source.tail.packed import MAGIC_BYTES, Unpacked, kind_of
from tailrace.pipeline.source.tail.registry import Registry

KINDS: dict[str, Callable[[IO[bytes]], Stream]] = {"gzip": Gzip, "zstd": Zstd}
CUT = 60.0  # seconds for which one that is cut short is waited for: somebody may still write it
MOST, RATIO = 256 << 20, 500  # bytes after which it must not have grown by so many times; logs are packed to a tenth
PORTION = 16 << 20  # bytes passed over at a time: a moment
_BLOCK = memoryview(bytearray(64 << 10))  # for what is passed over; one thread reads


class Unpacking:
    """Called by ``Tail`` only. ``offer``: the file may have something to be read."""

    def __init__(
        self, settings: TailSettings, written_in: Encoding, framer: Framer | None, chunk_bytes: int,
        registry: Registry, offer: Callable[[File], None], until_eof: bool,
    ) -> None:  # fmt: skip
        self._settings, self._encoding, self._framer = settings, written_in, framer
        self._chunk_bytes, self._registry, self._offer, self._until_eof = chunk_bytes, registry, offer, until_eof
        self._file: File | None = None  # that is being read
        self._passing: _Passing | None = None  # what comes before the lines that are to be read
        self._reader: LineReader | None = None
        self._waiting: dict[File, None] = {}  # until that is done
        self._later: dict[File, None] = {}  # until the next scan
        self._twins: dict[File, File] = {}  # files, and what they were before, which is still being read itself

    def takes(self, kind: str) -> bool:
        """Whether a file that is packed so is read."""
        return self._settings.compressed == "read" and kind in KINDS

    def read(self, file: File, buffer: memoryview, now: float) -> Span | None:
        """The next whole lines, in ``buffer``; None: nothing now. OSError."""
        if self._file is not None and self._file.ended:
            self._close()
        if file.unpacked is not None and file.unpacked.stop:
            self._finish(file, file.unpacked)
            return None
        if self._file is not None and self._file is not file:
            self._waiting[file] = None
            return None
        if self._file is None and not self._begin(file, now):
            self._later[file] = None
            return None
        if self._passing is not None and self._passing.done():
            self._passed(file, self._passing)
        if self._reader is None:
            if file not in self._later:
                self._offer(file)  # more is to be passed over
            return None
        state, reader = file.unpacked, self._reader
        assert state is not None
        lines = reader.read(buffer)
        file.cursor.encoding = reader.encoding
        taken = reader.stream.taken()
        if reader.reached > max(MOST, RATIO * taken):
            why = f"{readable_size(taken)} of this packed file have become {readable_size(reader.reached)} already"
            kept = (bytes(buffer[: lines.length]) if lines else reader.beginning)[:OVERSIZE_KEPT] or b"\n"
            buffer[: len(kept)] = kept
            self._registry.troubles.damaged(file, f"{why}: it is not read any further")
            start, state.read = state.read, reader.reached
            self._stop(file, state)
            return Span(start, len(kept), state.read, len(kept), why)
        if reader.finished:
            self._end(file, state, reader, now)
        if lines is not None:
            state.read = lines.end
            return Span(*lines)
        if file not in self._later:
            self._offer(file)  # an over-long line is passed over, or all is done
        return None

    def look_again(self) -> None:
        """After a scan."""
        later, self._later = self._later, {}
        for file in later:
            self._offer(file)

    def _begin(self, file: File, now: float) -> bool:
        """Go on with it; False: not now."""
        if not self._until_eof:
            quiet = now - file.quiet_since
            cut = file.unpacked is not None and file.unpacked.tried == file.size and quiet < CUT
            if cut or quiet < self._settings.close_after:
                return False
        if file.unpacked is not None:
            self._passing = _Passing(file, file.unpacked.read)
        else:
            twin = self._twins.pop(file, None)
            if twin is not None and not _is_read(twin):
                self._twins[file] = twin
                return False
            candidates = [twin] if twin is not None else self._alike(file)
            self._passing = _Passing(file, 0, candidates)
        self._file = file
        return True

    def _alike(self, file: File) -> list[File]:
        """Those that it may have been before it was packed, by its beginning; the longest last."""
        with closing(_opened(file)) as stream:
            head = b"".join(_blocks(stream, HEAD))
        found = []
        for old in self._registry.by_id.values():
            known = old.cursor.head
            if old.unpacked is not None or old.packed or not known.length or not old.cursor.read.offset:
                continue
            if digest(head[: known.length]) == known.hash:
                found.append(old)
        return sorted(found, key=lambda old: old.cursor.read.offset)

    def _passed(self, file: File, passing: _Passing) -> None:
        """The lines to be read come next, or the next candidate for what the file was before."""
        twin = passing.twin
        if twin is not None and not passing.fits():
            passing.close()
            self._passing = _Passing(file, 0, passing.others)
            return
        if twin is not None and not _is_read(twin):
            self._twins[file] = twin
            self._later[file] = None
            self._close()
            return
        if file.unpacked is None:
            file.unpacked = Unpacked(passing.size, passing.size, passing.size)
            for ending in PACKED:
                file.name = file.name.removesuffix(ending)
            self._registry.changed(file)
        if twin is not None:
            self._registry.ended.packed(twin)
            self._registry.log.info("file.known", file=file.shown, of=twin.file_id, offset=passing.size)
        self._passing = None
        self._reader = LineReader(
            passing.stream, self._settings.max_line_bytes, self._chunk_bytes, marked(passing.first) or self._encoding,
            self._framer, passing.size,
        )  # fmt: skip

    def _end(self, file: File, state: Unpacked, reader: LineReader, now: float) -> None:
        if reader.fault is None:
            self._stop(file, state)
        elif reader.left_out and not self._until_eof and now - file.quiet_since < CUT:
            state.tried = file.size  # perhaps it is still being written
            self._close()
            self._later[file] = None
        else:
            rest = f"; {reader.left_out} bytes of an unfinished line before that were left out"
            self._registry.troubles.damaged(file, reader.fault + (rest if reader.left_out else ""))
            self._stop(file, state)

    def _stop(self, file: File, state: Unpacked) -> None:
        """Nothing more is read of what it holds now."""
        state.stop = os.fstat(file.fd).st_size
        self._close()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.stream.close()
        if self._passing is not None:
            self._passing.close()
        self._file = self._reader = self._passing = None
        waiting, self._waiting = self._waiting, {}
        for file in waiting:
            self._offer(file)

    def _finish(self, file: File, state: Unpacked) -> None:
        """All of it was read: as soon as that is on its way, it is done with."""
        if state.released >= state.read:
            self._registry.counters.add("bytes_read", file.finish_unpacked())
            self._registry.changed(file)

    def rewind(self) -> None:
        """Each file goes on from what is committed."""
        self._close()

    def close(self) -> None:
        self._waiting.clear()
        self._close()


class _Passing:
    """Passes over so many unpacked bytes, a portion at each call of ``done``. With candidates: over what the last of
    them has read, to see whether it is the same."""

    def __init__(self, file: File, size: int, candidates: Sequence[File] = ()) -> None:
        self.twin = candidates[-1] if candidates else None
        self.others = candidates[:-1]
        self._marker = self.twin.cursor.read if self.twin is not None else NOWHERE
        self.size = size if self.twin is None else self._marker.offset
        with closing(_opened(file)) as stream:
            self.first = b"".join(_blocks(stream, LONGEST_MARK))  # bytes: an encoding's mark may be among them
        self.stream = _opened(file)
        self._at, self._before = 0, b""

    def done(self) -> bool:
        passed = 0
        for block in _blocks(self.stream, min(PORTION, self.size - self._at)):
            passed += len(block)
            self._before = (self._before + block)[-OVERLAP:]
        self._at += passed
        return self._at >= self.size or passed == 0  # (it was longer once)

    def fits(self) -> bool:
        """The bytes at the end of what was passed over are those that the candidate has read."""
        marker = self._marker
        return self._at == marker.offset and digest(self._before[-marker.length :]) == marker.hash

    def close(self) -> None:
        self.stream.close()


def _is_read(file: File) -> bool:
    """Nothing more of it is to be read, or committed."""
    return file.settled and (file.ended or not file.unread)


def _opened(file: File) -> Stream:
    """From its beginning. It has a descriptor of its own, so the file's may be closed."""
    kind = kind_of(os.pread(file.fd, MAGIC_BYTES, 0))
    opened = os.fdopen(os.dup(file.fd), "rb")
    opened.seek(0)
    return KINDS[kind or "gzip"](opened)


def _blocks(stream: Stream, size: int) -> Iterator[bytes]:
    """So many bytes, or up to the end or to what is damaged: the reader comes to that, too."""
    left = size
    with suppress(Damaged):
        while left > 0 and (count := stream.read_into(_BLOCK[:left])):
            left -= count
            yield bytes(_BLOCK[:count])
