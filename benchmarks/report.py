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
    """All runs of one contender over one kind of input, in two sizes: the difference holds no start."""

    kind: str
    contender: str
    size: int  # bytes of the input
    small: int  # bytes of its smaller brother
    runs: list[Measured] = field(default_factory=list)
    small_runs: list[Measured] = field(default_factory=list)
    failed: str = ""  # why the first run that failed did

    @property
    def speed(self) -> float:
        """MB/s of wall time, the start included."""
        return self.size / MB / median(run.wall for run in self.runs)

    @property
    def cost(self) -> float:
        """Seconds of CPU time for a MB, the start not counted."""
        return self._slope([run.cpu for run in self.runs], [run.cpu for run in self.small_runs])

    @property
    def own(self) -> float:
        """Those of the main process alone."""
        return self._slope([run.own for run in self.runs], [run.own for run in self.small_runs])

    @property
    def pss(self) -> float:
        return max(run.pss for run in self.runs) / MB

    @property
    def rss(self) -> float:
        return max(run.rss for run in self.runs) / MB

    def _slope(self, large: list[float], small: list[float]) -> float:
        seconds = max(median(large) - median(small), 1e-6)  # a tick of the clock may be all there is between them
        return seconds / ((self.size - self.small) / MB)


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
    by_name = {(row.kind, row.contender): row for row in rows if row.runs and row.small_runs and not row.failed}
    for kind, of_limit in (("combined", 0.8), ("json", 0.7), ("raw", 0.0)):
        none, one, two = (by_name.get((kind, f"tailrace, workers={n}")) for n in range(3))
        limit, limits = by_name.get((kind, "limit")), by_name.get((kind, "limit, two at once"))
        for name, bar in (("rsyslog", 3.0), ("syslog-ng", 3.3)):
            peer = by_name.get((kind, name))
            if two and peer:
                yield Bar(f"{kind}: workers=2 over {name}", two.speed / peer.speed, bar)
        if none and limit and of_limit:
            yield Bar(f"{kind}: workers=0 over limit, by CPU", limit.cost / none.cost, of_limit)
        if two and one and limits and limit and of_limit:
            scaling = (two.speed / one.speed) / (limits.speed / limit.speed)
            yield Bar(f"{kind}: workers=2 over 1, by two loops over one", scaling, 0.85)
        if two and none and kind == "raw":
            yield Bar("raw: workers=2 over workers=0", two.speed / none.speed, 1.0)
        if two and (copier := by_name.get((kind, "copier"))):
            yield Bar(f"{kind}: main process over copier, by CPU", two.own / copier.own, 1.5, most=True)
        if two:
            yield Bar(f"{kind}: peak memory (PSS), workers=2, MB", two.pss, 200, most=True)


def table(rows: list[Row]) -> str:
    lines = [f"{'':10}{'':22}{'MB/s':>8}{'CPU ms/MB':>11}{'main ms/MB':>12}{'PSS':>8}{'RSS':>8}   MB/s of each run"]
    for row in rows:
        name = f"{row.kind:10}{row.contender:22}"
        if row.failed:
            lines.append(f"{name}failed: {row.failed.strip().splitlines()[-1]}")
            continue
        each = "  ".join(f"{row.size / MB / run.wall:.1f}" for run in row.runs)
        costs = f"{row.cost * 1000:11.2f}{row.own * 1000:12.2f}"
        lines.append(f"{name}{row.speed:8.1f}{costs}{row.pss:5.0f} MB{row.rss:5.0f} MB   {each}")
    return "\n".join(lines)


def verdicts(found: list[Bar]) -> str:
    return "\n".join(
        f"{bar.what:52}{bar.value:8.2f}   {'<=' if bar.most else '>='} {bar.bar:<6}{'met' if bar.met else 'MISSED'}"
        for bar in found
    )


def as_json(machine: str, rows: list[Row], found: list[Bar]) -> dict[str, Any]:
    """Seconds and bytes as measured; of the medians MB/s, and seconds of CPU time for a MB without the start."""
    return {
        "machine": machine,
        "rows": [
            asdict(row)
            if row.failed
            else {**asdict(row), "mb_per_s": row.speed, "cpu_s_per_mb": row.cost, "main_s_per_mb": row.own}
            for row in rows
        ],
        "bars": [{**asdict(bar), "met": bar.met} for bar in found],
    }
