"""The benchmark's input files: seeded lines that all differ, written quickly, or a real file repeated."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

START = datetime(2026, 3, 14, 9, 0, 0, tzinfo=UTC)
BLOCK = 20_000  # lines made at once; columns are drawn by one call each
LINES_A_SECOND = 200  # of the made-up server: how often the same time stamp comes again

AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.{version * 37}.0 Safari/537.36"
    for system in ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7")
    for version in range(100, 140)
] + ["curl/8.12.1", "-", "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://bot.example/)"]
STATUSES = [200] * 16 + [301, 304, 304, 404, 500]
WORDS = [
    "river",
    "mill",
    "wheel",
    "water",
    "stone",
    "channel",
    "race",
    "gate",
    "flow",
    "pond",
    "sluice",
    "weir",
    "shaft",
]


def drawn(rng: random.Random, pool: list[str]) -> list[str]:
    return rng.choices(pool, k=BLOCK)


def pools(rng: random.Random) -> tuple[list[str], list[str]]:
    """Hosts and paths: a few thousand each, as a busy server sees them."""
    hosts = [
        f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(3000)
    ]
    hosts += [f"2001:db8:{rng.getrandbits(16):x}::{rng.getrandbits(16):x}" for _ in range(300)]
    paths = [f"/{rng.choice(WORDS)}/{rng.choice(WORDS)}-{n}/{rng.choice(WORDS)}.html" for n in range(4000)]
    paths += [f"/search?q={rng.choice(WORDS)}+{rng.choice(WORDS)}&page={n}" for n in range(500)]
    return hosts, paths


def stamps(number: int, form: str) -> list[str]:
    """The time stamps of block ``number``."""
    first = number * BLOCK // LINES_A_SECOND
    seconds = [(START + timedelta(seconds=first + n)).strftime(form) for n in range(BLOCK // LINES_A_SECOND)]
    return [second for second in seconds for _ in range(LINES_A_SECOND)]


def combined(rng: random.Random) -> Iterator[str]:
    """Apache's combined format, about 230 bytes a line."""
    hosts, paths = pools(rng)
    referrers = ["-"] * 1000 + [f"https://www.example.com{path}" for path in paths]
    for number in count():
        yield "".join(
            [
                f'{host} - - [{stamp}] "GET {path} HTTP/1.1" {status} {size} "{referrer}" "{agent}"\n'
                for host, stamp, path, status, size, referrer, agent in zip(
                    drawn(rng, hosts),
                    stamps(number, "%d/%b/%Y:%H:%M:%S +0000"),
                    drawn(rng, paths),
                    rng.choices(STATUSES, k=BLOCK),
                    rng.choices(range(200, 250_000), k=BLOCK),
                    drawn(rng, referrers),
                    drawn(rng, AGENTS),
                    strict=True,
                )
            ]
        )


def json_lines(rng: random.Random) -> Iterator[str]:
    """An application's log, one object a line, with a nested one; about 250 bytes a line."""
    _, paths = pools(rng)
    levels = ["debug", *["info"] * 8, "warning", "error"]
    for number in count():
        yield "".join(
            [
                f'{{"timestamp":"{stamp}.{milli:03d}Z","level":"{level}","logger":"shop.{word}",'
                f'"message":"request {number * BLOCK + n} to {path} done","trace_id":"{trace:016x}",'
                f'"duration_ms":{milli / 7:.3f},"http":{{"method":"GET","path":"{path}","status":{status}}}}}\n'
                for n, stamp, milli, level, word, path, trace, status in zip(
                    range(BLOCK),
                    stamps(number, "%Y-%m-%dT%H:%M:%S"),
                    rng.choices(range(1000), k=BLOCK),
                    drawn(rng, levels),
                    drawn(rng, WORDS),
                    drawn(rng, paths),
                    [rng.getrandbits(64) for _ in range(BLOCK)],
                    rng.choices(STATUSES, k=BLOCK),
                    strict=True,
                )
            ]
        )


def raw(rng: random.Random) -> Iterator[str]:
    """Plain text, about 100 bytes a line."""
    words = [f"{a} {b} {c}" for a in WORDS for b in WORDS for c in WORDS]
    for number in count():
        yield "".join(
            [
                f"{stamp} worker-{rest % 16} {first} of {second} is {third}, {rest} left\n"
                for stamp, first, second, third, rest in zip(
                    stamps(number, "%Y-%m-%d %H:%M:%S"),
                    drawn(rng, words),
                    drawn(rng, words),
                    drawn(rng, words),
                    rng.choices(range(1_000_000), k=BLOCK),
                    strict=True,
                )
            ]
        )


KINDS: dict[str, Callable[[random.Random], Iterator[str]]] = {"combined": combined, "json": json_lines, "raw": raw}


def make(kind: str, size: int, directory: Path) -> Path:
    """The file of ``kind`` with at least ``size`` bytes, made unless it is there already."""
    path = directory / f"{kind}-{size}.log"
    if not path.exists():
        blocks = KINDS[kind](random.Random(kind))  # noqa: S311 - test data, no secrets
        write(path, size, (block.encode() for block in blocks))
    return path


def repeat(original: Path, size: int, directory: Path) -> Path:
    """A real file repeated until ``size`` bytes are reached."""
    data = original.read_bytes()
    if not data.endswith(b"\n"):
        data += b"\n"
    path = directory / f"{original.stem}-{size}-repeated.log"
    write(path, size, (data for _ in count()))
    return path


def write(path: Path, size: int, blocks: Iterator[bytes]) -> None:
    """Whole lines up to the first line end at or after ``size`` bytes; the file has its name when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        left = size
        for block in blocks:
            end = len(block) if len(block) <= left else block.index(b"\n", left - 1) + 1
            file.write(block[:end])
            left -= end
            if left <= 0:
                break
    os.replace(unfinished, path)


def lines_in(path: Path) -> int:
    total = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            total += block.count(b"\n")
    return total
