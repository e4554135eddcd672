"""Files that are special, unreadable or oddly named, and directories that cannot be listed, each at its own cost."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


def test_case_040_special_files_are_skipped_and_said_once(stand: Make) -> None:
    rig = stand()
    os.mkfifo(rig.directory / "fifo.log")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(rig.directory / "socket.log"))
        (rig.directory / "device.log").symlink_to("/dev/null")
        (rig.directory / "directory.log").mkdir()
        rig.write("a.log", "one\n")
        rig.start().run(3)
    assert rig.lines() == ["one\n"]
    said = {note["file"].rsplit("/", 1)[1]: note["why"] for note in rig.notes.of("file.skipped")}
    assert said == {"fifo.log": "it is a FIFO", "socket.log": "it is a socket", "device.log": "it is a device"}
    assert len(rig.notes.of("file.skipped")) == 3


def test_case_040_a_fifo_swapped_in_after_the_stat_never_blocks(stand: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = stand()
    path = rig.write("a.log", "one\n")
    real = os.open

    def swap(name: Any, flags: int, *rest: Any, **named: Any) -> int:
        if os.fsencode(name) == os.fsencode(path) and path.is_file():
            path.unlink()
            os.mkfifo(path)
        return real(name, flags, *rest, **named)

    monkeypatch.setattr(os, "open", swap)
    rig.start().run(1)
    assert rig.lines() == []
    assert [note["why"] for note in rig.notes.of("file.skipped")] == ["it is a FIFO"]


def test_our_own_outputs_are_never_read(stand: Make) -> None:
    rig = stand(ours=lambda path: path.endswith(b"out.log"))
    rig.write("out.log", "ours\n")
    rig.write("a.log", "one\n")
    (rig.directory / "link.log").symlink_to(rig.directory / "out.log")
    rig.start().run(2)
    (rig.directory / "out.log").rename(rig.directory / "out.log.1")
    rig.run(2)
    assert rig.lines() == ["one\n"]


def test_case_043_names_that_are_not_utf8_or_hold_odd_characters_are_read(stand: Make) -> None:
    rig = stand("*")
    names = [b"bad\xff.log", b"new\nline", b"100%s{x}", b"x" * 255]
    for name in names:
        with open(os.path.join(os.fsencode(rig.directory), name), "wb") as file:
            file.write(name.replace(b"\n", b"|") + b"\n")
    rig.start().run()
    assert {row.path.rsplit(b"/", 1)[1] for row in rig.rows.values()} == set(names)
    assert {chunk.name for chunk in rig.chunks} == {"bad\\xff.log", "new\\nline", "100%s{x}", "x" * 255}
    assert all(chunk.path.endswith(chunk.name) for chunk in rig.chunks)
    rig.stop().start().run()
    assert len(rig.delivered) == 4


def test_case_039_an_unreadable_file_is_said_once_and_read_from_the_start_later(
    stand: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = stand()
    rig.write("closed.log", "one\n")
    rig.write("open.log", "two\n")
    real = os.open

    def refuse(name: Any, flags: int, *rest: Any, **named: Any) -> int:
        if os.fsencode(name).endswith(b"closed.log"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(name, flags, *rest, **named)

    monkeypatch.setattr(os, "open", refuse)
    rig.start().run(5)
    assert rig.lines() == ["two\n"]
    assert [note["why"] for note in rig.notes.of("file.unreadable")] == ["Permission denied"]
    monkeypatch.setattr(os, "open", real)
    rig.run(1)
    assert sorted(rig.lines()) == ["one\n", "two\n"]


def test_a_file_that_answers_with_an_error_is_tried_again_and_never_ended(
    stand: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = stand()
    rig.write("a.log", "one\n")
    rig.start().run()
    rig.write("a.log", "two\n")
    real = os.preadv

    def broken(*_: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    rig.run(10)
    monkeypatch.setattr(os, "preadv", real)
    rig.run(1)
    assert rig.lines() == ["one\n", "two\n"]
    assert not rig.rows[1].ended


def test_case_004_a_listing_that_fails_ends_nothing(stand: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = stand("*/*.log")
    for name in ("a", "b"):
        (rig.directory / name).mkdir()
        rig.write(f"{name}/x.log", f"{name}\n")
    rig.start().run()
    real = os.scandir

    def fail(directory: Any) -> Any:
        if os.fsencode(directory).endswith(b"/a"):
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(directory)

    monkeypatch.setattr(os, "scandir", fail)
    rig.write("b/y.log", "sibling\n")
    rig.run(20)
    assert sorted(rig.lines()) == ["a\n", "b\n", "sibling\n"]
    assert not any(row.ended for row in rig.rows.values())
    assert len(rig.notes.of("directory.unreadable")) == 1
    monkeypatch.setattr(os, "scandir", real)
    rig.write("a/x.log", "more\n")
    rig.run(10)
    assert rig.lines("x.log").count("a\n") == 1
    assert "more\n" in rig.lines()


def test_case_004_a_deleted_file_is_let_go_even_while_another_listing_fails(
    stand: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = stand("*/*.log")
    for name in ("a", "b"):
        (rig.directory / name).mkdir()
        rig.write(f"{name}/x.log", f"{name}\n")
    rig.start().run()
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: real(b"/nowhere\0" if os.fsencode(path).endswith(b"/a") else path))

    def fail(directory: Any) -> Any:
        if os.fsencode(directory).endswith(b"/a"):
            raise OSError(errno.EIO, "Input/output error")
        return real(directory)

    monkeypatch.setattr(os, "scandir", fail)
    (rig.directory / "b/x.log").unlink()
    rig.run(8)
    assert [row.ended for row in rig.rows.values()] == [False, True]


def test_case_003_a_file_renamed_between_listing_and_stat_keeps_its_state(
    stand: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = stand()
    path = rig.write("a.log", "one\n")
    rig.start().run()
    real = os.scandir

    class Renaming:
        def __init__(self, directory: Any) -> None:
            self.entries = list(real(directory))
            if path.exists():
                path.rename(path.with_name("a.log.1"))

        def __enter__(self) -> list[os.DirEntry[bytes]]:
            return self.entries

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", Renaming)
    rig.poll(1)
    monkeypatch.setattr(os, "scandir", real)
    rig.write("a.log.1", "two\n")
    rig.run(8)
    assert rig.lines() == ["one\n", "two\n"]
    assert list(rig.rows) == [1]
    assert not rig.rows[1].ended


def test_case_005_a_directory_renamed_away_and_made_anew_is_found_and_the_old_drained(stand: Make) -> None:
    rig = stand("logs/*.log")
    logs = rig.directory / "logs"
    logs.mkdir()
    rig.write("logs/a.log", "one\n")
    rig.start().run()
    rig.write("logs/a.log", "two\n")
    logs.rename(rig.directory / "old")
    logs.mkdir()
    rig.write("logs/a.log", "three\n")
    rig.run(8)
    assert sorted(rig.lines()) == ["one\n", "three\n", "two\n"]


def test_case_042_everything_arrives_without_a_single_hint(stand: Make) -> None:
    rig = stand("**/*.log")
    rig.start()
    for number in range(5):
        (rig.directory / f"d{number}").mkdir()
        rig.write(f"d{number}/a.log", f"{number}\n")
        rig.run(1)
        rig.write(f"d{number}/a.log", f"{number} again\n")
        rig.run(1)
    assert len(rig.lines()) == 10


def test_unread_bytes_of_a_deleted_file_at_close_are_counted(stand: Make) -> None:
    rig = stand(buffer=1002)
    path = rig.write("a.log", "123456789\n" * 300)
    rig.start().one_chunk()
    path.unlink()
    rig.poll(1)
    rig.stop()
    assert rig.unread("closed") == 2000


def test_until_eof_ends_although_a_file_cannot_be_read(stand: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = stand(until_eof=True)
    rig.write("a.log", "one\n")
    real = os.pread

    def broken(*_: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    rig.start().run(3)
    assert rig.running.exhausted
    assert [note["why"] for note in rig.notes.of("file.unreadable")] == ["Input/output error"]
    monkeypatch.setattr(os, "pread", real)
