"""What goes on over a change of the configuration: lines, files, memories, sums and counters; and nothing is left."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.work.ring import Geometry, Ring

from ..configuration import Table, configuration, to_file
from ..inside import adjust
from .daemon_kit import Story, Told, imports_of

pytestmark = pytest.mark.usefixtures("no_waiting")

SOURCE: Table = {"paths": ["logs/*.log"], "close_after": "50ms"}
configured = partial(configuration, "parse.json", commit_interval="10ms", chunk_bytes="64KiB", source=SOURCE)
MARK = 'VERSION = {}\n\n\ndef mark(event):\n    event["version"] = VERSION\n    return event\n'


@pytest.fixture(autouse=True)
def _lively(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    adjust(monkeypatch.setattr, longest_wait=0.02)
    with imports_of(tmp_path):
        yield


def read(paths: str | list[str], **keys: object) -> Table:
    return {**SOURCE, "paths": [paths] if isinstance(paths, str) else paths, **keys}


# Workers and the user's modules.


@pytest.mark.parametrize("gone", [False, True])
def test_a_worker_that_is_hired_later_makes_the_chain_that_runs(tmp_path: Path, *, gone: bool) -> None:
    """Whatever has become of the module meanwhile; nobody has asked for it."""
    told = Told(tmp_path, configured("own:mark", to_file(), workers=1), MARK.format(1))
    told.add("a.log", 0, 100)

    def story() -> Story:
        yield told.has(100)
        if gone:
            (tmp_path / "own.py").unlink()
        else:
            told.module(MARK.format(2))
        (worker,) = told.workers()
        os.kill(worker, signal.SIGKILL)
        yield told.said("worker.died")
        told.add("a.log", 100, 200)
        yield told.has(200)
        told.module(MARK.format(3))
        yield told.change()
        told.add("a.log", 200, 300)
        yield told.has(300)

    assert told.tell(story()).complete
    assert [event["version"] for event in told.events()] == [1] * 200 + [3] * 100


def test_after_a_refused_change_a_fresh_worker_has_the_modules_that_run(tmp_path: Path) -> None:
    told = Told(tmp_path, configured("own:mark", to_file(), workers=1), MARK.format(1))

    def story() -> Story:
        told.module(MARK.format(2))
        yield told.try_to_change(configured("own:mark", "enrich.sett", to_file(), workers=1))
        (worker,) = told.workers()
        os.kill(worker, signal.SIGKILL)
        yield told.said("worker.died")
        told.add("a.log", 0, 100)
        yield told.has(100)

    assert told.tell(story()).complete
    assert {event["version"] for event in told.events()} == {1}


# The source.


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


def blocked(told: Told) -> Story:
    """Nothing is written, until what stands in the way of the output is removed."""
    (told.out / "all.ndjson").mkdir(parents=True)
    yield told.said("sink.retry")


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


# Sinks.


def test_a_sink_goes_on_in_its_old_files_and_begins_new_ones_where_its_path_changes(tmp_path: Path) -> None:
    told = Told(tmp_path, configured(to_file("out/one.ndjson", id="it")))
    told.add("a.log", 0, 100)

    def story() -> Story:
        yield told.has(100, "one.ndjson")
        yield told.change(configured(to_file("out/two.ndjson", id="it")))
        told.add("a.log", 100, 200)
        yield told.has(100, "two.ndjson")
        yield told.change(configured(to_file("out/one.ndjson", id="it")))
        told.add("a.log", 200, 300)
        yield told.has(200, "one.ndjson")

    assert told.tell(story()).complete
    assert told.numbers("one.ndjson") == [*range(100), *range(200, 300)]
    assert told.numbers("two.ndjson") == list(range(100, 200))


def test_columns_that_the_table_on_the_disk_does_not_have_are_waited_for(tmp_path: Path) -> None:
    """The sink says what is missing, and the configuration before goes on where it was."""
    import sqlite3
    from contextlib import closing

    def text(*columns: str) -> str:
        table = {"use": "write.sqlite", "path": "out.db", "columns": list(columns), "retry": {"initial_backoff": "1ms"}}
        return configured(table, shutdown_timeout="100ms")

    told = Told(tmp_path, text("n"))
    told.add("a.log", 0, 100, level="info")

    def rows() -> list[Any]:
        if not (tmp_path / "out.db").exists():
            return []
        with closing(sqlite3.connect(tmp_path / "out.db")) as db:
            there = db.execute("SELECT name FROM sqlite_master WHERE name = 'events'").fetchall()
            return db.execute("SELECT n FROM events ORDER BY n").fetchall() if there else []

    def story() -> Story:
        yield lambda: len(rows()) == 100
        yield told.change(text("n", "level"))
        told.add("a.log", 100, 200, level="info")
        yield told.said("sink.stuck")
        assert "no column named level" in told.log.fields("sink.stuck")[0]["error"]
        yield told.change(text("n"))
        yield lambda: len(rows()) == 200

    assert told.tell(story()).complete
    assert rows() == [(n,) for n in range(200)]


# What stages remember and sum up, and what is counted.


def test_stages_remember_and_sums_go_on(tmp_path: Path) -> None:
    def text(repeats: str, window: str) -> str:
        once: Table = {"use": "enrich.dedupe", "fields": ["n"], "window": repeats, "time": ""}
        sums: Table = {"use": "enrich.aggregate", "by": ["who"], "window": window, "time": ""}
        return configured(once, sums, to_file())

    told = Told(tmp_path, text("1h", "1h"))
    told.add("a.log", 0, 10, who="ann")

    def story() -> Story:
        yield told.read(10)
        yield told.change(text("2h", "1h"))
        told.add("a.log", 5, 20, who="ann")  # five of them were there before
        yield told.read(25)
        yield told.change(text("2h", "2h"))
        assert told.log.fields("sums.closed"), "those with other options are written"
        yield told.has(1)
        told.add("a.log", 15, 30, who="ann")
        yield told.read(40)
        yield told.change(text("2h", "3h"))
        yield told.has(2)

    assert told.tell(story()).complete
    assert [(event["who"], event["count"]) for event in told.events()] == [("ann", 20), ("ann", 10)]


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_counts_twice_where_a_run_ends_without_a_commit(tmp_path: Path, workers: int) -> None:
    text = configured(
        {"use": "enrich.filter", "drop": "n % 10 == 3"}, to_file(), shutdown_timeout="100ms", workers=workers
    )
    told = Told(tmp_path, text)
    told.add("a.log", 0, 1000)
    with (told.logs / "a.log").open("a") as file:
        file.write("no json\n")

    def story() -> Story:
        yield from blocked(told)
        for _ in range(2):
            yield told.change()
        (told.out / "all.ndjson").rmdir()
        yield told.has(900)
        yield told.committed

    outcome = told.tell(story())
    assert outcome.complete
    count = outcome.counters.total
    assert (count("lines_read"), count("events_written"), count("events_filtered")) == (1001, 900, 100)
    assert (count("dead_letters"), count("lines_pending")) == (1, 0)
    assert count("bytes_read") == (told.logs / "a.log").stat().st_size
    assert outcome.counters.values["config_reloads", (("result", "ok"),)] == 2
    assert told.numbers() == [n for n in range(1000) if n % 10 != 3]


# Nothing is left.


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def rings() -> int:
    """That are mapped."""
    return Path("/proc/self/maps").read_text().count("memfd:tailrace-ring")


def resident() -> int:
    """Bytes of memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_fifty_changes_leave_nothing_behind(tmp_path: Path) -> None:
    """Neither descriptors, threads nor memory: of rings, stages and modules. The source is another each time."""

    def text(number: int) -> str:
        source = read("logs/*.log", close_after=f"{50 + number % 2}ms")
        return configured("enrich.origin", "own:mark", to_file(), to_file("out/more.ndjson"), source=source)

    told = Told(tmp_path, text(0), MARK.format(0))
    gc.collect()  # what other tests have left
    before = rings()
    engines: WeakSet[Engine] = WeakSet()
    seen: list[tuple[int, int, int]] = []

    def story() -> Story:
        for number in range(1, 51):
            told.add("a.log", number - 1, number)
            yield told.has(number, "more.ndjson")
            assert told.engine is not None
            engines.add(told.engine)
            told.module(MARK.format(number))
            yield told.change(text(number))
            seen.append((open_files(), threading.active_count(), resident()))

    assert told.tell(story()).complete
    assert told.numbers() == list(range(50))
    assert [event["version"] for event in told.events()] == list(range(50))
    files, threads, memory = zip(*seen, strict=True)
    assert max(files[10:]) <= files[9] + 1, files
    assert max(threads[10:]) <= threads[9], threads
    assert len(engines) <= 2, "those of earlier runs are gone"
    assert rings() - before <= 2
    assert memory[49] - memory[9] < 4 << 20, memory


@pytest.mark.parametrize("stuck", [False, True])
def test_changes_leave_no_processes_behind_and_only_one_ring_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stuck: bool
) -> None:
    """Of what was given up, too. The memory that a ring takes counts once."""
    told = Told(tmp_path, configured(to_file(), workers=2, shutdown_timeout="50ms"))
    told.add("a.log", -20_000, 1)  # several slots
    gc.collect()  # what other tests have left
    create, before = Ring.create, rings()
    others: list[int] = []

    def noted(shape: Geometry) -> Ring:
        others.append(rings() - before)
        return create(shape)

    monkeypatch.setattr(Ring, "create", noted)

    def children() -> int:
        return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

    def more_retries(than: int) -> Callable[[], object]:
        return lambda: len(told.log.fields("sink.retry")) > than

    processes = children()

    def story() -> Story:
        if stuck:
            yield from blocked(told)
        for number in range(1, 5):
            retries = len(told.log.fields("sink.retry"))
            told.add("a.log", number, number + 1)
            yield more_retries(retries) if stuck else told.has(20_001 + number)
            yield told.change()
            assert children() - processes == 2
        if stuck:
            (told.out / "all.ndjson").rmdir()
            yield told.has(20_005)
            yield told.committed

    assert told.tell(story()).complete
    assert children() == processes
    assert others == [0, 0, 0, 0, 0]
    assert told.numbers() == list(range(-20_000, 5))
