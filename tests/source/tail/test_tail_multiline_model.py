"""A random life of log files with records of several lines: each once and whole, and framed the same each time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.encoding import UTF8
from tailrace.pipeline.framing import Framer, Multiline, lines_of
from tailrace.pipeline.source.tail.file import File

from .tail_stand import Stand, dead_bytes
from .test_tail_model import NAMES, LogFiles

LONGEST = 2000  # bytes of a line
TIMEOUT = 0.8
MULTILINE = Multiline(start=r"^\d{5}[07]", timeout=TIMEOUT, max_lines=8, max_bytes=1024)
FRAMER = Framer(MULTILINE)


def framed(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each record begins, and what it is, as a worker frames them."""
    lines, ends = lines_of(data, UTF8)
    starts = FRAMER.starts(lines, ends)
    for first, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        begin = ends[first - 1] if first else 0
        yield begin, data[begin : ends[stop - 1]]


def content(file: File) -> bytes:
    return Path(f"/proc/self/fd/{file.fd}" if file.fd >= 0 else os.fsdecode(file.path)).read_bytes()


class RecordStand(Stand):
    """Looks at each chunk when it is handed out."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.framing: dict[int, dict[int, bytes]] = {}  # what was handed out, by stream and offset
        self.grew: dict[int, float] = {}  # by inode
        self.closed: set[tuple[int, int]] = set()  # stream, offset: time has closed a record there

    def poll(self, seconds: float = 0.0) -> float:
        wait = super().poll(seconds)
        for file in self.running._registry.living.values():
            for stop in {*file.cursor.closing} - {stop for stream, stop in self.closed if stream == file.file_id}:
                self.closed.add((file.file_id, stop))
                assert self.now - self.grew[file.inode] >= TIMEOUT - 1e-6, "closed too soon"
                assert b"\n" not in content(file)[stop:], "closed, and there are lines behind it"
        return wait

    def read(self, skip: Callable[[int], bool] = lambda _: False) -> Chunk | None:
        chunk = super().read(skip)
        if chunk is not None and chunk.oversize is None:
            data = self.pending[-1][1]
            self._same_as_before(chunk, data)
            self._ends_with_a_record(self.running._registry.by_id[chunk.stream], chunk, data)
        return chunk

    def _same_as_before(self, chunk: Chunk, data: bytes) -> None:
        text, known = content(self.running._registry.by_id[chunk.stream]), self.framing.setdefault(chunk.stream, {})
        for at in [at for at, record in known.items() if text[at : at + len(record)] != record]:
            del known[at]  # nothing of it was committed when the file was emptied: it begins anew
        for begin, record in framed(data):
            at = chunk.start + begin
            assert known.setdefault(at, record) == record, "another record begins there than before"
            inside = [other for other in known if at < other < at + len(record)]
            assert not inside, "a record began before where one goes on now"

    def _ends_with_a_record(self, file: File, chunk: Chunk, data: bytes) -> None:
        if file.finishing or chunk.end in self.rows[chunk.stream].ledger.get("closed", ()):
            return
        text = content(file)[chunk.start :]
        whole = text[: text.rfind(b"\n") + 1]
        ends = {begin for begin, _ in framed(whole + b"a line that goes on\n")}
        follows = text[len(data) :].partition(b"\n")[0]
        assert len(data) in ends or len(follows) > LONGEST, "a record is handed out that may go on"

    def write(self, name: str, text: str | bytes, mode: str = "ab") -> Path:
        path = super().write(name, text, mode)
        self.grew[path.stat().st_ino] = self.now
        return path

    def copytruncate(self, name: str, to: str) -> None:
        super().copytruncate(name, to)
        self.grew[(self.directory / to).stat().st_ino] = self.now


class RecordFiles(LogFiles):
    """Every third line or so begins a record; many go on until a limit ends them, some lines are too long."""

    rig: RecordStand

    @initialize(small=st.booleans(), few=st.booleans())
    def begin(self, small: bool, few: bool) -> None:
        self.directory = Path(tempfile.mkdtemp())
        options: dict[str, Any] = {"max_open": 2} if few else {}
        size = LONGEST + MULTILINE.max_bytes + 4
        self.rig = RecordStand(
            self.directory, "*.log*", buffer=size if small else 1 << 16, max_line_bytes=LONGEST, multiline=MULTILINE,
            **options,
        )  # fmt: skip
        self.number = self.partly = 0
        self.unsettled = False
        self.written, self.halves, self.current = {}, set(), {}
        self.rig.start()

    def expect(self, name: str) -> None:
        super().expect(name)
        self._without_long_ones()

    def may_be_lost(self, name: str) -> None:
        super().may_be_lost(name)
        self._without_long_ones()

    def _without_long_ones(self) -> None:
        self.written = {line: must for line, must in self.written.items() if len(line) <= LONGEST + 1}

    @rule(name=st.sampled_from(NAMES), lines=st.integers(1, 5), size=st.integers(0, 500))
    def append_few(self, name: str, lines: int, size: int) -> None:
        self.append(name, lines, size)

    @rule(name=st.sampled_from(NAMES), before=st.integers(0, 3), behind=st.integers(0, 3))
    def append_long(self, name: str, before: int, behind: int) -> None:
        texts = [self.line(10) for _ in range(before)] + [self.line(LONGEST)] + [self.line(10) for _ in range(behind)]
        self.put(name, "".join(text + "\n" for text in texts))
        self.expect(name)

    @rule(name=st.sampled_from(NAMES), lines=st.integers(1, 4))
    def append_lines_longer_than_a_record(self, name: str, lines: int) -> None:
        self.append(name, lines, MULTILINE.max_bytes + 500)

    @precondition(lambda self: self.up)
    @rule(seconds=st.sampled_from([TIMEOUT - 0.1, TIMEOUT, TIMEOUT + 0.1]))
    def pause(self, seconds: float) -> None:
        self.rig.poll(seconds)

    @precondition(lambda self: self.up)
    @rule()
    def release_in_part(self) -> None:
        """The first record of what is pending."""
        if not self.rig.pending or self.partly:
            return
        chunk, data = self.rig.pending[0]
        if chunk.oversize is not None:
            return
        size = len(next(framed(data))[1])
        if size < chunk.length:
            self.rig.running.released(chunk, size, memoryview(data), dead_bytes(chunk, data[:size]))
            self.rig.released.append((replace(chunk, length=size, end=chunk.start + size), data[:size]))
            self.partly = size


RecordFiles.TestCase.settings = settings(
    deadline=None, max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
TestRecordFiles = pytest.mark.timeout(600)(RecordFiles.TestCase)  # a failure is made shorter first, for minutes
