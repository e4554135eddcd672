"""What of the state can be read again: whether recovery may cut what lies behind an output's mark."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ...permissions import bound_by_permissions
from .tail_stand import Begun, Stand, numbered

Make = Callable[..., Any]


def missing(rig: Stand, **options: Any) -> list[str]:
    """After a crash and another start: the names of the streams that cannot be read again."""
    rig.crash()
    rig.start(**options)
    tail = rig.running
    assert tail.whole == (not tail.missing)
    assert all(str(rig.directory) in why and ": " in why for why in tail.missing)
    return [os.path.basename(why.partition(": ")[0]) for why in tail.missing]


def pack(path: Path) -> None:
    Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def test_nothing_is_missing_at_the_first_start_and_where_nothing_happened(begun: Begun) -> None:
    assert begun.rig.running.whole
    assert missing(begun.rig) == []
    begun.rig.write("a.log", numbered(100, 110))
    assert missing(begun.rig) == []


def test_a_file_under_its_rotated_name_is_there(begun: Begun) -> None:
    begun.log.rename(f"{begun.log}.1")
    begun.rig.write("a.log", numbered(500, 510))
    assert missing(begun.rig) == []


def test_a_file_renamed_out_of_the_patterns_is_there(stand: Make) -> None:
    rig = stand("*.log", buffer=1002)
    log = rig.write("a.log", numbered(0, 100))
    rig.start().one_chunk()
    log.rename(rig.directory / "a.old")
    assert missing(rig) == []


def test_case_097_a_file_that_was_rotated_and_packed_is_missing(begun: Begun) -> None:
    begun.log.rename(f"{begun.log}.1")
    begun.rig.write("a.log", numbered(500, 510))
    pack(Path(f"{begun.log}.1"))
    assert missing(begun.rig) == ["a.log"]


def test_case_097_a_deleted_file_is_missing_also_when_all_of_it_was_committed(stand: Make) -> None:
    """Between its last commit and the crash it may have grown, and been read."""
    rig = stand()
    log = rig.write("a.log", numbered(0, 10))
    rig.start().run()
    assert rig.rows[1].offset == rig.rows[1].size
    log.unlink()
    assert missing(rig) == ["a.log"]
    assert "not there any more" in rig.running.missing[0]


def test_a_run_to_the_end_misses_a_deleted_file_once_and_knows_it_again_should_it_come_back(stand: Make) -> None:
    rig = stand(until_eof=True)
    log = rig.write("a.log", numbered(0, 10))
    rig.start().run()
    log.rename(rig.directory.parent / "away")
    assert missing(rig) == ["a.log"]
    rig.running.leave()
    assert missing(rig.run()) == []
    (rig.directory.parent / "away").rename(log)
    rig.write("a.log", numbered(10, 12))
    rig.start().run()
    assert "".join(rig.lines("a.log")) == numbered(0, 12)


def test_what_ended_with_all_of_it_committed_is_not_missing(stand: Make) -> None:
    rig = stand()
    log = rig.write("a.log", numbered(0, 10))
    rig.start().run()
    log.unlink()
    rig.run(30)
    assert rig.rows[1].ended
    assert missing(rig) == []


def test_a_truncated_file_is_missing_unless_a_copy_holds_its_rest(begun: Begun) -> None:
    begun.rig.copytruncate("a.log", "a.log.1")
    assert missing(begun.rig) == []


@pytest.mark.parametrize("refill", [b"", b"x\n" * 4000])
def test_a_truncated_file_is_missing(begun: Begun, refill: bytes) -> None:
    os.truncate(begun.log, 0)
    begun.log.write_bytes(refill)
    assert missing(begun.rig) == ["a.log"]
    assert "truncated or replaced" in begun.rig.running.missing[0]


def test_what_was_truncated_before_the_crash_and_not_yet_given_up_is_missing(begun: Begun) -> None:
    begun.rig.poll()
    os.truncate(begun.log, 0)
    begun.rig.poll(1)
    begun.rig.commit()
    assert begun.rig.rows[1].ended
    assert missing(begun.rig) == ["a.log"]


def test_a_file_that_lost_its_end_is_missing(begun: Begun) -> None:
    os.truncate(begun.log, begun.done + 100)
    assert missing(begun.rig) == ["a.log"]
    assert f"{begun.done + 100} bytes, and had {begun.size}" in begun.rig.running.missing[0]


def test_another_file_in_its_place_does_not_stand_for_it(begun: Begun) -> None:
    begun.log.unlink()
    begun.rig.write("a.log", numbered(700, 900))
    assert missing(begun.rig) == ["a.log"]


@contextmanager
def closed(path: Path) -> Iterator[None]:
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)


@pytest.mark.parametrize("what", ["file", "directory"])
def test_what_cannot_be_read_now_is_missing(stand: Make, what: str) -> None:
    rig = stand("logs/*.log", "other/*.log")
    for name in ("logs", "other"):
        (rig.directory / name).mkdir()
    log = rig.write("logs/a.log", numbered(0, 10))
    rig.write("other/b.log", numbered(0, 10, "of another file"))
    rig.start().run()
    with closed(log if what == "file" else log.parent):
        assert bound_by_permissions(lambda: missing(rig)) == ["a.log"]
    assert missing(rig) == []


def test_a_packed_file_that_goes_is_not_missing_since_nothing_of_it_reached_an_output(stand: Make) -> None:
    rig = stand()
    rig.write("a.log", numbered(0, 10))
    old = rig.write("a.log.2.gz", gzip.compress(numbered(500, 900).encode()))
    rig.start().run()
    old.unlink()
    assert missing(rig) == []


@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_the_configuration_does_not_ask_for_is_looked_for_all_the_same(stand: Make, there: bool) -> None:
    rig = stand("*.log")
    log = rig.write("a.log", numbered(0, 10))
    rig.start().run()
    if not there:
        log.unlink()
    rig.settings = Stand(rig.directory, "*.txt").settings
    assert missing(rig) == ([] if there else ["a.log"])


def test_with_few_descriptors_all_are_looked_at(stand: Make) -> None:
    rig = stand()
    for number in range(20):
        rig.write(f"{number}.log", numbered(number * 10, number * 10 + 10))
    rig.start(max_open=4).run()
    (rig.directory / "7.log").unlink()
    assert missing(rig, max_open=4) == ["7.log"]
