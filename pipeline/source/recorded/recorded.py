"""Recorded files for ``replay``: each is read once, whole, one after the other; no state is written."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import termios
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.encoding import UTF8, Encoding
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.framing import Framer
from tailrace.pipeline.source import JSON
from tailrace.pipeline.source.recorded.keys import Content, Keys
from tailrace.pipeline.source.recorded.lines import LineReader
from tailrace.pipeline.source.recorded.streams import PACKED, Plain, Stream, import_zstandard, part_of, unpacked
from tailrace.pipeline.source.tail.identity import HEAD
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.log import get_logger

STDIN = "-"
_PIPE_WAIT = 0.02  # seconds until a pipe that had nothing is asked again
_NOTHING_MORE = 60.0  # seconds: it need not be asked again

log = get_logger("replay")


@dataclass(slots=True)
class _File:
    """One argument of the command."""

    file_id: int
    path: str
    name: str
    size: int | None  # bytes on the disk, or left in a pipe that nobody writes to any more; None: nobody knows
    pipe: bool


class Recorded:
    """The source of ``replay``: a step object like the tailer (see ``Source``), and as bounded."""

    def __init__(
        self,
        paths: Sequence[str],
        name_as: str | None = None,  # the name of every file, for `only` and {source}
        max_line_bytes: int = 1 << 20,
        chunk_bytes: int = 1 << 20,
        counters: Counters | None = None,
        wall: Callable[[], float] = time.time,
        stdin: int = 0,
        keys: Keys | None = None,
        written_in: Encoding = UTF8,  # unless a byte order mark says another
        framer: Framer | None = None,
    ) -> None:
        self.errors: list[str] = []  # files that could not be read to their end; the command fails then
        self._paths = paths
        self._name_as = name_as
        self._max_line_bytes = max_line_bytes
        self._encoding, self._framer = written_in, framer
        self._chunk_bytes = chunk_bytes
        self._counters = counters or Counters()
        self._wall = wall
        self._stdin = stdin
        self._keys = keys or Keys()
        self._key = ""  # of the open file; empty: it is a pipe of which nothing was read yet
        self._examined = False
        self._waiting: list[_File] = []
        self._file: _File | None = None
        self._reader: LineReader | None = None
        self._now = 0.0  # of the open file: its mtime
        self._finished_bytes = 0
        self._total_bytes: int | None = None

    def examine(self) -> None:
        """Look at every path before anything starts. TailraceError names all that cannot be read, and why."""
        problems = []
        self._examined = True
        for number, path in enumerate(self._paths, start=1):
            try:
                self._waiting.append(self._examine(number, path))
            except OSError as error:
                problems.append(f"{_printable(path)}: {_explain(error)}")
        if list(self._paths).count(STDIN) > 1:
            problems.append("standard input (-) can be read only once")
        if problems:
            raise TailraceError("\n".join(problems))
        sizes = [file.size for file in self._waiting if file.size is not None]
        if len(sizes) == len(self._waiting):
            self._total_bytes = sum(sizes)

    def open(self, remembered: Mapping[int, JSON], now: float) -> None:  # noqa: ARG002 - no state, no clock
        if not self._examined:
            self.examine()

    def poll(self, now: float) -> float:  # noqa: ARG002 - waits for pipes only
        if self.exhausted:
            return _NOTHING_MORE
        return 0.0 if self._reader is None or self._reader.stream.ready() else _PIPE_WAIT

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:  # noqa: ARG002
        while self._file is not None or self._next_file():
            file, reader = self._file, self._reader
            assert file is not None
            assert reader is not None
            if skip(file.file_id):
                return None
            lines = reader.read(buffer)
            if reader.finished:
                self._close_file()
            if lines is not None:
                start, length, end, oversize = lines
                self._counters.add("bytes_read", end - start)
                if not self._key:
                    line = bytes(buffer[: min(length, HEAD)]).partition(b"\n")[0]  # however much a pipe gives at once
                    self._key = self._keys.of(Content(_name(file.path), line))
                return Chunk(
                    file.file_id,
                    self._key,
                    file.name,
                    _printable(file.path),
                    start,
                    length,
                    end,
                    self._now,
                    self._now,
                    oversize=oversize,
                    encoding=reader.encoding.name,
                )
            if self._file is not None:
                return None  # a pipe has nothing, or an over-long line is being passed over
        return None

    def released(self, chunk: Chunk, done: int, data: memoryview, dead: int = 0) -> None:
        """A replay keeps no cursor."""

    def cut(self) -> dict[int, JSON]:
        return {}

    def committed(self, cursors: Mapping[int, JSON]) -> None:
        """A replay keeps no cursor."""

    @property
    def changed(self) -> bool:
        return False

    def retired(self) -> list[int]:
        return []

    def rewind(self) -> None:
        """A replay has no cursor to go back to."""
        raise TailraceError("a sink failed, and a replay keeps no positions to go back to: run it again")

    def leave(self) -> None:
        """There is no next run."""

    def behind(self) -> list[int]:
        files = self._waiting if self._file is None else [self._file, *self._waiting]
        return [file.file_id for file in files]

    @property
    def exhausted(self) -> bool:
        return self._file is None and not self._waiting

    def close(self) -> None:
        self._waiting.clear()
        if self._reader is not None:
            self._reader.stream.close()
            self._file = self._reader = None

    def progress(self) -> tuple[int, int | None]:
        """Bytes read of the files as they lie on the disk, and all there are; None where nobody knows how many come
        through a pipe."""
        taken = self._reader.stream.taken() if self._reader is not None else 0
        return self._finished_bytes + taken, self._total_bytes

    def _examine(self, number: int, path: str) -> _File:
        """Raises OSError where the path cannot be read as a file."""
        status = os.fstat(self._stdin) if path == STDIN else os.stat(path)
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        pipe = not stat.S_ISREG(mode)
        if path != STDIN:
            if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
                raise OSError(errno.EINVAL, "it is a socket or a block device, not a file")
            if not os.access(path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            if path.endswith(".zst"):
                import_zstandard()
        size = _left_in_pipe(self._stdin) if path == STDIN and stat.S_ISFIFO(mode) else None if pipe else status.st_size
        return _File(number, path, self._name_as or _name(path), size, pipe)

    def _next_file(self) -> bool:
        """Open the next file that can be opened; False: there is none."""
        while self._waiting:
            file = self._waiting.pop(0)
            try:
                self._key = "" if file.pipe or file.path == STDIN else self._keys.of(_content(file.path))
                stream = self._open_file(file)
            except OSError as error:  # it was readable when the command began
                self._fail(file, _explain(error))
                self._finished_bytes += file.size or 0
                continue
            self._file = file
            self._reader = LineReader(stream, self._max_line_bytes, self._chunk_bytes, self._encoding, self._framer)
            return True
        return False

    def _open_file(self, file: _File) -> Stream:
        if file.path == STDIN:
            self._now = self._wall() if file.pipe else os.fstat(self._stdin).st_mtime
            return Plain(self._stdin, pipe=file.pipe, keep_open=True)
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._now = self._wall() if file.pipe else os.fstat(descriptor).st_mtime
        return unpacked(file.path, descriptor) or Plain(descriptor, pipe=file.pipe)

    def _close_file(self) -> None:
        assert self._file is not None
        assert self._reader is not None
        if self._reader.fault is not None:
            left_out = self._reader.left_out
            rest = f"; {left_out} bytes of an unfinished line before that were left out" if left_out else ""
            self._fail(self._file, self._reader.fault + rest)
        self._reader.stream.close()
        self._finished_bytes += self._file.size or 0
        self._file = self._reader = None

    def _fail(self, file: _File, why: str) -> None:
        self.errors.append(f"{_printable(file.path)}: {why}")
        log.error("file.damaged", path=_printable(file.path), why=why)


def _left_in_pipe(descriptor: int) -> int | None:
    """Bytes in a pipe whose writers are all gone: it is known then how much will come. None: more may be written."""
    watch = select.poll()
    watch.register(descriptor, select.POLLIN)
    if not any(event & select.POLLHUP for _, event in watch.poll(0)):
        return None
    count = array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def _content(path: str) -> Content:
    """OSError."""
    st = os.stat(path)
    return Content(_name(path), part_of(path, 0, HEAD), (st.st_dev, st.st_ino), partial(part_of, path))


def _name(path: str) -> str:
    if path == STDIN:
        return "stdin"
    name = os.path.basename(path)
    stem, suffix = os.path.splitext(name)
    return stem if suffix in PACKED else name


def _printable(path: str) -> str:
    return escape(path)


def _explain(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "is a directory; name the files in it (for example with a pattern: DIRECTORY/*.log)"
    if isinstance(error, PermissionError):
        return f"permission denied: uid {os.geteuid()} cannot read it"
    return f"cannot be read: {error.strerror or error}"
