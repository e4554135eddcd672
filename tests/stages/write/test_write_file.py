"""The file sink: what it writes, what it calls durable, and what it does when a write fails."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline import disk
from tailrace.pipeline.batch import Event
from tailrace.pipeline.errors import Reject
from tailrace.pipeline.outgoing import Outgoing, Payload
from tailrace.pipeline.stage import Connects, Discards, HasPaths, Located, Recovers, Syncs, Write
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.write.file import File

from .file_harness import Fault, Harness

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
