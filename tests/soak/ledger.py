"""The books of a soak: how often each line that was written has come out, as an event or as a dead letter."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ..scenarios.daemon import Daemon
from ..scenarios.writer import BAD_EVERY, Writer

BROKEN = re.compile(rb'\{"broken (\w+)": (\d+)')


@dataclass(slots=True)
class Account:
    """One writer's lines: ``times[n]`` is how often line n has come out (up to 255)."""

    times: bytearray = field(default_factory=bytearray)

    def add(self, number: int) -> None:
        if number >= len(self.times):
            self.times.extend(bytes(number + 10_000 - len(self.times)))
        self.times[number] = min(self.times[number] + 1, 255)

    def has(self, number: int) -> bool:
        return number < len(self.times) and self.times[number] > 0

    def complete(self, start: int, stop: int) -> bool:
        return len(self.times) >= stop and 0 not in self.times[start:stop]


class Ledger:
    """Collects outputs and dead letters between two lives of the daemon, when all that is there is committed."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._last_letter = 0
        self.accounts: dict[str, Account] = {}
        self.odd: list[bytes] = []  # what nobody has written

    def open(self, who: str) -> Account:
        return self.accounts.setdefault(who, Account())

    def collect(self) -> None:
        """Enter what the outputs hold and delete them; the daemon must have ended in order."""
        for path in self._daemon.out.glob("*.ndjson"):
            for line in path.read_bytes().splitlines(keepends=True):
                self._event(line)
            path.unlink()
        self._letters(self._daemon.database)

    def _event(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            whole = line.endswith(b"\n") and len(event["text"]) == event["n"] % 97
        except (ValueError, KeyError, TypeError):
            whole = False
        if whole and event["n"] % BAD_EVERY != BAD_EVERY - 1:
            self.accounts[event["who"]].add(event["n"])
        else:
            self.odd.append(line)

    def _letters(self, database: Path) -> None:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT id, raw FROM dead_letters WHERE id > ? ORDER BY id", (self._last_letter,))
            for number, raw in rows:
                self._last_letter = number
                if match := BROKEN.fullmatch(raw):
                    self.accounts[match[1].decode()].add(int(match[2]))
                else:
                    self.odd.append(raw)

    def table(self, writers: list[Writer]) -> tuple[str, bool]:
        """(the final table, whether each line is there once)."""
        rows: list[tuple[str, ...]] = [("writer", "rotations", "lines", "of them bad", "found", "lost", "repeated")]
        sums = [0] * 6
        for writer in writers:
            times = self.accounts[writer.who].times[: writer.written]
            surplus = self.accounts[writer.who].times[writer.written :]
            found = sum(1 for count in times if count)
            repeated = sum(count - 1 for count in times if count) + sum(surplus)
            values = [writer.rotations, writer.written, len(writer.bad), found, writer.written - found, repeated]
            sums = [a + b for a, b in zip(sums, values, strict=True)]
            rows.append((writer.who, *(f"{value:,}" for value in values)))
        rows.append(("all", *(f"{value:,}" for value in sums)))
        widths = [max(len(row[n]) for row in rows) for n in range(7)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        lines.append(
            f"lines that nobody has written: {len(self.odd)}{''.join(f'{chr(10)}  {x!r}' for x in self.odd[:5])}"
        )
        return "\n".join(lines), sums[1] > 0 and sums[4] == sums[5] == 0 and not self.odd
