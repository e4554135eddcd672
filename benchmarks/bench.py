"""``make bench``: how fast tailrace is beside what bounds it and what it competes with, in interleaved runs.

Wall time is that of whole processes, their start included. CPU time is the difference between two sizes of input, so it
holds no start. Absolute figures vary with the machine and the hour; the ratios at the end are the point.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks import contenders, inputs, report
from benchmarks.measure import Failed, Measured, signals

PARTS = 6  # the smaller input is so many times smaller
DATA = Path(__file__).parent / "data"
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse_size(text: str) -> int:
    found = re.fullmatch(r"(\d+)\s*([KMG]i?B|)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 200MB or 64MiB")
    return int(found[1]) * UNITS[found[2]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=parse_size, default="1GB", help="of each input (default: 1GB)")
    parser.add_argument("--runs", type=int, default=3, help="of each contender; the median counts (default: 3)")
    parser.add_argument("--kind", choices=list(inputs.KINDS), action="append", help="only this input; may be repeated")
    parser.add_argument("--input", type=Path, metavar="FILE", help="repeat this file up to the size; needs one --kind")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there, too")
    options = parser.parse_args()
    options.kinds = options.kind or list(inputs.KINDS)
    if options.input and len(options.kinds) != 1:
        parser.error("--input needs one --kind to say what the file holds")
    return options


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    python = f"{platform.python_implementation()} {platform.python_version()}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("orjson", "msgspec"))
    return f"{os.cpu_count()} x {model[1] if model else platform.machine()}, {python}, {packages}"


def run(row: report.Row, contender: contenders.Contender, source: Path, lines: int, into: list[Measured]) -> None:
    work = Path(tempfile.mkdtemp(prefix="run-", dir=DATA)).resolve()
    try:
        into.append(contender.run(contenders.Job(row.kind, source, lines, work)))
    except Failed as why:
        if not row.failed:
            print(f"\n{contender.name}: {why}", file=sys.stderr)
        row.failed = str(why)
    finally:
        shutil.rmtree(work)


def progress(text: str) -> None:
    """One line that is written over, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def rounds(kind: str, source: Path, small: Path, here: list[contenders.Contender], runs: int) -> list[report.Row]:
    """Every contender in turn, ``runs`` times over both inputs, each round beginning with the next one."""
    lines, few = inputs.lines_in(source), inputs.lines_in(small)  # also brings the files into the page cache
    size, less = source.stat().st_size, small.stat().st_size
    print(f"{kind}: {source.name}, {size} bytes, {lines} lines; and {less} bytes of the same kind", flush=True)
    order = [(report.Row(kind, each.name, size, less), each) for each in here if kind in each.kinds]
    rows = [row for row, _ in order]
    for number in range(1, runs + 1):
        for row, contender in order:
            progress(f"run {number} of {runs}: {contender.name}")
            run(row, contender, small, few, row.small_runs)
            run(row, contender, source, lines, row.runs)
        order = order[1:] + order[:1]
    progress("")
    return rows


def main() -> None:
    options = arguments()
    signals.heed()
    here, missing = contenders.find()
    about = machine()
    print(about)
    for name in missing:
        print(f"{name}: not installed, skipped")
    DATA.mkdir(exist_ok=True)
    rows: list[report.Row] = []
    for kind in options.kinds:
        original, size = options.input, options.size
        source, small = (
            (inputs.repeat(original, each, DATA) if original else inputs.make(kind, each, DATA)).resolve()
            for each in (size, size // PARTS)
        )
        rows += rounds(kind, source, small, here, options.runs)
    found = list(report.bars(rows))
    print(f"\nmedians of {options.runs} runs; a MB is 10^6 bytes; CPU times without the start\n")
    print(report.table(rows))
    if found:
        print(f"\n{report.verdicts(found)}")
    if options.json:
        options.json.write_text(json.dumps(report.as_json(about, rows, found), indent=2) + "\n")
    if any(row.failed for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
