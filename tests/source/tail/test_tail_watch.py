"""Hints: they come, they survive what kills watchdog, and the tailer looks at just what they name."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.source.tail.hints import Hints
from tailrace.pipeline.source.tail.tail import watched

from .given import Given

Make = Callable[..., Any]
DEADLINE = 60.0


class Woken:
    """What the engine is to the hints: something to wake."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.said: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, /, **fields: Any) -> None:
        self.said.append((event, fields))

    debug = info = error = warning


@pytest.fixture
def watching() -> Iterator[Callable[..., tuple[Hints, Woken]]]:
    made: list[Hints] = []

    def start(*bases: tuple[Path, bool]) -> tuple[Hints, Woken]:
        woken = Woken()
        hints = Hints([(os.fsencode(path), below) for path, below in bases], woken.event.set, woken)
        made.append(hints)
        hints.start()
        return hints, woken

    yield start
    for hints in made:
        hints.stop()


def wait_for(hints: Hints, woken: Woken, path: Path) -> None:
    """Until a hint names the path."""
    end = time.monotonic() + DEADLINE
    while os.fsencode(path) not in hints.take():
        assert woken.event.wait(end - time.monotonic()), f"no hint for {path}"
        woken.event.clear()


def test_an_append_a_creation_and_a_rename_are_hinted(watching: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("")
    hints, woken = watching((tmp_path, False))
    with path.open("a") as file:
        file.write("one\n")
    wait_for(hints, woken, path)
    (tmp_path / "b.log").write_text("")
    wait_for(hints, woken, tmp_path / "b.log")
    path.rename(tmp_path / "c.log")
    wait_for(hints, woken, tmp_path / "c.log")


def test_reading_a_file_is_not_hinted(watching: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\n")
    hints, woken = watching((tmp_path, False))
    path.read_text()
    (tmp_path / "last").write_text("")
    seen: set[bytes] = set()
    end = time.monotonic() + DEADLINE
    while os.fsencode(tmp_path / "last") not in seen:
        assert woken.event.wait(end - time.monotonic())
        woken.event.clear()
        seen |= hints.take()
    assert os.fsencode(path) not in seen


def test_names_that_are_not_utf8_are_hinted_as_bytes(watching: Any, tmp_path: Path) -> None:
    hints, woken = watching((tmp_path, False))
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.log"))
    path.write_text("")
    wait_for(hints, woken, path)


def test_a_directory_reached_through_a_link_is_hinted_under_its_own_name(watching: Any, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    hints, woken = watching((tmp_path / "link", False))
    (tmp_path / "real/a.log").write_text("")
    wait_for(hints, woken, tmp_path / "link/a.log")


def test_directories_below_are_watched_when_the_pattern_needs_it(watching: Any, tmp_path: Path) -> None:
    hints, woken = watching((tmp_path, True))
    (tmp_path / "new").mkdir()
    wait_for(hints, woken, tmp_path / "new")
    (tmp_path / "new/a.log").write_text("")
    wait_for(hints, woken, tmp_path / "new/a.log")


def test_case_042_a_dead_observer_is_replaced(watching: Any, tmp_path: Path) -> None:
    hints, woken = watching((tmp_path, False))
    observer = hints._observer
    hints._wake = lambda: 1 / 0
    threading.excepthook, before = lambda _: None, threading.excepthook
    try:
        (tmp_path / "a.log").write_text("")
        observer.join(DEADLINE)
    finally:
        threading.excepthook = before
    assert not observer.is_alive()
    hints._wake = woken.event.set
    hints.check()
    (tmp_path / "b.log").write_text("")
    wait_for(hints, woken, tmp_path / "b.log")
    assert [event for event, _ in woken.said] == ["watch.died"]


def test_case_005_a_directory_renamed_away_and_made_anew_is_watched_again(watching: Any, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    hints, woken = watching((logs, False))
    logs.rename(tmp_path / "old")
    logs.mkdir()
    hints.check()
    (logs / "a.log").write_text("")
    wait_for(hints, woken, logs / "a.log")


def test_a_directory_that_is_deleted_and_comes_back_is_watched_again(watching: Any, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    hints, woken = watching((logs, False), (tmp_path, False))
    logs.rmdir()
    wait_for(hints, woken, logs)
    hints.check()
    logs.mkdir()
    hints.check()
    (logs / "a.log").write_text("")
    wait_for(hints, woken, logs / "a.log")
    assert [event for event, _ in woken.said] == ["watch.failed"]


def test_a_directory_deleted_and_remade_between_two_looks_is_watched_again(watching: Any, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    hints, woken = watching((logs, False), (tmp_path, False))
    logs.rmdir()
    logs.mkdir()  # with the same inode number, as often as not
    emitter = next(emitter for emitter in hints._observer.emitters if emitter.watch.path.endswith("/logs"))
    emitter.join(DEADLINE)
    hints.check()
    (logs / "a.log").write_text("")
    wait_for(hints, woken, logs / "a.log")


def test_a_missing_directory_is_said_once_and_watched_when_it_appears(watching: Any, tmp_path: Path) -> None:
    hints, woken = watching((tmp_path / "later", False))
    hints.check()
    assert [(event, fields["directory"]) for event, fields in woken.said] == [("watch.failed", str(tmp_path / "later"))]
    (tmp_path / "later").mkdir()
    hints.check()
    (tmp_path / "later/a.log").write_text("")
    wait_for(hints, woken, tmp_path / "later/a.log")


def test_when_no_watch_can_be_had_the_tailer_goes_on(
    watching: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers import Observer

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(Observer, "schedule", refuse)
    _, woken = watching((tmp_path, False))
    assert [event for event, _ in woken.said] == ["watch.failed"]


def test_a_hint_makes_the_tailer_look_at_that_file_at_once(stand: Make) -> None:
    hints = Given()
    rig = stand(hints=hints)
    path = rig.write("a.log", "one\n")
    rig.start().run()
    rig.write("a.log", "two\n")
    rig.run(0.001)
    assert rig.lines() == ["one\n"]
    hints.paths = {os.fsencode(path)}
    rig.run(0.001)
    assert rig.lines() == ["one\n", "two\n"]


def test_a_hint_of_a_new_file_makes_the_tailer_scan_soon(stand: Make) -> None:
    hints = Given()
    rig = stand(hints=hints)
    rig.start().run()
    for text in ("", "one\n"):  # hinted when it is created, and when it is written to
        hints.paths = {os.fsencode(rig.write("a.log", text))}
        rig.run(0.03)
        rig.run(0.03)
    assert rig.lines() == ["one\n"]


def test_hints_of_what_does_not_concern_us_cause_no_scans(stand: Make) -> None:
    hints = Given()
    rig = stand(hints=hints, ours=lambda path: path.endswith(b"ours.log"))
    rig.write("ours.log", "x")
    rig.start().run(1)
    number = rig.running._registry.scan
    for name in ("other.txt", "ours.log"):
        hints.paths = {os.fsencode(rig.write(name, "x"))}
        rig.run(0.1)
    assert rig.running._registry.scan == number


def test_case_010_every_order_of_hint_and_scan_around_a_rotation_gives_the_same_lines(stand: Make) -> None:
    import itertools

    for number, order in enumerate(itertools.permutations(["hint old", "hint new", "scan", "read"])):
        hints = Given()
        rig = stand(f"{number}.log*", hints=hints)
        path = rig.write(f"{number}.log", "one\n")
        rig.start().run()
        rig.write(f"{number}.log", "two\n")
        path.rename(path.with_name(f"{number}.log.1"))
        rig.write(f"{number}.log", "three\n")
        for step in order:
            if step == "scan":
                rig.poll(1)
            elif step == "read":
                rig.read_all()
            else:
                name = f"{number}.log.1" if step == "hint old" else f"{number}.log"
                hints.paths = {os.fsencode(rig.directory / name)}
                rig.poll()
        rig.run(2)
        assert sorted(rig.lines()) == ["one\n", "three\n", "two\n"], order
        assert len(rig.rows) == 2


def test_the_tailer_and_the_real_hints_together(stand: Make) -> None:
    rig = stand()
    event = threading.Event()
    hints = Hints(watched(rig.settings), event.set, rig.notes)
    rig.start(hints=hints)
    hints.start()
    rig.write("a.log", "one\n")
    end = time.monotonic() + DEADLINE
    while rig.lines() != ["one\n"]:
        assert event.wait(end - time.monotonic())
        event.clear()
        rig.run(0.05)
