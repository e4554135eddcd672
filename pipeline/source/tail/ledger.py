"""The ledger of one generation of one file: what became of each of its bytes that are known to have existed.

    seen = acknowledged + dead-lettered + skipped + lost + pending

It is kept in the file's row of the state and written with its position, so it is as exact as that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any, NamedTuple

NUL = "nul"  # skipped: a hole at the beginning
COMPRESSED = "compressed"  # skipped: a packed file's, which are no lines
BEFORE_START = "before_start"  # skipped: what was there at the very first start, with `read_from = "end"`
COPIED = "copied"  # skipped: a copy's part that was read from the original, under another file id
TAKEN_OVER = "taken_over"  # skipped: a truncated original's rest that is read from its copy, under another file id
FEW = 5  # files that are listed one by one at the end of a run
MOST_RANGES = 16  # ranges of lost bytes kept with a file; their sums are of all


class Work(NamedTuple):
    """Bytes that were worked off."""

    acknowledged: int = 0  # lines that are with the sinks, filtered ones and empty ones included
    dead: int = 0  # lines that have a dead letter
    nul: int = 0  # NULs passed over before them
    compressed: int = 0  # packed, and passed over

    def __add__(self, other: Work) -> Work:  # type: ignore[override]  # sums, where a tuple would grow
        return Work(*map(add, self, other))


@dataclass(frozen=True, slots=True)
class Balance:
    """The sums of one ledger, or of several together; all in bytes."""

    file: str
    seen: int
    acknowledged: int
    dead_lettered: int
    skipped: Mapping[str, int]  # by reason
    lost: Mapping[str, int]  # by reason: never read, and never will be
    pending: int

    @property
    def holds(self) -> bool:
        gone = sum(self.skipped.values()) + sum(self.lost.values())
        return self.pending >= 0 and self.seen == self.acknowledged + self.dead_lettered + gone + self.pending

    @property
    def amounts(self) -> dict[str, int]:
        """What is not zero, by name, ``seen`` first; the others make up its sum."""
        values = {"seen": self.seen, "acknowledged": self.acknowledged, "dead_lettered": self.dead_lettered}
        values |= {f"skipped_{reason}": size for reason, size in self.skipped.items()}
        values |= {f"lost_{reason}": size for reason, size in self.lost.items()}
        return {name: size for name, size in (values | {"pending": self.pending}).items() if size}

    def __str__(self) -> str:
        def why(sums: Mapping[str, int]) -> str:
            reasons = ", ".join(reason.replace("_", " ") for reason, size in sums.items() if size)
            return f" ({reasons})" if reasons else ""

        text = (
            f"{self.file}: {self.seen:,} bytes seen = {self.acknowledged:,} acknowledged + {self.dead_lettered:,} "
            f"dead-lettered + {sum(self.skipped.values()):,} skipped{why(self.skipped)} + "
            f"{sum(self.lost.values()):,} lost{why(self.lost)} + {self.pending:,} pending"
        )
        return text if self.holds else f"{text} DOES NOT ADD UP"


class Ledger:
    """What happens to the bytes is entered here as it happens; ``File`` and ``Ended`` do."""

    __slots__ = ("committed", "lost", "original", "ranges", "released", "skipped")

    def __init__(self) -> None:
        self.released = self.committed = Work()
        self.skipped: dict[str, int] = {}  # by reason, without NULs
        self.lost: dict[str, int] = {}
        self.ranges: list[tuple[str, int, int]] = []  # (reason, start, stop) of what was lost last
        self.original = 0  # the file id of which this file is a copy

    def skip(self, reason: str, size: int) -> None:
        if size:
            self.skipped[reason] = self.skipped.get(reason, 0) + size

    def lose(self, reason: str, start: int, stop: int) -> None:
        self.lost[reason] = self.lost.get(reason, 0) + stop - start
        self.ranges = [*self.ranges, (reason, start, stop)][-MOST_RANGES:]

    def find_again(self, start: int) -> tuple[str, int]:
        """The file is back: what was lost from ``start`` on, when it was given up, is to be read; (reason, bytes)."""
        if not self.ranges or self.ranges[-1][1] != start:
            return "", 0
        reason, _, stop = self.ranges.pop()
        self.lost[reason] -= stop - start
        if not self.lost[reason]:
            del self.lost[reason]
        return reason, stop - start

    def balance(self, work: Work, file: str, done: int, size: int) -> Balance:
        """``work`` led up to the offset ``done``; up to ``size``, bytes may yet be read."""
        passed = {reason: size for reason, size in ((NUL, work.nul), (COMPRESSED, work.compressed)) if size}
        skipped = {**passed, **self.skipped}
        seen = size + sum(self.lost.values()) + self.skipped.get(TAKEN_OVER, 0)  # (these lie beyond, or did)
        return Balance(file, seen, work.acknowledged, work.dead, skipped, dict(self.lost), size - done)

    def dump(self, done: int, size: int) -> dict[str, Any]:
        """For the row in the state, as of what was released."""
        balance = self.balance(self.released, "", done, size)
        values: dict[str, Any] = {
            "seen": balance.seen,
            "acknowledged": balance.acknowledged,
            "dead_lettered": balance.dead_lettered,
            "skipped": balance.skipped,
            "lost": balance.lost,
            "pending": balance.pending,
        }
        if self.ranges:
            values["lost_ranges"] = [list(one) for one in self.ranges]
        if self.original:
            values["copy_of"] = self.original
        return values

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Ledger:
        ledger = cls()
        if values:
            ledger.skipped, ledger.lost = dict(values["skipped"]), dict(values["lost"])
            ledger.released = ledger.committed = _work(values)
            for reason in (NUL, COMPRESSED):
                ledger.skipped.pop(reason, None)
            ledger.ranges = [(reason, start, stop) for reason, start, stop in values.get("lost_ranges", ())]
            ledger.original = values.get("copy_of", 0)
        return ledger

    def commit(self, values: Mapping[str, Any]) -> None:
        """What was dumped is durable now."""
        self.committed = _work(values)


def _work(values: Mapping[str, Any]) -> Work:
    skipped = values["skipped"]
    return Work(values["acknowledged"], values["dead_lettered"], skipped.get(NUL, 0), skipped.get(COMPRESSED, 0))


def condensed(balances: Sequence[Balance]) -> list[Balance]:
    """What is printed at the end: each file if they are few, else their sum and the first odd ones."""
    if len(balances) <= FEW:
        return list(balances)
    odd = [balance for balance in balances if balance.lost or not balance.holds]
    return [*odd[:FEW], together(balances)]


def together(balances: Sequence[Balance]) -> Balance:
    """Their sum."""
    skipped: dict[str, int] = {}
    lost: dict[str, int] = {}
    for balance in balances:
        for sums, values in ((skipped, balance.skipped), (lost, balance.lost)):
            for reason, size in values.items():
                sums[reason] = sums.get(reason, 0) + size
    return Balance(
        f"{len(balances):,} files",
        sum(balance.seen for balance in balances),
        sum(balance.acknowledged for balance in balances),
        sum(balance.dead_lettered for balance in balances),
        skipped,
        lost,
        sum(balance.pending for balance in balances),
    )
