"""What the benchmark makes of its measurements."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import contenders, inputs, measure, report

MB = 10**6


def row(contender: str, cpu: float, own: float = 0.0, start: float = 0.5, kind: str = "json") -> report.Row:
    """Of 100 and 600 MB, at so many seconds of CPU time for 100 MB."""
    runs = [measure.Measured(start + n * cpu, start + n * cpu, start + n * own, MB, MB) for n in (1, 6)]
    return report.Row(kind, contender, 600 * MB, 100 * MB, [runs[1]] * 3, [runs[0]] * 3)


def test_cpu_time_for_a_megabyte_holds_no_start() -> None:
    assert row("x", 0.3, 0.1).cost == pytest.approx(0.003)
    assert row("x", 0.3, 0.1, start=9.0).own == pytest.approx(0.001)


def test_ratios_go_by_cpu_time_and_the_main_process_by_its_own() -> None:
    rows = [
        row("limit", 0.3),
        row("copier", 0.1, 0.1),
        row("tailrace, workers=0", 0.4),
        row("tailrace, workers=2", 0.5, 0.14),
    ]
    bars = {bar.what: bar for bar in report.bars(rows)}
    assert bars["json: workers=0 over limit, by CPU"].value == pytest.approx(0.75)
    assert bars["json: main process over copier, by CPU"].value == pytest.approx(1.4)
    assert all(bar.met for bar in bars.values())


def test_the_time_of_a_process_alone_is_told_apart_from_its_children(tmp_path: Path) -> None:
    loop = "sum(range(10**7))"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{loop}'], check=True)"
    measured = measure.measure([[sys.executable, "-c", child]], tmp_path / "log")
    assert measured.cpu - measured.own > 0.05
    alone = measure.measure([[sys.executable, "-c", loop]], tmp_path / "log")
    assert alone.own == pytest.approx(alone.cpu, abs=0.03)


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.7])
def test_the_copier_writes_as_much_as_it_is_told(tmp_path: Path, factor: float) -> None:
    source, output = inputs.make("raw", 3 * MB, tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks.copier", str(source), str(output), str(factor)]
    subprocess.run(command, check=True, cwd=Path(__file__).parent.parent.parent)
    assert output.stat().st_size == pytest.approx(source.stat().st_size * factor, abs=2)


def test_the_copier_is_measured_beside_the_others(tmp_path: Path) -> None:
    source = inputs.make("json", MB, tmp_path)
    measured = contenders.copier(contenders.Job("json", source, inputs.lines_in(source), tmp_path))
    assert measured.cpu > 0
    assert (tmp_path / "out").stat().st_size > MB
