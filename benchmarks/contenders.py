"""Who takes part: tailrace with 0, 1 and 2 workers, what bounds it (the Python limit once and twice at once, a bare
copier), and what competes with it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks import peers
from benchmarks.copier import CHUNK
from benchmarks.inputs import lines_in
from benchmarks.limit import KINDS, pieces
from benchmarks.measure import ENOUGH, Failed, Measured, measure

TAILRACE = Path(sys.executable).with_name("tailrace")
TENZIR = shutil.which("tenzir") or Path(sys.executable).with_name("tenzir")

PARSE = {"combined": "parse.combined", "json": "parse.json", "raw": "parse.raw"}
CONFIG = """\
[pipeline]
name = "bench"
workers = {workers}

[source]
use = "tail"
paths = ["{source}"]

[[stages]]
use = "{parse}"

{enrich}[[stages]]
use = "write.file"
path = "out/{{source}}.ndjson"
"""
ENRICH = """\
[[stages]]
use = "enrich.set"
values = {{ env = "bench" }}

"""


@dataclass(slots=True, frozen=True)
class Job:
    kind: str
    source: Path
    lines: int
    work: Path  # an empty directory for this run


@dataclass(slots=True, frozen=True)
class Contender:
    name: str
    run: Callable[[Job], Measured]
    kinds: frozenset[str] = frozenset(PARSE)


def complete(job: Job, *outputs: Path) -> None:
    """Every line of the source must have come out, as one line."""
    lines = sum(lines_in(output) for output in outputs if output.exists())
    if not job.lines * ENOUGH <= lines <= job.lines:  # real logs have bad lines
        raise Failed(f"{lines} lines came out of {job.lines}")


def tailrace(workers: int) -> Callable[[Job], Measured]:
    def run(job: Job) -> Measured:
        enrich = "" if job.kind == "raw" else ENRICH.format()
        config = job.work / "config.toml"
        config.write_text(CONFIG.format(workers=workers, source=job.source, parse=PARSE[job.kind], enrich=enrich))
        measured = measure([[str(TAILRACE), "run", "--until-eof", str(config)]], job.work / "log")
        complete(job, job.work / "out" / f"{job.source.name}.ndjson")
        return measured

    return run


def limit(loops: int) -> Callable[[Job], Measured]:
    def run(job: Job) -> Measured:
        outputs = [job.work / f"out-{n}" for n in range(1, loops + 1)]
        command = [sys.executable, "-m", "benchmarks.limit", job.kind, str(job.source)]
        commands = [
            [*command, str(output), *(["--half", str(n)] if loops == 2 else [])] for n, output in enumerate(outputs, 1)
        ]
        measured = measure(commands, job.work / "log")
        complete(job, *outputs)
        return measured

    return run


def copier(job: Job) -> Measured:
    """Writes as much as the others make of the input, to go by its first chunk."""
    with job.source.open("rb") as file:
        first = list(pieces(file, CHUNK))
    factor = sum(len(KINDS[job.kind](piece)) for piece in first) / sum(map(len, first))
    output = str(job.work / "out")
    return measure(
        [[sys.executable, "-m", "benchmarks.copier", str(job.source), output, str(factor)]], job.work / "log"
    )


def one_liner(name: str) -> Callable[[Job], Measured]:
    def run(job: Job) -> Measured:
        output = job.work / "out"
        command = [sys.executable, "-m", "benchmarks.one_liners", name, str(job.source), str(output)]
        if name == "tenzir":
            steps = [f'from_file "{job.source}" {{ read_ndjson }}', 'env = "bench"']
            command = [str(TENZIR), " | ".join([*steps, f'to_file "{output}" {{ write_ndjson }}'])]
        measured = measure([command], job.work / "log")
        complete(job, output)
        return measured

    return run


def peer(one: peers.Peer) -> Callable[[Job], Measured]:
    def run(job: Job) -> Measured:
        output = job.work / "out"
        measured = one.run(job.kind, job.source, output, job.lines, job.work)
        complete(job, output)
        return measured

    return run


def find() -> tuple[list[Contender], list[str]]:
    """Those that are here, and the names of those that are not."""
    here = [Contender("limit", limit(1)), Contender("limit, two at once", limit(2)), Contender("copier", copier)]
    found, missing = peers.find()
    here += [Contender(one.label, peer(one), frozenset({"combined", "json"})) for one in found]
    for name in ("duckdb", "polars", "tenzir"):
        if Path(TENZIR).exists() if name == "tenzir" else find_spec(name):
            here.append(Contender(name, one_liner(name), frozenset({"json"})))
        else:
            missing.append(name)
    if TAILRACE.exists():
        here += [Contender(f"tailrace, workers={workers}", tailrace(workers)) for workers in (0, 1, 2)]
    else:
        missing.append("tailrace")
    return here, missing
