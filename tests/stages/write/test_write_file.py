"""The file sink: what it writes, what it calls durable, and that recovery goes back to exactly that."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline import disk
from tailrace.pipeline.batch import Event
from tailrace.pipeline.errors import Reject, StateError
from tailrace.pipeline.outgoing import About, Outgoing, Payload
from tailrace.pipeline.stage import Connects, Cut, Discards, HasPaths, Located, Recovers, Syncs, Write
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.write import file as module
from tailrace.stages.write.file import File, Mark


class Harness:
    """What the engine does with a sink: keeps the marks, announces what is new, and starts anew after a crash."""

    def __init__(self, template: str, **options: Any) -> None:
        self.template, self.options = template, options
        self.marks: dict[str, Any] = {}
        self.most_uncommitted: int | None = None
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        self.sink = File(self.template, **self.options)
        self.recover()

    def crash(self) -> None:
        """The process is gone: descriptors closed, nothing else done. Then the next start."""
        self.sink.close()
        self.start()

    def recover(self, *, may_cut: bool = True) -> None:
        self.announced: set[str] = set()
        self.sink.connect(About("out", self.most_uncommitted, self.said.append))
        self.sink.recover(json.loads(json.dumps(self.marks)), may_cut)

    def announce(self, destination: str | Path) -> Mark:
        return Mark(**self.sink.announce([str(destination)])[str(destination)])

    def put(self, destination: str | Path, payload: bytes) -> None:
        destination = str(destination)
        if destination not in self.announced:
            self.marks |= self.sink.announce([destination])
            self.announced.add(destination)
        self.sink.deliver(Outgoing(destination, memoryview(payload)))

    def commit(self) -> list[Mark]:
        marks = self.sink.sync(Cut(1))
        self.marks |= marks
        return [Mark(**mark) for mark in marks.values()]

    def notices(self) -> str:
        notices = "\n".join(self.said)
        self.said.clear()
        return notices


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out" / "a.ndjson"


@pytest.fixture
def harness(out: Path) -> Iterator[Harness]:
    harness = Harness(str(out.parent / "{name}.ndjson"))
    yield harness
    harness.sink.close()


Fault = Callable[[str, str], None]


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fault], None]:
    return lambda before: monkeypatch.setattr(disk, "before", before)


# Encoding.


def encoded(sink: File, events: list[dict[str, Any]], source: str = "a.log") -> dict[str, list[Any]]:
    sink.locate(origin(source))
    payloads = list(sink.encode(events))
    assert all(payload.data.endswith(b"\n") for payload in payloads)
    return {one.destination: [orjson.loads(line) for line in one.data.splitlines()] for one in payloads}


def test_sink_fits_the_protocols() -> None:
    assert isinstance(File("/out/a"), Write)
    for protocol in (Located, Connects, Syncs, Recovers, Discards, HasPaths):
        assert isinstance(File("/out/a"), protocol)


def test_events_are_one_json_line_each() -> None:
    sink = File("/out/{source}.ndjson")
    sink.locate(origin())
    events: list[Event] = [{"a": 'new\nline "quoted"', "b": None}, {"c": [1.5, {"d": True}]}]
    assert list(sink.encode(events)) == [
        Payload("/out/a.log.ndjson", b'{"a":"new\\nline \\"quoted\\"","b":null}\n{"c":[1.5,{"d":true}]}\n')
    ]
    assert list(sink.encode([])) == []


def test_events_are_grouped_by_destination_in_order() -> None:
    events = [{"u": "x", "n": 1}, {"u": "y", "n": 2}, {"u": "x", "n": 3}, {"u": "y", "n": 4}]
    assert encoded(File("/out/{u}"), events) == {"/out/x": [events[0], events[2]], "/out/y": [events[1], events[3]]}
    assert encoded(File("/out/{u}"), events[::2]) == {"/out/x": [events[0], events[2]]}


UNWRITABLE: list[Any] = [{2}, "\ud800", {1: 2}, object(), {"a": "\udcff"}]


@pytest.mark.parametrize("value", UNWRITABLE)
def test_what_json_cannot_hold_is_rejected_with_the_field(value: Any) -> None:
    with pytest.raises(Reject, match="JSON cannot hold the field a") as caught:
        list(File("/out/a").encode([{"a": value}]))
    assert caught.value.code == "rejected"


def test_not_a_number_is_null() -> None:
    assert list(File("/out/a").encode([{"a": float("nan")}])) == [Payload("/out/a", b'{"a":null}\n')]


def test_event_without_a_path_is_rejected_with_the_field() -> None:
    with pytest.raises(Reject, match="needs the field 'u'") as caught:
        list(File("/out/{u}").encode([{"u": "x"}, {}]))
    assert caught.value.code == "missing_field"


@given(st.lists(st.dictionaries(st.sampled_from("uvw"), st.integers(0, 2)), max_size=8))
def test_every_event_is_encoded_once_and_in_order(events: list[dict[str, int]]) -> None:
    events = [{"u": 0, **event} for event in events]
    groups = encoded(File("/out/{u}"), events)
    assert groups == {f"/out/{u}": group for u in range(3) if (group := [event for event in events if event["u"] == u])}


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({"path": "{source}"}, ["begins with a placeholder"]),
        ({"path": "/out/../a", "mode": "rw", "max_open_files": 0}, ["`..`", "mode is 'rw'", "max_open_files is 0"]),
        ({"path": "/out/a", "mode": "0440"}, ["lets the owner|let the owner"]),
        ({"path": "/out/a", "mode": "7777"}, ["mode is '7777'"]),
    ],
)
def test_bad_configuration_names_every_problem(options: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        File(**options)
    for problem in problems:
        assert any(choice in str(caught.value) for choice in problem.split("|"))


# Writing.


def test_payloads_are_appended_and_the_barrier_marks_what_is_durable(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    harness.put(out, b"two\n")
    (mark,) = harness.commit()
    assert out.read_bytes() == b"one\ntwo\n"
    status = out.stat()
    assert (list(harness.marks), mark.path) == ([str(out)], str(out.resolve()))
    assert (mark.device, mark.inode, mark.length, mark.ours) == (status.st_dev, status.st_ino, 8, True)
    assert harness.commit() == []


def test_first_mark_has_the_length_the_file_has_then(harness: Harness, out: Path) -> None:
    out.parent.mkdir()
    out.write_bytes(b"was here\n")
    mark = harness.announce(out)
    assert (mark.length, mark.ours) == (9, False)
    harness.put(out, b"new\n")
    assert out.read_bytes() == b"was here\nnew\n"
    assert harness.notices() == ""


def test_file_that_ends_inside_a_line_is_told(harness: Harness, out: Path) -> None:
    out.parent.mkdir()
    out.write_bytes(b"half")
    harness.put(out, b"new\n")
    assert "does not end with a newline" in harness.notices()


def test_new_files_and_directories_get_the_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        harness = Harness(str(tmp_path / "d" / "{x}"), mode="0644")
        harness.put(tmp_path / "d" / "e", b"x\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "d" / "e").stat().st_mode) == 0o644
    harness.sink.close()


def test_destination_that_was_not_announced_is_a_loud_error(harness: Harness, out: Path) -> None:
    with pytest.raises(RuntimeError, match="was not announced"):
        harness.sink.deliver(Outgoing(str(out), b"x\n"))


def test_announcing_again_gives_the_same_mark(harness: Harness, out: Path) -> None:
    harness.put(out, b"one\n")
    (committed,) = harness.commit()
    assert harness.announce(out) == committed
    harness.crash()
    assert harness.announce(out) == committed


def test_case_062_large_payload_is_written_whole_in_short_writes(
    harness: Harness, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = disk.write
    monkeypatch.setattr(disk, "write", lambda fd, data, at, path: whole(fd, data[:7], at, path))
    payload = b"".join(b"%d\n" % n for n in range(1000))
    harness.put(out, payload)
    harness.put(out, payload)
    assert out.read_bytes() == payload * 2


def test_barrier_syncs_what_was_written_and_new_directories_before_it_answers(
    harness: Harness, out: Path, fault: Callable[[Fault], None]
) -> None:
    done: list[tuple[str, str]] = []
    fault(lambda operation, path: done.append((operation, path)))
    other = out.with_name("b.ndjson")
    harness.put(out, b"one\n")
    harness.put(other, b"two\n")
    del done[:]
    assert len(harness.commit()) == 2
    assert sorted(done) == sorted([("sync", str(path)) for path in (out, other, *out.parents)])
    del done[:]
    harness.put(out, b"three\n")
    harness.commit()
    assert done == [("write", str(out)), ("sync", str(out))]


@pytest.mark.parametrize("announced_again", [False, True])
def test_case_051_an_output_that_a_killed_process_made_is_as_durable_as_one_of_ours(
    harness: Harness, out: Path, fault: Callable[[Fault], None], announced_again: bool
) -> None:
    done: list[tuple[str, str]] = []
    harness.announce(out)  # killed before the mark was durable, and before any barrier
    harness.crash()
    if announced_again:
        harness.marks |= harness.sink.announce([str(out)])
        harness.crash()
    fault(lambda operation, path: done.append((operation, path)))
    harness.put(out, b"one\n")
    harness.commit()
    assert {path for operation, path in done if operation == "sync"} == {str(path) for path in (out, *out.parents)}


def test_case_051_a_file_that_recovery_removes_cannot_come_back(
    harness: Harness, out: Path, fault: Callable[[Fault], None]
) -> None:
    done: list[tuple[str, str]] = []
    harness.put(out, b"never committed\n")
    fault(lambda operation, path: done.append((operation, path)))
    harness.crash()
    assert done == [("unlink", str(out)), ("sync", str(out.parent))]
    del done[:]
    harness.crash()  # as if the first one had been killed ahead of its sync
    assert done == [("sync", str(out.parent))]


# Trouble while writing.


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("after", [0, 1, 5])
def test_case_062_failed_write_is_cut_back_and_can_be_made_again(
    harness: Harness, out: Path, monkeypatch: pytest.MonkeyPatch, number: int, after: int
) -> None:
    harness.put(out, b"before\n")
    whole = disk.write
    left = [after]

    def filling(descriptor: int, data: memoryview, at: int, path: str) -> int:
        if not left[0]:
            raise OSError(number, os.strerror(number), path)
        count = whole(descriptor, data[: left[0]], at, path)
        left[0] -= count
        return count

    monkeypatch.setattr(disk, "write", filling)
    with pytest.raises(OSError, match=os.strerror(number)):
        harness.put(out, b"payload\n")
    assert out.read_bytes() == b"before\n"
    monkeypatch.setattr(disk, "write", whole)
    harness.put(out, b"payload\n")
    (mark,) = harness.commit()
    assert out.read_bytes() == b"before\npayload\n"
    assert mark.length == 15


def test_case_062_full_disk_is_cut_back_to_whole_payloads(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small tmpfs")
    mount = tmp_path / "small"
    mount.mkdir()
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {mount} 2>/dev/null") != 0:  # noqa: S605  the test's own directory
        pytest.skip("tmpfs cannot be mounted here")
    harness = Harness(str(mount / "{x}"))
    try:
        payload = b"x" * 9_999 + b"\n"
        with pytest.raises(OSError, match="No space left"):
            for _ in range(10):
                harness.put(mount / "a", payload)
        assert (mount / "a").read_bytes() == payload * 6
        assert harness.commit()[0].length == 60_000
        with pytest.raises(OSError, match="No space left"):
            harness.put(mount / "a", payload)
        harness.put(mount / "a", b"small\n")
        assert (mount / "a").read_bytes() == payload * 6 + b"small\n"
    finally:
        harness.sink.close()
        os.system(f"umount {mount}")  # noqa: S605  the same


def test_case_062_failed_sync_is_raised_by_the_barrier_and_recovery_cuts(
    harness: Harness, out: Path, fault: Callable[[Fault], None]
) -> None:
    harness.put(out, b"one\n")
    harness.commit()
    harness.put(out, b"two\n")

    def fail(operation: str, path: str) -> None:
        if operation == "sync":
            raise OSError(errno.EIO, "I/O error", path)

    fault(fail)
    with pytest.raises(OSError, match="I/O error"):
        harness.commit()
    harness.recover()
    assert out.read_bytes() == b"one\n"


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
        assert mark.tail == module._digest(out.read_bytes()[-module.TAIL_BYTES :])
        harness.crash()
