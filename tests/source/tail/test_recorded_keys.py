"""Keys of recorded files: the same for the same file each time, those of ``run`` where the state knows the file."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.source.recorded.keys import Content, Keys
from tailrace.pipeline.source.recorded.recorded import Recorded
from tailrace.pipeline.source.recorded.streams import part_of

from .tail_stand import Stand, numbered

Make = Callable[..., Any]


def keys_of(*paths: Path | str, keys: Keys | None = None, stdin: int = 0) -> list[str]:
    """Of each file in the order of the arguments."""
    source = Recorded([str(path) for path in paths], chunk_bytes=1 << 12, stdin=stdin, keys=keys)
    source.open({}, 0.0)
    buffer = memoryview(bytearray(1 << 21))
    found: dict[int, str] = {}
    while not source.exhausted:
        chunk = source.read(buffer, 0.0, lambda _: False)
        if chunk is not None:
            assert found.setdefault(chunk.stream, chunk.key) == chunk.key
    source.close()
    return [found[number] for number in sorted(found)]


def write(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_a_key_is_eight_letters_and_digits_and_a_number_and_the_same_again(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", numbered(0, 100))
    (key,) = keys_of(log)
    assert re.fullmatch(r"[a-z2-7]{8}-1", key)
    assert keys_of(log) == [key]
    write(log, numbered(0, 200))
    assert keys_of(log) == [key], "its first bytes are the same"
    assert keys_of(write(tmp_path / "elsewhere" / "a.log", numbered(0, 100))) == [key]


def test_two_files_differ_by_name_or_by_beginning_and_their_order_does_not_matter(tmp_path: Path) -> None:
    a = write(tmp_path / "a.log", numbered(0, 100))
    b = write(tmp_path / "b.log", numbered(0, 100))
    other = write(tmp_path / "x" / "a.log", numbered(50, 100))
    one, two, three = keys_of(a, b, other)
    assert len({one, two, three}) == 3
    assert keys_of(other, b, a) == [three, two, one]


def test_the_same_file_twice_has_the_same_key_and_another_that_begins_alike_has_not(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", numbered(0, 100))
    alike = write(tmp_path / "x" / "a.log", numbered(0, 100) + "more\n")
    first, again, other, third = keys_of(log, log, alike, log)
    assert first == again == third
    assert other == first.removesuffix("-1") + "-2"


def test_a_packed_file_has_the_key_of_its_content(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", numbered(0, 100))
    packed = write(tmp_path / "packed" / "a.log.gz", gzip.compress(log.read_bytes()))
    assert keys_of(packed) == keys_of(log)


@pytest.mark.parametrize("pieces", [1, 7, 4000])
def test_a_pipe_has_the_key_of_its_first_line_however_it_comes(pieces: int) -> None:
    data = numbered(0, 50).encode()
    out, into = os.pipe()
    found = []
    source = Recorded(["-"], stdin=out)
    source.open({}, 0.0)
    buffer = memoryview(bytearray(1 << 21))
    for at in range(0, len(data), pieces):
        os.write(into, data[at : at + pieces])
        chunk = source.read(buffer, 0.0, lambda _: False)
        found += [chunk.key] if chunk is not None else []
    os.close(into)
    while not source.exhausted:
        chunk = source.read(buffer, 0.0, lambda _: False)
        found += [chunk.key] if chunk is not None else []
    source.close()
    os.close(out)
    expected = Keys().of(Content("stdin", data.partition(b"\n")[0]))
    assert set(found) == {expected}


def test_an_empty_file_and_a_damaged_one_do_no_harm(tmp_path: Path) -> None:
    assert keys_of(write(tmp_path / "a.log", b"")) == []
    assert Keys().of(Content("a.log", b"")).endswith("-1")
    broken = write(tmp_path / "b.log.gz", gzip.compress(b"x\n" * 5000)[:30])
    assert part_of(str(broken), 1 << 20, 10) == b""


# What the state knows.


def remembered(rig: Stand) -> Keys:
    return Keys("st4te1d0", {stream: row.to_json() for stream, row in rig.rows.items()})


def test_a_file_that_is_tailed_has_the_key_that_run_gives_it(stand: Make, tmp_path: Path) -> None:
    rig = stand(buffer=1002)
    log = rig.write("a.log", numbered(0, 100))
    rig.start(key_prefix="st4te1d0").one_chunk()
    assert rig.chunks[0].key == "st4te1d0-1"
    assert keys_of(log, keys=remembered(rig)) == ["st4te1d0-1"]
    rig.write("a.log", numbered(100, 200))
    assert keys_of(log, keys=remembered(rig)) == ["st4te1d0-1"]
    copy = write(tmp_path / "kept" / "a.log", log.read_bytes())
    packed = write(tmp_path / "kept" / "a.log.gz", gzip.compress(log.read_bytes()))
    assert keys_of(copy, packed, keys=remembered(rig)) == ["st4te1d0-1"] * 2


def test_a_rotated_file_is_known_by_the_name_it_had(stand: Make) -> None:
    rig = stand()
    log = rig.write("a.log", numbered(0, 100))
    rig.start().run()
    rotated = log.rename(rig.directory / "a.log.1")
    rig.write("a.log", numbered(500, 600))
    rig.run(2)
    assert keys_of(rotated, log, keys=remembered(rig)) == ["st4te1d0-1", "st4te1d0-2"]
    packed = write(rig.directory / "a.log.2.gz", gzip.compress(rotated.read_bytes()))
    assert keys_of(packed, keys=remembered(rig)) == ["st4te1d0-1"]


def test_what_only_begins_alike_or_has_another_name_is_not_taken_for_it(stand: Make, tmp_path: Path) -> None:
    rig = stand()
    rig.write("a.log", "a header\n" * 150 + numbered(0, 100))
    rig.start().run()
    text = (rig.directory / "a.log").read_bytes()
    alike = write(tmp_path / "x" / "a.log", "a header\n" * 150 + numbered(300, 500))
    shorter = write(tmp_path / "y" / "a.log", text[:-10])
    renamed = write(tmp_path / "z" / "b.log", text)
    for key in keys_of(alike, shorter, renamed, keys=remembered(rig)):
        assert not key.startswith("st4te1d0")


def test_a_file_that_was_read_in_part_under_two_ids_is_not_recognised(stand: Make) -> None:
    rig = stand(buffer=1002)
    rig.write("a.log", numbered(0, 100))
    rig.start().one_chunk()
    rig.copytruncate("a.log", "a.log.1")
    rig.run(5)
    assert {row.name for row in rig.rows.values()} == {"a.log"}
    (key,) = keys_of(rig.directory / "a.log.1", keys=remembered(rig))
    assert not key.startswith("st4te1d0")


def test_a_copy_of_what_was_read_whole_has_the_key_of_the_original(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 100))
    rig.start().run()
    rig.copytruncate("a.log", "a.log.1")
    rig.run(5)
    assert len(rig.rows) == 2
    assert keys_of(rig.directory / "a.log.1", keys=remembered(rig)) == ["st4te1d0-1"]


def test_cursors_of_another_source_are_no_files(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", numbered(0, 10))
    keys = Keys("st4te1d0", {1: {"topic": "x", "offset": 3}, 2: None})
    content = Content("a.log", log.read_bytes(), None, partial(part_of, str(log)))
    assert not keys.of(content).startswith("st4te1d0")
