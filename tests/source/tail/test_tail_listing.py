"""What is told of the files: how far each is, how many bytes are not committed, and since when the oldest is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tailrace.pipeline.source.tail.file import MOST_GROWTH
from tailrace.pipeline.telemetry.snapshot import FileState, Listing

from ...inside import adjust
from ...permissions import bound_by_permissions
from .tail_stand import Begun, Stand, numbered

NOON = 1.7e9
Make = Callable[..., Stand]


class Clock:
    """Seconds after noon: what `time` says, and what files are written at."""

    def __init__(self, stand: Stand) -> None:
        self.stand, self.now = stand, 0.0

    def __call__(self) -> float:
        return NOON + self.now

    def write(self, name: str, text: str) -> Path:
        path = self.stand.write(name, text)
        os.utime(path, (NOON + self.now, NOON + self.now))
        return path

    def grow(self, name: str, lines: int) -> None:
        """So many at 10, at 20 and at 30 seconds; all of it is seen."""
        for second in (10.0, 20.0, 30.0):
            self.now = second
            self.write(name, numbered(0, lines))
            self.stand.poll(1.0)

    def listed(self, limit: int = 100) -> Listing:
        return self.stand.running.listing(limit, NOON + self.now)

    def row(self, name: str = "a.log") -> FileState:
        (row,) = [one for one in self.listed().rows if one.name == name]
        return row


@pytest.fixture
def clock(stand: Make, monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(stand())
    adjust(monkeypatch.setattr, first_seen_at=made)
    return made


def read_and_release(rig: Stand) -> None:
    rig.read_all()
    rig.release()


def test_lag_is_what_is_not_committed(clock: Clock) -> None:
    rig = clock.stand
    text = numbered(0, 10)
    clock.write("a.log", text)
    rig.start().poll()
    row = clock.row()
    assert (row.offset, row.size, row.lag_bytes, row.state) == (0, len(text), len(text), "reading")
    read_and_release(rig)
    row = clock.row()
    assert (row.offset, row.lag_bytes, row.state) == (0, len(text), "reading"), "released is not committed"
    assert clock.row().balance["pending"] == len(text)
    rig.commit()
    row = clock.row()
    assert (row.offset, row.lag_bytes, row.lag_seconds, row.state) == (len(text), 0, 0.0, "quiet")
    assert row.balance == {
        "seen": len(text), "acknowledged": len(text), "dead_lettered": 0, "skipped": {}, "lost": {}, "pending": 0,
    }  # fmt: skip
    rig.rewind()
    assert clock.row().offset == len(text)


def test_lag_has_the_age_of_the_oldest_byte(clock: Clock) -> None:
    rig = clock.stand
    clock.write("a.log", numbered(0, 1))
    rig.start().run()
    clock.grow("a.log", 1)
    clock.now = 31.0
    line = len(numbered(0, 1))
    assert (clock.row().lag_bytes, clock.row().lag_seconds) == (3 * line, 21.0)
    chunk = rig.read()
    assert chunk is not None
    assert chunk.appended == NOON + 10.0
    rig.release()
    rig.commit()
    assert (clock.row().lag_bytes, clock.row().lag_seconds) == (0, 0.0)
    clock.now = 40.0
    clock.write("a.log", "half a line")
    clock.now = 45.5
    rig.poll(1.0)
    assert (clock.row().lag_bytes, clock.row().lag_seconds) == (11, 5.5)


def test_what_is_committed_in_part_leaves_the_age_of_the_rest(clock: Clock, stand: Make) -> None:
    rig = clock.stand = stand(buffer=1002)
    clock.write("a.log", numbered(0, 10))
    rig.start().run()
    for second in (10.0, 20.0):
        clock.now = second
        clock.write("a.log", numbered(0, 20))
        rig.poll(1.0)
    clock.now = 25.0
    ages, appended = [], []
    while (chunk := rig.read()) is not None:
        appended.append(chunk.appended - NOON)
        rig.release()
        rig.commit()
        ages.append(clock.row().lag_seconds)
    assert ages == sorted(ages, reverse=True)
    assert (set(ages), ages[-1]) == ({15.0, 5.0, 0.0}, 0.0)
    assert appended == [10.0, *(25.0 - age for age in ages[:-1])]


def test_what_a_read_finds_behind_what_was_seen_counts_from_the_last_look(clock: Clock, stand: Make) -> None:
    rig = clock.stand = stand(buffer=1002)
    clock.write("a.log", numbered(0, 10))
    rig.start().run()
    clock.now = 10.0
    clock.write("a.log", numbered(0, 10))
    clock.now = 11.0
    rig.poll(1.0)
    clock.now = 11.5
    clock.write("a.log", numbered(0, 30))  # nobody has looked since
    chunks = [chunk for chunk in iter(rig.read, None) if chunk is not None]
    assert [chunk.appended for chunk in chunks] == [NOON + 10.0, NOON + 11.0, NOON + 11.0]
    clock.now = 12.0
    assert clock.row().lag_seconds == 2.0
    rig.release()
    rig.commit()
    assert clock.row().lag_seconds == 0.0


def test_a_file_that_was_old_when_it_was_first_seen_counts_from_then_on(clock: Clock) -> None:
    """Nobody was late: it was not asked for before."""
    rig = clock.stand
    clock.write("a.log", numbered(0, 3))
    clock.now = 3600.0
    rig.start().poll()
    clock.now = 3602.0
    assert clock.row().lag_seconds == 2.0


def test_what_came_while_nobody_looked_counts_from_its_writing(clock: Clock) -> None:
    rig = clock.stand
    clock.write("a.log", numbered(0, 3))
    rig.start().run()
    rig.stop()
    clock.now = 60.0
    clock.write("a.log", numbered(0, 3))
    clock.now = 136.0
    rig.start().poll()
    assert clock.row().lag_seconds == 76.0
    chunk = rig.read()
    assert chunk is not None
    assert chunk.appended == NOON + 60.0


def test_a_clock_that_goes_back_makes_no_age_negative(clock: Clock) -> None:
    rig = clock.stand
    clock.now = 100.0
    clock.write("a.log", numbered(0, 3))
    rig.start().poll()
    clock.now = 50.0
    assert clock.row().lag_seconds == 0.0


def test_of_many_sizes_a_file_had_few_are_kept_and_no_age_is_too_small(clock: Clock, stand: Make) -> None:
    rig = clock.stand = stand(buffer=1002)
    clock.write("a.log", numbered(0, 10))
    rig.start().run()
    (file,) = rig.running._registry.living.values()
    for second in range(1, 500):
        clock.now = float(second)
        clock.write("a.log", numbered(0, 10))
        rig.poll(1.0)
        assert len(file.growth) <= MOST_GROWTH
    assert clock.row().lag_seconds == 498.0
    written = len(numbered(0, 10))
    while rig.read() is not None:
        rig.release()
        rig.commit()
        row = clock.row()
        true = 499.0 - row.offset // written if row.lag_bytes else 0.0
        assert true <= row.lag_seconds <= true + 499 / 8, "the time of an older one stands for several"
    assert (clock.row().lag_seconds, file.growth) == (0.0, [])


def test_a_truncation_forgets_what_was_there(clock: Clock) -> None:
    rig = clock.stand
    path = clock.write("a.log", numbered(0, 50))
    rig.start().run()
    clock.now = 100.0
    path.write_text("")
    os.utime(path, (NOON + 100, NOON + 100))
    rig.poll(1.0)
    assert clock.listed().lag_bytes == 0
    clock.now = 110.0
    clock.write("a.log", numbered(0, 2))
    rig.poll(1.0)
    clock.now = 113.0
    rows = {row.state: row for row in clock.listed().rows}
    assert rows["reading"].lag_seconds == 3.0
    assert clock.listed().lag_bytes == len(numbered(0, 2))


def test_what_is_left_of_a_file_that_was_cut_off_is_as_old_as_it_was(clock: Clock) -> None:
    rig = clock.stand
    path = clock.write("a.log", numbered(0, 2))
    rig.start().run()
    clock.grow("a.log", 2)
    clock.now = 40.0
    line = len(numbered(0, 1))
    os.truncate(path, 5 * line)  # in the middle of what came at 20
    rig.poll(1.0)
    (file,) = rig.running._registry.living.values()
    assert file.growth == [(4 * line, NOON + 10.0), (5 * line, NOON + 20.0)]
    assert (clock.row().lag_bytes, clock.row().lag_seconds) == (3 * line, 30.0)


def test_the_age_of_the_lag_is_that_of_the_file_that_waits_longest(clock: Clock) -> None:
    rig = clock.stand
    for number, name in enumerate(("a.log", "b.log", "c.log")):
        clock.now = 10.0 * number
        clock.write(name, numbered(0, 3 - number))
        rig.poll(1.0) if rig.tail else rig.start().poll(1.0)
    clock.now = 25.0
    listed = clock.listed()
    assert [row.lag_seconds for row in listed.rows] == [25.0, 15.0, 5.0]
    assert listed.lag_seconds == 25.0


def test_a_file_that_has_ended_is_shown_until_what_was_read_of_it_is_committed(begun: Begun) -> None:
    rig = begun.rig
    rig.read_all()
    rig.release()
    begun.log.write_text("another one, and shorter\n")
    for _ in range(3):
        rig.poll(1.0)
    listed = rig.running.listing(100, NOON)
    assert (listed.count, len(listed.rows)) == (1, 2)
    ended = {row.state: row for row in listed.rows}["ended"]
    assert (ended.offset, ended.lag_bytes) == (begun.done, begun.unread)
    rig.commit()
    rig.poll(1.0)
    rig.commit()
    assert [row.state for row in rig.running.listing(100, NOON).rows] == ["reading"]


def test_the_files_with_the_most_lag_come_first_and_all_are_counted(clock: Clock) -> None:
    rig = clock.stand
    for number in range(8):
        clock.write(f"{number}.log", numbered(0, 1 + (number * 3) % 8))
    rig.start().poll()
    listed = clock.listed(limit=3)
    assert (listed.count, len(listed.rows)) == (8, 3)
    lags = [row.lag_bytes for row in listed.rows]
    assert lags == [len(numbered(0, lines)) for lines in (8, 7, 6)]
    assert listed.lag_bytes == sum(path.stat().st_size for path in rig.directory.iterdir())
    rig.run()
    listed = clock.listed(limit=3)
    assert (listed.lag_bytes, listed.lag_seconds, listed.open, len(listed.rows)) == (0, 0.0, 8, 3)


def test_a_file_whose_name_is_gone_is_shown_until_all_of_it_is_committed(begun: Begun) -> None:
    begun.log.unlink()
    begun.rig.poll(1.0)
    (row,) = begun.rig.running.listing(100, NOON).rows
    assert (row.state, row.lag_bytes) == ("gone", begun.unread)
    begun.rig.run(10.0)
    assert begun.rig.running.listing(100, NOON) == Listing()


def test_a_new_file_that_may_be_a_copy_waits(begun: Begun) -> None:
    begun.rig.write("b.log", begun.log.read_bytes()[:500])
    begun.rig.poll(1.0)
    states = {row.name: row.state for row in begun.rig.running.listing(100, NOON).rows}
    assert states == {"a.log": "reading", "b.log": "waiting"}


def test_a_file_that_cannot_be_read_says_why(stand: Make) -> None:
    rig = stand()
    path = rig.write("a.log", numbered(0, 3))
    path.chmod(0)

    def look() -> None:
        rig.start().poll(1.0)
        rig.read_all()

    bound_by_permissions(look)
    (row,) = rig.running.listing(100, NOON).rows
    assert (row.state, row.why) == ("unreadable", "Permission denied")
    path.chmod(0o644)
    rig.run(3.0)
    (row,) = rig.running.listing(100, NOON).rows
    assert (row.state, row.why, row.lag_bytes) == ("quiet", "", 0)


def test_padding_is_no_lag(clock: Clock) -> None:
    rig = clock.stand
    rig.write("a.log", numbered(0, 3).encode() + bytes(4096))
    rig.start().run()
    assert clock.listed().lag_bytes == 0


def test_what_is_read_from_the_end_on_has_no_lag(stand: Make) -> None:
    rig = stand(read_from="end")
    rig.write("a.log", numbered(0, 30))
    rig.start().run()
    (row,) = rig.running.listing(100, NOON).rows
    assert (row.lag_bytes, row.balance["skipped"]) == (0, {"before_start": len(numbered(0, 30))})


def test_a_file_that_cannot_be_read_any_more_says_why(begun: Begun) -> None:
    (file,) = begun.rig.running._registry.living.values()
    begun.rig.running._registry.trouble(file, OSError(5, "Input/output error"))
    (row,) = begun.rig.running.listing(100, NOON).rows
    assert (row.state, row.why, row.lag_bytes) == ("unreadable", "Input/output error", begun.unread)


def test_directories_that_cannot_be_read_are_shown_first_and_what_is_gone_is_not(begun: Begun) -> None:
    rig = begun.rig
    troubles = rig.running._registry.troubles
    troubles.directories({b"/closed": "Permission denied"})
    troubles._unread[b"/gone.log"] = "Permission denied"
    rows = rig.running.listing(1, NOON).rows
    assert [(row.path, row.state, row.why) for row in rows] == [("/closed", "unreadable", "Permission denied")]
    rows = rig.running.listing(2, NOON).rows
    assert [(row.path, row.state) for row in rows[1:]] == [(str(begun.log), "reading")]
    assert set(rows[0].balance) == set(rows[1].balance)
