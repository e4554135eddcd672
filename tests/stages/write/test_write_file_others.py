"""Files that others move, delete or replace; more files than descriptors; links and what is no file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tailrace.stages.outputs.mark import TAIL_BYTES, digest

from .file_harness import Fault, Harness

# What others do to our files.


def test_case_063_renamed_output_gets_a_new_file_with_its_own_mark_at_the_next_barrier(
    harness: Harness, out: Path
) -> None:
    harness.put(out, b"one\n")
    (old,) = harness.commit()
    moved = out.rename(out.with_name("a.ndjson.1"))
    harness.put(out, b"two\n")
    (mark,) = harness.commit()
    assert moved.read_bytes() == b"one\ntwo\n"
    assert (mark.length, mark.ours, mark.inode != old.inode) == (0, True, True)
    assert "moved away" in harness.notices()
    harness.put(out, b"three\n")
    (mark,) = harness.commit()
    assert moved.read_bytes() == b"one\ntwo\n"
    assert out.read_bytes() == b"three\n"
    assert (mark.length, mark.inode) == (6, out.stat().st_ino)


def test_case_063_output_replaced_by_another_file_goes_on_at_its_end(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    out.rename(out.with_name("moved"))
    out.write_bytes(b"theirs\n")
    harness.put(out, b"two\n")
    (mark,) = harness.commit()
    assert (mark.length, mark.ours) == (7, False)
    harness.put(out, b"three\n")
    assert out.read_bytes() == b"theirs\nthree\n"


def test_case_063_deleted_output_fails_the_barrier_so_that_nothing_is_lost_in_it(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    harness.put(out, b"two\n")
    out.unlink()
    harness.put(out, b"three\n")
    with pytest.raises(OSError, match="was deleted or replaced"):
        harness.commit()
    harness.recover()
    assert "not there any more" in harness.notices()
    harness.put(out, b"two\nthree\n")  # what the engine does: again from the last commit
    harness.commit()
    assert out.read_bytes() == b"two\nthree\n"
    harness.crash()
    assert out.read_bytes() == b"two\nthree\n"


def test_case_063_deleted_between_write_and_barrier_fails_the_barrier(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    out.unlink()
    with pytest.raises(OSError, match="was deleted or replaced"):
        harness.commit()


def test_case_063_emptied_output_goes_on_at_its_end_without_a_hole(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    os.truncate(out, 0)
    harness.put(out, b"two\n")
    (mark,) = harness.commit()
    assert out.read_bytes() == b"two\n"
    assert mark.length == 4
    assert "shortened" in harness.notices()
    harness.crash()
    assert out.read_bytes() == b"two\n"


# Many files.


def test_few_files_are_open_and_the_closed_ones_are_durable(tmp_path: Path, fault: Callable[[Fault], None]) -> None:
    harness = Harness(str(tmp_path / "{x}"), max_open_files=3)
    synced: list[str] = []
    fault(lambda operation, path: synced.append(path) if operation == "sync" else None)
    for round_ in range(2):
        for number in range(10):
            harness.put(tmp_path / f"f{number}", b"%d\n" % round_)
            assert len(harness.sink._descriptors) <= 3
    marks = harness.commit()
    assert len(marks) == 10
    assert {str(tmp_path / f"f{number}") for number in range(10)} <= set(synced)
    assert all((tmp_path / f"f{number}").read_bytes() == b"0\n1\n" for number in range(10))
    harness.put(tmp_path / "f3", b"lost\n")
    harness.crash()
    assert all((tmp_path / f"f{number}").read_bytes() == b"0\n1\n" for number in range(10))
    harness.sink.close()


def test_failed_sync_of_a_file_closed_to_make_room_fails_the_next_barrier(
    tmp_path: Path, fault: Callable[[Fault], None]
) -> None:
    harness = Harness(str(tmp_path / "{x}"), max_open_files=1)
    harness.put(tmp_path / "a", b"1\n")

    def fail(operation: str, path: str) -> None:
        if operation == "sync":
            raise OSError(errno.EIO, "I/O error", path)

    fault(fail)
    harness.put(tmp_path / "b", b"1\n")
    fault(lambda *_: None)
    with pytest.raises(OSError, match="I/O error"):
        harness.commit()
    harness.recover()
    assert not (tmp_path / "a").exists()
    harness.sink.close()


def test_file_that_went_while_it_was_closed_fails_the_next_barrier(tmp_path: Path) -> None:
    harness = Harness(str(tmp_path / "{x}"), max_open_files=1)
    harness.put(tmp_path / "a", b"1\n")
    harness.put(tmp_path / "b", b"1\n")
    harness.commit()
    (tmp_path / "a").unlink()
    harness.put(tmp_path / "a", b"2\n")
    harness.put(tmp_path / "b", b"2\n")
    with pytest.raises(OSError, match="was deleted or replaced"):
        harness.commit()
    harness.recover()
    harness.put(tmp_path / "a", b"2\n")
    harness.put(tmp_path / "b", b"2\n")
    harness.commit()
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"2\n", b"1\n2\n")
    harness.sink.close()


# Links and other things that are no files.


def test_case_086_symbolic_link_below_the_literal_directory_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(secret)
    (tmp_path / "out" / "dangling").symlink_to(tmp_path / "made")
    (tmp_path / "out" / "dir").symlink_to(tmp_path)
    harness = Harness(str(tmp_path / "out" / "{a}" / "{b}"))
    for path in ("link", "dangling", "dir/secret", "dir/new"):
        with pytest.raises(OSError, match="symbolic link"):
            harness.put(tmp_path / "out" / path, b"x\n")
    assert secret.read_bytes() == b"secret\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "secret"]


def test_literal_directory_is_resolved_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    harness = Harness(str(tmp_path / "link" / "{x}"))
    harness.put(tmp_path / "link" / "a", b"1\n")
    (mark,) = harness.commit()
    assert list(harness.marks) == [str(tmp_path / "link" / "a")]
    assert mark.path == str(tmp_path / "real" / "a")
    (tmp_path / "link").unlink()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    harness.put(tmp_path / "link" / "b", b"1\n")
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["a", "b"]
    harness.sink.close()


def test_case_086_link_swapped_in_for_an_output_is_not_followed(harness: Harness, out: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret, and longer\n")
    harness.put(out, b"one\n")
    harness.commit()
    out.rename(out.with_name("moved"))
    out.symlink_to(secret)
    harness.put(out, b"two\n")
    with pytest.raises(OSError, match="symbolic link"):
        harness.commit()
    harness.crash()
    with pytest.raises(OSError, match="symbolic link"):
        harness.put(out, b"two\n")
    assert secret.read_bytes() == b"secret, and longer\n"


def test_case_086_hard_link_is_refused(harness: Harness, out: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret\n")
    out.parent.mkdir()
    out.hardlink_to(secret)
    with pytest.raises(OSError, match="several hard links"):
        harness.put(out, b"one\n")
    assert secret.read_bytes() == b"secret\n"


def test_fifo_does_not_block(harness: Harness, out: Path) -> None:
    out.parent.mkdir()
    os.mkfifo(out)
    with pytest.raises(OSError, match="not a regular file"):
        harness.put(out, b"one\n")


def test_directory_in_the_place_of_a_file_is_an_error(harness: Harness, out: Path) -> None:
    out.mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=str(out)):
        harness.put(out, b"one\n")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = sorted(os.listdir("/dev/fd"))
    harness = Harness(str(tmp_path / "d" / "{x}"))
    for name in "abc":
        harness.put(tmp_path / "d" / name, b"1\n")
    harness.commit()
    harness.crash()
    (tmp_path / "d" / "fifo").symlink_to("/dev/null")
    with pytest.raises(OSError, match="symbolic link"):
        harness.put(tmp_path / "d" / "fifo", b"1\n")
    harness.sink.close()
    assert sorted(os.listdir("/dev/fd")) == before


def test_tail_covers_the_last_bytes_whatever_the_payloads(harness: Harness, out: Path) -> None:
    for size in (1, 3, 63, 64, 65, 200, 1):
        harness.put(out, b"%d" % (size % 10) * size)
        (mark,) = harness.commit()
        assert mark.tail == digest(out.read_bytes()[-TAIL_BYTES:])
        harness.crash()
