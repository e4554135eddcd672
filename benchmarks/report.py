"""What the benchmark found: medians in a table, and the ratios that are the point, beside the bars set for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.measure import Measured

MB = 1_000_000


@dataclass(slots=True)
class Row:
    """All runs of one contender over one input."""

    kind: str
    contender: str
    size: int  # bytes of the input
    runs: list[Measured] = field(default_factory=list)
    failed: str = ""  # why the first run that failed did

    @property
    def speed(self) -> float:
        """MB/s of wall time."""
        return self.size / MB / median(run.wall for run in self.runs)

    @property
    def thrift(self) -> float:
        """MB per second of CPU time."""
        return self.size / MB / max(median(run.cpu for run in self.runs), 0.001)

    @property
    def pss(self) -> float:
        return max(run.pss for run in self.runs) / MB

    @property
    def rss(self) -> float:
        return max(run.rss for run in self.runs) / MB


@dataclass(slots=True, frozen=True)
class Bar:
    what: str
    value: float
    bar: float
    most: bool = False  # the value may be at most the bar, not at least

    @property
    def met(self) -> bool:
        return self.value <= self.bar if self.most else self.value >= self.bar


def bars(rows: list[Row]) -> Iterator[Bar]:
    """The ratios for which both sides were measured."""
    by_name = {(row.kind, row.contender): row for row in rows if row.runs and not row.failed}
    for kind, of_limit in (("combined", 0.8), ("json", 0.75)):
        two = by_name.get((kind, "tailrace, workers=2"))
        one = by_name.get((kind, "tailrace, workers=1"))
        none = by_name.get((kind, "tailrace, workers=0"))
        limit, limits = by_name.get((kind, "limit")), by_name.get((kind, "limit, two at once"))
        for name, bar in (("rsyslog", 3.0), ("syslog-ng", 3.3)):
            peer = by_name.get((kind, name))
            if two and peer:
                yield Bar(f"{kind}: workers=2 over {name}", two.speed / peer.speed, bar)
        if none and limit:
            yield Bar(f"{kind}: workers=0 over limit", none.speed / limit.speed, of_limit)
        if two and one and limits and limit:
            scaling = (two.speed / one.speed) / (limits.speed / limit.speed)
            yield Bar(f"{kind}: workers=2 over 1, by two loops over one", scaling, 0.85)
    for kind in ("combined", "json", "raw"):
        if two := by_name.get((kind, "tailrace, workers=2")):
            yield Bar(f"{kind}: peak memory (PSS), workers=2, MB", two.pss, 200, most=True)


def table(rows: list[Row]) -> str:
    lines = [f"{'':10}{'':26}{'MB/s':>8}{'MB/CPU-s':>10}{'peak PSS':>10}{'peak RSS':>10}   MB/s of each run"]
    for row in rows:
        name = f"{row.kind:10}{row.contender:26}"
        if row.failed:
            lines.append(f"{name}failed: {row.failed.strip().splitlines()[-1]}")
            continue
        each = "  ".join(f"{row.size / MB / run.wall:.1f}" for run in row.runs)
        lines.append(f"{name}{row.speed:8.1f}{row.thrift:10.1f}{row.pss:7.0f} MB{row.rss:7.0f} MB   {each}")
    return "\n".join(lines)


def verdicts(found: list[Bar]) -> str:
    return "\n".join(
        f"{bar.what:52}{bar.value:8.2f}   {'<=' if bar.most else '>='} {bar.bar:<6}{'met' if bar.met else 'MISSED'}"
        for bar in found
    )


def as_json(machine: str, rows: list[Row], found: list[Bar]) -> dict[str, Any]:
    """Seconds and bytes as measured, medians in MB/s."""
    return {
        "machine": machine,
        "rows": [
            {**asdict(row), "mb_per_s": row.speed, "mb_per_cpu_s": row.thrift} if row.runs else asdict(row)
            for row in rows
        ],
        "bars": [{**asdict(bar), "met": bar.met} for bar in found],
    }
