"""A tailer on a stand: real files, a clock that is set by hand, a state in memory, and everything it delivered."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.settings import TailSettings
from tailrace.pipeline.source import JSON
from tailrace.pipeline.source.tail.position import Position
from tailrace.pipeline.source.tail.tail import Tail
from tailrace.pipeline.telemetry.counters import Counters, bytes_unread

Place = tuple[int, int]
"""(file id, offset): the name of a line."""


class Notes:
    """A logger that keeps its events."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def debug(self, event: str, /, **fields: Any) -> None:
        self.said.append((event, fields))

    info = warning = error = debug

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.said if name == event]


class Stand:
    """Steps a tailer. What it reads counts as delivered once it is committed, as in the real thing."""

    def __init__(self, directory: Path, *patterns: str, buffer: int = 1 << 16, **options: Any) -> None:
        self.directory = directory
        tail_options = ("ours", "until_eof", "last_line", "max_open", "hints", "wall")
        self.tail_options = {name: options.pop(name) for name in tail_options if name in options}
        paths = tuple(str(directory / pattern) for pattern in patterns or ("*.log*",))
        options.setdefault("max_line_bytes", 1000)
        self.settings = TailSettings(paths=paths, **options)
        self.buffer = memoryview(bytearray(buffer))
        self.now = 1000.0
        self.rows: dict[int, Position] = {}  # the state
        self.retired: list[Position] = []  # rows that went
        self.registered: list[int] = []  # how many at a time
        self.next_id = 1
        self.delivered: dict[Place, tuple[str, bytes]] = {}  # committed lines: file's name, line
        self.oversize: dict[Place, tuple[int, bytes]] = {}
        self.oversize_bytes: dict[Place, int] = {}  # with the newline
        self.pending: list[tuple[Chunk, bytes]] = []  # read, not released
        self.released: list[tuple[Chunk, bytes]] = []  # not committed
        self.cut_rows: list[Position] = []
        self.chunks: list[Chunk] = []  # everything ever handed out
        self.counters = Counters()
        self.notes = Notes()
        self.tail: Tail | None = None

    # The state.

    def register(self, cursors: Sequence[JSON]) -> list[int]:
        ids = []
        for cursor in cursors:
            self.rows[self.next_id] = Position.from_json(self.next_id, cursor)
            ids.append(self.next_id)
            self.next_id += 1
        self.registered.append(len(ids))
        return ids

    # Steps.

    @property
    def running(self) -> Tail:
        assert self.tail is not None
        return self.tail

    def start(self, **options: Any) -> Stand:
        options = {
            "key_prefix": "abcd2345",
            "ours": lambda _: False,
            "wall": lambda: 1.7e9,
            **self.tail_options,
            **options,
        }
        self.tail = Tail(self.settings, self.register, log=self.notes, counters=self.counters, **options)
        self.tail.open({stream: row.to_json() for stream, row in self.rows.items()}, self.now)
        return self

    def poll(self, seconds: float = 0.0) -> float:
        self.now += seconds
        return self.running.poll(self.now)

    def read(self, skip: Callable[[int], bool] = lambda _: False) -> Chunk | None:
        chunk = self.running.read(self.buffer, self.now, skip)
        if chunk is not None:
            assert 0 < chunk.length <= len(self.buffer)
            assert chunk.start + chunk.length <= chunk.end
            assert chunk.stream in self.rows, "a chunk of a file that the state does not know"
            self.chunks.append(chunk)
            self.pending.append((chunk, bytes(self.buffer[: chunk.length])))
        return chunk

    def read_all(self) -> None:
        idle = 0
        while self.read() is not None or self.poll() == 0:
            idle = idle + 1 if len(self.pending) == 0 else 0
            assert idle < 10_000, "the tailer wants to be called again and again, and has nothing"

    def release(self) -> None:
        for chunk, data in self.pending:
            self.running.released(chunk, chunk.length, memoryview(data), dead_bytes(chunk, data))
        self.released += self.pending
        self.pending = []

    def commit(self) -> None:
        cursors = self.running.cut()
        for stream, cursor in cursors.items():
            self.rows[stream] = Position.from_json(stream, json.loads(json.dumps(cursor)))
        for chunk, data in self.released:
            self._deliver(chunk, data)
        self.released = []
        self.running.committed(cursors)
        for file_id in self.running.retired():
            self.retired.append(self.rows.pop(file_id))

    def _deliver(self, chunk: Chunk, data: bytes) -> None:
        if chunk.oversize is not None:
            assert (chunk.stream, chunk.start) not in self.oversize
            self.oversize[chunk.stream, chunk.start] = (chunk.oversize, data)
            self.oversize_bytes[chunk.stream, chunk.start] = chunk.end - chunk.start
            return
        offset = chunk.start
        for line in data.splitlines(keepends=True) if b"\r" not in data else _split(data):
            assert (chunk.stream, offset) not in self.delivered, "a place delivered twice"
            self.delivered[chunk.stream, offset] = (chunk.name, line)
            offset += len(line)
        assert offset == chunk.start + chunk.length

    def run(self, seconds: float = 0.0) -> Stand:
        """Time passes; whatever there is, is read, released and committed."""
        step = 1.0
        while seconds > 0:
            self.poll(min(step, seconds))
            self.read_all()
            self.release()
            self.commit()
            seconds -= step
        self.poll()
        self.read_all()
        self.release()
        self.commit()
        return self

    def one_chunk(self) -> Chunk:
        """The first, or next, chunk there is: read, released and committed; what follows it stays unread."""
        chunk = self.read()
        assert chunk is not None
        self.release()
        self.commit()
        return chunk

    def rewind(self) -> None:
        self.pending, self.released = [], []
        self.running.rewind()

    def crash(self) -> Stand:
        """Everything uncommitted is forgotten."""
        self.pending, self.released = [], []
        self.running._descriptors.close_all()
        self.running._unpacking.close()
        self.tail = None
        return self

    def stop(self) -> Stand:
        self.running.close()
        self.tail = None
        return self

    # What came of it.

    def check_balances(self) -> None:
        """Each byte that was seen of each file is accounted for once: in memory, and in the state on its own."""
        delivered: Counter[int] = Counter()
        dead: Counter[int] = Counter()
        for (file_id, _), (_, line) in self.delivered.items():
            (dead if len(line) % 7 == 0 else delivered)[file_id] += len(line)
        for (file_id, _), size in self.oversize_bytes.items():
            dead[file_id] += size
        if self.tail is not None:
            for balance in self.tail.balances():
                assert balance.holds, balance
        for row in (*self.rows.values(), *self.retired):
            ledger = row.ledger
            if not ledger:
                continue
            skipped, lost = sum(ledger["skipped"].values()), sum(ledger["lost"].values())
            done = ledger["acknowledged"] + ledger["dead_lettered"]
            assert ledger["seen"] == done + skipped + lost + ledger["pending"], row
            assert ledger["pending"] == row.size - row.offset >= 0, row
            assert row.offset == done + skipped - ledger["skipped"].get("taken_over", 0), row
            assert (ledger["acknowledged"], ledger["dead_lettered"]) == (delivered[row.file_id], dead[row.file_id]), row

    def said_lost(self) -> dict[int, int]:
        """Bytes, by file id, of which it gave the alarm."""
        lost: Counter[int] = Counter()
        for note in self.notes.of("bytes.lost"):
            assert note["bytes"] == note["stop"] - note["start"] > 0
            lost[note["file_id"]] += note["bytes"]
        return lost

    def lines(self, name: str | None = None) -> list[str]:
        """In the order they were delivered."""
        return [line.decode() for known, line in self.delivered.values() if name in (None, known)]

    def unread(self, reason: str) -> float:
        return bytes_unread(self.counters).get(reason, 0)

    # The world.

    def write(self, name: str, text: str | bytes, mode: str = "ab") -> Path:
        path = self.directory / name
        with path.open(mode) as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return path

    def copytruncate(self, name: str, to: str) -> None:
        (self.directory / to).write_bytes((self.directory / name).read_bytes())
        os.truncate(self.directory / name, 0)


@dataclass(slots=True, frozen=True)
class Begun:
    """A stand that has read, and committed, one chunk of ``a.log``; most of it is unread."""

    rig: Stand
    log: Path
    size: int  # bytes
    done: int  # bytes

    @property
    def unread(self) -> int:
        return self.size - self.done


def numbered(start: int, stop: int, text: str = "a line with a number, long enough to tell it from others") -> str:
    return "".join(f"{number:06} {text}\n" for number in range(start, stop))


def dead_bytes(chunk: Chunk, data: bytes) -> int:
    """Some lines become dead letters here: over-long ones, and each whose length is a multiple of seven."""
    if chunk.oversize is not None:
        return chunk.end - chunk.start
    return sum(len(line) for line in _split(data) if len(line) % 7 == 0)


def _split(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
