"""`[dead_letters] raw = "omit"`: what a letter may hold of a line that nothing has redacted yet."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.chain.steps import exposed
from tailrace.pipeline.outgoing import Outgoing, Verdicts
from tailrace.pipeline.run.accounting import OMITTED, Omitting
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.testing.doubles import BatchSink, ListSource

from .engine_kit import Pipeline, steps, to_sink

SECRET = "wxyz"  # noqa: S105


class Picky:
    """Fails events with its word, and tells the line."""

    def __init__(self, word: str) -> None:
        self._word = word

    def process(self, events: list[Event]) -> list[Event | Fail]:
        return [
            Fail("bad", f"{event['message']} is bad", event) if self._word in event["message"] else event
            for event in events
        ]


class Masking:
    redacts: ClassVar[bool] = True

    def process(self, events: list[Event]) -> list[Event | Fail]:
        for event in events:
            event["message"] = event["message"].replace(SECRET, "***")
        return list(events)


def letters_of(line: str, omit: bool = True, sink: Any = None) -> tuple[DeadLetter, Pipeline]:
    chain = [Picky("before"), Masking(), Picky("behind")]
    labels = exposed(steps(*chain))
    pipeline = Pipeline(
        ListSource({"a.log": f"{line} {SECRET}\n".encode()}), *chain, sinks=[sink] if sink else (),
        omitting=Omitting(labels) if omit else None,
    )  # fmt: skip
    assert pipeline.run().complete
    (letter,) = pipeline.store.letters
    return letter, pipeline


@pytest.mark.parametrize("line", ["parse-raise", "parse-fail", "before"])
def test_of_the_stages_up_to_the_redacting_one_there_is_nothing(line: str) -> None:
    letter, pipeline = letters_of(line)
    assert (letter.raw, letter.why, letter.event, letter.trace) == (b"", OMITTED, None, None)
    assert (letter.offset, letter.length) == (0, len(line) + 5)
    assert SECRET not in str(letter)
    assert SECRET not in str(pipeline.log.said)


def test_of_the_stages_behind_it_there_is_what_they_saw() -> None:
    letter, pipeline = letters_of("behind")
    assert (letter.raw, letter.why) == (b"", "behind *** is bad")
    assert letter.event == '{"message":"behind ***"}'
    assert SECRET not in str(pipeline.log.said)


def test_what_a_sink_refuses_has_what_was_sent_and_not_the_line() -> None:
    def refuse(batch: Outgoing) -> Verdicts:
        return Verdicts(refused=[(index, "rejected", "no") for index in range(len(batch))])

    letter, _ = letters_of("fine", sink=BatchSink(verdict=refuse))
    assert (letter.raw, letter.why, letter.payload) == (b"", "no", b'{"message":"fine ***"}')


def test_without_the_setting_letters_are_whole() -> None:
    letter, _ = letters_of("before", omit=False)
    assert (letter.raw, letter.why) == (f"before {SECRET}".encode(), f"before {SECRET} is bad")


def test_without_a_redacting_stage_all_are_exposed() -> None:
    chain = steps(Picky("x"), Step("last", "enrich", Picky("y")))
    assert exposed(chain) == {step.label for step in chain}
    assert to_sink(0).label in exposed(chain)
    assert to_sink(0).label not in exposed(steps(Masking()))
