"""How fast stages are, one by one: ``python -m benchmarks.stages [NAME ...]``; ``make bench`` ends with it.

A parser is rated against a bare loop that makes the same events of well-formed lines (``stage_lines``), an enrichment
by what it takes. One core, pieces as the engine hands them out, both sides in turn; the median of the rounds counts.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

from tailrace.pipeline.batch import Lines, Origin
from tailrace.pipeline.chain.records import records_of
from tailrace.pipeline.encoding import UTF8
from tailrace.pipeline.framing import Framer, Multiline
from tailrace.pipeline.testing.doubles import origin

from benchmarks.stage_lines import PARSERS, combined_line
from benchmarks.template_styles import STYLES
from benchmarks.templates import lines_of

PIECE = 96 << 10  # bytes
ROUNDS = 15
WHERE = origin(now=1_770_000_000.0)


class Rated(NamedTuple):
    name: str
    value: float
    unit: str
    bar: float

    @property
    def met(self) -> bool:
        return self.value >= self.bar


def seconds(call: Callable[[], Any]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def ratio(theirs: Callable[[], Any], ours: Callable[[], Any]) -> float:
    """How fast ``ours`` is, with ``theirs`` as 1; in turn, so that both meet the same machine."""
    pairs = [(seconds(theirs), seconds(ours)) for _ in range(ROUNDS)]
    return median(one / other for one, other in pairs)


def texts(line: Callable[[Random, int], str], pieces: int = 4) -> list[str]:
    random = Random(1)  # noqa: S311 - no secret
    made, number = [], 0
    for _ in range(pieces):
        some: list[str] = []
        size = 0
        while size < PIECE:
            some.append(line(random, number))
            size += len(some[-1]) + 1
            number += 1
        made.append("\n".join(some))
    return made


def given(line: Callable[[Random, int], str], pieces: int = 4) -> list[tuple[bytes, Origin, list[bytes]]]:
    """Pieces as the chain has them, of which it makes ``Lines`` for the parser."""
    return [(data, WHERE, BytesIO(data).readlines()) for data in map(str.encode, texts(line, pieces))]


def stage(use: str, **options: Any) -> Any:
    family, name = use.split(".")
    module = importlib.import_module(f"tailrace.stages.{family}.{name}")
    made = getattr(module, "".join(part.capitalize() for part in name.split("_")))(**options)
    if hasattr(made, "memory"):
        made.memory = {}
    return made


def parser(name: str) -> Rated:
    line, bare, options = PARSERS[name]
    ours, pieces = stage(f"parse.{name.partition(' ')[0]}", **options), given(line)
    wrong = [entry for piece in pieces for entry in ours.parse(Lines(*piece)) if not isinstance(entry, dict)]
    assert not wrong, wrong[0]
    value = ratio(
        lambda: [bare(str(data, "utf-8", "replace")) for data, *_ in pieces],
        lambda: [ours.parse(Lines(*piece)) for piece in pieces],
    )
    return Rated(f"parse.{name}", value, "of a bare loop", 0.7)


def grok() -> Rated:
    pieces = given(combined_line)
    combined, ours = stage("parse.combined"), stage("parse.grok", patterns=["%{COMBINEDAPACHELOG}"])
    value = ratio(
        lambda: [combined.parse(Lines(*piece)) for piece in pieces],
        lambda: [ours.parse(Lines(*piece)) for piece in pieces],
    )
    return Rated("parse.grok", value, "of parse.combined", 0.5)


def multiline() -> Rated:
    """Lines that are records, looked at for records of several, and parsed; beside parsing alone."""
    pieces = [text.encode() + b"\n" for text in texts(combined_line)]
    ours, framer = stage("parse.combined"), Framer(Multiline(preset="python"))

    def parse(framed: Framer | None) -> None:
        for data in pieces:
            if framed is not None:
                framed.closed(data, UTF8)
            ours.parse(records_of(data, 0, UTF8, framed, verbatim=False).lines(WHERE))

    return Rated("[source.multiline]", ratio(lambda: parse(None), lambda: parse(framer)), "of without", 0.85)


def enrichment(use: str, bar: float, unit: str, made: Callable[[], list[list[Any]]], **options: Any) -> Rated:
    """``unit`` is "MB/s", of the texts in `message`, or "events/s". ``made`` gives fresh batches."""
    ours, spent = stage(use, **options), []
    work: float = 0
    for _ in range(ROUNDS):
        batches = made()
        work = sum(len(batch) for batch in batches)
        if unit == "MB/s":
            work = sum(len(event["message"]) + 1 for batch in batches for event in batch) / 1e6
        spent.append(seconds(lambda batches=batches: [ours.process(batch) for batch in batches]))  # type: ignore[misc]
    return Rated(use, work / median(spent), unit, bar)


def messages() -> list[list[Any]]:
    return [[{"message": line} for line in text.split("\n")] for text in texts(combined_line)]


def addresses() -> list[list[Any]]:
    return [[{"ip": f"192.0.2.{n % 250}"} for n in range(5000)]]


def agents() -> list[list[Any]]:
    return [[{"agent": f"Mozilla/5.0 (X11; Linux x86_64; rv:1{n % 40}.0) Firefox/1{n % 40}.0"} for n in range(5000)]]


def styles() -> list[list[Any]]:
    return [[{"message": text} for _, text in lines_of(style)] for style in STYLES]


def _geoip() -> Rated:
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as home:
        database = Path(home, "city.mmdb")
        writer = MMDBWriter(ip_version=4, database_type="GeoLite2-City", languages=["en"])
        names = {"country": {"iso_code": "DE", "names": {"en": "Germany"}}, "city": {"names": {"en": "Bonn"}}}
        writer.insert_network(IPSet(["192.0.2.0/24"]), names)
        writer.to_db_file(str(database))
        return enrichment("enrich.geoip", 300_000, "events/s", addresses, field="ip", database=str(database))


RATED: dict[str, Callable[[], Rated]] = {
    **{f"parse.{name}": lambda name=name: parser(name) for name in PARSERS},  # type: ignore[misc]
    "parse.grok": grok,
    "multiline": multiline,
    "enrich.redact": lambda: enrichment("enrich.redact", 40, "MB/s", messages),
    "enrich.geoip": _geoip,
    "enrich.useragent": lambda: enrichment("enrich.useragent", 300_000, "events/s", agents, field="agent"),
    "enrich.template": lambda: enrichment("enrich.template", 400_000, "events/s", styles),
}


def rows(wanted: list[str]) -> Iterator[Rated | str]:
    for name, rate in RATED.items():
        if not wanted or any(word in name for word in wanted):
            try:
                yield rate()
            except ImportError as missing:
                yield f"{name}: {missing.name} is not installed, skipped"


def main() -> None:
    missed = 0
    for row in rows(sys.argv[1:]):
        if isinstance(row, str):
            print(row)
            continue
        shown = f"{row.value:14,.2f}" if row.value < 1000 else f"{row.value:14,.0f}"
        verdict = "met" if row.met else "MISSED"
        print(f"{row.name:27} {shown} {row.unit:18} bar {row.bar:>9,g}  {verdict}", flush=True)
        missed += not row.met
    print(f"{missed} missed" if missed else "all met")


if __name__ == "__main__":
    main()
