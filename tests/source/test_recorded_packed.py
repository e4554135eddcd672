"""Packed files: what they hold, whatever the buffer; damage that is named; bombs that cost no memory."""

import bz2
import gzip
import io
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.source.recorded import streams
from tailrace.pipeline.source.recorded.streams import Damaged

from ..inside import adjust
from .recorded_kit import LINES, content, drain, opened

# Packed files


def test_case_035_gzip_members_are_read_one_after_the_other_with_padding_between(tmp_path: Path) -> None:
    packed = gzip.compress(LINES) + gzip.compress(b"") + b"\0" * 70_000 + gzip.compress(b"last\nline") + b"\0" * 9
    (tmp_path / "a.gz").write_bytes(packed)
    source = opened(tmp_path / "a.gz")
    assert content(drain(source)) == LINES + b"last\nline"
    assert source.errors == []


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 64))
def test_gzip_gives_what_was_packed_whatever_the_buffer(parts: list[bytes], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        adjust(patch.setattr, packed_portion=7)
        assert unpack(streams.Gzip(io.BytesIO(b"".join(map(gzip.compress, parts)))), size) == b"".join(parts)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 64), st.booleans(), st.booleans())
def test_zstd_gives_what_was_packed_whatever_the_buffer(
    parts: list[bytes], size: int, checksum: bool, content_size: bool
) -> None:
    packer = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=content_size)
    packed = b"".join(packer.compress(part) + b"\x50\x2a\x4d\x18\x03\0\0\0abc" for part in parts)
    with pytest.MonkeyPatch.context() as patch:
        adjust(patch.setattr, packed_portion=7)
        assert unpack(streams.Zstd(io.BytesIO(packed)), size) == b"".join(parts)
        for length in range(len(packed) - 11):
            prefix = streams.Zstd(io.BytesIO(packed[:length]))
            try:
                unpack(prefix, 1 << 16)
            except Damaged:
                continue
            assert packed[length - 11 :].startswith(b"\x50\x2a\x4d\x18") or packed[length:].startswith(
                b"\x50\x2a\x4d\x18"
            )


def unpack(stream: streams.Stream, size: int) -> bytes:
    output = b""
    buffer = memoryview(bytearray(size))
    while count := stream.read_into(buffer):
        output += buffer[:count]
    return output


def test_zstd_frames_are_read(tmp_path: Path) -> None:
    packer = zstandard.ZstdCompressor()
    (tmp_path / "a.log.zst").write_bytes(packer.compress(LINES) + packer.compress(b"last\n"))
    source = opened(tmp_path / "a.log.zst")
    assert content(drain(source)) == LINES + b"last\n"
    assert source.errors == []


def damaged(tmp_path: Path, data: bytes, name: str = "a.log.gz") -> tuple[bytes, str]:
    """What is read of it and of the good file after it, and what is said."""
    (tmp_path / name).write_bytes(data)
    (tmp_path / "good.log").write_bytes(b"good\n")
    source = opened(tmp_path / name, tmp_path / "good.log")
    read = content(drain(source))
    assert read.endswith(b"good\n")
    (error,) = source.errors
    return read.removesuffix(b"good\n"), error


def test_case_036_gzip_with_a_bad_checksum_gives_every_line_and_one_error(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(LINES))
    packed[-6] ^= 0xFF
    read, error = damaged(tmp_path, bytes(packed))
    assert read == LINES
    assert error == f"{tmp_path}/a.log.gz: the gzip data is damaged (incorrect data check)"


def test_case_036_gzip_cut_short_gives_the_whole_lines_before_the_cut(tmp_path: Path) -> None:
    packed = gzip.compress(LINES)
    read, error = damaged(tmp_path, packed[: len(packed) // 2])
    assert LINES.startswith(read)
    assert read.endswith(b"\n")
    whole = zlib.decompressobj(wbits=31).decompress(packed[: len(packed) // 2])
    left_out = len(whole) - whole.rfind(b"\n") - 1
    assert len(read) == len(whole) - left_out
    assert error.endswith(f"cut short; {left_out} bytes of an unfinished line before that were left out")


def test_case_036_gzip_damaged_inside_gives_the_lines_before_the_damage(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(os.urandom(30_000).hex().encode() + b"\n" + LINES, 1))
    middle = len(packed) - 20_000
    packed[middle : middle + 50] = bytes(50)
    read, error = damaged(tmp_path, bytes(packed))
    assert len(read) > 60_000
    assert "the gzip data is damaged" in error


def test_case_036_garbage_after_gzip_data_and_files_that_are_no_gzip_are_named(tmp_path: Path) -> None:
    assert damaged(tmp_path, gzip.compress(LINES) + b"garbage")[0] == LINES
    assert damaged(tmp_path, gzip.compress(LINES) + b"garbage")[1].endswith(
        "bytes after its end that are not gzip data"
    )
    assert damaged(tmp_path, bz2.compress(b"x")) == (b"", f"{tmp_path}/a.log.gz: the file holds no gzip data")
    assert damaged(tmp_path, b"")[1].endswith("the gzip data is cut short")


def test_case_036_zstd_damage_is_named_and_what_came_before_is_read(tmp_path: Path) -> None:
    packer = zstandard.ZstdCompressor(write_checksum=True)
    noise = b"".join(os.urandom(40).hex().encode() + b"\n" for _ in range(10_000))
    packed = packer.compress(noise)
    read, error = damaged(tmp_path, packed[:-2], "a.zst")
    assert read == noise
    assert error.endswith("a.zst: the Zstandard data is cut short")
    read, error = damaged(tmp_path, packed[: len(packed) // 2], "a.zst")
    assert noise.startswith(read)
    assert len(read) > len(noise) // 3
    broken = bytearray(packed)
    broken[-2] ^= 0xFF
    read, error = damaged(tmp_path, bytes(broken), "a.zst")
    assert "the Zstandard data is damaged" in error
    assert "is damaged" in damaged(tmp_path, b"no zstd at all", "a.zst")[1]


def test_a_missing_zstandard_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zst").touch()
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(TailraceError, match=r"pip install 'tailrace\[zstd\]'"):
        opened(tmp_path / "a.zst")


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_case_038_a_compression_bomb_keeps_memory_flat(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bomb.{suffix}"
    zeros = bytes(1 << 20)
    with path.open("wb") as file:
        if suffix == "gz":
            packer = zlib.compressobj(wbits=31)
            file.writelines(packer.compress(zeros) for _ in range(96))
            file.write(packer.flush())
        else:
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as writer:
                for _ in range(96):
                    writer.write(zeros)
    assert path.stat().st_size < 1 << 20
    code = (
        "import sys, resource\n"
        "from tailrace.pipeline.source.recorded.recorded import Recorded\n"
        "source = Recorded(sys.argv[1:]); source.open({}, 0.0)\n"
        "buffer = memoryview(bytearray((1 << 20) + 1)); found = []\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "while not source.exhausted:\n"
        "    chunk = source.read(buffer, 0.0, lambda _: False)\n"
        "    found += [chunk.oversize] if chunk else []\n"
        "print(found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    found, grown = done.stdout.rsplit(" ", 1)
    assert found == f"[{96 << 20}]"
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(grown) * unit < 24 << 20
