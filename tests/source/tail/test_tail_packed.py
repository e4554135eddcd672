"""Packed files inside the patterns: never read as lines, said once, in the ledger; nothing else is held up or taken."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from .tail_stand import Stand

Make = Callable[..., Stand]
TEXT = b"".join(b"line %d\n" % number for number in range(1000))
PACKED = {
    "gzip": gzip.compress(TEXT),
    "zstd": zstandard.ZstdCompressor().compress(TEXT),
    "xz": lzma.compress(TEXT),
    "bzip2": bz2.compress(TEXT),
}


def skipped(rig: Stand, file_id: int = 1) -> dict[str, int]:
    ledger: dict[str, dict[str, int]] = rig.rows[file_id].ledger
    return ledger["skipped"]


def nothing_but_passed_over(rig: Stand, size: int) -> None:
    rig.check_balances()
    assert rig.lines() == []
    assert rig.chunks == []
    assert (rig.rows[1].offset, skipped(rig)) == (size, {"compressed": size})


@pytest.mark.parametrize("kind", PACKED)
def test_case_035_a_packed_file_is_passed_over_said_once_and_in_the_ledger(stand: Make, kind: str) -> None:
    rig = stand()
    path = rig.write("a.log.x", PACKED[kind])
    rig.start().run(3)
    nothing_but_passed_over(rig, len(PACKED[kind]))
    (note,) = rig.notes.of("file.compressed")
    assert (note["file"], note["kind"]) == (str(path), kind)
    assert rig.counters.total("bytes_skipped", reason="compressed") == len(PACKED[kind])
    rig.stop().start().run(3)
    nothing_but_passed_over(rig, len(PACKED[kind]))
    assert len(rig.notes.of("file.compressed")) == 1, "over restarts, too"


@pytest.mark.parametrize("first", range(1, 12))
def test_case_035_a_packed_file_in_the_making_is_known_as_soon_as_its_beginning_is_there(
    stand: Make, first: int
) -> None:
    rig = stand()
    data = PACKED["gzip"]
    rig.write("a.log.gz", data[:first])
    rig.start().run(3)
    for start in range(first, len(data), 200):
        rig.write("a.log.gz", data[start : start + 200])
        rig.run(1)
    nothing_but_passed_over(rig, len(data))
    assert len(rig.notes.of("file.compressed")) == 1


def test_it_goes_on_growing_after_a_restart_and_a_failed_commit(stand: Make) -> None:
    rig = stand()
    data = PACKED["gzip"]
    rig.write("a.log.gz", data[:500])
    rig.start().run().stop().start()
    rig.write("a.log.gz", data[500:1000])
    rig.poll(1)
    assert rig.read() is None
    rig.running.cut()
    rig.rewind()
    rig.write("a.log.gz", data[1000:])
    rig.run(1)
    nothing_but_passed_over(rig, len(data))


def test_a_failed_first_commit_counts_nothing_twice(stand: Make) -> None:
    rig = stand()
    rig.write("a.log.gz", PACKED["gzip"])
    rig.start()
    rig.poll()
    assert rig.read() is None
    rig.running.cut()
    rig.rewind()
    rig.run(1)
    nothing_but_passed_over(rig, len(PACKED["gzip"]))


def test_read_from_end_does_not_begin_in_the_middle_of_one(stand: Make) -> None:
    rig = stand(read_from="end", close_after=2.0)
    path = rig.write("a.log.gz", PACKED["gzip"] + b"\n" + PACKED["gzip"][:500])
    rig.start().run()
    rig.write("a.log.gz", PACKED["gzip"][500:])
    rig.run(1)
    path.unlink()
    rig.run(5)
    assert rig.chunks == []


def rotate(directory: Path, name: str, keep: int) -> None:
    """As logrotate does with ``compress``: rename, a new file, then the packed one beside the old one, which goes."""
    (directory / f"{name}.{keep}.gz").unlink(missing_ok=True)
    for number in range(keep - 1, 0, -1):
        old = directory / f"{name}.{number}.gz"
        if old.exists():
            old.rename(directory / f"{name}.{number + 1}.gz")
    (directory / name).rename(directory / f"{name}.1")
    (directory / name).touch()


def pack(directory: Path, name: str) -> None:
    data = (directory / f"{name}.1").read_bytes()
    (directory / f"{name}.1.gz").write_bytes(gzip.compress(data))
    (directory / f"{name}.1").unlink()


def test_case_035_rename_and_gzip_inside_the_pattern_takes_each_line_once(stand: Make) -> None:
    rig = stand("access.log*", close_after=2.0)
    rig.start()
    written = []
    for number in range(12):  # inodes are used again, often that of a packed file for the new log
        for part in "abc":
            line = f"{part} {number}\n"
            written.append(line)
            rig.write("access.log", line)
            rig.run(1)
        rotate(rig.directory, "access.log", keep=3)
        written.append(f"late {number}\n")
        rig.write("access.log.1", written[-1])
        if number % 2:
            rig.run(1)
        pack(rig.directory, "access.log")
        if number % 3:
            rig.run(0.5)
    rig.run(10)
    assert sorted(rig.lines()) == sorted(written)
    assert rig.said_lost() == {}
    assert rig.oversize == {}
    rig.check_balances()


def test_case_020_the_inode_of_a_packed_file_that_is_used_again_is_a_new_file(stand: Make) -> None:
    rig = stand()
    path = rig.write("a.log.gz", PACKED["gzip"])
    rig.start().run()
    with path.open("r+b") as file:  # the same inode, other content, as an inode used again looks like
        file.write(b"one\ntwo\n" * 500)
        file.truncate()
    path.rename(rig.directory / "a.log")
    rig.run(3)
    assert rig.lines() == ["one\n", "two\n"] * 500
    rig.check_balances()


@pytest.mark.parametrize("text", ["BZh is no magic\n", "(\n", "\x1f\n", "BZh9\n"])
def test_lines_that_begin_a_little_alike_are_lines(stand: Make, text: str) -> None:
    rig = stand()
    rig.write("a.log", text)
    rig.start().run(1)
    assert rig.lines() == [text]
    assert rig.notes.of("file.compressed") == []


def test_a_run_to_the_end_ends_beside_one(stand: Make) -> None:
    rig = stand(until_eof=True)
    rig.write("a.log.gz", PACKED["gzip"])
    rig.write("b.log", "one\n")
    rig.start().run()
    assert rig.running.exhausted
    assert rig.lines() == ["one\n"]
    done, total = rig.running.progress()
    assert done == total == os.path.getsize(rig.directory / "a.log.gz") + 4
