"""Lines that come through a descriptor: read once, kept until they are committed, given again after a rewind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.framing import Multiline
from tailrace.pipeline.source import CursorError
from tailrace.pipeline.source.building import Surroundings, build, cursors_of
from tailrace.pipeline.source.piped import Piped
from tailrace.pipeline.source.recorded.streams import Plain
from tailrace.pipeline.source.stdin import Settings
from tailrace.pipeline.source.stdin import build as build_stdin
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.testing.doubles import MemorySink

from ..engine.engine_kit import Log, MemoryStore, Pipeline, numbered, out
from ..inside import adjust

BUFFER = memoryview(bytearray(1 << 16))


def may(_stream: int) -> bool:
    return False


class Pipe:
    """A source on a pipe that the test writes into."""

    def __init__(self, store: MemoryStore | None = None, chunk_bytes: int = 1 << 12, **options: Any) -> None:
        self.store = store or MemoryStore()
        descriptor, self._write = os.pipe()
        self.log = Log()
        log: Any = self.log
        about = Surroundings(
            self.store.register, "key", lambda _path: False, log, Counters(), lambda: None, chunk_bytes
        )
        settings: Any = Settings(**options)
        source: Any = build_stdin(settings, about, descriptor)
        self.source: Piped = source
        self.descriptor = descriptor

    def write(self, data: bytes) -> None:
        assert os.write(self._write, data) == len(data)

    def end(self) -> None:
        os.close(self._write)
        self._write = -1

    def read(self, now: float = 0.0) -> tuple[Chunk, bytes] | None:
        chunk = self.source.read(BUFFER, now, may)
        return None if chunk is None else (chunk, bytes(BUFFER[: chunk.length]))

    def close(self) -> None:
        self.source.close()
        os.close(self.descriptor)
        if self._write >= 0:
            self.end()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    one = Pipe()
    one.source.open({}, 0.0)
    yield one
    one.close()


def test_whole_lines_are_handed_out_and_the_end_is_the_end(pipe: Pipe) -> None:
    assert pipe.source.poll(0.0) > 1.0
    assert pipe.read() is None
    assert pipe.source.fileno() == pipe.descriptor
    pipe.write(b"one\ntw")
    assert pipe.source.poll(0.0) == 0.0
    chunk, data = pipe.read() or pytest.fail("nothing")
    assert (chunk.key, chunk.name, chunk.start, data) == ("key-1", "stdin", 0, b"one\n")
    assert pipe.source.fileno() == -1, "there may be more: it is to be read, not waited for"
    assert pipe.read() is None
    pipe.write(b"o\nlast")
    pipe.end()
    chunk, data = pipe.read() or pytest.fail("nothing")
    assert (chunk.start, data) == (4, b"two\nlast")
    assert pipe.source.exhausted
    assert pipe.read() is None


def test_what_is_not_committed_is_given_again_after_a_rewind(pipe: Pipe) -> None:
    source = pipe.source
    pipe.write(b"one\ntwo\n")
    first, data = pipe.read() or pytest.fail("nothing")
    source.released(first, 4, BUFFER)
    cut = source.cut()
    assert cut == {1: {"source": "stdin", "name": "stdin", "offset": 4, "after": None}}
    pipe.write(b"three\n")
    assert pipe.read() is not None
    assert source.original(1, 8, 5) == b"three"
    source.committed(cut)
    source.rewind()
    again, data = pipe.read() or pytest.fail("nothing")
    assert (again.start, again.length, again.end, data) == (4, 4, 8, b"two\n")
    third, data = pipe.read() or pytest.fail("nothing")
    assert (third.start, data) == (8, b"three\n")
    source.released(again, again.length, BUFFER)
    source.released(third, third.length, BUFFER)
    assert source.changed
    assert not source.exhausted
    source.committed(source.cut())
    assert source.original(1, 8, 5) is None, "it is not kept any longer"
    assert pipe.read() is None


def test_each_run_reads_a_stream_of_its_own(pipe: Pipe) -> None:
    again = Pipe(pipe.store)
    again.source.open(pipe.store.cursors, 0.0)
    assert again.source.stream == 2
    assert again.source.retired() == [1]
    again.close()


def test_a_record_of_several_lines_is_closed_by_the_next_by_time_or_by_the_end() -> None:
    one = Pipe(multiline=Multiline(start=r"^\d", timeout=2.0))
    one.source.open({}, 0.0)
    one.write(b"1 a\n  b\n2 c\n")
    _, data = one.read(1.0) or pytest.fail("nothing")
    assert data == b"1 a\n  b\n"
    assert one.read(1.0) is None
    assert one.source.poll(1.5) == pytest.approx(1.5)
    one.write(b"  d\n")
    assert one.read(2.0) is None
    assert one.source.poll(4.0) == 0.0
    _, data = one.read(4.0) or pytest.fail("nothing")
    assert data == b"2 c\n  d\n"
    one.write(b"3\n")
    one.end()
    _, data = one.read(4.1) or pytest.fail("nothing")
    assert data == b"3\n"
    one.close()


def test_what_has_only_begun_when_the_run_is_stopped_is_said_to_be_lost(pipe: Pipe) -> None:
    pipe.write(b"one\ntw")
    pipe.read()
    pipe.read()
    pipe.source.close()
    assert [fields["bytes"] for fields in pipe.log.fields("source.unread")] == [2]


def test_an_engine_takes_a_pipe_to_its_end_through_failed_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, first_rewind=0.01)
    one = Pipe(chunk_bytes=700)
    data = numbered(3000)
    sink = MemorySink()
    sink.failures["sync"] = [OSError("a failed fsync")] * 2
    written = 0

    def feed(_pipeline: Pipeline) -> None:
        nonlocal written
        if written < len(data):
            one.write(data[written : written + 3000])
            written += 3000
            if written >= len(data):
                one.end()

    pipeline = Pipeline(one.source, sinks=[sink], store=one.store, on_turn=feed)
    assert pipeline.run().complete
    assert out(sink) == data
    assert len(pipeline.log.fields("pipeline.rewind")) == 2
    one.close()


def test_a_source_takes_its_own_cursors_only() -> None:
    rows = {1: {"name": "a.log"}, 2: {"source": "stdin"}, 3: {"source": "journal"}}
    assert list(cursors_of("tail", rows)) == [1]
    assert list(cursors_of("journal", rows)) == [3]


def test_a_source_of_the_users_own_is_built_by_its_settings() -> None:
    class Own(Settings):
        def build(self, about: Surroundings) -> Any:
            return about.key_prefix  # in place of a source

    about: Any = Surroundings(lambda _: [], "key", bool, None, Counters(), lambda: None, 1)  # type: ignore[arg-type]
    built: Any = build(Own(), about)
    assert built == "key"


class Counted:
    """A feed whose lines are their own cursors."""

    name, goes_on = "counted", True

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.connected: list[Any] = []

    def begin(self) -> Any:
        return None

    def connect(self, after: Any) -> Plain:
        self.connected.append(after)
        return Plain(self._descriptor, pipe=True, keep_open=True)

    def fileno(self) -> int:
        return self._descriptor

    def remember(self, line: bytes) -> Any:
        return int(line)

    def ended(self) -> str:
        return "it went away"

    def close(self) -> None: ...


def test_the_cursor_is_that_of_what_was_released() -> None:
    one = Pipe()
    feed = Counted(one.descriptor)
    source = Piped(one.source._settings, one.source._about, feed)
    source.open({}, 0.0)
    one.write(b"1\n2\n3\n")
    chunk = source.read(BUFFER, 0.0, may)
    assert chunk is not None
    source.released(chunk, 4, BUFFER)
    cut = source.cut()
    assert cut[1]["after"] == 2
    source.committed(cut)
    source.released(replace(chunk, start=4, length=2), 2, BUFFER)
    assert source.cut()[1]["offset"] == 6
    source.rewind()
    assert source._cursor() == cut[1]
    one.end()
    assert source.read(BUFFER, 0.0, may) is not None, "once more, from memory"
    assert source.read(BUFFER, 0.0, may) is None
    assert not source.exhausted
    assert source.poll(0.5) == pytest.approx(0.5)
    source.poll(1.0)
    assert feed.connected == [None, 3], "behind what was read, which is in memory"
    again = Piped(one.source._settings, one.source._about, feed)
    again.open(cut, 0.0)
    assert (again.stream, again._read, feed.connected[-1]) == (1, 4, 2)
    with pytest.raises(CursorError):
        Piped(one.source._settings, one.source._about, feed).open({1: {"offset": "x"}}, 0.0)
    os.close(one.descriptor)
