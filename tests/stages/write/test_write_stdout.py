"""Standard output as a sink: a reader that is slow, or gone, or somebody else's mode."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tailrace.pipeline.errors import ReaderGone, Retry
from tailrace.pipeline.outgoing import Outgoing, Payload
from tailrace.pipeline.stage import Guarantee, Write
from tailrace.stages.write.stdout import Stdout

from ...inside import adjust


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """(reading end, writing end); the sink writes to the latter and loses patience at once."""
    reader, writer = os.pipe()
    adjust(monkeypatch.setattr, standard_output=writer, still=0.001)
    yield reader, writer
    os.close(writer)
    with suppress(OSError):  # a test may have closed it
        os.close(reader)


def drain(reader: int) -> bytes:
    os.set_blocking(reader, False)
    data = b""
    try:
        while more := os.read(reader, 1 << 20):
            data += more
    except BlockingIOError:
        pass
    return data


def test_sink_fits_the_protocol() -> None:
    sink = Stdout()
    assert isinstance(sink, Write)
    assert sink.guarantee is Guarantee.AT_LEAST_ONCE


def test_events_are_one_json_line_each() -> None:
    assert list(Stdout().encode([{"a": 1}, {"b": "x\ny"}])) == [Payload("-", b'{"a":1}\n{"b":"x\\ny"}\n')]
    assert list(Stdout().encode([])) == []


def test_payload_goes_out_whole(pipe: tuple[int, int]) -> None:
    sink = Stdout()
    sink.deliver(Outgoing("-", memoryview(b"x" * 10_000 + b"\n")))
    sink.deliver(Outgoing("-", memoryview(b"y\n")))
    assert drain(pipe[0]) == b"x" * 10_000 + b"\ny\n"


def test_reader_that_stands_still_gives_a_retry_and_the_same_payload_goes_on_from_there(pipe: tuple[int, int]) -> None:
    sink = Stdout()
    payload = b"".join(b"%d\n" % number for number in range(100_000))
    out = b""
    retries = 0
    while True:
        try:
            sink.deliver(Outgoing("-", memoryview(payload)))
            break
        except Retry as retry:
            assert "not being read" in str(retry)
            assert os.get_blocking(pipe[1])
            retries += 1
            out += drain(pipe[0])
    out += drain(pipe[0])
    sink.deliver(Outgoing("-", memoryview(b"next\n")))
    assert retries > 3
    assert out + drain(pipe[0]) == payload + b"next\n"


def test_short_writes_lose_nothing(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:3]))
    Stdout().deliver(Outgoing("-", memoryview(b"0123456789\n")))
    assert drain(pipe[0]) == b"0123456789\n"


def test_slow_reader_gives_a_chance_to_stop_too(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, patience=-1.0)
    with pytest.raises(Retry, match="slowly"):
        Stdout().deliver(Outgoing("-", memoryview(b"x\n")))
    assert drain(pipe[0]) == b""


def test_line_that_was_given_up_is_ended_before_anything_follows(pipe: tuple[int, int]) -> None:
    sink = Stdout()
    with pytest.raises(Retry):
        sink.deliver(Outgoing("-", memoryview(b"x" * 1_000_000 + b"\n")))
    torn = drain(pipe[0])
    sink.recover({}, may_cut=True)
    sink.deliver(Outgoing("-", memoryview(b"again\n")))
    assert drain(pipe[0]) == b"\nagain\n"
    assert set(torn) == {ord("x")}
    sink.recover({}, may_cut=True)
    sink.deliver(Outgoing("-", memoryview(b"again\n")))
    assert drain(pipe[0]) == b"again\n"


def test_reader_that_is_gone_ends_the_run(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    with pytest.raises(ReaderGone):
        Stdout().deliver(Outgoing("-", memoryview(b"x\n")))


def test_somebody_elses_non_blocking_mode_does_no_harm(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    sink = Stdout()
    payload = memoryview(b"x" * 300_000 + b"\n")
    with pytest.raises(Retry):
        sink.deliver(Outgoing("-", payload))
    out = drain(pipe[0])
    while len(out) < len(payload):
        with suppress(Retry):
            sink.deliver(Outgoing("-", payload))
        out += drain(pipe[0])
    assert out == payload


def test_file_takes_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "out").open("wb") as file:
        adjust(monkeypatch.setattr, standard_output=file.fileno())
        Stdout().deliver(Outgoing("-", memoryview(b"x" * 100_000 + b"\n")))
    assert (tmp_path / "out").read_bytes() == b"x" * 100_000 + b"\n"
