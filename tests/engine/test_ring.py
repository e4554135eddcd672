"""Slots: requests and progress cross the process border as they are, and memory that is not there is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.work.ring import AT, NONE, PROGRESS, STAGE, Geometry, Ring, geometry

WORD = st.integers(0, NONE)


@pytest.fixture(scope="module")
def ring() -> Iterator[Ring]:
    ring = Ring.create(Geometry(2, 8192, 16384))
    yield ring
    ring.close()


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(st.data())
def test_a_request_is_read_back_as_it_was_asked(ring: Ring, data: st.DataObject) -> None:
    draw = data.draw
    name, path, cause = draw(NAMES), draw(NAMES), draw(NAMES)
    times = draw(st.floats(0, 1e12)), draw(st.floats(0, 1e12))
    chunk = Chunk(draw(WORD), "a1b2c3d4-7", name, path, draw(WORD), draw(st.integers(0, 8192)), 0, *times)
    begin, careful, condemned = draw(st.integers(0, 8192)), draw(WORD), draw(WORD)
    slot = ring.slots[draw(st.sampled_from([0, 1]))]
    slot.words[PROGRESS] = draw(WORD)
    slot.ask(chunk, begin, careful, condemned, 3, cause)
    asked = slot.request()
    assert (asked.begin, asked.length, asked.careful_until) == (begin, chunk.length, careful)
    assert (asked.condemned, asked.stage, asked.cause) == (condemned, 3, cause)
    assert (asked.start, asked.key, asked.clock, asked.year_bound) == (chunk.start, chunk.key, *times)
    assert (asked.name, asked.path) == (name, path)
    assert slot.progress == (begin, 0)
    assert slot.at == (begin, False)


def test_the_longest_texts_fit_and_longer_ones_are_cut(ring: Ring) -> None:
    slot = ring.slots[0]
    slot.input[:] = b"i" * len(slot.input)
    chunk = Chunk(1, "k" * 200, "ü" * 1000, "ö" * 4000, 0, 0, 0, 0.0, 0.0)
    slot.ask(chunk, 0, cause="ä" * 1000)
    asked = slot.request()
    assert asked.key == "k" * 128
    assert (asked.name, asked.path, asked.cause) == ("ü" * 512, "ö" * 2048, "ä" * 256)
    assert set(bytes(slot.input)) == {ord("i")}


def test_names_that_are_not_utf8_can_be_asked(ring: Ring) -> None:
    ring.slots[0].ask(Chunk(1, "test-1", "a\udcff.log", "/logs/a\\xff.log", 0, 0, 0, 0.0, 0.0), 0)
    assert ring.slots[0].request().name == "a?.log"


def test_slots_do_not_overlap(ring: Ring) -> None:
    for number, slot in enumerate(ring.slots):
        slot.input[:] = bytes([number]) * len(slot.input)
        slot.output[:] = bytes([number + 100]) * len(slot.output)
        slot.words[STAGE] = number
    for number, slot in enumerate(ring.slots):
        assert set(bytes(slot.input)) == {number}
        assert set(bytes(slot.output)) == {number + 100}
        assert slot.words[STAGE] == number


def test_a_second_mapping_sees_the_same_bytes(ring: Ring) -> None:
    other = Ring(os.dup(ring.fd), ring.shape)
    other.slots[1].words[AT] = 77 << 1 | 1
    other.slots[1].output[:3] = b"abc"
    assert ring.slots[1].at == (77, True)
    assert bytes(ring.slots[1].output[:3]) == b"abc"
    other.close()


def test_the_input_has_room_for_the_longest_line_and_the_output_for_every_sink() -> None:
    shape = geometry(chunk_bytes=65536, longest=1 << 20, workers=2, sinks=3)
    assert shape.input_bytes >= (1 << 20) + 2
    assert shape.output_bytes >= 3 * 2 * 65536
    assert shape.slots == 6
    assert geometry(65536, 1, 0, 0).slots == 4


def test_the_ring_has_no_name_and_is_not_inherited() -> None:
    ring = Ring.create(Geometry(1, 4096, 4096))
    assert not os.get_inheritable(ring.fd)
    assert not Path(os.readlink(f"/proc/self/fd/{ring.fd}").removesuffix(" (deleted)")).exists()
    ring.close()


def test_case_068_a_ring_that_memory_has_no_room_for_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_fd: int, _at: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TailraceError, match=r"the ring needs 48 MiB .*6 slots.*No space left.*smaller pipeline\."):
        Ring.create(Geometry(6, 4 << 20, 4 << 20))
    assert len(os.listdir("/proc/self/fd")) == before
