"""A daemon whose configuration changes: what is in the way of the next run, and how it goes back to the one before."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.work.ring import Geometry, Ring

from ..configuration import Table, to_file
from .daemon_kit import MARK, SOURCE, Story, Told, configured

pytestmark = pytest.mark.usefixtures("no_waiting", "lively")

ONLY_HERE = "import sys\nassert not sys.argv[0].endswith('worker.py'), 'not in a worker'\n"


# What only shows when the new run is put together, or begins.


def refused_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring of more than ten slots cannot be had."""
    create = Ring.create

    def made(shape: Geometry) -> Ring:
        if shape.slots > 10:
            raise TailraceError("the ring needs more memory than there is")
        return create(shape)

    monkeypatch.setattr(Ring, "create", made)


def test_without_memory_for_the_ring_everything_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source was exchanged for another one by then, which has the descriptor of a file without a name."""
    refused_memory(monkeypatch)
    text = configured(to_file(), shutdown_timeout="100ms", tables={"status": {"listen": "127.0.0.1:1"}})
    told = Told(tmp_path, text)
    told.add("gone.log", 0, 500)

    def story() -> Story:
        (told.out).mkdir()
        (told.out / "all.ndjson").mkdir()  # so that nothing is written yet
        yield told.said("sink.retry")
        (told.logs / "gone.log").unlink()
        yield told.said("file.gone")
        other = {**SOURCE, "paths": ["logs/*.log", "logs/*.txt"]}
        tables = {"status": {"listen": "127.0.0.1:2"}}
        yield told.try_to_change(configured(to_file(), source=other, workers=64, tables=tables))
        assert told.refusals() == ["the ring needs more memory than there is"]
        assert told.server.address == "127.0.0.1:1"
        (told.out / "all.ndjson").rmdir()
        told.add("new.log", 500, 600)
        yield told.has(600)
        yield told.committed

    assert told.tell(story()).complete
    assert sorted(told.numbers()) == list(range(600))
    assert told.counters.total("lines_read") == 600
    assert told.counters.values["config_reloads", (("result", "failed"),)] == 1


def test_an_address_that_is_taken_again_is_told_and_the_pipeline_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_memory(monkeypatch)
    told = Told(tmp_path, configured(to_file(), tables={"status": {"listen": "127.0.0.1:1"}}))
    told.add("a.log", 0, 10)

    def story() -> Story:
        yield told.has(10)
        refused = told.try_to_change(configured(to_file(), workers=64))
        yield lambda: told.server.address is None  # it is about to change
        told.server.taken = {"127.0.0.1:1"}
        yield refused
        told.add("a.log", 10, 20)
        yield told.has(20)

    assert told.tell(story()).complete
    assert [fields["why"] for fields in told.log.fields("status.failed")] == ["127.0.0.1:1 is taken"]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_cannot_build_the_new_chain_leave_the_old_one(tmp_path: Path, workers: int) -> None:
    """And with it the sink and the source that the new one has others of."""
    both = configured("own:mark", to_file(), to_file("out/more.ndjson"), workers=workers)
    told = Told(tmp_path, both, MARK.format(1))
    told.add("a.log", 0, 300)

    def story() -> Story:
        yield told.has(300, "more.ndjson")
        told.module(ONLY_HERE + MARK.format(2))
        other = {**SOURCE, "close_after": "60ms"}
        yield told.try_to_change(configured("own:mark", to_file(), workers=workers, source=other))
        assert "workers die as soon as they start" in told.refusals()[0]
        told.add("a.log", 300, 600)
        yield told.has(600, "more.ndjson")
        told.module(MARK.format(3))
        yield told.change(both)
        told.add("a.log", 600, 700)
        yield told.has(700, "more.ndjson")

    assert told.tell(story()).complete
    assert told.numbers() == told.numbers("more.ndjson") == list(range(700))
    assert [event["version"] for event in told.events()] == [1] * 600 + [3] * 100


NOT_AS_IT_BEGINS = """
from dataclasses import dataclass
from tailrace.pipeline.errors import TailraceError
from tailrace.stages.write.file import File

BUILT = []


@dataclass
class Connecting(File):
    def connect(self, about):
        raise TailraceError("not here")


@dataclass
class Built(File):
    def __post_init__(self):
        super().__post_init__()
        BUILT.append(1)
        if len(BUILT) > 2:
            raise KeyError("not again")
"""


@pytest.mark.parametrize(("name", "why"), [("Connecting", "not here"), ("Built", "KeyError: 'not again'")])
def test_what_raises_as_the_new_run_begins_leaves_the_old_configuration(tmp_path: Path, name: str, why: str) -> None:
    told = Told(tmp_path, configured(to_file()), NOT_AS_IT_BEGINS)
    told.add("a.log", 0, 100)

    def story() -> Story:
        yield told.has(100)
        yield told.try_to_change(configured(to_file(), {"use": f"own:{name}", "path": "out/own.ndjson"}))
        assert told.refusals() == [why]
        told.add("a.log", 100, 200)
        yield told.has(200)

    assert told.tell(story()).complete
    assert told.numbers() == list(range(200))


def test_what_was_read_before_the_workers_have_died_is_read_again(tmp_path: Path) -> None:
    """By the same source, which goes on."""
    text = configured("own:mark", to_file(), workers=1)
    told = Told(tmp_path, text, MARK.format(1))

    def story() -> Story:
        told.add("a.log", 0, 100)
        yield told.has(100)
        told.module(ONLY_HERE + MARK.format(2))
        first, refused = told.engine, told.try_to_change()
        yield lambda: told.engine is not first
        told.add("a.log", 100, 200)
        yield told.has_slot
        yield refused
        yield told.has(200)

    assert told.tell(story()).complete
    assert told.numbers() == list(range(200))


def test_what_ends_a_run_that_has_begun_is_not_taken_for_a_wrong_configuration(tmp_path: Path) -> None:
    told = Told(tmp_path, configured(to_file()))

    def story() -> Story:
        yield told.change(configured(to_file()))
        raise TailraceError("the end")

    with pytest.raises(TailraceError, match="the end"):
        told.tell(story())
    assert not told.refusals()


# Full dead letters, requests.


def test_more_room_for_dead_letters_lets_a_blocked_pipeline_go_on(tmp_path: Path) -> None:
    def text(size: str) -> str:
        tables = {"dead_letters": {"max_bytes": size, "when_full": "block"}}
        return configured(to_file(), tables=tables, source={**SOURCE, "max_line_bytes": "4KiB"})

    told = Told(tmp_path, text("64KiB"))
    bad, good = 600, 100

    def story() -> Story:
        for part in range(3):  # several commits
            (tmp_path / "logs" / f"{part}.log").write_text("no json\n" * (bad // 3) + '{"n":1}\n' * good)
            if part == 0:
                yield told.has(good)
        yield told.said("dead_letters.full")
        yield told.change(text("10MiB"))
        yield told.has(3 * good)
        yield told.committed

    outcome = told.tell(story())
    assert outcome.complete
    assert outcome.counters.total("dead_letters") == bad, "each once"
    assert outcome.counters.total("lines_read") == bad + 3 * good
    assert len(told.numbers()) == 3 * good
    assert not outcome.counters.total("lines_pending")


def test_a_request_that_waits_for_the_end_of_a_run_is_refused_where_no_other_could_begin(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("n,name\n1,one\n")
    told = Told(tmp_path, configured({"use": "enrich.lookup", "path": "table.csv", "field": "n"}, to_file()))
    answers: list[str] = []

    def request() -> None:
        try:
            told.daemon._requests.call(lambda: None, between=True)
        except TailraceError as error:
            answers.append(str(error))

    told.add("a.log", 0, 5)

    def story() -> Story:
        yield told.has(5)
        table.unlink()
        thread = threading.Thread(target=request)
        thread.start()
        yield lambda: answers
        thread.join()
        assert "table.csv" in answers[0]
        told.add("a.log", 5, 10)
        yield told.has(10)

    assert told.tell(story()).complete


OWN_SOURCE = """
from dataclasses import dataclass
from tailrace.pipeline.settings import SourceSettings

@dataclass(slots=True, frozen=True)
class Nothing(SourceSettings):
    use: str = "own:Nothing"

    def build(self, about):
        raise KeyError("no such thing")
"""


def test_a_source_that_cannot_be_built_leaves_the_one_before(tmp_path: Path) -> None:
    """Which was closed by then: a deleted file that it had not read to its end is lost, and told."""
    text = configured(to_file(), shutdown_timeout="100ms")
    told = Told(tmp_path, text, OWN_SOURCE)
    told.add("a.log", 0, 100)

    def story() -> Story:
        yield told.has(100)
        other = text[: text.index("[source]")] + '[source]\nuse = "own:Nothing"\n' + text[text.index("[[stages]]") :]
        before = told.daemon._supply.source
        yield told.try_to_change(other)
        assert told.refusals() == ["KeyError: 'no such thing'"]
        assert told.daemon._supply.source is not before
        told.add("a.log", 100, 200)
        yield told.has(200)

    assert told.tell(story()).complete
    assert told.numbers() == list(range(200))


def test_a_sink_that_is_down_keeps_no_configuration_from_running_or_going(tmp_path: Path) -> None:
    """It has not been given anything: nobody waits for it."""
    web: Table = {"use": "write.http", "endpoint": "http://127.0.0.1:9/", "retry": {"initial_backoff": "1s"}}
    down: Table = {"use": "own:Down", "path": "out/down.ndjson", "id": "down"}
    told = Told(tmp_path, configured(to_file(), shutdown_timeout="1h"), DOWN)

    def story() -> Story:
        yield told.change(configured(to_file(), down, web, shutdown_timeout="1h"))
        assert "down" in told.trouble()
        told.add("a.log", 0, 100)
        yield told.change(configured(to_file(), shutdown_timeout="1h"))
        yield told.has(100)

    assert told.tell(story()).complete


DOWN = """
from dataclasses import dataclass
from tailrace.stages.write.file import File


@dataclass
class Down(File):
    def connect(self, about):
        raise OSError("down")
"""
