"""The books of a soak: how often each line that was written has come out of each sink, or as a dead letter."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ..scenarios.daemon import Daemon
from ..scenarios.writer import BAD_EVERY, Writer

SINKS = ("out", "copy")  # directories; each good line has to come to both
LETTERS = "dead letters"  # each bad line has to come there
NAMED = 5  # lines of each kind that are named
BROKEN = re.compile(rb'\{"broken (\w+)": (\d+)')


def places(number: int) -> tuple[str, ...]:
    """Where that line of a writer has to come out."""
    return (LETTERS,) if number % BAD_EVERY == BAD_EVERY - 1 else SINKS


@dataclass(slots=True)
class Account:
    """One writer's lines: ``times[place][n]`` is how often line n has come out there (up to 255)."""

    times: dict[str, bytearray] = field(default_factory=lambda: {place: bytearray() for place in (*SINKS, LETTERS)})

    def add(self, place: str, number: int) -> None:
        times = self.times[place]
        if number >= len(times):
            times.extend(bytes(number + 10_000 - len(times)))
        times[number] = min(times[number] + 1, 255)

    def count(self, place: str, number: int) -> int:
        times = self.times[place]
        return times[number] if number < len(times) else 0

    def has(self, number: int) -> bool:
        return all(self.count(place, number) for place in places(number))

    def complete(self, start: int, stop: int) -> bool:
        return all(self.has(number) for number in range(start, stop))

    def surplus(self, number: int, written: int) -> int:
        """How often it came out too often: more than once, where it does not belong, or without being written."""
        due = places(number) if number < written else ()
        return sum(max(0, self.count(place, number) - (place in due)) for place in self.times)

    @property
    def end(self) -> int:
        """No line of that number or a higher one came out."""
        return max(len(times.rstrip(b"\0")) for times in self.times.values())


class Ledger:
    """Collects outputs and dead letters between two lives of the daemon, when all that is there is committed."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._last_letter = 0
        self.accounts: dict[str, Account] = {}
        self.odd: list[bytes] = []  # what nobody has written
        self.collected = 0  # lines

    def open(self, who: str) -> Account:
        return self.accounts.setdefault(who, Account())

    def collect(self) -> None:
        """Enter what the outputs hold and delete them; the daemon must have ended in order."""
        for sink in SINKS:
            for path in (self._daemon.home / sink).glob("*.ndjson"):
                for line in path.read_bytes().splitlines(keepends=True):
                    self._event(sink, line)
                path.unlink()
        self._letters(self._daemon.database)

    def _event(self, sink: str, line: bytes) -> None:
        try:
            event = json.loads(line)
            whole = line.endswith(b"\n") and len(event["text"]) == event["n"] % 97
        except (ValueError, KeyError, TypeError):
            whole = False
        if whole and LETTERS not in places(event["n"]):
            self._enter(event["who"], sink, event["n"])
        else:
            self.odd.append(line)

    def _letters(self, database: Path) -> None:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT id, raw FROM dead_letters WHERE id > ? ORDER BY id", (self._last_letter,))
            for number, raw in rows:
                self._last_letter = number
                if match := BROKEN.fullmatch(raw):
                    self._enter(match[1].decode(), LETTERS, int(match[2]))
                else:
                    self.odd.append(raw)

    def _enter(self, who: str, place: str, number: int) -> None:
        self.accounts[who].add(place, number)
        self.collected += 1

    def table(self, writers: Iterable[Writer]) -> tuple[str, bool]:
        """(the final table and the lines that are wrong, by their writer; whether each line is there once)."""
        rows: list[tuple[str, ...]] = [("writer", "rotations", "written", "found", "dead-lettered", "lost", "repeated")]
        named: list[str] = []
        sums = [0] * 6
        for writer in writers:
            account = self.accounts[writer.who]
            lost = [number for number in range(writer.written) if not account.has(number)]
            end = max(writer.written, account.end)
            surplus = {number: many for number in range(end) if (many := account.surplus(number, writer.written))}
            dead = writer.written // BAD_EVERY - sum(LETTERS in places(number) for number in lost)
            found = writer.written - dead - len(lost)
            values = [writer.rotations, writer.written, found, dead, len(lost), sum(surplus.values())]
            sums = [a + b for a, b in zip(sums, values, strict=True)]
            rows.append((writer.who, *(f"{value:,}" for value in values)))
            named += [f"{writer.who}: line {number} is lost" for number in lost[:NAMED]]
            named += [
                f"{writer.who}: line {number} came out {many} times too often" for number, many in surplus.items()
            ][:NAMED]
        rows.append(("all", *(f"{value:,}" for value in sums)))
        widths = [max(len(row[n]) for row in rows) for n in range(7)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        lines.append(f"lines that nobody has written: {len(self.odd)}")
        lines += [f"  {line!r}" for line in self.odd[:NAMED]] + named
        return "\n".join(lines), sums[1] > 0 and sums[4] == sums[5] == 0 and not self.odd
