"""What tells one file from another: each of size, head and tail must have its say."""

from __future__ import annotations

import os
from pathlib import Path

from tailrace.pipeline.source.tail.identity import HEAD, Head, continues, fits_at, mark

READ = b"x" * (2 * HEAD) + b"the last line that was read\n"


def known() -> Head:
    head = Head()
    head.feed(0, READ)
    return head


def goes_on(tmp_path: Path, content: bytes) -> bool:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    try:
        return continues(fd, len(content), known(), mark(len(READ), READ))
    finally:
        os.close(fd)


def test_a_file_that_grew_goes_on(tmp_path: Path) -> None:
    assert goes_on(tmp_path, READ)
    assert goes_on(tmp_path, READ + b"more\n")


def test_another_end_before_the_position_is_another_file(tmp_path: Path) -> None:
    assert not goes_on(tmp_path, READ.replace(b"was read", b"was lost") + b"more\n")


def test_another_beginning_is_another_file(tmp_path: Path) -> None:
    assert not goes_on(tmp_path, b"y" + READ[1:] + b"more\n")


def test_a_file_that_ends_before_the_position_is_another_one(tmp_path: Path) -> None:
    assert not goes_on(tmp_path, READ[:-1])


def test_bytes_before_a_position_that_are_not_there_fit_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(READ)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert fits_at(fd, mark(len(READ), READ))
        assert not fits_at(fd, mark(len(READ) + 1, READ))
    finally:
        os.close(fd)
