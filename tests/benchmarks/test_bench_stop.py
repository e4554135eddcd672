"""A benchmark that is stopped leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..waiting import until

ROOT = Path(__file__).parent.parent.parent
BENCH = """
import sys
from pathlib import Path
from benchmarks.measure import measure, signals
signals.heed()
measure([["sh", "-c", 'sleep 1000 & echo $$ $! >"$0.new"; mv "$0.new" "$0"; wait', sys.argv[1]]], Path(sys.argv[2]))
"""


def is_gone(pid: int) -> bool:
    """It is no more, or only waits to be reaped by whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_contender_and_its_children_end_with_the_benchmark(tmp_path: Path, number: signal.Signals) -> None:
    pids = tmp_path / "pids"
    command = [sys.executable, "-c", BENCH, str(pids), str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as bench:
        until(pids.exists, "the contender runs")
        contender, child = map(int, pids.read_text().split())
        assert not is_gone(contender)
        assert not is_gone(child)
        os.kill(bench.pid, number)
        assert bench.wait(60) != 0
    until(lambda: is_gone(contender) and is_gone(child), "they are gone")
