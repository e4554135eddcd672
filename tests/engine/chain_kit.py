"""Chains for tests, and what came of a piece in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from tailrace.pipeline.batch import Event, Origin
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.lineage import LostTrackError
from tailrace.pipeline.chain.outcome import DeadLine, Made
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.testing.doubles import origin

from .engine_kit import steps


def located(places: Any) -> Origin:
    return origin(places=places)


def run(chain: Chain, data: bytes, start: int = 0, base: int = 0) -> Made:
    """A piece as the worker runs it: at once, or line by line where that is needed."""
    try:
        return chain.run(data, located, start, base)
    except LostTrackError:
        return by_line(chain, data, start, base)


def by_line(chain: Chain, data: bytes, start: int = 0, base: int = 0) -> Made:
    return together([chain.run_line(line, located, start + at, base + at) for at, line in lines_of(data)])


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


def chain(*stages: Any, name: str = "a.log") -> Chain:
    return Chain(steps(*stages), name)


def enrich(stage: Any, **options: Any) -> Step:
    return Step("enrich.it", "enrich", stage, **options)


def balance(made: Made, sink: str = "out") -> tuple[int, int]:
    """Both sides of the conservation law: lines_read + made, written + filtered + dead letters."""
    tally = made.tally
    return (
        tally.lines + sum(tally.made.values()),
        tally.written.get(sink, 0) + sum(tally.filtered.values()) + len(made.dead),
    )
