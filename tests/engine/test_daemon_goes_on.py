"""What goes on over a change of the configuration: lines, files, memories, sums and counters; and nothing is left."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.work.ring import Geometry, Ring

from ..configuration import Table, to_file
from .daemon_kit import MARK, SOURCE, Story, Told, blocked, configured

pytestmark = pytest.mark.usefixtures("no_waiting", "lively")


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
