"""The file sink's recovery: it goes back to exactly what is durable, and cuts nothing that cannot be made again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tailrace.pipeline import disk
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.outgoing import Outgoing

from .file_harness import Fault, Harness

# Recovery.


def test_what_was_not_committed_is_cut(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    harness.put(out, b"two\n")
    harness.crash()
    assert out.read_bytes() == b"one\n"
    harness.put(out, b"two again\n")
    harness.commit()
    assert out.read_bytes() == b"one\ntwo again\n"


def test_file_of_ours_without_a_commit_is_removed(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.crash()
    assert not out.exists()
    assert "4 bytes behind the last commit, at byte 0, are cut off" in harness.notices()
    with pytest.raises(RuntimeError, match="not announced"):
        harness.sink.deliver(Outgoing(str(out), b"x\n"))
    harness.put(out, b"two\n")
    harness.commit()
    harness.crash()
    assert out.read_bytes() == b"two\n"


def test_file_that_was_there_before_is_cut_to_what_it_was(harness: Harness, out: Path) -> None:
    out.parent.mkdir()
    out.write_bytes(b"")
    harness.put(out, b"one\n")
    harness.crash()
    assert out.read_bytes() == b""


def test_missing_file_is_begun_anew_and_told(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    out.unlink()
    harness.crash()
    assert f"{out}: the file written so far is not there any more" in harness.notices()
    harness.put(out, b"two\n")
    harness.commit()
    assert out.read_bytes() == b"two\n"


def test_other_file_under_the_name_is_not_touched_by_recovery(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    theirs = out.with_name("theirs")
    theirs.write_bytes(b"theirs, and longer\n")
    theirs.rename(out)
    harness.crash()
    assert out.read_bytes() == b"theirs, and longer\n"
    assert "not there any more" in harness.notices()
    harness.put(out, b"two\n")
    harness.crash()
    assert out.read_bytes() == b"theirs, and longer\n"


def test_case_047_shortened_file_is_refused_and_nothing_is_changed(harness: Harness, out: Path) -> None:
    other = out.with_name("b.ndjson")
    harness.put(out, b"one\n")
    harness.put(other, b"one\n")
    harness.commit()
    harness.put(other, b"two\n")
    os.truncate(out, 2)
    harness.sink.close()
    with pytest.raises(StateError, match=r"holds 2 bytes, but 4 were written and committed.*move it away"):
        harness.start()
    assert out.read_bytes() == b"on"
    assert other.read_bytes() == b"one\ntwo\n"


def test_case_047_changed_tail_is_refused(harness: Harness, out: Path) -> None:
    harness.put(out, b"x" * 100 + b"\n")
    harness.commit()
    out.write_bytes(b"y" * 200)
    with pytest.raises(StateError, match="holds other bytes before byte 101"):
        harness.crash()


@pytest.mark.parametrize("committed", [b"one\n", b""], ids=["behind a commit", "before any"])
@pytest.mark.parametrize(("most", "may_cut"), [(100, True), (1000, False)], ids=["too much", "gone sources"])
def test_case_047_097_what_cannot_be_made_again_is_set_aside_and_named(
    harness: Harness, out: Path, committed: bytes, most: int, may_cut: bool
) -> None:
    """Mutations: the limit is not looked at; a file of which nothing is committed is removed, whatever is in it."""
    harness.put(out, committed)
    if committed:
        harness.commit()
    tails = [b"t" * 101, b"u" * 101] if committed else [b"t" * 101]  # twice: the first copy is kept
    for tail in tails:
        with out.open("ab") as file:
            file.write(tail)
        harness.most_uncommitted = most
        harness.sink.close()
        harness.recover(may_cut=may_cut)
        assert out.exists() == bool(committed)
        assert not committed or out.read_bytes() == committed
        assert f"101 bytes behind the last commit, at byte {len(committed)}, " in harness.notices()
    asides = sorted(out.parent.glob("*.aside-*"))
    assert [path.read_bytes() for path in asides] == tails
    assert all(f".aside-{len(committed)}" in path.name for path in asides)
    harness.recover(may_cut=may_cut)
    assert "behind" not in harness.notices(), "nothing was cut, nothing is said"


def test_case_050_setting_aside_is_harmless_to_be_killed_in(
    harness: Harness, out: Path, fault: Callable[[Fault], None]
) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    tail = b"t" * (3 << 20)
    with out.open("ab") as file:
        file.write(tail)

    class Killed(BaseException):
        pass

    for at in range(100):
        left = [at]

        def kill(_operation: str, _path: str, left: list[int] = left) -> None:
            if not left[0]:
                raise Killed
            left[0] -= 1

        fault(kill)
        harness.sink.close()
        try:
            harness.recover(may_cut=False)
        except Killed:
            continue
        break
    assert at > 3
    assert out.read_bytes() == b"one\n"
    (aside,) = out.parent.glob("*.aside-*")
    assert aside.read_bytes() == tail


def test_every_damaged_file_is_named(harness: Harness, out: Path) -> None:
    others = [out.with_name(name) for name in ("b", "c")]
    for path in others:
        harness.put(path, b"one\n")
    harness.commit()
    for path in others:
        os.truncate(path, 1)
    with pytest.raises(StateError) as caught:
        harness.crash()
    assert all(str(path) in str(caught.value) for path in others)


def test_other_device_number_alone_changes_nothing(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    harness.put(out, b"two\n")
    harness.marks = {to: mark | {"device": mark["device"] + 1} for to, mark in harness.marks.items()}
    harness.crash()
    assert out.read_bytes() == b"one\n"
    assert harness.announce(out).device == out.stat().st_dev


def test_other_file_with_the_same_inode_number_on_another_device_is_another_file(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    out.write_bytes(b"another\n")
    harness.marks = {to: mark | {"device": mark["device"] + 1} for to, mark in harness.marks.items()}
    harness.crash()
    assert out.read_bytes() == b"another\n"
    assert "not there any more" in harness.notices()


def test_marks_of_other_templates_are_recovered_too(harness: Harness, out: Path, tmp_path: Path) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    harness.put(out, b"two\n")
    harness.template = str(tmp_path / "elsewhere" / "{source}")
    harness.crash()
    assert out.read_bytes() == b"one\n"


class CrashError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("late", [False, True])
def test_case_050_crash_at_every_operation_gives_what_an_uninterrupted_run_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """``late``: the crash comes after a write of half the bytes, else before the operation."""
    script = [
        ("a", b"1\n"),
        ("b", b"2\n"),
        None,
        ("a", b"3\n"),
        ("c", b"4\n"),
        ("a", b"5\n"),
        None,
        ("b", b"6\n"),
        None,
    ]
    whole = disk.write

    def run(directory: Path, crash_at: int) -> int:
        """The script, with a crash at one operation; how many operations there were."""
        harness = Harness(str(directory / "sub" / "{x}"), max_open_files=2)
        count = 0

        def before(operation: str, _path: str) -> None:
            nonlocal count
            count += 1
            if count == crash_at and not (late and operation == "write"):
                raise CrashError

        def half(descriptor: int, data: memoryview, at: int, path: str) -> int:
            written = whole(descriptor, data[:1], at, path)
            if count == crash_at:
                raise CrashError
            return written

        monkeypatch.setattr(disk, "before", before)
        monkeypatch.setattr(disk, "write", half)
        done = committed = 0
        while done < len(script):
            try:
                step = script[done]
                if step is None:
                    harness.commit()
                    committed = done + 1
                else:
                    harness.put(directory / "sub" / step[0], step[1])
                done += 1
            except CrashError:
                while True:  # a crash in recovery is followed by another start
                    try:
                        harness.crash()
                        break
                    except CrashError:
                        continue
                done = committed
        harness.sink.close()
        files = {path.name: path.read_bytes() for path in (directory / "sub").iterdir()}
        assert files == {"a": b"1\n3\n5\n", "b": b"2\n6\n", "c": b"4\n"}
        return count

    (tmp_path / "0").mkdir()
    total = run(tmp_path / "0", -1)
    assert total > 20
    for crash_at in range(1, total + 1):
        (tmp_path / str(crash_at)).mkdir()
        run(tmp_path / str(crash_at), crash_at)
