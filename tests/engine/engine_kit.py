"""Stages that misbehave on request, and shorthands to build the engine's parts from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import orjson

from pipeline.batch import Batch, Event, Fail
from pipeline.chain import Chain, LostTrackError, Step
from pipeline.result import DeadLine, Made
from pipeline.stage import Guarantee

Entries = list[Event | Fail]


class Lines:
    """Parses a line to its text; lines with a word of ``parse-...`` misbehave."""

    def parse(self, text: str) -> Entries:
        out: Entries = []
        for line in text.split("\n"):
            if "parse-raise" in line:
                raise ValueError("parse raised")
            out.append(Fail("no_match", "does not match") if "parse-fail" in line else {"message": line})
        return out


class Moody:
    """Does to each event what its message asks for."""

    def process(self, events: list[Event]) -> Entries:
        out: Entries = []
        for event in events:
            message = event["message"]
            if "raise" in message:
                raise RuntimeError("asked to raise")
            if "exit" in message:
                raise SystemExit(3)
            if "interrupt" in message:
                raise KeyboardInterrupt
            if "fail-new" in message:
                out.append(Fail("bad", "asked to fail", event=dict(event)))
            elif "fail" in message:
                out.append(Fail("bad", "asked to fail", event=event))
            elif "dup" in message:
                out += [event, {**event, "copy": True}]
            elif "new" in message:
                out.append({**event})
            elif "drop" not in message:
                out.append(event)
        return out


class Each:
    """A function over each event, as a stage of whole lists."""

    def __init__(self, function: Callable[[Event], Any]) -> None:
        self._function = function

    def process(self, events: list[Event]) -> Entries:
        return [self._function(event) for event in events]


class Json:
    """A sink as the worker sees it: NDJSON to "out", or to the event's ``to``."""

    guarantee: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE

    def encode(self, events: list[Event]) -> Iterable[tuple[str, bytes]]:
        for event in events:
            if "bad-encode" in event["message"]:
                raise TypeError("cannot be encoded")
            yield event.get("to", "out"), orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


def steps(*stages: Any, sink: bool = True) -> list[Step]:
    """Lines, these stages (or ready steps) and one sink called "out"."""
    made = [Step("parse.lines", "parse", Lines())]
    for number, stage in enumerate(stages):
        made.append(stage if isinstance(stage, Step) else Step(f"stage{number}", "enrich", stage))
    if sink:
        made.append(to_sink(0))
    return made


def to_sink(number: int, stage: Any = None, **options: Any) -> Step:
    name = "out" if number == 0 else f"out{number}"
    sink: Any = stage or Json()  # only what the worker needs of a sink
    return Step(f"write.{name}", "write", sink, sink=number, sink_id=name, **options)


def batch(offsets: Any) -> Batch:
    return Batch("a.log", "/logs/a.log", 1, 0.0, offsets)


def run(chain: Chain, data: bytes, start: int = 0, base: int = 0) -> Made:
    """A piece as the worker runs it: at once, or line by line where that is needed."""
    try:
        return chain.run(data, batch, start, base)
    except LostTrackError:
        return by_line(chain, data, start, base)


def by_line(chain: Chain, data: bytes, start: int = 0, base: int = 0) -> Made:
    return together([chain.run_line(line, batch, start + at, base + at) for at, line in lines_of(data)])


def lines_of(data: bytes) -> list[tuple[int, bytes]]:
    """(offset, line with its newline) of each line."""
    found, at = [], 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        found.append((at, data[at:end]))
        at = end
    return found


def together(parts: Iterable[Made]) -> Made:
    whole = Made()
    for part in parts:
        whole.payloads += part.payloads
        whole.dead += part.dead
        whole.tally.lines += part.tally.lines
        for name in ("written", "made", "filtered"):
            sums = getattr(whole.tally, name)
            for key, value in getattr(part.tally, name).items():
                sums[key] = sums.get(key, 0) + value
    return whole


def output(made: Made, sink: int = 0, destination: str = "out") -> bytes:
    return b"".join(p.data for p in made.payloads if p.sink == sink and p.destination == destination)


def events(made: Made, sink: int = 0) -> list[Event]:
    return [orjson.loads(line) for line in output(made, sink).splitlines()]


def messages(made: Made, sink: int = 0) -> list[str]:
    return [event["message"] for event in events(made, sink)]


def raws(made: Made, data: bytes) -> list[bytes]:
    """The bytes each dead letter points at."""
    return [data[dead.offset : dead.offset + dead.length] for dead in made.dead]


def errors(made: Made) -> list[str]:
    return [dead.error for dead in made.dead]


def brief(dead: DeadLine) -> tuple[int, int, str, str]:
    return dead.offset, dead.length, dead.stage, dead.error


def wait_until(condition: Callable[[], Any], seconds: float = 10.0, what: str = "") -> Any:
    """The condition's value as soon as it is true; fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, what or "the condition did not come true"
        time.sleep(0.005)  # a condition under a deadline
    return value
