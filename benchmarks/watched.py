"""What it costs to be watched: the same run alone, with a page, `top` and Prometheus looking on, and with a `tap`.

``python -m benchmarks.watched [--size 400MB] [--pairs 5]`` runs each after the other, in turn, and tells the medians of
their throughputs and of the processor time that tailrace took with its workers, and of the ratios within each round:
on a machine where others work, too, the time is the steadier one. Everybody looks once a second, and reads all that is
answered.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.status.client import Client

from benchmarks.bench import parse_size
from benchmarks.inputs import make

CONFIG = """
[pipeline]
workers = 2

[source]
paths = ["{log}"]

[[stages]]
use = "parse.combined"

[[stages]]
use = "enrich.set"
values = {{ env = "bench" }}

[[stages]]
use = "write.file"
path = "out/all.ndjson"

[status]
listen = "127.0.0.1:{port}"
"""
DATA = Path(__file__).parent / "data"
COMMAND = (sys.executable, "-m", "tailrace")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def watch(port: int, state_dir: str, over: threading.Event) -> None:
    """A page, a scrape and a `top`, once a second."""
    client = Client(state_dir)
    second = 0
    while not over.wait(1.0):
        paths = ["/api/status", "/metrics"] + (["/api/history"] if second % 5 == 0 else [])
        for path in paths:
            with suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read()
        with suppress(TailraceError):
            client.get("/api/status")
        second += 1


def run(home: Path, log: Path, how: str) -> tuple[float, float]:
    """Bytes of input a second, and a second of processor time."""
    port = free_port()
    (home / "config.toml").write_text(CONFIG.format(log=log, port=port))
    over = threading.Event()
    began = time.perf_counter()
    daemon = subprocess.Popen([*COMMAND, "run", "--until-eof", "-q"], cwd=home)
    looking: list[threading.Thread] = []
    tap: subprocess.Popen[bytes] | None = None
    if how == "watched":
        looking = [threading.Thread(target=watch, args=(port, str(home / "state"), over))]
        looking[0].start()
    elif how == "tapped":
        while daemon.poll() is None and not (home / "state" / "control").exists():
            over.wait(0.05)
        tap = subprocess.Popen([*COMMAND, "tap"], cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(daemon.pid, 0)  # of its workers, too
    daemon.returncode = code = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    over.set()
    for one in looking:
        one.join()
    if tap is not None:
        tap.kill()
        tap.wait()
    if code:
        raise SystemExit(f"it ended with exit code {code}")
    size = os.path.getsize(log)
    return size / seconds, size / (used.ru_utime + used.ru_stime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=parse_size, default=parse_size("400MB"))
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    log = make("combined", options.size, DATA)
    log.read_bytes()  # into the page cache
    figures: dict[str, list[tuple[float, float]]] = {"alone": [], "watched": [], "tapped": []}
    for _ in range(options.pairs):
        for how, found in figures.items():
            with tempfile.TemporaryDirectory() as directory:
                found.append(run(Path(directory), log, how))
            print(f"{how:>8}  {found[-1][0] / 1e6:7.1f} MB/s", file=sys.stderr)
    for number, what in enumerate(("MB/s", "MB/s of processor time")):
        alone = [one[number] for one in figures["alone"]]
        for how, found in figures.items():
            values = [one[number] for one in found]
            ratio = statistics.median(value / of for value, of in zip(values, alone, strict=True))
            print(f"{how:>8}  {statistics.median(values) / 1e6:7.1f} {what}  {ratio:.3f} of alone")


if __name__ == "__main__":
    main()
