"""What each pattern of a parser costs: seconds and matches, that of the one that is stopped too."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.outcome import Made
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.errors import TimeBudget
from tailrace.pipeline.stage import Costs
from tailrace.pipeline.testing.doubles import FakeClock, origin
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.auto import Auto
from tailrace.stages.parse.grok import Grok
from tailrace.stages.parse.regex import Regex
from tailrace.stages.patterns import costs

REGEX = Regex(patterns=[r"^(?P<n>\d+)$", r"^(?P<word>[a-z]+)$", r"^(?P<rest>!.*)$"])
LINES = "1\n2\nabc\n3\n!x\n?"


def parsers() -> list[tuple[Any, str, dict[str, int]]]:
    """With lines, and what matches how many of them."""
    return [
        (Regex(patterns=[r"^(?P<n>\d+)$", r"^(?P<word>[a-z]+)$", r"^(?P<rest>!.*)$"]), LINES,
         {"patterns[0]": 3, "patterns[1]": 1, "patterns[2]": 1}),
        (Regex(pattern=r"^(?P<n>\d+)$", patterns=[r"(?P<word>\w+)"]), LINES, {"pattern": 3, "patterns[0]": 2}),
        (Grok(patterns=["^%{INT:n:int}$", "^%{WORD:word}$"]), LINES, {"patterns[0]": 3, "patterns[1]": 1}),
        (Auto(), '{"a":1}\na=1 b=2\n{"a":\n?', {"json": 1, "logfmt": 1}),
    ]  # fmt: skip


@pytest.mark.parametrize(("parser", "lines", "matches"), parsers())
def test_each_pattern_tells_how_often_it_matched_and_what_it_took(
    parser: Any, lines: str, matches: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "perf_counter", count().__next__)
    parser.parse(of(lines))
    assert isinstance(parser, Costs)
    told = parser.costs()
    assert {name: found for name, (_, found) in told.items() if found} == matches
    assert all(seconds > 0 for seconds, _ in told.values())
    assert parser.costs() == {}, "what was told is not told again"


def test_records_of_several_lines_are_counted_alike() -> None:
    parser = Regex(patterns=[r"(?P<n>\d+)", r"(?s)(?P<rest>.*)"])
    parser.parse(of("1\n2\nx"))
    alone = {name: found for name, (_, found) in parser.costs().items()}
    several = of("1\n2\nx")
    several.several_lines = True
    parser.parse(several)
    assert {name: found for name, (_, found) in parser.costs().items()} == alone


class Runaway:
    """A pattern that is stopped in the second part of the piece, and not when it is run alone."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.costs_of, self.stops = clock, costs.Costs(["fast", "slow"]), True

    def parse(self, lines: Any) -> list[Any]:
        with self.costs_of.of("fast"):
            self.clock.advance(0.001)
        self.costs_of.matched("fast", len(lines) - 1)
        with self.costs_of.of("slow"):
            self.clock.advance(1.0)
            if self.stops:
                raise TimeBudget("took longer than 1 s")
        self.costs_of.matched("slow", 1)
        return [{"n": line} for line in lines]

    def costs(self) -> Any:
        return self.costs_of.take()


def test_the_time_of_a_pattern_that_is_stopped_counts_and_its_matches_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a piece that is run again they would count twice; and the one that runs away costs most of all."""
    clock = FakeClock()
    monkeypatch.setattr(costs, "perf_counter", clock)
    stage = Runaway(clock)
    chain = Chain([Step("parse.slow", "parse", stage, costs=stage.costs, own=False)], "a.log")

    def run() -> Made:
        return chain.run(b"1\n2\n3\n", lambda places: origin(places=places), 0, 0)

    with pytest.raises(TimeBudget):
        run()
    stage.stops = False
    tally = run().tally
    assert tally.patterns == {"parse.slow\0fast": 2, "parse.slow\0slow": 1}
    assert tally.pattern_seconds == {"parse.slow\0fast": pytest.approx(0.002), "parse.slow\0slow": pytest.approx(2.0)}
    assert run().tally.patterns == {"parse.slow\0fast": 2, "parse.slow\0slow": 1}
