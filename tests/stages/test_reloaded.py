"""A file that is read again when another has taken its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tailrace.pipeline.stage import Refreshed
from tailrace.stages.reloaded import Reloaded


def number(path: str) -> int:
    return int(Path(path).read_text())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "number"
    path.write_text("1")
    return path


def replace(file: Path, text: str) -> None:
    other = file.with_suffix(".new")
    other.write_text(text)
    other.replace(file)


def test_a_replaced_file_is_read_at_the_next_look(file: Path) -> None:
    some = Reloaded(str(file), number, every=60.0)
    assert some.refresh(100.0) is None
    replace(file, "2")
    assert (some.refresh(159.9), some.value) == (None, 1)
    assert (some.refresh(160.0), some.value) == (Refreshed(str(file)), 2)
    assert some.refresh(220.0) is None


def test_the_first_look_is_at_once_since_a_worker_may_have_waited_for_long(file: Path) -> None:
    some = Reloaded(str(file), number, every=60.0)
    replace(file, "2")
    assert (some.refresh(5.0), some.value) == (Refreshed(str(file)), 2)


def test_a_file_of_the_same_size_and_time_is_another_one(file: Path) -> None:
    some = Reloaded(str(file), number, every=1.0)
    times = os.stat(file)
    replace(file, "2")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    some.refresh(0.0)
    assert some.value == 2


def test_a_broken_file_leaves_the_value_and_is_told_once(file: Path) -> None:
    some = Reloaded(str(file), number, every=1.0)
    replace(file, "two")
    told = some.refresh(0.0)
    assert told is not None
    assert "two" in told.problem
    assert (some.value, some.refresh(1.0)) == (1, None)
    replace(file, "3")
    assert (some.refresh(2.0), some.value) == (Refreshed(str(file)), 3)


def test_a_file_that_is_gone_leaves_the_value_until_it_is_back(file: Path) -> None:
    some = Reloaded(str(file), number, every=1.0)
    file.unlink()
    assert some.refresh(0.0) == Refreshed(str(file), "cannot be read: No such file or directory")
    assert (some.value, some.refresh(1.0)) == (1, None)
    file.write_text("4")
    assert (some.refresh(2.0), some.value) == (Refreshed(str(file)), 4)


def test_what_changes_while_it_is_read_is_not_taken_and_read_again(file: Path) -> None:
    written = iter([0, 1])  # how many digits more stand in the file when it has been read

    def read(path: str) -> int:
        value = number(path)
        with open(path, "a") as growing:
            growing.write("7" * next(written, 0))
        return value

    some = Reloaded(str(file), read, every=1.0)
    replace(file, "5")
    told = some.refresh(0.0)
    assert told is not None
    assert "while it was read" in told.problem
    assert some.value == 1
    assert (some.refresh(1.0), some.value) == (Refreshed(str(file)), 57)


def test_no_memory_for_the_new_value_leaves_the_old_one(file: Path) -> None:
    def read(path: str) -> int:
        if number(path) > 1:
            raise MemoryError
        return number(path)

    some = Reloaded(str(file), read, every=1.0)
    replace(file, "2")
    told = some.refresh(0.0)
    assert told is not None
    assert "worker_memory" in told.problem
    assert some.value == 1


def test_files_beside_it_belong_to_it(file: Path) -> None:
    some = Reloaded(str(file), number, every=1.0, beside=("-wal",))
    some.refresh(0.0)
    Path(f"{file}-wal").write_text("x")
    assert some.refresh(1.0) == Refreshed(str(file))


def test_building_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none: cannot be read: No such file"):
        Reloaded(str(tmp_path / "none"), number, every=1.0)
