"""The source over a change of the configuration: paths, files that are gone, rotation, encodings, open records."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ..configuration import Table, configuration, to_file
from .daemon_kit import MARK, SOURCE, Story, Told, blocked, configured

pytestmark = pytest.mark.usefixtures("no_waiting", "lively")


def read(paths: str | list[str], **keys: object) -> Table:
    return {**SOURCE, "paths": [paths] if isinstance(paths, str) else paths, **keys}


def test_paths_are_taken_out_and_added(tmp_path: Path) -> None:
    told = Told(tmp_path, configured(to_file(), source=read("logs/a.log")))
    told.add("a.log", 0, 100)
    told.add("b.log", 100, 200)

    def story() -> Story:
        yield told.has(100)
        yield told.change(configured(to_file(), source=read("logs/b.log")))
        yield told.has(200)
        told.add("a.log", 200, 300)
        told.add("b.log", 300, 400)
        yield told.has(300)
        yield told.change(configured(to_file(), source=read(["logs/a.log", "logs/b.log"])))
        yield told.has(400)

    assert told.tell(story()).complete
    assert sorted(told.numbers()) == list(range(400))
    assert Counter(told.numbers()).most_common(1)[0][1] == 1


def test_case_073_the_same_configuration_reads_nothing_again(tmp_path: Path) -> None:
    told = Told(tmp_path, configured("own:mark", to_file()), MARK.format(1))
    told.add("a.log", 0, 100)

    def story() -> Story:
        yield told.has(100)
        yield told.committed
        for _ in range(3):
            yield told.change()
        told.add("a.log", 100, 200)
        yield told.has(200)

    outcome = told.tell(story())
    assert outcome.complete
    assert told.numbers() == list(range(200))
    assert outcome.counters.total("bytes_read") == (told.logs / "a.log").stat().st_size
    assert told.counters.total("files_resumed") == 0, "the source was never closed"


def test_what_is_left_of_a_deleted_file_is_read_over_several_changes(tmp_path: Path) -> None:
    def text(close_after: int) -> str:
        source = read("logs/*.log", close_after=f"{close_after}ms")
        return configured(to_file(), shutdown_timeout="50ms", source=source)

    told = Told(tmp_path, text(50))
    told.add("a.log", 0, 100)

    def story() -> Story:
        yield from blocked(told)
        (told.logs / "a.log").unlink()
        yield told.said("file.gone")
        for number in range(51, 54):
            yield told.change(text(number))
        told.add("a.log", 100, 200)
        (told.out / "all.ndjson").rmdir()
        yield told.has(200)
        yield lambda: len(told.log.fields("file.finished")) == 1
        yield told.committed

    outcome = told.tell(story())
    assert outcome.complete
    assert sorted(told.numbers()) == list(range(200))
    assert not told.log.fields("bytes.lost")
    assert all(balance.holds and not balance.amounts.get("pending") for balance in outcome.balances)


def test_what_is_left_of_a_deleted_file_that_is_asked_for_no_more_is_lost_and_told(tmp_path: Path) -> None:
    told = Told(tmp_path, configured(to_file(), shutdown_timeout="50ms", source=read("logs/a.log")))
    told.add("a.log", 0, 100)
    told.add("b.log", 100, 200)  # (later it might get the inode of the other)
    size = (told.logs / "a.log").stat().st_size

    def story() -> Story:
        yield from blocked(told)
        (told.logs / "a.log").unlink()
        yield told.said("file.gone")
        yield told.change(configured(to_file(), source=read("logs/b.log")))
        (told.out / "all.ndjson").rmdir()
        yield told.has(100)
        yield told.committed

    outcome = told.tell(story())
    assert outcome.complete
    (lost,) = told.log.fields("bytes.lost")
    assert (lost["bytes"], lost["reason"]) == (size, "closed")
    assert told.numbers() == list(range(100, 200))
    (balance,) = [one for one in outcome.balances if one.file.endswith("a.log")]
    assert balance.holds
    assert balance.amounts == {"seen": size, "lost_closed": size}


def test_files_rotate_between_two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By rename, by copy and truncation, and by deletion, just when nobody looks."""
    told = Told(tmp_path, configured(to_file(), source=read("logs/*.log*")))
    for number, name in enumerate("abc"):
        told.add(f"{name}.log", 1000 * number, 1000 * number + 100)
    logs = told.logs

    def rotate() -> None:
        for number, name in enumerate("abc"):
            told.add(f"{name}.log", 1000 * number + 100, 1000 * number + 200)
        (logs / "a.log").rename(logs / "a.log.1")
        (logs / "b.log.1").write_bytes((logs / "b.log").read_bytes())
        os.truncate(logs / "b.log", 0)
        (logs / "c.log").unlink()
        for number, name in enumerate("abc"):
            told.add(f"{name}.log", 1000 * number + 200, 1000 * number + 300)

    def story() -> Story:
        yield told.has(300)
        yield told.committed
        follow = told.daemon._supply.follow

        def followed(config: Any) -> None:
            rotate()
            follow(config)

        monkeypatch.setattr(told.daemon._supply, "follow", followed)
        yield told.change(configured(to_file(), source=read("logs/*.log*", close_after="60ms")))
        yield told.has(900)
        yield told.committed

    assert told.tell(story()).complete
    assert sorted(told.numbers()) == [1000 * number + n for number in range(3) for n in range(300)]


@pytest.mark.parametrize("multiline_first", [True, False])
def test_a_record_is_open_while_multiline_is_switched(tmp_path: Path, *, multiline_first: bool) -> None:
    def text(multiline: bool) -> str:
        more: Table = {"multiline": {"start": "^start", "timeout": "1h"}} if multiline else {}
        return configuration("parse.raw", to_file(), commit_interval="10ms", source=read("logs/*.log", **more))

    told = Told(tmp_path, text(multiline_first))
    log = told.logs / "a.log"
    log.write_text("start 1\nmore\nstart 2\nmore\n")

    def story() -> Story:
        yield told.has(1 if multiline_first else 4)
        yield told.committed
        yield told.change(text(not multiline_first))
        with log.open("a") as file:
            file.write("start 3\nmore\nstart 4\n")
        yield told.has(6 if multiline_first else 5)
        yield told.committed

    assert told.tell(story()).complete
    lines = ["start 1", "more", "start 2", "more"]
    expected = (
        ["start 1\nmore", "start 2", "more", "start 3", "more", "start 4"]
        if multiline_first
        else [*lines, "start 3\nmore"]
    )
    assert [event["message"] for event in told.events()] == expected


def test_bytes_behind_the_change_are_of_the_new_encoding(tmp_path: Path) -> None:
    def text(encoding: str) -> str:
        return configuration(
            "parse.raw", to_file(), commit_interval="10ms", source=read("logs/*.log", encoding=encoding)
        )

    told = Told(tmp_path, text("utf-8"))
    log = told.logs / "a.log"
    log.write_text("\xe9 1\n", encoding="utf-8")

    def story() -> Story:
        for number, (before, now) in enumerate([("utf-8", "latin-1"), ("latin-1", "utf-16-le")], start=1):
            yield told.has(number)
            yield told.committed
            assert before
            yield told.change(text(now))
            with log.open("ab") as file:
                file.write(f"\xe9 {number + 1}\n".encode(now))
        yield told.has(3)

    assert told.tell(story()).complete
    assert [event["message"] for event in told.events()] == ["\xe9 1", "\xe9 2", "\xe9 3"]
