"""What the log says of a file whose name is gone: that it is still followed, where it is, and when it is let go of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .tail_stand import Stand

Make = Callable[..., Stand]
FOLLOWED = "still read to its end, and closed when it has not grown for 5s (source.close_after)"


@pytest.mark.parametrize(
    ("to", "now"), [("rotated.1", "{directory}/rotated.1"), ("sub/rotated.1", "elsewhere"), (None, "deleted")]
)
def test_case_008_a_file_that_left_the_pattern_is_said_to_be_followed_and_then_let_go_of(
    stand: Make, to: str | None, now: str
) -> None:
    rig = stand("*.log", close_after=5.0)
    path = rig.write("a.log", "one\ntwo\n")
    rig.start().run()
    with path.open("a") as writer:
        writer.write("three\n")
        writer.flush()
        if to is None:
            path.unlink()
        else:
            (path.parent / to).parent.mkdir(exist_ok=True)
            path.rename(path.parent / to)
        rig.poll(1)
        (gone,) = rig.notes.of("file.gone")
        assert (gone["file"], gone["offset"]) == (str(path), 8)
        assert gone["now"] == now.format(directory=rig.directory)
        assert gone["notice"] == FOLLOWED
        rig.run(3)
        assert rig.lines() == ["one\n", "two\n", "three\n"]
        assert rig.notes.of("file.finished") == []
        rig.run(6)
    (finished,) = rig.notes.of("file.finished")
    assert finished == {
        "file": str(path), "file_id": 1, "offset": 14, "size": 14, "unread": 0, "notice": "no longer followed",
    }  # fmt: skip
    assert len(rig.notes.of("file.gone")) == 1


def test_bytes_that_were_not_read_when_it_is_given_up_are_told(stand: Make) -> None:
    rig = stand("*.log")
    path = rig.write("a.log", "one\n")
    rig.start().run().stop()
    rig.write("a.log", "two\n")
    path.rename(path.parent / "a.1")
    (path.parent / "a.1").unlink()
    rig.rows[1].size = 8  # it was seen before the stop, and not read
    rig.start().run(3)
    (gone,) = rig.notes.of("file.gone")
    assert (gone["unread"], gone["notice"]) == (4, "it was not open: nothing more is read from it")
    (finished,) = rig.notes.of("file.finished")
    assert finished["unread"] == 4
    assert [note["bytes"] for note in rig.notes.of("bytes.lost")] == [4]


def test_case_041_a_file_that_was_closed_for_want_of_descriptors_is_found_beside_its_old_name(stand: Make) -> None:
    rig = stand("*.log", max_open=1)
    path = rig.write("a.log", "one\n")
    rig.write("b.log", "other\n")
    rig.start().run()
    rig.write("b.log", "another\n")
    rig.run(1)  # b.log is the one that is open now
    rig.write("a.log", "two\n")
    path.rename(path.parent / "a.1")
    rig.run(3)
    assert sorted(rig.lines()) == ["another\n", "one\n", "other\n", "two\n"]
    (gone,) = rig.notes.of("file.gone")
    assert gone["notice"] == FOLLOWED
