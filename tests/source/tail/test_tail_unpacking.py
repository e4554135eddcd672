"""Packed files that are read: each line once, whatever happens, and not what was read before it was packed."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from ...inside import adjust
from .tail_stand import Stand, numbered
from .test_tail_packed import pack, rotate

PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
LINES = numbered(0, 3000)


@pytest.fixture
def rig(stand: Callable[..., Stand]) -> Stand:
    return stand("*.log*", compressed="read", close_after=2.0)


def holds(rig: Stand) -> None:
    """Everything is accounted for, in packed bytes."""
    assert all(balance.holds and not balance.pending for balance in rig.running.balances())
    assert rig.said_lost() == {}


def text_of(rig: Stand) -> str:
    return "".join(rig.lines())


@pytest.mark.parametrize("ending", PACKERS)
def test_case_035_each_line_is_read_once_under_the_name_without_the_ending(rig: Stand, ending: str) -> None:
    rig.write(f"a.log{ending}", PACKERS[ending](LINES.encode()))
    rig.start().run(5)
    assert text_of(rig) == LINES
    assert {name for name, _ in rig.delivered.values()} == {"a.log"}
    assert {chunk.start for chunk in rig.chunks} >= {0}
    holds(rig)
    chunks = len(rig.chunks)
    rig.stop().start().run(5)
    assert len(rig.chunks) == chunks, "not again"
    holds(rig)


def test_case_037_it_goes_on_where_the_last_commit_was(rig: Stand) -> None:
    rig.write("a.log.gz", gzip.compress(LINES.encode()))
    rig.start().poll(3)
    rig.one_chunk()
    assert rig.read() is not None
    rig.crash().start().poll(3)
    assert rig.read() is not None
    rig.release()
    assert rig.read() is not None
    rig.rewind()
    rig.run(5)
    assert text_of(rig) == LINES
    holds(rig)


def test_case_035_several_members_and_those_that_come_later(rig: Stand) -> None:
    first, second, third = (numbered(start, start + 500).encode() for start in (0, 500, 1000))
    rig.write("a.log.gz", gzip.compress(first) + gzip.compress(second) + bytes(100))
    rig.start().run(5)
    assert text_of(rig) == (first + second).decode()
    rig.write("a.log.gz", gzip.compress(third))
    rig.run(1)
    assert text_of(rig) == (first + second).decode(), "somebody is still writing it"
    rig.stop().start().run(5)
    assert text_of(rig) == (first + second + third).decode()
    holds(rig)


def test_case_035_one_that_is_being_written_is_waited_for(rig: Stand) -> None:
    data = gzip.compress(LINES.encode())
    rig.start()
    for start in range(0, len(data), 800):
        rig.write("a.log.gz", data[start : start + 800])
        rig.run(3)  # longer than a file that nobody writes is quiet
        assert LINES.startswith(text_of(rig))
    rig.run(5)
    assert text_of(rig) == LINES
    holds(rig)
    assert rig.notes.of("file.damaged") == []


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data[:-4000], "cut short"),
        (lambda data: data[:-4] + b"\0\0\0\0", "damaged"),
        (lambda data: data + b"not gzip", "not gzip data"),
        (lambda data: data[:6000] + bytes(500) + data[6500:], "damaged"),
    ],
)
def test_case_036_what_is_readable_of_a_damaged_one_is_read_and_it_is_said_once(
    rig: Stand, damage: Callable[[bytes], bytes], says: str
) -> None:
    path = rig.write("a.log.gz", damage(gzip.compress(LINES.encode())))
    rig.start().run(70)
    rig.stop().start().run(70)
    assert text_of(rig)[:30_000] == LINES[:30_000], "(behind damaged bytes, others may come out before it shows)"
    (note,) = rig.notes.of("file.damaged")
    assert says in note["why"]
    assert path.exists()
    holds(rig)


def test_a_run_to_the_end_takes_all_of_it_and_fails_for_damaged_ones(stand: Callable[..., Stand]) -> None:
    rig = stand("*.log*", compressed="read", until_eof=True)
    whole = gzip.compress(LINES.encode())
    for name, data in (("a", whole), ("b", whole[:-4000]), ("c", whole)):
        rig.write(f"{name}.log.gz", data.replace(b"a line", f"{name} line".encode()))
    rig.start()
    while not rig.running.exhausted:
        rig.run(1)
    assert {name for name, _ in rig.delivered.values()} == {"a.log", "b.log", "c.log"}
    assert [Path(path).name for path in rig.running.unread()] == ["b.log.gz"]
    assert rig.running.progress()[0] == rig.running.progress()[1]


def test_case_037_a_file_that_was_read_is_not_read_again_when_it_is_packed(rig: Stand) -> None:
    rig.start()
    written = []
    for number in range(8):
        for part in "abc":
            written.append(f"{part} {number} {'x' * 50}\n")
            rig.write("access.log", written[-1])
            rig.run(1)
        rotate(rig.directory, "access.log", keep=3)
        written.append(f"late {number}\n")
        rig.write("access.log.1", written[-1])
        if number % 2:
            rig.run(1)
        pack(rig.directory, "access.log")
        if number % 3:
            rig.stop().start()
        rig.run(4)
    rig.run(10)
    assert sorted(rig.lines()) == sorted(written)
    assert rig.said_lost() == {}
    assert rig.oversize == {}


def test_case_037_what_was_not_read_before_it_was_packed_is_read_from_there(rig: Stand) -> None:
    rig.write("a.log", LINES)
    rig.start().poll()
    rig.one_chunk()
    rig.stop()
    (rig.directory / "a.log.1.gz").write_bytes(gzip.compress(LINES.encode()))
    (rig.directory / "a.log").unlink()
    rig.start().run(20)
    assert text_of(rig) == LINES
    assert [row.ledger["lost"] for row in rig.rows.values()] == [{}, {}]
    assert all(balance.holds for balance in rig.running.balances())


def test_a_packed_file_beside_the_one_that_is_being_read_waits_for_it(rig: Stand) -> None:
    rig.write("a.log", LINES)
    rig.start().poll()
    rig.one_chunk()
    rig.write("a.log.gz", gzip.compress(LINES.encode()))
    for _ in range(5):
        rig.poll(1)
    rig.run(5)
    assert text_of(rig) == LINES
    rig.write("a.log", numbered(3000, 3010))
    rig.run(5)
    assert text_of(rig) == numbered(0, 3010)


def test_case_038_one_endless_line_is_a_dead_letter_and_so_is_what_grows_without_end(
    rig: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.write("a.log.gz", gzip.compress(b"first\n" + b"x" * 1_000_000 + b"\nlast\n"))
    rig.start().run(5)
    assert rig.lines() == ["first\n", "last\n"]
    assert [size for size, _ in rig.oversize.values()] == [1_000_000] or len(rig.oversize) == 1
    adjust(monkeypatch.setattr, unpacked_at_most=1 << 20)
    rig.write("b.log.gz", gzip.compress(b"a line\n" * 20_000_000))
    rig.run(30)
    (note,) = rig.notes.of("file.damaged")
    assert "not read any further" in note["why"]
    assert len(rig.oversize) == 2
    assert 100_000 < len(rig.lines()) < 2_000_000
    assert rig.chunks[-1].fault is not None
    chunks = len(rig.chunks)
    rig.stop().start().run(10)
    assert len(rig.chunks) == chunks


def test_another_file_that_begins_alike_is_read_whole(rig: Stand) -> None:
    rig.write("a.log", LINES)
    rig.start().run(5)
    other = LINES[:2000] + numbered(7000, 10_000)
    rig.write("b.log.gz", gzip.compress(other.encode()))
    rig.run(5)
    assert text_of(rig) == LINES + other


def test_it_is_done_only_when_its_lines_are_on_their_way(rig: Stand) -> None:
    rig.write("a.log.gz", gzip.compress(numbered(0, 100).encode()))
    rig.start().poll(3)
    assert rig.read() is not None
    assert rig.read() is None
    rig.commit()
    rig.crash().start().run(5)
    assert text_of(rig) == numbered(0, 100)


def test_others_are_still_passed_over(rig: Stand) -> None:
    rig.write("a.log.xz", b"\xfd7zXZ\x00" + bytes(100))
    rig.start().run(5)
    assert rig.lines() == []
    assert len(rig.notes.of("file.compressed")) == 1


@pytest.mark.parametrize("seed", range(12))
def test_rotation_with_packing_under_crashes_and_rewinds(stand: Callable[..., Stand], seed: int) -> None:
    rig = stand("access.log*", compressed="read", close_after=2.0, buffer=4096)
    chance = random.Random(seed)  # noqa: S311  (events, no secret)
    written: list[str] = []
    rig.start()
    rotated = False

    def step() -> None:
        nonlocal rotated
        what = chance.choice(
            ["write", "write", "write", "run", "run", "read", "crash", "stop", "rewind", "rotate", "pack"]
        )
        if what == "write":
            lines = [f"{len(written) + n} {chance.random()}\n" for n in range(chance.randint(1, 60))]
            written.extend(lines)
            rig.write("access.log", "".join(lines))
        elif what == "run":
            rig.run(chance.choice([0, 1, 4]))
        elif what == "read":
            rig.poll(1)
            if rig.read() is not None and chance.random() < 0.5:
                rig.release()
        elif what == "rewind":
            rig.rewind()
        elif what in ("crash", "stop"):
            rig.running.close() if what == "stop" else None
            rig.crash().start()
        elif what == "rotate" and not rotated and (rig.directory / "access.log").exists():
            rig.run(4)  # logrotate's `delaycompress`: what is packed was followed for a while under its new name
            rotate(rig.directory, "access.log", keep=4)
            rotated = True
        elif what == "pack" and rotated:
            rig.run(1)
            pack(rig.directory, "access.log")
            rotated = False

    for _ in range(80):
        step()
    rig.run(100)
    assert Counter(rig.lines()) == Counter(written)
    assert rig.oversize == {}
    assert all(balance.holds for balance in rig.running.balances())


def test_what_is_passed_over_is_so_a_portion_at_a_time(rig: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, passed_at_a_time=10_000)
    rig.write("a.log", LINES)
    rig.start().run(5)
    rig.write("b.log.gz", gzip.compress((LINES + numbered(3000, 9000)).encode()))
    rig.poll(1)
    assert rig.read() is None
    rig.poll(3)
    assert rig.read() is None, "there is more to be passed over"
    assert rig.poll() == 0
    rig.run(1)
    assert text_of(rig) == numbered(0, 9000)
    rig.rewind()
    rig.stop().start().run(5)
    assert text_of(rig) == numbered(0, 9000)
