"""A daemon whose configuration changes while a sink is in a call from which it does not come back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status.requests import Requests

from ..configuration import Table, to_file
from .daemon_kit import Story, Told, configured
from .hanging import Gate, Hanging

pytestmark = pytest.mark.usefixtures("no_waiting", "lively")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(Hanging, "gate", gate)
    yield gate
    gate.open()


def hanging(path: str = "out/slow.ndjson") -> Table:
    return {"use": "tests.engine.hanging:Hanging", "path": path}


@pytest.mark.parametrize("call", ["deliver", "sync"])
@pytest.mark.parametrize("ask", ["change", "request", "another id"])
def test_case_098_a_sink_that_stays_and_hangs_is_waited_for_and_nobody_else_writes_there(
    tmp_path: Path, gate: Gate, call: str, ask: str
) -> None:
    text = configured(hanging(), shutdown_timeout="100ms")
    told = Told(tmp_path, text)
    told.add("a.log", 0, 100)
    answers: list[Any] = []

    def request() -> None:
        try:
            answers.append(requests.call(lambda: None, between=True))
        except TailraceError as error:
            answers.append(str(error))

    requests: Requests = told.daemon._requests

    def story() -> Story:
        yield told.has(100, "slow.ndjson")
        gate.shut = call
        told.add("a.log", 100, 200)
        yield gate.hangs.is_set
        if ask == "request":
            thread = threading.Thread(target=request)
            thread.start()
            yield lambda: answers
            thread.join()
            assert "hangs in" in answers[0]
        else:
            other = hanging() if ask == "change" else {**hanging(), "id": "another"}
            yield told.try_to_change(configured(other, shutdown_timeout="200ms"))
            (problem,) = told.refusals()
            assert f"hangs in {call} since" in problem
        told.add("a.log", 200, 300)
        gate.open()
        yield told.has(300, "slow.ndjson")
        yield told.change(configured(hanging(), shutdown_timeout="10s"))
        told.add("a.log", 300, 400)
        yield told.has(400, "slow.ndjson")

    assert told.tell(story()).complete
    assert told.numbers("slow.ndjson") == list(range(400))
    assert gate.left == 1


def test_a_sink_that_hangs_as_it_begins_is_waited_for_too(tmp_path: Path, gate: Gate) -> None:
    """Though nothing was read."""
    told = Told(tmp_path, configured(hanging(), shutdown_timeout="200ms"))
    told.add("a.log", 0, 100)
    gate.shut = "recover"

    def story() -> Story:
        yield gate.hangs.is_set
        yield told.try_to_change()
        assert "hangs in recover" in told.refusals()[0]
        gate.open()
        yield told.has(100, "slow.ndjson")

    assert told.tell(story()).complete


@pytest.mark.parametrize("comes_back", [True, False])
def test_case_098_a_sink_that_hangs_is_removed_and_its_file_is_left_alone_until_it_is_back(
    tmp_path: Path, gate: Gate, *, comes_back: bool
) -> None:
    both = configured(to_file(), hanging(), shutdown_timeout="100ms")
    told = Told(tmp_path, both)
    told.add("a.log", 0, 100)
    slow = tmp_path / "out" / "slow.ndjson"

    def story() -> Story:
        yield told.has(100, "slow.ndjson")
        yield told.committed
        gate.shut = "deliver"
        told.add("a.log", 100, 200)
        yield gate.hangs.is_set
        with slow.open("a") as file:
            file.write("half a li")  # as by the call that is under way
        yield told.change(configured(to_file()))
        assert slow.read_text().endswith("half a li"), "nobody has touched it"
        told.add("a.log", 200, 300)
        yield told.has(300)
        if comes_back:
            gate.open()
            yield lambda: not told.daemon._lingering.names
        yield told.change()

    assert told.tell(story()).complete
    assert told.numbers() == list(range(300))
    (removed,) = told.log.fields("sink.removed")
    assert removed["bytes"] > 0
    assert removed["lines"] == 100
    if comes_back:
        assert told.numbers("slow.ndjson") == list(range(100)), "taken back to its last commit"
    else:
        assert slow.read_text().endswith("half a li")
        gate.open()


def test_a_sink_that_begins_to_hang_as_the_run_ends_ends_the_daemon_with_words(tmp_path: Path, gate: Gate) -> None:
    """Only a new process is sure that nobody else writes to its files."""
    told = Told(tmp_path, configured(hanging()))
    told.add("a.log", 0, 100)

    def story() -> Story:
        yield told.has(100, "slow.ndjson")
        gate.shut = "close"
        yield told.change()

    with pytest.raises(TailraceError, match=r"hangs in close since .* the next start goes on from the last commit"):
        told.tell(story())


def test_a_stop_while_a_sink_hangs_and_the_configuration_is_to_change(tmp_path: Path, gate: Gate) -> None:
    told = Told(tmp_path, configured(hanging(), shutdown_timeout="200ms"))
    told.add("a.log", 0, 100)

    def story() -> Story:
        gate.shut = "deliver"
        yield gate.hangs.is_set
        told.change()
        yield told.said("pipeline.changing")

    outcome = told.tell(story())
    assert "hangs" not in outcome.message or outcome.message
    assert not outcome.complete
    assert not told.refusals(), "it is to end, and not to go on"
    assert not told.log.fields("config.reloaded")
